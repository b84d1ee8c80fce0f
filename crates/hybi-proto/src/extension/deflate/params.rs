//! [`DeflateOptions`], what this side wants, and [`DeflateParams`], what both agreed on (RFC 7692 §7.1).

use crate::code::ErrorCode;
use crate::error::Error;
use crate::extension::header::{self, Parameter};
use crate::role::Role;
use std::fmt::Write as _;

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The size of an LZ77 window as its base-2 logarithm: 9 (512 bytes) to 15 (32 KiB).
///
/// RFC 7692 also knows 8. A peer may limit *itself* to 8, and a server may limit our client to 8;
/// [`get`](WindowBits::get) then returns 8. This side never asks for 8 and a server never promises it,
/// because zlib has no raw deflate with 256 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 9: a window of 512 bytes.
    pub const MIN: Self = WindowBits(9);
    /// 15: a window of 32 KiB, what RFC 7692 means where no size is said.
    pub const MAX: Self = WindowBits(15);
    /// 8: only ever what a peer said.
    const EIGHT: Self = WindowBits(8);

    /// A window of 2^`bits` bytes; `None` unless `bits` is 9 to 15.
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            9..=15 => Some(WindowBits(bits)),
            _ => None,
        }
    }

    /// The base-2 logarithm of the size.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The size in bytes.
    pub const fn size(self) -> usize {
        1 << self.0
    }

    /// RFC 7692 §7.1.2: "a decimal integer value without leading zeroes between 8 to 15 inclusive".
    fn parse(text: &str) -> Option<Self> {
        match text {
            "8" => Some(Self::EIGHT),
            "9" => Some(Self::MIN),
            _ => match *text.as_bytes() {
                [b'1', digit @ b'0'..=b'5'] => Some(WindowBits(10 + (digit - b'0'))),
                _ => None,
            },
        }
    }
}

impl Default for WindowBits {
    fn default() -> Self {
        WindowBits::MAX
    }
}

/// What this side wants of permessage-deflate, and how it compresses.
///
/// ```
/// # use hybi_proto::{DeflateOptions, WindowBits};
/// let options = DeflateOptions::new().level(1).client_max_window_bits(WindowBits::MIN);
/// assert_eq!(options.offer(), "permessage-deflate; client_max_window_bits=9");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateOptions {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: WindowBits,
    pub(super) client_max_window_bits: WindowBits,
    pub(super) threshold: usize,
    pub(super) level: u8,
    pub(super) memory_level: u8,
    pub(super) history: usize,
    pub(super) full_state: bool,
    pub(super) slice: usize,
}

impl DeflateOptions {
    /// The defaults: both sides keep their context, windows of 32 KiB, the rest as said at each knob.
    pub const fn new() -> Self {
        DeflateOptions {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: WindowBits::MAX,
            threshold: 1024,
            level: 6,
            memory_level: 8,
            history: 4096,
            full_state: false,
            slice: 32 * 1024,
        }
    }

    /// Whether the server compresses each message on its own (default false).
    ///
    /// A client asks for it, a server says so. `ws`: `serverNoContextTakeover`.
    pub const fn server_no_context_takeover(mut self, yes: bool) -> Self {
        self.server_no_context_takeover = yes;
        self
    }

    /// Whether the client compresses each message on its own (default false).
    ///
    /// A server demands it, a client says so. `ws`: `clientNoContextTakeover`.
    pub const fn client_no_context_takeover(mut self, yes: bool) -> Self {
        self.client_no_context_takeover = yes;
        self
    }

    /// The largest window that the server compresses with (default 15: 32 KiB).
    ///
    /// A client that asks for less keeps less memory per connection. `ws`: `serverMaxWindowBits`.
    pub const fn server_max_window_bits(mut self, bits: WindowBits) -> Self {
        self.server_max_window_bits = bits;
        self
    }

