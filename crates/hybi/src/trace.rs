//! The spans and events of the feature `tracing`; without it, nothing.
//!
//! One span per connection, `connection`, at level INFO, and events within it. What a peer can cause at
//! will is never above INFO, but that it is slow, which is told once per connection; what needs somebody
//! to act is WARN or ERROR. Queries of URLs, headers and messages are never recorded: they may be
//! secret. All have the target `hybi`.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables))]

use crate::close_info::ClosedBy;
use crate::error::Error;
use hybi_proto::Extensions;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "tracing")]
macro_rules! event {
    ($level:ident, $($fields:tt)*) => {
        tracing::event!(target: "hybi", tracing::Level::$level, $($fields)*)
    };
}
#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($level:ident, $($fields:tt)*) => {{}};
}

#[cfg(feature = "tracing")]
fn shown<T: Display>(value: Option<T>) -> Option<tracing::field::DisplayValue<T>> {
    value.map(tracing::field::display)
}

/// The span of one connection.
#[derive(Debug)]
pub(crate) struct Span {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

/// While this is held, what is logged belongs to the connection.
pub(crate) struct Entered<'a> {
    #[cfg(feature = "tracing")]
    _entered: tracing::span::Entered<'a>,
    _span: std::marker::PhantomData<&'a Span>,
}

impl Span {
    /// For a connection that has just been opened; `at` is the path, for a client with the host.
    /// The peer is only asked for if somebody listens: that may be a system call.
    pub(crate) fn new(
        role: &'static str,
        peer: impl Fn() -> Option<SocketAddr>,
        at: &dyn Display,
        subprotocol: Option<&str>,
        extensions: &Extensions,
    ) -> Self {
        #[cfg(feature = "tracing")]
        {
            let extensions = extensions.deflate.is_some().then_some("permessage-deflate");
            let span = tracing::info_span!(
                target: "hybi",
                "connection",
                role,
                peer = shown(peer()),
                at = %at,
                subprotocol,
                extensions,
            );
            span.in_scope(|| event!(DEBUG, "opened"));
            Span { span }
        }
        #[cfg(not(feature = "tracing"))]
        Span {}
    }

    /// True if somebody listens.
    pub(crate) fn is_enabled(&self) -> bool {
        #[cfg(feature = "tracing")]
        return !self.span.is_disabled();
        #[cfg(not(feature = "tracing"))]
        false
    }

    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered {
            #[cfg(feature = "tracing")]
            _entered: self.span.enter(),
            _span: std::marker::PhantomData,
        }
    }

    pub(crate) fn closed(&self, code: u16, reason: &str, by: ClosedBy) {
        let _entered = self.enter();
        let by = match by {
            ClosedBy::Us => "us",
            ClosedBy::Peer => "peer",
            ClosedBy::Nobody => "nobody",
        };
        // The reason may be the peer's, or name what it sent: quoted, so that it forges no line of a
        // log.
        event!(DEBUG, code, ?reason, by, "closed");
    }

    /// The peer broke a rule or a limit, did not answer in time, or the transport failed.
    pub(crate) fn error(&self, error: &Error) {
        let _entered = self.enter();
        let code = error.code().map_or("", hybi_proto::ErrorCode::as_str);
        match error {
            Error::Timeout(_) => event!(INFO, code, %error, "the peer did not answer in time"),
            Error::Protocol(_) => event!(INFO, code, %error, "the peer broke the protocol"),
            Error::Limit(_) => event!(INFO, code, %error, "the peer went over a limit"),
            _ => event!(DEBUG, code, %error, "the connection failed"),
        }
    }

    pub(crate) fn round_trip(&self, time: Duration) {
        let _entered = self.enter();
        event!(TRACE, ?time, "the peer answered a ping");
    }

    pub(crate) fn slow_client(&self, what: &'static str) {
        let _entered = self.enter();
        event!(WARN, what, "a client is slow");
    }
}

/// An opening handshake was refused; `None` for the path if there was no whole request.
pub(crate) fn refused(
    peer: Option<SocketAddr>,
    path: Option<&str>,
    status: u16,
    error: &dyn Display,
) {
    event!(INFO, peer = shown(peer), path, status, reason = %error, "handshake refused");
}

/// An opening handshake came to nothing without an answer.
pub(crate) fn failed(peer: Option<SocketAddr>, error: &Error) {
    event!(DEBUG, peer = shown(peer), %error, "handshake failed");
}

/// A handler returned an error.
pub(crate) fn handler_failed(error: &Error) {
    match error {
        // The connection has told already.
        Error::Protocol(_)
        | Error::Limit(_)
        | Error::Timeout(_)
        | Error::Closed(_)
        | Error::Io(_) => event!(DEBUG, %error, "the handler failed with its connection"),
        _ => event!(WARN, %error, "the handler failed"),
    }
}

/// A handler panicked.
pub(crate) fn handler_panicked() {
    event!(ERROR, "the handler panicked");
}

/// The process has no descriptors or memory for a new connection.
pub(crate) fn accept_exhausted(error: &std::io::Error) {
    event!(WARN, %error, "cannot accept connections for now");
}

/// A server says goodbye to its connections.
pub(crate) fn shutdown_begins(connections: usize) {
    event!(INFO, connections, "shutting down");
}

/// A server has said goodbye.
pub(crate) fn shutdown_ended(aborted: usize) {
    event!(INFO, aborted, "shut down");
}

/// A client could not connect.
pub(crate) fn connect_failed(to: &dyn Display, error: &Error) {
    event!(DEBUG, to = %to, %error, "connecting failed");
}

/// A client has lost its connection, or failed to get one, and will try again.
pub(crate) fn reconnecting(attempt: u32, after: Duration) {
    event!(INFO, attempt, ?after, "connecting again");
}
