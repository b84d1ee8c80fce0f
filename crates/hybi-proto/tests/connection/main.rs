//! A connection seen from outside: octets, intent and time go in, events and octets come out.

mod chunking;
mod closing;
mod fragmentation;
mod keepalive;
mod limits;
mod pieces;
mod pings;
mod sending;
mod slices;
mod text;
mod violations;

use hybi_proto::{Options, Role};
use testkit::{Endpoint, Frame, KEY, Pair};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// The side of a new pair that has this role.
fn endpoint(role: Role, options: &Options) -> Endpoint {
    let pair = Pair::with(options);
    match role {
        Role::Server => pair.server,
        Role::Client => pair.client,
    }
}

/// The frame as the peer of `role` sends it: masked to a server, as it is to a client.
fn to(role: Role, frame: Frame) -> Vec<u8> {
    match role {
        Role::Server => frame.masked(KEY).octets(),
        Role::Client => frame.octets(),
    }
}
