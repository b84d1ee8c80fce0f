//! What the tests of hybi share.
//!
//! * [`Pair`]: a client and a server without I/O, on a virtual clock; the test carries the octets.
//! * [`frame`](frame()) and [`frames`]: frames made by hand, and read without the code under test.
//! * [`Transcript`]: all that a connection makes of a stream of octets, to compare chunkings.
//! * [`Faulty`]: a stream that reads and writes as badly as the traits allow.
//! * [`FaultProxy`]: a TCP proxy that cuts, resets, stalls, half-closes or drips at a given octet.
//! * [`Script`]: a peer that sends and expects the octets the test writes down.
//!
//! Whatever is random comes from a seed, so that a failure repeats.

#![forbid(unsafe_code)]

#[cfg(feature = "io")]
mod fault;
#[cfg(feature = "io")]
mod faulty;
mod frame;
mod pair;
mod random;
#[cfg(feature = "io")]
mod script;
mod transcript;

#[cfg(feature = "io")]
pub use fault::{Direction, Fault, FaultProxy};
#[cfg(feature = "io")]
pub use faulty::{Faulty, Gate};
pub use frame::{Frame, LengthForm, Received, frame, frames, hex};
pub use pair::{Endpoint, KEY, Pair};
pub use random::Random;
#[cfg(feature = "io")]
pub use script::Script;
pub use transcript::{Path, Transcript};
