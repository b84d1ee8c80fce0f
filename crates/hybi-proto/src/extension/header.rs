//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1): names, parameters, quoted values.
//!
//! What an extension or a parameter means is not known here. The text is read once from left to
//! right, and the number of things it may name is bounded.
//!
//! ```text
//! extension-list  = 1#extension
//! extension       = token *( ";" extension-param )
//! extension-param = token [ "=" ( token | quoted-string ) ]
//! ```

use crate::code::ErrorCode;
use crate::error::Error;
use std::borrow::Cow;

/// Real headers name a handful; what names more wants to cost us memory.
const MAX_EXTENSIONS: usize = 64;
const MAX_PARAMETERS: usize = 256;

/// One extension of the list with its parameters in the order of the header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a str,
    pub(super) parameters: Vec<Parameter<'a>>,
}

/// `name` or `name=value`; a quoted value has been unquoted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) value: Option<Cow<'a, str>>,
}

/// Reads the value of the header; of several header lines, joined by commas.
pub(super) fn parse(header: &str) -> Result<Vec<Extension<'_>>, Error> {
    let mut input = Input { text: header, at: 0 };
    let mut extensions = Vec::new();
    let mut parameters_left = MAX_PARAMETERS;
    loop {
        input.skip_space();
        // RFC 9110 §5.6.1.2: empty elements of a list are skipped.
        if input.eat(b',') {
            continue;
        }
        if input.peek().is_none() {
            break;
        }
        if extensions.len() == MAX_EXTENSIONS {
            return Err(malformed(format!("more than {MAX_EXTENSIONS} extensions")));
        }
        extensions.push(extension(&mut input, &mut parameters_left)?);
        if input.peek().is_some() && !input.eat(b',') {
            return Err(input.expected("a comma or a semicolon"));
        }
    }
    if extensions.is_empty() {
        return Err(malformed("it names no extension".into()));
    }
    Ok(extensions)
}

fn extension<'a>(
    input: &mut Input<'a>,
    parameters_left: &mut usize,
) -> Result<Extension<'a>, Error> {
    let name = input.token("the name of an extension")?;
    let mut parameters = Vec::new();
    input.skip_space();
    while input.eat(b';') {
        if *parameters_left == 0 {
            return Err(malformed(format!("more than {MAX_PARAMETERS} parameters")));
        }
        *parameters_left -= 1;
        input.skip_space();
        parameters.push(parameter(input)?);
        input.skip_space();
    }
    Ok(Extension { name, parameters })
}

fn parameter<'a>(input: &mut Input<'a>) -> Result<Parameter<'a>, Error> {
    let name = input.token("the name of a parameter")?;
    // RFC 2616 §2.1 allows white space around every delimiter of RFC 6455's grammar.
    input.skip_space();
    if !input.eat(b'=') {
        return Ok(Parameter { name, value: None });
    }
    input.skip_space();
    let value = if input.eat(b'"') {
        input.quoted()?
    } else {
        Cow::Borrowed(input.token("the value of a parameter")?)
    };
    Ok(Parameter { name, value: Some(value) })
}

struct Input<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Input<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn token(&mut self, what: &str) -> Result<&'a str, Error> {
        let start = self.at;
        while self.peek().is_some_and(is_token_octet) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected(what));
        }
        Ok(&self.text[start..self.at])
    }

    /// The rest of a quoted string, after its opening quote.
    ///
    /// RFC 6455 §9.1: after unescaping, the value must be a token.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Error> {
        let start = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            let plain_from = self.at;
            while self.peek().is_some_and(is_token_octet) {
                self.at += 1;
            }
            let plain = &self.text[plain_from..self.at];
            if let Some(value) = &mut unescaped {
                value.push_str(plain);
            }
            match self.peek() {
                Some(b'"') => {
                    let end = self.at;
                    self.at += 1;
                    let value = match unescaped {
                        Some(value) => Cow::Owned(value),
                        None => Cow::Borrowed(&self.text[start..end]),
                    };
                    if value.is_empty() {
                        return Err(malformed("a quoted value is empty".into()));
                    }
                    return Ok(value);
                }
                Some(b'\\') => {
                    let value = unescaped.get_or_insert_with(|| plain.to_owned());
                    self.at += 1;
                    match self.peek() {
                        Some(octet) if is_token_octet(octet) => value.push(char::from(octet)),
                        _ => return Err(self.expected("a token character after a backslash")),
                    }
                    self.at += 1;
                }
                Some(_) => return Err(self.expected("a token character in a quoted value")),
                None => return Err(self.expected("the closing quote of a value")),
            }
        }
    }

    fn expected(&self, what: &str) -> Error {
        malformed(format!("expected {what} at byte {}", self.at))
    }
}

