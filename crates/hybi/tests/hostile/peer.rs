//! One side of ours and a scripted peer at the other end of a pipe.

use hybi::server::Acceptor;
use hybi::{Client, DeflateOptions, Options, WebSocket};
use hybi_proto::Extensions;
use testkit::{Frame, KEY, Script};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

/// Which side is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

pub(crate) const BOTH: [Side; 2] = [Side::Server, Side::Client];

/// Our side and the attacker.
pub(crate) async fn open(side: Side, options: &Options) -> (WebSocket, Script<DuplexStream>) {
    open_on(side, options, "", |stream| stream).await
}

/// As [`open`], with permessage-deflate agreed on.
pub(crate) async fn open_compressed(
    side: Side,
    options: &Options,
) -> (WebSocket, Script<DuplexStream>) {
    let options = options.clone().compression(DeflateOptions::new());
    open_on(side, &options, "Sec-WebSocket-Extensions: permessage-deflate\r\n", |stream| stream)
        .await
}

/// As [`open`]; the attacker's head has these lines too, and our side gets what `wrap` makes of its
/// end of the pipe.
pub(crate) async fn open_on<S>(
    side: Side,
    options: &Options,
    lines: &str,
    wrap: impl FnOnce(DuplexStream) -> S,
) -> (WebSocket, Script<DuplexStream>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut peer, stream) = Script::pair();
    let (stream, options) = (wrap(stream), options.clone());
    match side {
        Side::Server => {
            let acceptor = Acceptor::new().options(options);
            let ours = async { acceptor.accept(stream).await.unwrap().0 };
            let (ws, _) = tokio::join!(ours, peer.opens_with("/", lines, []));
            (ws, peer)
        }
        Side::Client => {
            let client = Client::new().options(options);
            let ours = async { client.connect_over(stream, "ws://localhost/").await.unwrap() };
            let (ws, _) = tokio::join!(ours, peer.accepts_with(lines, []));
            (ws, peer)
        }
    }
}

/// The octets of a frame of the attacker's: masked if ours is the server.
pub(crate) fn wire(side: Side, frame: Frame) -> Vec<u8> {
    match side {
        Side::Server => frame.masked(KEY).octets(),
        Side::Client => frame.octets(),
    }
}

/// A connection of the attacker's without I/O, for frames that are laborious by hand; they have
/// payloads of at most `frame` octets.
pub(crate) fn attacker(
    ours: Side,
    extensions: &Extensions,
    frame: usize,
) -> hybi_proto::Connection {
    let options = Options::new().max_frame_size(frame);
    match ours {
        Side::Server => hybi_proto::Connection::client(|| KEY, extensions, &options),
        Side::Client => hybi_proto::Connection::server(extensions, &options),
    }
}

/// Expects a Close frame next, after any number of pongs; returns its code.
pub(crate) async fn expects_close(peer: &mut Script<DuplexStream>) -> u16 {
    loop {
        let frame = peer.expects_frame().await;
        match frame.opcode {
            8 => return u16::from_be_bytes(frame.payload[..2].try_into().unwrap()),
            10 => {}
            other => panic!("opcode {other} instead of a Close frame"),
        }
    }
}