    /// The largest window that the client compresses with (default 15: 32 KiB).
    ///
    /// A server that asks for less keeps less memory per connection. A client that cannot be asked
    /// (Firefox offers no such parameter) is told `client_no_context_takeover` instead, so the
    /// memory stays bounded. `ws`, which refuses such a client: `clientMaxWindowBits`.
    pub const fn client_max_window_bits(mut self, bits: WindowBits) -> Self {
        self.client_max_window_bits = bits;
        self
    }

    /// The size in bytes below which a message is not compressed (default 1024).
    ///
    /// It holds only if this side's context takeover is disabled: with a context, small messages
    /// are those that gain most. `ws`: `threshold`.
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// How hard to compress, 0 (not at all) to 9 (default 6); more means 9.
    ///
    /// `ws`: `zlibDeflateOptions.level`.
    pub const fn level(mut self, level: u8) -> Self {
        self.level = if level > 9 { 9 } else { level };
        self
    }

    /// The size of zlib's block buffers, 1 to 9 (default 8); less means 1, more means 9.
    ///
    /// It is of no account for messages of up to 4 KiB, which need no such buffers, and it is memory
    /// of the thread, not of the connection, unless [`full_state`](Self::full_state)
    /// is set. `ws`: `zlibDeflateOptions.memLevel`.
    pub const fn memory_level(mut self, level: u8) -> Self {
        self.memory_level = match level {
            0 => 1,
            1..=9 => level,
            _ => 9,
        };
        self
    }

    /// How many bytes of what was sent are kept per connection as context (default 4096).
    ///
    /// More compresses better and costs memory and time; beyond the window it is of no use. With 0,
    /// each message is compressed on its own, whatever was agreed on. `ws` has no such option.
    pub const fn history(mut self, bytes: usize) -> Self {
        self.history = bytes;
        self
    }

    /// Whether each connection owns a whole zlib state for sending (default false).
    ///
    /// It costs up to 380 KB per connection and more time, for the whole window as context:
    /// [`history`](Self::history) is then not used. `ws` always works like this.
    pub const fn full_state(mut self, yes: bool) -> Self {
        self.full_state = yes;
        self
    }

    /// How many bytes are compressed at a stretch (default 32768, about 0.35 ms at level 6; at least
    /// 1024). Eight times as many are decompressed, which takes about as long.
    ///
    /// A message that is larger waits and is compressed in slices of this size, between which the
    /// driver lets other tasks run; see [`Sender::compress_slice`](crate::connection::Sender::compress_slice)
    /// and [`Receiver::receive_slice`](crate::connection::Receiver::receive_slice). `ws`, which uses threads:
    /// `concurrencyLimit`.
    pub const fn slice(mut self, bytes: usize) -> Self {
        self.slice = if bytes < 1024 { 1024 } else { bytes };
        self
    }

    /// How many bytes are decompressed at a stretch.
    pub(crate) const fn inflate_slice(&self) -> usize {
        self.slice.saturating_mul(8)
    }

    /// Client: the value of `Sec-WebSocket-Extensions` for the request.
    pub fn offer(&self) -> String {
        // What is offered by default, in one allocation.
        let mut offer = String::with_capacity(64);
        offer.push_str(NAME);
        if self.server_no_context_takeover {
            push_flag(&mut offer, SERVER_NO_CONTEXT_TAKEOVER);
        }
        if self.client_no_context_takeover {
            push_flag(&mut offer, CLIENT_NO_CONTEXT_TAKEOVER);
        }
        if self.server_max_window_bits < WindowBits::MAX {
            push_bits(&mut offer, SERVER_MAX_WINDOW_BITS, self.server_max_window_bits);
        }
        // RFC 7692 §7.1.2.2: without this parameter the server may not limit our window.
        if self.client_max_window_bits < WindowBits::MAX {
            push_bits(&mut offer, CLIENT_MAX_WINDOW_BITS, self.client_max_window_bits);
        } else {
            push_flag(&mut offer, CLIENT_MAX_WINDOW_BITS);
        }
        offer
    }

