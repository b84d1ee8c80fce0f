//! `Stream` and `Sink` over the same polls as the inherent methods.
//!
//! The stream yields messages and ends after a Close frame, whatever its code, or the first error. The sink's
//! `poll_close` sends a Close frame with 1000.

use crate::error::Error;
use crate::pump::Shared;
use crate::split::{Reader, Writer};
use crate::websocket::WebSocket;
use futures_core::Stream;
use futures_sink::Sink;
use hybi_proto::{CloseCode, CloseFrame, Message, Utf8Bytes};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

macro_rules! stream {
    ($($type:ty),+) => {
        $(impl Stream for $type {
            type Item = Result<Message, Error>;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                self.shared().poll_message(cx).map(Result::transpose)
            }
        })+
    };
}

macro_rules! sink {
    ($($type:ty),+) => {
        $(impl<M: Into<Message>> Sink<M> for $type {
            type Error = Error;

            fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
                // The length is not known yet; the message itself may go over the bound.
                self.shared().poll_ready(cx, 1)
            }

            fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
                self.shared().queue(|sender| sender.send(message))
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
                self.shared().poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
                close(self.shared(), cx)
            }
        })+
    };
}

stream!(WebSocket, Reader);
sink!(WebSocket, Writer);

fn close(shared: &Arc<Shared>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
    let reason = Utf8Bytes::default();
    shared.close(Some(CloseFrame { code: CloseCode::NORMAL, reason }))?;
    shared.poll_flush(cx)
}
