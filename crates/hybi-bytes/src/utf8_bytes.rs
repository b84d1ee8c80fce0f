//! [`Utf8Bytes`]: shared, immutable text.

use crate::utf8::{self, Utf8Error};
use bytes::Bytes;
use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

/// [`Bytes`] that are valid UTF-8: text that is cheap to clone and to slice.
///
/// ```
/// use hybi_bytes::Utf8Bytes;
/// let text = Utf8Bytes::from("hello");
/// assert_eq!(text, "hello");
/// assert!(text.starts_with("he")); // it is a `str`
/// assert!(Utf8Bytes::try_from(vec![0xff]).is_err());
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utf8Bytes(
    // INVARIANT: valid UTF-8.
    Bytes,
);

impl Utf8Bytes {
    /// Text without allocation or copy.
    pub const fn from_static(text: &'static str) -> Self {
        Utf8Bytes(Bytes::from_static(text.as_bytes()))
    }

    /// Copies `octets` after checking them.
    ///
    /// # Errors
    /// [`Utf8Error`] if they are not valid UTF-8; nothing has been copied then.
    pub fn copy_from_slice(octets: &[u8]) -> Result<Self, Utf8Error> {
        utf8::validate(octets)?;
        Ok(Utf8Bytes(Bytes::copy_from_slice(octets)))
    }

    /// Copies a masked text, unmasking and checking it.
    ///
    /// # Errors
    /// [`Utf8Error`] if it is not valid UTF-8.
    pub fn copy_masked(octets: &[u8], key: [u8; 4]) -> Result<Self, Utf8Error> {
        Utf8Bytes::try_from(crate::copy_masked(octets, key))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // SAFETY: the invariant of the type.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }

    /// The octets, shared and not copied.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The octets by reference: cloning them shares.
    pub fn as_bytes_shared(&self) -> &Bytes {
        &self.0
    }

    // INVARIANT: the caller has validated `bytes`.
    pub(crate) unsafe fn from_validated(bytes: Bytes) -> Self {
        Utf8Bytes(bytes)
    }
}

impl Deref for Utf8Bytes {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<str> for Utf8Bytes {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Utf8Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Utf8Bytes(Bytes::from(text.into_bytes()))
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        text.0
    }
}

impl From<Utf8Bytes> for String {
    fn from(text: Utf8Bytes) -> Self {
        text.as_str().to_owned()
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = Utf8Error;
    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        utf8::validate(&bytes)?;
        Ok(Utf8Bytes(bytes))
    }
}

impl TryFrom<Vec<u8>> for Utf8Bytes {
    type Error = Utf8Error;
    fn try_from(bytes: Vec<u8>) -> Result<Self, Utf8Error> {
        Utf8Bytes::try_from(Bytes::from(bytes))
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Utf8Bytes {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Utf8Bytes {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}