fn malformed(why: String) -> Error {
    let text = format!("Sec-WebSocket-Extensions is malformed: {why} (RFC 6455 §9.1)");
    Error::handshake(ErrorCode::InvalidExtensions, text)
}

/// RFC 9110 §5.6.2, `tchar`.
fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The list in one line: `name(a)(b=c) name`.
    fn read(header: &str) -> String {
        let show = |e: &Extension<'_>| {
            let parameters: String = e
                .parameters
                .iter()
                .map(|p| match &p.value {
                    Some(value) => format!("({}={value})", p.name),
                    None => format!("({})", p.name),
                })
                .collect();
            format!("{}{parameters}", e.name)
        };
        parse(header).unwrap().iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_examples_of_rfc_6455_are_read() {
        assert_eq!(read("foo"), "foo");
        assert_eq!(read("bar; baz=2"), "bar(baz=2)");
        assert_eq!(read("foo, bar; baz=2"), "foo bar(baz=2)");
        assert_eq!(read("deflate-stream"), "deflate-stream");
        assert_eq!(
            read("mux; max-channels=4; flow-control, deflate-stream"),
            "mux(max-channels=4)(flow-control) deflate-stream"
        );
        assert_eq!(read("private-extension"), "private-extension");
    }

    #[test]
    fn a_quoted_value_is_the_value_without_its_quotes() {
        assert_eq!(read(r#"a; b="10""#), "a(b=10)");
        assert_eq!(read(r#"a; b="1\0""#), "a(b=10)");
        assert_eq!(read(r#"a;b="\1\0" ,c"#), "a(b=10) c");
    }

    #[test]
    fn white_space_and_empty_elements_do_not_matter() {
        assert_eq!(read(" \ta ;\tb = 1 ;c , , d,"), "a(b=1)(c) d");
    }

    #[test]
    fn what_breaks_the_grammar_is_refused_with_the_place() {
        for header in [
            "",
            " ",
            ",",
            ", ,",
            ";",
            "=",
            "a b",
            "a;",
            "a;;b",
            "a; b=",
            "a; b=,c",
            "a=b",
            "a; =1",
            "a; b=1 2",
            r#"a; b=""#,
            r#"a; b="""#,
            r#"a; b="1"#,
            r#"a; b="1\"#,
            r#"a; b="\""#,
            r#"a; b="1 2""#,
            r#"a; b="1,2""#,
            r#"a; b="1"2"#,
            "é",
            "a; b=é",
            "a; b=\"é\"",
            "a; b=\"\\é\"",
            "a\u{0}",
            "a; b=1\r\n",
            "a/b",
            "(a)",
        ] {
            let error = parse(header).expect_err(header);
            assert_eq!(error.code(), ErrorCode::InvalidExtensions, "{header}");
        }
        assert_eq!(
            parse("a; b=").unwrap_err().to_string(),
            "Sec-WebSocket-Extensions is malformed: expected the value of a parameter at byte 5 \
             (RFC 6455 §9.1)"
        );
    }

    #[test]
    fn a_header_cannot_name_more_than_the_bounds() {
        assert_eq!(parse(&"a,".repeat(MAX_EXTENSIONS)).unwrap().len(), MAX_EXTENSIONS);
        assert!(parse(&"a,".repeat(MAX_EXTENSIONS + 1)).is_err());
        let with = |n: usize| format!("a{},b{}", ";p".repeat(n / 2), ";p".repeat(n - n / 2));
        assert!(parse(&with(MAX_PARAMETERS)).is_ok());
        assert!(parse(&with(MAX_PARAMETERS + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(header in r#"[ab\\" ,;=\té1-]{0,60}"#) {
            let _ = parse(&header);
        }
    }
}
