//! [`Utf8Bytes`]: shared, immutable text.

use crate::PayloadBuffer;
use crate::mask::copy_and_look;
use crate::utf8::{self, Utf8Error};
use bytes::{Buf, Bytes, BytesMut};
use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Bound, Deref, RangeBounds};
use std::str::FromStr;

/// [`Bytes`] that are valid UTF-8: text that is cheap to clone and to slice.
///
/// ```
/// # use hybi_bytes::Utf8Bytes;
/// let text = Utf8Bytes::from("hello");
/// assert_eq!(text, "hello");
/// assert!(text.starts_with("he")); // it is a `str`
/// assert_eq!(text.slice(1..3), "el"); // shared, not copied
/// assert!(Utf8Bytes::try_from(vec![0xff]).is_err());
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utf8Bytes(
    // INVARIANT: valid UTF-8.
    Bytes,
);

impl Utf8Bytes {
    /// Empty text.
    pub const fn new() -> Self {
        Utf8Bytes(Bytes::new())
    }

    /// Text without allocation or copy.
    pub const fn from_static(text: &'static str) -> Self {
        Utf8Bytes(Bytes::from_static(text.as_bytes()))
    }

    /// Copies `octets` after checking them.
    ///
    /// # Errors
    /// [`Utf8Error`] if they are not valid UTF-8; nothing has been copied then.
    #[inline]
    pub fn copy_from_slice(octets: &[u8]) -> Result<Self, Utf8Error> {
        utf8::validate(octets).map(Utf8Bytes::from)
    }

    /// Copies a whole masked payload, unmasking and checking it; one allocation of exactly its
    /// length.
    ///
    /// ```
    /// # use hybi_bytes::Utf8Bytes;
    /// let key = [0x37, 0xfa, 0x21, 0x3d];
    /// assert_eq!(Utf8Bytes::copy_masked(b"\x7f\x9f\x4d\x51\x58", key)?, "Hello"); // RFC 6455 §5.7
    /// # Ok::<(), hybi_bytes::Utf8Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Utf8Error`] if the unmasked octets are not valid UTF-8.
    #[inline(always)]
    pub fn copy_masked(octets: &[u8], key: [u8; 4]) -> Result<Self, Utf8Error> {
        // So far the copy is still in the first cache when it is checked.
        if octets.len() > 16 << 10 {
            return Utf8Bytes::copy_long_masked(octets, key);
        }
        let (copy, is_ascii) = copy_and_look(octets, key);
        if !is_ascii {
            utf8::validate(&copy)?;
        }
        Ok(Utf8Bytes(copy))
    }

    #[inline(never)]
    fn copy_long_masked(octets: &[u8], key: [u8; 4]) -> Result<Self, Utf8Error> {
        let mut text = PayloadBuffer::text();
        text.push_masked(octets, key, 0)?;
        text.finish_text()
    }

    /// The text that `octets` end with, from `start` on, in the memory that they have.
    ///
    /// ```
    /// # use hybi_bytes::Utf8Bytes;
    /// let octets = b"\x81\x05Hello".to_vec(); // RFC 6455 §5.7
    /// assert_eq!(Utf8Bytes::from_tail(octets, 2), Ok("Hello".into()));
    /// ```
    ///
    /// # Errors
    /// The octets, if they are not valid UTF-8 from `start` on.
    ///
    /// # Panics
    /// If `start` is out of bounds.
    pub fn from_tail(octets: Vec<u8>, start: usize) -> Result<Self, Vec<u8>> {
        if utf8::validate(&octets[start..]).is_err() {
            return Err(octets);
        }
        let mut text = Bytes::from(octets);
        text.advance(start);
        Ok(Utf8Bytes(text))
    }

    /// The text.
    #[inline]
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

    /// Part of the text, shared and not copied.
    ///
    /// # Panics
    /// As `str` does: if the range is out of bounds or does not lie on character boundaries.
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let part = &self.as_str()[bounds(&range)];
        self.slice_ref(part)
    }

    /// As [`slice`](Self::slice), but `None` where that panics.
    pub fn try_slice(&self, range: impl RangeBounds<usize>) -> Option<Self> {
        self.as_str().get(bounds(&range)).map(|part| self.slice_ref(part))
    }

    /// Part of the text, shared and not copied, given as a `str` borrowed from it: what `trim`,
    /// `split` and the like return.
    ///
    /// ```
    /// # use hybi_bytes::Utf8Bytes;
    /// let text = Utf8Bytes::from(" hello ");
    /// assert_eq!(text.slice_ref(text.trim()), "hello");
    /// ```
    ///
    /// # Panics
    /// If `part` is not empty and not part of this text.
    pub fn slice_ref(&self, part: &str) -> Self {
        Utf8Bytes(self.0.slice_ref(part.as_bytes()))
    }

    /// Removes and returns the text before `at`; nothing is copied.
    ///
    /// # Panics
    /// If `at` is out of bounds or not on a character boundary.
    pub fn split_to(&mut self, at: usize) -> Self {
        self.assert_boundary(at);
        Utf8Bytes(self.0.split_to(at))
    }

    /// Removes and returns the text from `at` on; nothing is copied.
    ///
    /// # Panics
    /// If `at` is out of bounds or not on a character boundary.
    pub fn split_off(&mut self, at: usize) -> Self {
        self.assert_boundary(at);
        Utf8Bytes(self.0.split_off(at))
    }

    fn assert_boundary(&self, at: usize) {
        assert!(self.is_char_boundary(at), "octet {at} is not a character boundary of the text");
    }

    /// # Safety
    /// The caller has validated `bytes`.
    pub(crate) unsafe fn from_validated(bytes: Bytes) -> Self {
        Utf8Bytes(bytes)
    }
}