    /// Server: picks the first offer of a request that is acceptable, and the value to answer with.
    ///
    /// `header` is the value of `Sec-WebSocket-Extensions`; of several lines, joined by commas.
    /// `None` means to answer without the header: the connection is then not compressed.
    ///
    /// # Errors
    /// [`Error::Handshake`] with `WS_ERR_INVALID_EXTENSIONS` if the header is not a list of
    /// extensions (RFC 6455 §9.1): answer 400. An offer with wrong parameters is no error; RFC 7692
    /// §7.1 has it declined.
    pub fn accept(&self, header: &str) -> Result<Option<(DeflateParams, String)>, Error> {
        let offers = header::parse(header)?;
        let mut acceptable = offers
            .iter()
            .filter(|offer| offer.name == NAME)
            .filter_map(|offer| Said::read(&offer.parameters, Role::Client).ok())
            .filter_map(|offer| self.answer(&offer));
        Ok(acceptable.next())
    }

    fn answer(&self, offer: &Said) -> Option<(DeflateParams, String)> {
        let mut client_no_context_takeover =
            self.client_no_context_takeover || offer.client_no_context_takeover;
        let client_max_window_bits = match offer.client_max_window_bits {
            // A client that says its own limit keeps it, whatever we answer (RFC 7692 §7.1.2.2).
            Some(limit) => limit.unwrap_or_default().min(self.client_max_window_bits),
            None => {
                // It cannot be limited: what we must not hold, the client must not refer to.
                client_no_context_takeover |= self.client_max_window_bits < WindowBits::MAX;
                WindowBits::MAX
            }
        };
        let asked = offer.server_max_window_bits;
        // zlib has no raw deflate with 8 bits: this is an offer for somebody else.
        if asked == Some(WindowBits::EIGHT) {
            return None;
        }
        let params = DeflateParams {
            server_no_context_takeover: self.server_no_context_takeover
                || offer.server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits: asked.unwrap_or_default().min(self.server_max_window_bits),
            client_max_window_bits,
        };
        // RFC 7692 §7.1.2.1: an offer with the parameter is accepted by answering with it.
        let say_server_bits = asked.is_some() || params.server_max_window_bits < WindowBits::MAX;
        Some((params, params.response(say_server_bits)))
    }

    /// Client: checks the server's answer to [`offer`](Self::offer).
    ///
    /// `response` is the value of `Sec-WebSocket-Extensions`; of several lines, joined by commas.
    /// Without the header there is nothing to confirm: the connection is not compressed.
    ///
    /// # Errors
    /// [`Error::Handshake`] with `WS_ERR_INVALID_EXTENSIONS` if the server accepted what was not
    /// offered, or ignored what was asked for: the connection must fail (RFC 6455 §4.1, RFC 7692 §7.1).
    pub fn confirm(&self, response: &str) -> Result<DeflateParams, Error> {
        let accepted = header::parse(response)?;
        let [accepted] = accepted.as_slice() else {
            return Err(refused("the server accepted several extensions; one was offered".into()));
        };
        if accepted.name != NAME {
            let name = accepted.name;
            return Err(refused(format!("the server accepted `{name}`, which was not offered")));
        }
        let said = Said::read(&accepted.parameters, Role::Server).map_err(refused)?;
        // RFC 7692 §7.1.1.1 and §7.1.2.1: the server accepts these by saying them, or declines.
        if self.server_no_context_takeover && !said.server_no_context_takeover {
            return Err(refused(format!("the server ignored `{SERVER_NO_CONTEXT_TAKEOVER}`")));
        }
        let server_max_window_bits = said.server_max_window_bits.unwrap_or_default();
        if server_max_window_bits > self.server_max_window_bits {
            return Err(refused(format!(
                "the server's window of {} bits is larger than the {} that were asked for",
                server_max_window_bits.get(),
                self.server_max_window_bits.get()
            )));
        }
        // RFC 7692 §7.1.2.2: the offer always has the parameter, and a larger answer than the
        // offered limit is legal; both limits hold.
        let limit = said.client_max_window_bits.flatten().unwrap_or_default();
        Ok(DeflateParams {
            server_no_context_takeover: said.server_no_context_takeover,
            client_no_context_takeover: said.client_no_context_takeover
                || self.client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits: limit.min(self.client_max_window_bits),
        })
    }
}

