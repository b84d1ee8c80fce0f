//! [`CloseInfo`]: how a connection came to its end.

use hybi_proto::CloseFrame;

/// Who ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClosedBy {
    /// This side: by closing or terminating it, or because the peer broke a rule or a limit.
    Us,
    /// The peer: its Close frame came first.
    Peer,
    /// The network, or a peer that has gone without a word.
    Nobody,
}

/// How a connection came to its end, as far as is known by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseInfo {
    by: ClosedBy,
    /// The peer's Close frame has come, with or without a code.
    received: bool,
    frame: Option<CloseFrame>,
}

impl CloseInfo {
    pub(crate) fn new(by: ClosedBy) -> Self {
        CloseInfo { by, received: false, frame: None }
    }

    pub(crate) fn receive(&mut self, frame: Option<CloseFrame>) {
        self.received = true;
        self.frame = frame;
    }

    /// Who began it.
    pub fn by(&self) -> ClosedBy {
        self.by
    }

    /// The code of the peer's Close frame; 1005 if that has none, 1006 if no Close frame has come
    /// (RFC 6455 §7.1.5).
    pub fn code(&self) -> u16 {
        match &self.frame {
            Some(frame) => frame.code.get(),
            None if self.received => 1005,
            None => 1006,
        }
    }

    /// The reason in the peer's Close frame; mostly empty.
    pub fn reason(&self) -> &str {
        self.frame.as_ref().map_or("", |frame| &frame.reason)
    }

    /// Whether the peer's Close frame has come: then nothing that it sent is missing. `ws`:
    /// `wasClean`.
    pub fn is_clean(&self) -> bool {
        self.received
    }
}
