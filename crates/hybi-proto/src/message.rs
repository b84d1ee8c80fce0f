//! [`Message`]: what applications exchange.

use bytes::Bytes;
use hybi_bytes::{Utf8Bytes, Utf8Error};
use std::fmt;

/// A message: text or binary. Pings, pongs and closes are events, not messages.
///
/// Whatever is text or octets becomes a message: `&str`, `String`, [`Utf8Bytes`]; `&[u8]`,
/// `Vec<u8>`, [`Bytes`]. Cloning shares the payload.
///
/// ```
/// # use hybi_proto::Message;
/// let message = Message::from("hello");
/// assert_eq!(message.as_text(), Some("hello"));
/// assert_eq!(format!("{message}"), "hello");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// Valid UTF-8 (opcode 1).
    Text(Utf8Bytes),
    /// Any octets (opcode 2).
    Binary(Bytes),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Message::Text(text.into())
    }

    /// A binary message.
    pub fn binary(octets: impl Into<Bytes>) -> Self {
        Message::Binary(octets.into())
    }

    /// True for a text message.
    pub fn is_text(&self) -> bool {
        matches!(self, Message::Text(_))
    }

    /// True for a binary message.
    pub fn is_binary(&self) -> bool {
        matches!(self, Message::Binary(_))
    }

    /// The length of the payload in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// True if the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The payload of either kind.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_str().as_bytes(),
            Message::Binary(octets) => octets,
        }
    }

    /// The text; `None` for a binary message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Message::Text(text) => Some(text),
            Message::Binary(_) => None,
        }
    }

    /// The payload of either kind, shared and not copied.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Message::Text(text) => text.into_bytes(),
            Message::Binary(octets) => octets,
        }
    }

    /// The payload as text; a binary message is checked.
    ///
    /// # Errors
    /// [`Utf8Error`] if a binary payload is not UTF-8.
    pub fn into_text(self) -> Result<Utf8Bytes, Utf8Error> {
        match self {
            Message::Text(text) => Ok(text),
            Message::Binary(octets) => Utf8Bytes::try_from(octets),
        }
    }
}

/// Shows text as it is and binary as `<5 bytes: 0102030405>`, cut off after 32 bytes.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Text(text) => f.write_str(text),
            Message::Binary(octets) => {
                write!(f, "<{} bytes: ", octets.len())?;
                for octet in octets.iter().take(32) {
                    write!(f, "{octet:02x}")?;
                }
                f.write_str(if octets.len() > 32 { "…>" } else { ">" })
            }
        }
    }
}

macro_rules! from {
    ($($type:ty => $kind:ident),+) => {
        $(impl From<$type> for Message {
            fn from(payload: $type) -> Self {
                Message::$kind(payload.into())
            }
        })+
    };
}

from!(&str => Text, String => Text, Utf8Bytes => Text, Bytes => Binary, Vec<u8> => Binary);

impl From<&[u8]> for Message {
    fn from(octets: &[u8]) -> Self {
        Message::Binary(Bytes::copy_from_slice(octets))
    }
}

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(octets: &[u8; N]) -> Self {
        Message::from(&octets[..])
    }
}

impl PartialEq<str> for Message {
    fn eq(&self, other: &str) -> bool {
        self.as_text() == Some(other)
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        self.as_text() == Some(other)
    }
}
