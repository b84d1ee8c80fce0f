//! [`Socks5`]: a tunnel through a SOCKS5 proxy (RFC 1928), with user and password (RFC 1929).

use super::{Progress, ProxyUrl, ended, refuse_unix};
use crate::error::Error;
use crate::uri::Target;
use std::fmt;
use std::net::IpAddr;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;
/// RFC 1929 §2: the version of the sub-negotiation.
const AUTHENTICATION_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const DOMAIN: u8 = 3;
const IPV6: u8 = 4;

/// The dialogue with a SOCKS5 proxy.
pub struct Socks5 {
    /// The credentials as they are sent (RFC 1929 §2).
    authentication: Option<Vec<u8>>,
    /// The request as it is sent (RFC 1928 §4).
    request: Vec<u8>,
    /// Whom the messages name.
    destination: String,
    outgoing: Vec<u8>,
    /// What has arrived of the answer that is awaited: at most 262 octets.
    answer: Vec<u8>,
    state: State,
}

/// Which answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Method,
    Authentication,
    Reply,
    Open,
    Failed,
}

impl Socks5 {
    /// The dialogue that opens a tunnel to this target.
    ///
    /// The proxy is given the name of the target, or the address if it has been `resolved`. User info
    /// in the proxy's URL is sent if the proxy asks for it, unencrypted (RFC 1929 §3).
    ///
    /// # Errors
    /// [`Error::Usage`] if the target is a Unix socket, or user or password are longer than 255
    /// bytes.
    pub fn new(proxy: &ProxyUrl, target: &Target, resolved: Option<IpAddr>) -> Result<Self, Error> {
        refuse_unix(target)?;
        let authentication = match &proxy.user_info {
            None => None,
            Some(user_info) => {
                let mut message = vec![AUTHENTICATION_VERSION];
                push_counted(&mut message, "the user name for the proxy", &user_info.user)?;
                push_counted(&mut message, "the password for the proxy", &user_info.password)?;
                Some(message)
            }
        };
        let mut request = vec![VERSION, CONNECT, 0];
        match resolved.or(target.ip()) {
            Some(IpAddr::V4(ip)) => {
                request.push(IPV4);
                request.extend_from_slice(&ip.octets());
            }
            Some(IpAddr::V6(ip)) => {
                request.push(IPV6);
                request.extend_from_slice(&ip.octets());
            }
            None => {
                request.push(DOMAIN);
                push_counted(&mut request, "the host name", target.host().as_bytes())?;
            }
        }
        request.extend_from_slice(&target.port().to_be_bytes());

        // A proxy that wants no password must be able to say so.
        let outgoing = match authentication {
            None => vec![VERSION, 1, NO_AUTHENTICATION],
            Some(_) => vec![VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        };
        Ok(Socks5 {
            authentication,
            request,
            destination: format!("{}:{}", target.host(), target.port()),
            outgoing,
            answer: Vec::new(),
            state: State::Method,
        })
    }

    /// Appends what is to be written now to `out`; the same octets are given only once.
    pub fn encode(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.outgoing);
    }

