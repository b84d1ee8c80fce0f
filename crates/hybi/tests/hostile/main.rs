//! What has hit a WebSocket library somewhere, tried against our server and our client.
//!
//! docs/THREATS.md lists every threat with its test; many of those lie beside the code that they
//! test. Here is what needs a whole connection: what a peer can make it hold, how long it can keep
//! it, and what a stream that lies does to it.

mod compressed;
mod crossing;
mod frames;
mod heads;
mod lying;
mod memory;
mod peer;
mod secrets;
mod slow;