impl Default for DeflateOptions {
    fn default() -> Self {
        DeflateOptions::new()
    }
}

/// What both sides agreed on (RFC 7692 §7.1), each for the messages that the named side sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateParams {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: WindowBits,
    client_max_window_bits: WindowBits,
}

impl DeflateParams {
    /// The same agreement but for what `sender` sends: for a driver that negotiates by itself, as
    /// the npm package does.
    pub const fn with(
        mut self,
        sender: Role,
        no_context_takeover: bool,
        max_window_bits: WindowBits,
    ) -> Self {
        match sender {
            Role::Client => {
                self.client_no_context_takeover = no_context_takeover;
                self.client_max_window_bits = max_window_bits;
            }
            Role::Server => {
                self.server_no_context_takeover = no_context_takeover;
                self.server_max_window_bits = max_window_bits;
            }
        }
        self
    }

    /// Whether this side compresses each message on its own.
    pub const fn no_context_takeover(&self, sender: Role) -> bool {
        match sender {
            Role::Client => self.client_no_context_takeover,
            Role::Server => self.server_no_context_takeover,
        }
    }

    /// The window that this side compresses with; 8 bits are possible.
    pub const fn max_window_bits(&self, sender: Role) -> WindowBits {
        match sender {
            Role::Client => self.client_max_window_bits,
            Role::Server => self.server_max_window_bits,
        }
    }

    fn response(&self, say_server_bits: bool) -> String {
        let mut response = String::from(NAME);
        if self.server_no_context_takeover {
            push_flag(&mut response, SERVER_NO_CONTEXT_TAKEOVER);
        }
        if self.client_no_context_takeover {
            push_flag(&mut response, CLIENT_NO_CONTEXT_TAKEOVER);
        }
        if say_server_bits {
            push_bits(&mut response, SERVER_MAX_WINDOW_BITS, self.server_max_window_bits);
        }
        // RFC 7692 §7.1.2.2: only if the offer has it; without it the agreed value is 15.
        if self.client_max_window_bits < WindowBits::MAX {
            push_bits(&mut response, CLIENT_MAX_WINDOW_BITS, self.client_max_window_bits);
        }
        response
    }
}

impl Default for DeflateParams {
    /// What a bare `permessage-deflate` means: contexts are kept, windows of 32 KiB.
    fn default() -> Self {
        DeflateParams {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: WindowBits::MAX,
        }
    }
}

/// The parameters of one offer or response, checked each for itself.
#[derive(Default)]
struct Said {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<WindowBits>,
    /// `Some(None)` is the parameter without a value, which only a client may say.
    client_max_window_bits: Option<Option<WindowBits>>,
}

