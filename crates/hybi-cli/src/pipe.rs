//! `hybi connect` with a pipe: a line in is a message out, a message in is a line out.

use crate::connect::{self, Screen};
use crate::failure::Failure;
use crate::render;
use hybi::Message;
use std::io::{self, BufRead, BufWriter, IsTerminal, Stdout, Write};
use tokio::sync::mpsc;

/// Reads standard input in a thread of its own; the end of the channel is the end of the input.
pub(crate) fn read_lines(
    input: mpsc::Sender<Result<Message, Failure>>,
    binary: bool,
) -> Result<(), Failure> {
    // Not tokio's standard input: its thread would keep the program from ending.
    let thread = std::thread::Builder::new().name("standard input".to_owned());
    thread
        .spawn(move || {
            let mut lines = Lines { from: io::stdin().lock(), binary, number: 0 };
            while let Some(line) = lines.next().transpose() {
                let failed = line.is_err();
                if input.blocking_send(line).is_err() || failed {
                    return;
                }
            }
        })
        .map(drop)
        .map_err(|error| Failure::broken(format!("standard input cannot be read: {error}")))
}

/// The messages in a stream of octets.
struct Lines<R> {
    from: R,
    binary: bool,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line as a message, without its line end; `None` after the last.
    fn next(&mut self) -> Result<Option<Message>, Failure> {
        let mut line = Vec::new();
        let read = self.from.read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => self.number += 1,
            Err(error) => {
                return Err(Failure::broken(format!("reading standard input failed: {error}")));
            }
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            // In octets a carriage return may mean anything.
            if !self.binary && line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        if self.binary {
            return Ok(Some(Message::binary(line)));
        }
        match String::from_utf8(line) {
            Ok(text) => Ok(Some(connect::message(text, false))),
            Err(_) => Err(Failure::usage(format!(
                "line {} of the input is not UTF-8 (--binary sends any octets)",
                self.number
            ))),
        }
    }
}

/// Standard output.
pub(crate) struct Output {
    to: BufWriter<Stdout>,
    /// Somebody may read along: their terminal must not be commanded by the server.
    terminal: bool,
}

impl Output {
    pub(crate) fn new() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Output { to: BufWriter::with_capacity(32 * 1024, stdout), terminal }
    }
}

impl Screen for Output {
    fn message(&mut self, message: &Message) -> io::Result<()> {
        match message {
            Message::Text(text) if self.terminal => {
                self.to.write_all(render::visible(text).as_bytes())?;
            }
            Message::Binary(octets) if self.terminal => {
                write!(self.to, "[binary, {}]", render::octets(octets))?;
            }
            message => self.to.write_all(message.as_bytes())?,
        }
        self.to.write_all(b"\n")
    }

    fn notice(&self, text: &str) {
        render::note(text);
    }

    fn is_dirty(&self) -> bool {
        !self.to.buffer().is_empty()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn close(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(input: &[u8], binary: bool) -> Vec<Message> {
        let mut lines = Lines { from: input, binary, number: 0 };
        std::iter::from_fn(|| lines.next().expect("readable")).collect()
    }

    #[test]
    fn a_line_is_a_message_without_its_end() {
        let text = messages("one\r\n\ntwo\rthree\nπ".as_bytes(), false);
        assert_eq!(text, ["one", "", "two\rthree", "π"].map(Message::from));
        assert!(messages(b"", false).is_empty());
    }

    #[test]
    fn a_binary_line_keeps_everything_but_the_line_feed() {
        let octets = messages(b"\xff\r\n\n\x00", true);
        assert_eq!(octets, [&b"\xff\r"[..], b"", b"\x00"].map(Message::from));
    }

    #[test]
    fn a_line_that_is_not_text_is_named() {
        let mut lines = Lines { from: &b"fine\n\xff\n"[..], binary: false, number: 0 };
        assert!(lines.next().is_ok());
        let failure = lines.next().expect_err("not UTF-8");
        assert_eq!(failure.status, 2);
        assert!(failure.text.starts_with("line 2 of the input is not UTF-8"), "{}", failure.text);
    }
}