fn bounds(range: &impl RangeBounds<usize>) -> (Bound<usize>, Bound<usize>) {
    (range.start_bound().cloned(), range.end_bound().cloned())
}

impl Deref for Utf8Bytes {
    type Target = str;
    #[inline]
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

/// So a map with keys of this type is searched with a `&str`.
impl Borrow<str> for Utf8Bytes {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// As `str`, which [`Borrow`] demands (`Bytes` hashes as `[u8]`, and that differs).
impl Hash for Utf8Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&str> for Utf8Bytes {
    #[inline]
    fn from(text: &str) -> Self {
        Utf8Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&String> for Utf8Bytes {
    fn from(text: &String) -> Self {
        Utf8Bytes::from(text.as_str())
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Utf8Bytes(Bytes::from(text.into_bytes()))
    }
}

impl From<Box<str>> for Utf8Bytes {
    fn from(text: Box<str>) -> Self {
        Utf8Bytes(Bytes::from(text.into_boxed_bytes()))
    }
}

impl From<Cow<'_, str>> for Utf8Bytes {
    fn from(text: Cow<'_, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Utf8Bytes::from(text),
            Cow::Owned(text) => Utf8Bytes::from(text),
        }
    }
}

impl From<char> for Utf8Bytes {
    fn from(character: char) -> Self {
        Utf8Bytes::from(&*character.encode_utf8(&mut [0; 4]))
    }
}

impl FromStr for Utf8Bytes {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Utf8Bytes::from(text))
    }
}

impl FromIterator<char> for Utf8Bytes {
    fn from_iter<I: IntoIterator<Item = char>>(characters: I) -> Self {
        Utf8Bytes::from(String::from_iter(characters))
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        text.0
    }
}

/// Copies only if the octets are shared.
impl From<Utf8Bytes> for Vec<u8> {
    fn from(text: Utf8Bytes) -> Self {
        Vec::from(text.0)
    }
}

/// Copies only if the octets are shared.
impl From<Utf8Bytes> for String {
    fn from(text: Utf8Bytes) -> Self {
        // SAFETY: the invariant of the type.
        unsafe { String::from_utf8_unchecked(Vec::from(text.0)) }
    }
}

impl TryFrom<&[u8]> for Utf8Bytes {
    type Error = Utf8Error;
    fn try_from(octets: &[u8]) -> Result<Self, Utf8Error> {
        Utf8Bytes::copy_from_slice(octets)
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = Utf8Error;
    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        utf8::validate(&bytes)?;
        Ok(Utf8Bytes(bytes))
    }
}

impl TryFrom<BytesMut> for Utf8Bytes {
    type Error = Utf8Error;
    fn try_from(bytes: BytesMut) -> Result<Self, Utf8Error> {
        Utf8Bytes::try_from(bytes.freeze())
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

/// Comparisons with the other kinds of text, both ways.
macro_rules! compare {
    ($($other:ty),+) => {
        $(impl PartialEq<$other> for Utf8Bytes {
            fn eq(&self, other: &$other) -> bool {
                **self == **other
            }
        }

        impl PartialEq<Utf8Bytes> for $other {
            fn eq(&self, other: &Utf8Bytes) -> bool {
                **self == **other
            }
        }

        impl PartialOrd<$other> for Utf8Bytes {
            fn partial_cmp(&self, other: &$other) -> Option<Ordering> {
                (**self).partial_cmp(&**other)
            }
        }

        impl PartialOrd<Utf8Bytes> for $other {
            fn partial_cmp(&self, other: &Utf8Bytes) -> Option<Ordering> {
                (**self).partial_cmp(&**other)
            }
        })+
    };
}

compare!(&str, String, Box<str>, Cow<'_, str>);

impl PartialEq<str> for Utf8Bytes {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<Utf8Bytes> for str {
    fn eq(&self, other: &Utf8Bytes) -> bool {
        *self == **other
    }
}

impl PartialOrd<str> for Utf8Bytes {
    fn partial_cmp(&self, other: &str) -> Option<Ordering> {
        (**self).partial_cmp(other)
    }
}

impl PartialOrd<Utf8Bytes> for str {
    fn partial_cmp(&self, other: &Utf8Bytes) -> Option<Ordering> {
        self.partial_cmp(&**other)
    }
}