impl Said {
    /// RFC 7692 §7.1: unknown, repeated and ill-valued parameters make the whole unacceptable.
    fn read(parameters: &[Parameter<'_>], by: Role) -> Result<Said, String> {
        let mut said = Said::default();
        for Parameter { name, value } in parameters {
            let value = value.as_deref();
            let repeated = match *name {
                SERVER_NO_CONTEXT_TAKEOVER => {
                    no_value(name, value)?;
                    std::mem::replace(&mut said.server_no_context_takeover, true)
                }
                CLIENT_NO_CONTEXT_TAKEOVER => {
                    no_value(name, value)?;
                    std::mem::replace(&mut said.client_no_context_takeover, true)
                }
                SERVER_MAX_WINDOW_BITS => {
                    said.server_max_window_bits.replace(bits(name, value)?).is_some()
                }
                CLIENT_MAX_WINDOW_BITS => {
                    let limit = match (value, by) {
                        (None, Role::Client) => None,
                        _ => Some(bits(name, value)?),
                    };
                    said.client_max_window_bits.replace(limit).is_some()
                }
                _ => return Err(format!("the parameter `{name}` is unknown")),
            };
            if repeated {
                return Err(format!("the parameter `{name}` is there twice"));
            }
        }
        Ok(said)
    }
}

fn no_value(name: &str, value: Option<&str>) -> Result<(), String> {
    match value {
        None => Ok(()),
        Some(value) => Err(format!("the parameter `{name}` has a value (`{value}`)")),
    }
}

fn bits(name: &str, value: Option<&str>) -> Result<WindowBits, String> {
    let value = value.ok_or_else(|| format!("the parameter `{name}` has no value"))?;
    WindowBits::parse(value)
        .ok_or_else(|| format!("the parameter `{name}` is `{value}`; 8 to 15 are allowed"))
}

fn push_flag(header: &mut String, name: &str) {
    header.push_str("; ");
    header.push_str(name);
}

fn push_bits(header: &mut String, name: &str, bits: WindowBits) {
    // Writing to a `String` cannot fail.
    let _ = write!(header, "; {name}={}", bits.get());
}

fn refused(why: String) -> Error {
    let text = format!("Sec-WebSocket-Extensions of the server: {why} (RFC 7692 §7.1)");
    Error::handshake(ErrorCode::InvalidExtensions, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: DeflateOptions = DeflateOptions::new();

    fn bits(bits: u8) -> WindowBits {
        WindowBits::new(bits).unwrap()
    }

    fn response(options: DeflateOptions, header: &str) -> Option<String> {
        options.accept(header).unwrap().map(|(_, response)| response)
    }

    fn refusal(options: DeflateOptions, response: &str) -> String {
        let error = options.confirm(response).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidExtensions);
        assert!(matches!(error, Error::Handshake(_)));
        error.to_string()
    }

    #[test]
    fn window_bits_are_9_to_15() {
        let valid: Vec<u8> = (0..=255).filter(|&b| WindowBits::new(b).is_some()).collect();
        assert_eq!(valid, [9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(bits(9).size(), 512);
    }

    #[test]
    fn the_offer_says_what_the_options_say() {
        assert_eq!(OPTIONS.offer(), "permessage-deflate; client_max_window_bits");
        let all = OPTIONS
            .server_no_context_takeover(true)
            .client_no_context_takeover(true)
            .server_max_window_bits(bits(10))
            .client_max_window_bits(bits(11));
        assert_eq!(
            all.offer(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=10; client_max_window_bits=11"
        );
    }

    #[test]
    fn a_bare_offer_is_answered_barely() {
        let (params, response) = OPTIONS.accept("permessage-deflate").unwrap().unwrap();
        assert_eq!(response, "permessage-deflate");
        assert_eq!(params, DeflateParams::default());
        assert_eq!(
            response_to("permessage-deflate; client_max_window_bits"),
            Some("permessage-deflate".into())
        );
    }

    fn response_to(header: &str) -> Option<String> {
        response(OPTIONS, header)
    }

    #[test]
    fn the_first_acceptable_offer_wins() {
        let header = "x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=8, \
                      permessage-deflate; server_max_window_bits=10, permessage-deflate";
        assert_eq!(
            response_to(header),
            Some("permessage-deflate; server_max_window_bits=10".into())
        );
        assert_eq!(response_to("x-webkit-deflate-frame, mux"), None);
    }

    #[test]
    fn every_window_size_that_a_client_can_write_is_answered_as_rfc_7692_says() {
        let mut values: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        values.extend((0..10).map(|n| format!("0{n}")));
        let more = ["010", "+9", "-9", "9.0", "0x9", "1e1", "x", "256", "265", "4294967305"];
        values.extend(more.map(String::from));
        for value in values {
            let legal =
                matches!(value.as_str(), "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15");
            for quote in ["", "\""] {
                let said = format!("{quote}{value}{quote}");
                let offer = format!("permessage-deflate; server_max_window_bits={said}");
                let expected = (legal && value != "8")
                    .then(|| format!("permessage-deflate; server_max_window_bits={value}"));
                assert_eq!(response_to(&offer), expected, "{offer}");

                let offer = format!("permessage-deflate; client_max_window_bits={said}");
                let expected = legal.then(|| match value.as_str() {
                    "15" => "permessage-deflate".into(),
                    _ => format!("permessage-deflate; client_max_window_bits={value}"),
                });
                assert_eq!(response_to(&offer), expected, "{offer}");

                for side in ["server", "client"] {
                    let response = format!("permessage-deflate; {side}_max_window_bits={said}");
                    let role = if side == "server" { Role::Server } else { Role::Client };
                    match OPTIONS.confirm(&response) {
                        Ok(params) => {
                            assert!(legal, "{response}");
                            let bits = params.max_window_bits(role).get();
                            assert_eq!(bits.to_string(), value, "{response}");
                        }
                        Err(error) => {
                            assert!(!legal, "{response}: {error}");
                            assert_eq!(error.code(), ErrorCode::InvalidExtensions);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn wrong_parameters_decline_an_offer_and_fail_a_response() {
        for parameters in [
            "foo",
            "Server_No_Context_Takeover",
            "server_no_context_takeover=1",
            "server_no_context_takeover=true",
            "client_no_context_takeover=\"x\"",
            "server_max_window_bits",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover; client_no_context_takeover",
            "server_max_window_bits=10; server_max_window_bits=10",
            "client_max_window_bits=10; client_max_window_bits=11",
            "client_max_window_bits=10; foo=1",
        ] {
            let header = format!("permessage-deflate; {parameters}");
            assert_eq!(response_to(&header), None, "{header}");
            refusal(OPTIONS, &header);
        }
        // Without a value the parameter is an offer, not an answer.
        refusal(OPTIONS, "permessage-deflate; client_max_window_bits");
        assert_eq!(
            response_to("permessage-deflate; client_max_window_bits; client_max_window_bits"),
            None
        );
    }

    #[test]
    fn a_header_that_breaks_the_grammar_is_an_error_even_beside_a_good_offer() {
        for header in
            ["", "permessage-deflate;", "permessage-deflate, =", "permessage-deflate; a=\"\""]
        {
            assert_eq!(OPTIONS.accept(header).unwrap_err().code(), ErrorCode::InvalidExtensions);
            assert_eq!(OPTIONS.confirm(header).unwrap_err().code(), ErrorCode::InvalidExtensions);
        }
    }

    #[test]
    fn the_server_says_what_its_options_demand() {
        let options = OPTIONS
            .server_no_context_takeover(true)
            .client_no_context_takeover(true)
            .server_max_window_bits(bits(12))
            .client_max_window_bits(bits(11));
        let (params, response) =
            options.accept("permessage-deflate; client_max_window_bits").unwrap().unwrap();
        assert_eq!(
            response,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=12; client_max_window_bits=11"
        );
        assert!(params.no_context_takeover(Role::Server));
        assert_eq!(params.max_window_bits(Role::Server), bits(12));
        assert_eq!(params.max_window_bits(Role::Client), bits(11));
    }

    #[test]
    fn the_smaller_window_of_both_sides_is_agreed_on() {
        let options = OPTIONS.server_max_window_bits(bits(12)).client_max_window_bits(bits(12));
        let answer = |server, client| {
            let offer = format!(
                "permessage-deflate; server_max_window_bits={server}; client_max_window_bits={client}"
            );
            response(options, &offer).unwrap()
        };
        let both = "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10";
        assert_eq!(answer(10, 10), both);
        assert_eq!(answer(15, 15), both.replace("10", "12"));
    }

    #[test]
    fn a_client_that_cannot_be_limited_is_told_to_keep_no_context() {
        let options = OPTIONS.client_max_window_bits(bits(12));
        let (params, response) = options.accept("permessage-deflate").unwrap().unwrap();
        assert_eq!(response, "permessage-deflate; client_no_context_takeover");
        assert!(params.no_context_takeover(Role::Client));
        assert_eq!(params.max_window_bits(Role::Client), WindowBits::MAX);
    }

    #[test]
    fn a_client_fails_if_the_server_ignores_what_it_asked_for() {
        let options = OPTIONS.server_no_context_takeover(true).server_max_window_bits(bits(10));
        let good = "permessage-deflate; server_no_context_takeover; server_max_window_bits=9";
        assert!(options.confirm(good).is_ok());
        for (bad, why) in [
            ("permessage-deflate; server_max_window_bits=10", "ignored"),
            ("permessage-deflate; server_no_context_takeover", "15 bits is larger than the 10"),
            (
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
                "11 bits is larger than the 10",
            ),
        ] {
            let text = refusal(options, bad);
            assert!(text.contains(why), "{text}");
        }
    }

    #[test]
    fn a_client_fails_if_the_server_accepts_what_was_not_offered() {
        assert_eq!(
            refusal(OPTIONS, "mux"),
            "Sec-WebSocket-Extensions of the server: the server accepted `mux`, which was not \
             offered (RFC 7692 §7.1)"
        );
        refusal(OPTIONS, "permessage-deflate, permessage-deflate");
        refusal(OPTIONS, "permessage-deflate, mux");
    }

    #[test]
    fn a_server_may_limit_a_client_that_did_not_ask() {
        let response = "permessage-deflate; client_no_context_takeover; \
                        server_no_context_takeover; client_max_window_bits=8";
        let params = OPTIONS.confirm(response).unwrap();
        assert!(params.no_context_takeover(Role::Client));
        assert!(params.no_context_takeover(Role::Server));
        assert_eq!(params.max_window_bits(Role::Client).get(), 8);
        // RFC 7692 §7.1.2.2: an answer above the offered limit is legal, and the limit holds.
        let limited = OPTIONS.client_max_window_bits(bits(10)).client_no_context_takeover(true);
        let params = limited.confirm("permessage-deflate; client_max_window_bits=12").unwrap();
        assert_eq!(params.max_window_bits(Role::Client), bits(10));
        assert!(params.no_context_takeover(Role::Client));
    }

    #[test]
    fn both_sides_come_to_the_same_agreement() {
        let sizes = [9, 12, 15].map(bits);
        let mut all = Vec::new();
        for n in 0..36_usize {
            all.push(
                OPTIONS
                    .server_no_context_takeover(n & 1 != 0)
                    .client_no_context_takeover(n & 2 != 0)
                    .server_max_window_bits(sizes[n / 4 % 3])
                    .client_max_window_bits(sizes[n / 12]),
            );
        }
        for client in &all {
            for server in &all {
                let (agreed, response) = server.accept(&client.offer()).unwrap().unwrap();
                assert_eq!(client.confirm(&response).unwrap(), agreed, "{response}");
            }
        }
    }

    #[test]
    fn an_agreement_can_be_made_for_each_direction() {
        let params = DeflateParams::default().with(Role::Client, true, bits(9));
        assert!(params.no_context_takeover(Role::Client));
        assert_eq!(params.max_window_bits(Role::Client), bits(9));
        assert!(!params.no_context_takeover(Role::Server));
        let params = params.with(Role::Server, true, bits(12));
        assert_eq!(params.max_window_bits(Role::Server), bits(12));
        assert_eq!(params.max_window_bits(Role::Client), bits(9));
    }

    #[test]
    fn levels_out_of_range_are_brought_into_it() {
        assert_eq!(OPTIONS.level(200).level, 9);
        assert_eq!(OPTIONS.memory_level(0).memory_level, 1);
        assert_eq!(OPTIONS.memory_level(200).memory_level, 9);
    }
}
