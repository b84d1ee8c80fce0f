//! The body of a rejection (RFC 9112 §6, §7), as far as it is wanted.