    /// Takes what has arrived from the proxy, and advances `input` past what was used.
    ///
    /// # Errors
    /// [`Error::Proxy`] if the proxy refuses (the message says why), or does not speak SOCKS5.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Progress, Error> {
        while self.state != State::Open {
            // Octet by octet, so that none of the target's are taken.
            let Some((&octet, rest)) = input.split_first() else { return Ok(Progress::Pending) };
            *input = rest;
            self.answer.push(octet);
            match self.take_answer() {
                Ok(None) => {}
                Ok(Some(next)) => {
                    self.state = next;
                    self.answer.clear();
                }
                Err(error) => {
                    self.state = State::Failed;
                    return Err(error);
                }
            }
        }
        Ok(Progress::Open)
    }

    /// The error for a proxy that closes the connection, or falls silent, before the tunnel is open.
    pub fn receive_eof(&mut self) -> Error {
        let awaited = match std::mem::replace(&mut self.state, State::Failed) {
            State::Method => "the greeting",
            State::Authentication => "user and password",
            State::Reply => "the request to connect",
            State::Open | State::Failed => return ended(),
        };
        Error::proxy(format!(
            "the SOCKS5 proxy closed the connection instead of answering {awaited}"
        ))
    }

    /// Judges the answer once it is complete, and says which one comes next.
    fn take_answer(&mut self) -> Result<Option<State>, Error> {
        match self.state {
            State::Method => self.take_method(),
            State::Authentication => self.take_authentication(),
            State::Reply => self.take_reply(),
            State::Open | State::Failed => Err(ended()),
        }
    }

    /// RFC 1928 §3.
    fn take_method(&mut self) -> Result<Option<State>, Error> {
        self.check_version()?;
        let &[_, method] = &self.answer[..] else { return Ok(None) };
        match (method, &self.authentication) {
            (NO_AUTHENTICATION, _) => {
                self.outgoing.extend_from_slice(&self.request);
                Ok(Some(State::Reply))
            }
            (USER_AND_PASSWORD, Some(authentication)) => {
                self.outgoing.extend_from_slice(authentication);
                Ok(Some(State::Authentication))
            }
            (NO_ACCEPTABLE_METHOD | USER_AND_PASSWORD, None) => Err(Error::proxy(
                "the SOCKS5 proxy wants authentication (give user and password in its URL)",
            )),
            (NO_ACCEPTABLE_METHOD, Some(_)) => Err(Error::proxy(
                "the SOCKS5 proxy takes neither user and password nor no authentication",
            )),
            (method, _) => Err(Error::proxy(format!(
                "the SOCKS5 proxy chose the authentication method {method}, which was not offered"
            ))),
        }
    }

    /// RFC 1929 §2.
    fn take_authentication(&mut self) -> Result<Option<State>, Error> {
        // The version is not checked: there are proxies that answer with 5 in place of 1.
        match self.answer[..] {
            [_, 0] => {
                self.outgoing.extend_from_slice(&self.request);
                Ok(Some(State::Reply))
            }
            [_, _] => Err(Error::proxy("the SOCKS5 proxy refused user and password")),
            _ => Ok(None),
        }
    }

    /// RFC 1928 §6.
    fn take_reply(&mut self) -> Result<Option<State>, Error> {
        self.check_version()?;
        let address = match self.answer[..] {
            // A refusal speaks at once: not every proxy sends an address after it.
            [_, reply] if reply != 0 => {
                return Err(Error::proxy(format!(
                    "the SOCKS5 proxy could not connect to {}: {}",
                    self.destination,
                    reply_text(reply)
                )));
            }
            [_, _, _, IPV4, ..] => 4,
            [_, _, _, IPV6, ..] => 16,
            [_, _, _, DOMAIN, length, ..] => 1 + usize::from(length),
            [_, _, _, DOMAIN] => return Ok(None),
            [_, _, _, kind, ..] => {
                return Err(Error::proxy(format!(
                    "the SOCKS5 proxy answered with an address of the unknown type {kind}"
                )));
            }
            _ => return Ok(None),
        };
        let complete = self.answer.len() == 4 + address + 2;
        Ok(complete.then_some(State::Open))
    }

    fn check_version(&self) -> Result<(), Error> {
        match self.answer.first() {
            Some(&VERSION) => Ok(()),
            Some(b'H') => Err(Error::proxy(
                "the proxy does not speak SOCKS5, but probably HTTP (use http:// in its URL)",
            )),
            other => Err(Error::proxy(format!(
                "the proxy does not speak SOCKS5: its answer begins with {:#04x}",
                other.copied().unwrap_or_default()
            ))),
        }
    }
}

/// Without the password.
impl fmt::Debug for Socks5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks5")
            .field("destination", &self.destination)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// RFC 1928 §6, in whole sentences.
fn reply_text(reply: u8) -> String {
    let text = match reply {
        1 => "the proxy has failed for a reason it does not tell",
        2 => "the proxy's rules do not allow this connection",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached, or its name does not exist",
        5 => "the host refused the connection",
        6 => "the time to live expired on the way",
        7 => "the proxy does not support the command CONNECT",
        8 => "the proxy does not support this type of address",
        other => return format!("the proxy gave the unknown reason {other}"),
    };
    text.to_owned()
}

/// Appends text of at most 255 bytes, its length before it.
fn push_counted(message: &mut Vec<u8>, what: &str, text: &[u8]) -> Result<(), Error> {
    let length = u8::try_from(text.len()).map_err(|_| {
        Error::usage(format!("{what} is {} bytes; SOCKS5 carries at most 255", text.len()))
    })?;
    message.push(length);
    message.extend_from_slice(text);
    Ok(())
}
