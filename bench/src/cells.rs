//! What is measured: one entry a cell.

use crate::frames::Payload;

/// One row group of the table.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// What `--cells` calls it.
    pub name: &'static str,
    /// Whether `--quick` includes it.
    pub quick: bool,
    /// The load.
    pub workload: Workload,
}

/// What a server is made to do.
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
    /// Memory of connections that wait, after each has echoed one message.
    Idle {
        /// Open connections.
        connections: usize,
    },
}

impl Workload {
    /// What the figures are per.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Echo { .. } => "message",
            Self::Broadcast { .. } => "delivery",
            Self::Handshakes { .. } => "handshake",
            Self::Idle { .. } => "connection",
        }
    }

    /// The largest number of connections open at once.
    pub fn connections(&self) -> usize {
        match *self {
            Self::Echo { connections, .. } | Self::Idle { connections } => connections,
            Self::Broadcast { receivers, .. } => receivers,
            Self::Handshakes { at_once } => at_once,
        }
    }
}

const fn echo(
    name: &'static str,
    size: usize,
    connections: usize,
    in_flight: usize,
    payload: Payload,
) -> Cell {
    Cell { name, quick: false, workload: Workload::Echo { payload, size, connections, in_flight } }
}

const fn broadcast(name: &'static str, size: usize, in_flight: usize) -> Cell {
    let workload = Workload::Broadcast { size, receivers: 1000, in_flight };
    Cell { name, quick: false, workload }
}

const fn quick(cell: Cell) -> Cell {
    Cell { quick: true, ..cell }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Every cell there is, in the order of the report.
pub const CELLS: &[Cell] = &[
    echo("32Bx1", 32, 1, 1, Payload::Binary),
    quick(echo("32Bx64", 32, 64, 1, Payload::Binary)),
    echo("32Bx1000", 32, 1000, 1, Payload::Binary),
    quick(echo("32Bx64x16", 32, 64, 16, Payload::Binary)),
    echo("1KiBx64", KIB, 64, 1, Payload::Binary),
    echo("1KiBx64x16", KIB, 64, 16, Payload::Binary),
    echo("16KiBx64", 16 * KIB, 64, 1, Payload::Binary),
    echo("256KiBx8", 256 * KIB, 8, 1, Payload::Binary),
    echo("1MiBx4", MIB, 4, 1, Payload::Binary),
    echo("text-32Bx64", 32, 64, 1, Payload::Text),
    echo("text-32Bx64x16", 32, 64, 16, Payload::Text),
    echo("text-1KiBx64x16", KIB, 64, 16, Payload::Text),
    echo("text-16KiBx64", 16 * KIB, 64, 1, Payload::Text),
    echo("text-1MiBx4", MIB, 4, 1, Payload::Text),
    broadcast("broadcast-64B", 64, 1),
    broadcast("broadcast-64Bx8", 64, 8),
    broadcast("broadcast-1KiB", KIB, 1),
    broadcast("broadcast-1KiBx8", KIB, 8),
    Cell { name: "handshakes", quick: false, workload: Workload::Handshakes { at_once: 16 } },
    Cell { name: "idle", quick: true, workload: Workload::Idle { connections: 5000 } },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_selects_one_cell() {
        for (position, cell) in CELLS.iter().enumerate() {
            assert!(CELLS[..position].iter().all(|other| other.name != cell.name), "{}", cell.name);
        }
    }
}
