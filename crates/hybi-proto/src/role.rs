//! [`Role`]: which side of the connection we are.

/// The side of a connection. It decides who masks (RFC 6455 §5.1) and who closes TCP (§7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends masked frames, receives unmasked ones, waits for the server to close TCP.
    Client,
    /// Sends unmasked frames, receives masked ones, closes TCP first.
    Server,
}
