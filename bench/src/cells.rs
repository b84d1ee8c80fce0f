//! What is measured: one entry a cell.

use crate::frames::Payload;
use crate::servers::Mode;

/// One group of rows of the report.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// What `--cells` calls it.
    pub name: &'static str,
    /// What the report says it is.
    pub title: &'static str,
    /// The part of the report it stands in.
    pub part: Part,
    /// Whether `--quick` includes it.
    pub quick: bool,
    /// How the servers are started; those that do not know it are left out.
    pub mode: Mode,
    /// The server that ratios are to.
    pub base: &'static str,
    /// The load.
    pub workload: Workload,
}

/// The parts of the report, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Echo over TCP.
    Echo,
    /// Echo over TLS.
    Tls,
    /// Echo with permessage-deflate.
    Compression,
    /// One sender, many receivers.
    Broadcast,
    /// Opening handshakes.
    Handshakes,
    /// Memory of connections that wait.
    Memory,
    /// Programs that connect.
    Clients,
    /// Several cores.
    Cores,
    /// The npm package beside npm `ws`.
    Node,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 9] = [
        Self::Echo,
        Self::Tls,
        Self::Compression,
        Self::Broadcast,
        Self::Handshakes,
        Self::Memory,
        Self::Clients,
        Self::Cores,
        Self::Node,
    ];
}

/// What a server or client is made to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Echo, closed loop; the unit is a message.
    Echo {
        /// Text or binary.
        payload: Payload,
        /// Payload bytes per message.
        size: usize,
        /// Open connections.
        connections: usize,
        /// Messages in flight per connection.
        in_flight: usize,
    },
    /// Echo of different JSON documents with permessage-deflate; the unit is a message.
    Compressed {
        /// Payload bytes per message before compression.
        size: usize,
        /// Open connections, one message in flight on each.
        connections: usize,
    },
    /// One sender, everyone receives; the unit is a delivery.
    Broadcast {
        /// Payload bytes per message.
        size: usize,
        /// Open connections, the sender's included.
        receivers: usize,
        /// Messages in flight.
        in_flight: usize,
    },
    /// Opening handshakes; the unit is a connection opened, upgraded and reset.
    Handshakes {
        /// Connections dialled at once.
        at_once: usize,
    },
    /// Memory of connections that wait, after each has echoed one message of 32 bytes.
    Idle {
        /// Open connections.
        connections: usize,
    },
    /// Memory of connections that wait, after each has echoed compressed documents that fill the window.
    IdleCompressed {
        /// Open connections.
        connections: usize,
    },
    /// A client that connects again and again; the unit is a connection opened, upgraded and dropped.
    Connect,
    /// A client that sends and waits for the echo; the unit is a message.
    ClientEcho {
        /// Payload bytes per message.
        size: usize,
        /// Messages in flight, on one connection.
        in_flight: usize,
    },
}

impl Workload {
    /// What the figures are per.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Echo { .. } | Self::Compressed { .. } | Self::ClientEcho { .. } => "message",
            Self::Broadcast { .. } => "delivery",
            Self::Handshakes { .. } => "handshake",
            Self::Idle { .. } | Self::IdleCompressed { .. } | Self::Connect => "connection",
        }
    }

    /// The largest number of connections open at once.
    pub fn connections(&self) -> usize {
        match *self {
            Self::Echo { connections, .. }
            | Self::Compressed { connections, .. }
            | Self::Idle { connections }
            | Self::IdleCompressed { connections } => connections,
            Self::Broadcast { receivers, .. } => receivers,
            Self::Handshakes { at_once } => at_once,
            Self::Connect | Self::ClientEcho { .. } => 1,
        }
    }

    /// Whether memory is measured, not time.
    pub fn is_memory(&self) -> bool {
        matches!(self, Self::Idle { .. } | Self::IdleCompressed { .. })
    }

    /// Whether a client is measured, not a server.
    pub fn is_client(&self) -> bool {
        matches!(self, Self::Connect | Self::ClientEcho { .. })
    }
}

