//! Measures WebSocket servers from outside: a closed-loop load generator, the servers as child processes, and a table.
//!
//! Nothing here depends on a WebSocket library: what is sent is prepared before the clock starts, and what comes back
//! is counted. `src/bin/bench.rs` runs the table, `src/bin/load.rs` loads one server by hand.

#![forbid(unsafe_code)]

pub mod cells;
pub mod certificate;
pub mod cli;
pub mod client;
pub mod document;
pub mod documents;
pub mod frames;
pub mod guard;
pub mod load;
pub mod machine;
pub mod measure;
pub mod plots;
pub mod report;
pub mod results;
pub mod servers;

/// What every fallible function here returns: a bench stops at its first error and says it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
