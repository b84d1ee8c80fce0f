//! The native half of the npm package `hybi`: an addon for Node.js that decodes frames in the
//! Buffer they arrived in, masks, validates, compresses and decompresses.
//!
//! JavaScript keeps the sockets, the events and the objects (see `node/lib`). What is in here is
//! sans-I/O, and the rules come from `hybi-proto`: `decoder` is its receiver for payloads that
//! stay where they are. `node/lib/codec/js.js` says the same in JavaScript, and both are compared
//! by `node/test/native/differential.test.js`.

#![deny(unsafe_code)]

#[expect(unsafe_code, reason = "the function that Node.js looks for")]
mod entry;

mod addon;
mod decoder;
mod deflate;
#[expect(unsafe_code, reason = "the calls of Node-API; nothing else of this crate may")]
mod napi;
mod records;
mod slab;
mod socket;
