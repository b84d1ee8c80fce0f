//! The same octets to us and to tungstenite: both deliver the same messages.

use hybi_proto::{Connection, ErrorCode, Event, Limits, Message, Options, Role};
use std::io::{self, Read, Write};
use testkit::KEY;
use tungstenite::protocol::{Role as TheirRole, WebSocketConfig};

const LIMIT: usize = 100_000;

/// How a stream of octets ended for one of the two.
#[derive(Debug, PartialEq)]
enum End {
    /// With a Close frame.
    Closed,
    Failed(Option<ErrorCode>),
    /// They would go on reading.
    Open,
}

fn ours(role: Role, octets: &[u8]) -> (Vec<Message>, End) {
    let limits =
        Limits::new().max_message_size(LIMIT).max_fragments(u32::MAX).max_buffered_chunks(u32::MAX);
    let options = Options::new().limits(limits);
    let mut connection = match role {
        Role::Server => Connection::server(&Default::default(), &options),
        Role::Client => Connection::client(|| KEY, &Default::default(), &options),
    };
    let mut messages = Vec::new();
    let mut input = octets;
    loop {
        match connection.receive(&mut input) {
            Ok(Some(Event::Message(message))) => messages.push(message),
            Ok(Some(Event::Close(_))) => return (messages, End::Closed),
            Ok(Some(_)) => {}
            Ok(None) => return (messages, End::Open),
            Err(error) => return (messages, End::Failed(Some(error.code()))),
        }
    }
}

/// What is read, then the end; what is written is gone.
struct Tape<'a>(&'a [u8]);

impl Read for Tape<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Tape<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(role: Role, octets: &[u8]) -> (Vec<Message>, End) {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let config =
        WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
    let mut socket = tungstenite::WebSocket::from_raw_socket(Tape(octets), role, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(tungstenite::Message::Text(text)) => messages.push(Message::text(text.as_str())),
            Ok(tungstenite::Message::Binary(octets)) => messages.push(Message::binary(octets)),
            Ok(tungstenite::Message::Close(_)) => return (messages, End::Closed),
            Ok(_) => {}
            Err(tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => return (messages, End::Open),
            Err(_) => return (messages, End::Failed(None)),
        }
    }
}

/// Compares the two. Where we are stricter, what came before must still be the same.
pub fn tungstenite(octets: &[u8]) {
    let Some((&choice, octets)) = octets.split_first() else { return };
    let role = if choice & 1 == 0 { Role::Server } else { Role::Client };
    let (our_messages, our_end) = ours(role, octets);
    let (their_messages, their_end) = theirs(role, octets);
    match our_end {
        // RFC 6455 §5.2 asks for the shortest form, and §5.5 lets a control frame have no longer one;
        // tungstenite takes any.
        End::Failed(Some(ErrorCode::NonMinimalLength | ErrorCode::InvalidControlPayloadLength)) => {
            assert!(their_messages.starts_with(&our_messages));
            return;
        }
        End::Closed => assert_eq!(their_end, End::Closed),
        End::Open => assert_eq!(their_end, End::Open),
        // We refuse as early as can be; they may wait for more, or take a Close frame that is wrong.
        End::Failed(_) => {}
    }
    assert_eq!(our_messages, their_messages);
}