const fn cell(
    name: &'static str,
    title: &'static str,
    (part, mode, base): (Part, Mode, &'static str),
    workload: Workload,
) -> Cell {
    Cell { name, title, part, quick: false, mode, base, workload }
}

const fn quick(cell: Cell) -> Cell {
    Cell { quick: true, ..cell }
}

const fn binary(size: usize, connections: usize, in_flight: usize) -> Workload {
    Workload::Echo { payload: Payload::Binary, size, connections, in_flight }
}

const fn text(size: usize, connections: usize, in_flight: usize) -> Workload {
    Workload::Echo { payload: Payload::Text, size, connections, in_flight }
}

const fn broadcast(size: usize, in_flight: usize) -> Workload {
    Workload::Broadcast { size, receivers: 1000, in_flight }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

type Kind = (Part, Mode, &'static str);
const ECHO: Kind = (Part::Echo, Mode::Echo, "raw-epoll");
const TLS: Kind = (Part::Tls, Mode::Tls, "fastwebsockets");
const DEFLATE: Kind = (Part::Compression, Mode::Deflate, "sockudo-ws");
const BROADCAST: Kind = (Part::Broadcast, Mode::Broadcast, "bun");
const CLIENT: Kind = (Part::Clients, Mode::Client, "tokio-tungstenite-client");
const CLIENT_TLS: Kind = (Part::Clients, Mode::ClientTls, "tokio-tungstenite-client");
const CORES: Kind = (Part::Cores, Mode::Cores, "hybi, multi-threaded");
const NODE: Kind = (Part::Node, Mode::Node, "ws");
const NODE_TLS: Kind = (Part::Node, Mode::NodeTls, "ws");
const NODE_DEFLATE: Kind = (Part::Node, Mode::NodeDeflate, "ws");
const NODE_JS: Kind = (Part::Node, Mode::NodeJs, "ws (JavaScript)");
const NODE_JS_DEFLATE: Kind = (Part::Node, Mode::NodeJsDeflate, "ws (JavaScript)");

/// Every cell there is, in the order of the report.
#[rustfmt::skip]
pub const CELLS: &[Cell] = &[
    cell("32Bx1", "32 B, 1 connection", ECHO, binary(32, 1, 1)),
    quick(cell("32Bx64", "32 B, 64 connections", ECHO, binary(32, 64, 1))),
    cell("32Bx1000", "32 B, 1000 connections", ECHO, binary(32, 1000, 1)),
    quick(cell("32Bx64x16", "32 B, 64 connections, 16 in flight", ECHO, binary(32, 64, 16))),
    cell("1KiBx64", "1 KiB, 64 connections", ECHO, binary(KIB, 64, 1)),
    quick(cell("1KiBx64x16", "1 KiB, 64 connections, 16 in flight", ECHO, binary(KIB, 64, 16))),
    cell("16KiBx64", "16 KiB, 64 connections", ECHO, binary(16 * KIB, 64, 1)),
    cell("256KiBx8", "256 KiB, 8 connections", ECHO, binary(256 * KIB, 8, 1)),
    cell("1MiBx4", "1 MiB, 4 connections", ECHO, binary(MIB, 4, 1)),
    cell("text-32Bx64", "32 B of text, 64 connections", ECHO, text(32, 64, 1)),
    cell("text-32Bx64x16", "32 B of text, 64 connections, 16 in flight", ECHO, text(32, 64, 16)),
    cell("text-1KiBx64x16", "1 KiB of text, 64 connections, 16 in flight", ECHO, text(KIB, 64, 16)),
    cell("text-16KiBx64", "16 KiB of text, 64 connections", ECHO, text(16 * KIB, 64, 1)),
    cell("text-1MiBx4", "1 MiB of text, 4 connections", ECHO, text(MIB, 4, 1)),

    cell("tls-1KiBx64", "1 KiB, 64 connections, TLS", TLS, binary(KIB, 64, 1)),
    cell("tls-64KiBx16", "64 KiB, 16 connections, TLS", TLS, binary(64 * KIB, 16, 1)),

    cell("deflate-1KiBx64", "1 KiB of JSON, 64 connections", DEFLATE, Workload::Compressed { size: KIB, connections: 64 }),
    cell("deflate-16KiBx64", "16 KiB of JSON, 64 connections", DEFLATE, Workload::Compressed { size: 16 * KIB, connections: 64 }),

    cell("broadcast-64B", "64 B to 1000", BROADCAST, broadcast(64, 1)),
    cell("broadcast-64Bx8", "64 B to 1000, 8 in flight", BROADCAST, broadcast(64, 8)),
    cell("broadcast-1KiB", "1 KiB to 1000", BROADCAST, broadcast(KIB, 1)),
    cell("broadcast-1KiBx8", "1 KiB to 1000, 8 in flight", BROADCAST, broadcast(KIB, 8)),

    cell("handshakes", "opening handshakes, 16 at once", (Part::Handshakes, Mode::Handshake, "raw-tokio"), Workload::Handshakes { at_once: 16 }),

    quick(cell("idle", "5,000 idle connections", (Part::Memory, Mode::Echo, "raw-tokio"), Workload::Idle { connections: 5000 })),
    cell("idle-tracked", "5,000 idle connections that the server knows (`clients`)", (Part::Memory, Mode::Tracked, "hybi"), Workload::Idle { connections: 5000 }),
    cell("idle-tls", "5,000 idle connections, TLS", (Part::Memory, Mode::Tls, "fastwebsockets"), Workload::Idle { connections: 5000 }),
    cell("idle-deflate-500", "500 idle connections, compression used", (Part::Memory, Mode::Deflate, "sockudo-ws"), Workload::IdleCompressed { connections: 500 }),
    cell("idle-deflate", "5,000 idle connections, compression used", (Part::Memory, Mode::Deflate, "sockudo-ws"), Workload::IdleCompressed { connections: 5000 }),

    cell("connect", "connect, TCP", CLIENT, Workload::Connect),
    cell("connect-tls", "connect, TLS", CLIENT_TLS, Workload::Connect),
    cell("client-1KiB", "1 KiB, 1 in flight", CLIENT, Workload::ClientEcho { size: KIB, in_flight: 1 }),
    cell("client-1KiBx16", "1 KiB, 16 in flight", CLIENT, Workload::ClientEcho { size: KIB, in_flight: 16 }),
    cell("client-64KiB", "64 KiB, 1 in flight", CLIENT, Workload::ClientEcho { size: 64 * KIB, in_flight: 1 }),

    cell("cores-32Bx64", "32 B, 64 connections", CORES, binary(32, 64, 1)),
    cell("cores-32Bx64x16", "32 B, 64 connections, 16 in flight", CORES, binary(32, 64, 16)),
    cell("cores-16KiBx64", "16 KiB, 64 connections", CORES, binary(16 * KIB, 64, 1)),

    cell("node-32Bx64", "32 B, 64 connections", NODE, binary(32, 64, 1)),
    cell("node-32Bx64x16", "32 B, 64 connections, 16 in flight", NODE, binary(32, 64, 16)),
    cell("node-32Bx1x64", "32 B, 1 connection, 64 in flight", NODE, binary(32, 1, 64)),
    cell("node-1KiBx64", "1 KiB, 64 connections", NODE, binary(KIB, 64, 1)),
    cell("node-64KiBx16", "64 KiB, 16 connections", NODE, binary(64 * KIB, 16, 1)),
    cell("node-text-1KiBx64", "1 KiB of text, 64 connections", NODE, text(KIB, 64, 1)),
    cell("node-tls-1KiBx64", "1 KiB, 64 connections, TLS", NODE_TLS, binary(KIB, 64, 1)),
    cell("node-deflate-1KiBx64", "1 KiB of JSON, 64 connections, permessage-deflate", NODE_DEFLATE, Workload::Compressed { size: KIB, connections: 64 }),
    cell("node-deflate-16KiBx64", "16 KiB of JSON, 64 connections, permessage-deflate", NODE_DEFLATE, Workload::Compressed { size: 16 * KIB, connections: 64 }),
    cell("node-handshakes", "opening handshakes, 16 at once", NODE, Workload::Handshakes { at_once: 16 }),
    cell("node-idle", "5,000 idle connections", NODE, Workload::Idle { connections: 5000 }),
    cell("node-idle-deflate", "500 idle connections, compression used", NODE_DEFLATE, Workload::IdleCompressed { connections: 500 }),

    cell("node-js-32Bx64", "without native code: 32 B, 64 connections", NODE_JS, binary(32, 64, 1)),
    cell("node-js-32Bx64x16", "without native code: 32 B, 64 connections, 16 in flight", NODE_JS, binary(32, 64, 16)),
    cell("node-js-1KiBx64", "without native code: 1 KiB, 64 connections", NODE_JS, binary(KIB, 64, 1)),
    cell("node-js-text-1KiBx64", "without native code: 1 KiB of text, 64 connections", NODE_JS, text(KIB, 64, 1)),
    cell("node-js-64KiBx16", "without native code: 64 KiB, 16 connections", NODE_JS, binary(64 * KIB, 16, 1)),
    cell("node-js-deflate-1KiBx64", "without native code: 1 KiB of JSON, 64 connections, permessage-deflate", NODE_JS_DEFLATE, Workload::Compressed { size: KIB, connections: 64 }),
    cell("node-js-deflate-16KiBx64", "without native code: 16 KiB of JSON, 64 connections, permessage-deflate", NODE_JS_DEFLATE, Workload::Compressed { size: 16 * KIB, connections: 64 }),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::SERVERS;

    #[test]
    fn a_name_selects_one_cell() {
        for (position, cell) in CELLS.iter().enumerate() {
            assert!(CELLS[..position].iter().all(|other| other.name != cell.name), "{}", cell.name);
        }
    }

    #[test]
    fn the_base_of_a_cell_is_measured_in_it() {
        for cell in CELLS {
            let base = SERVERS.iter().find(|server| server.name == cell.base);
            assert!(base.is_some_and(|base| base.can(cell.mode)), "{}", cell.name);
        }
    }
}
