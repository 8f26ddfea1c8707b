//! Whether an answer is due on a line, and since when nothing has moved on it.

use super::wire::Wire;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_postgres::tls::{ChannelBinding, TlsStream};

/// The server is ready for the next question: type, length 5, and one byte for the transaction's state (server
/// documentation, "Message Formats", `ReadyForQuery`).
const READY: [u8; 5] = *b"Z\0\0\0\x05";

/// What has moved on a line. Clones tell of the same line.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The last bytes that came, the newest last.
    tail: [u8; 6],
    /// When something last moved, as long as an answer is due.
    due_since: Option<Instant>,
}

impl Traffic {
    /// Watches what moves on a stream.
    pub fn of(&self, wire: Wire) -> Counted {
        Counted {
            wire,
            traffic: self.clone(),
        }
    }

    /// When something last moved, where the server owes an answer.
    pub fn due_since(&self) -> Option<Instant> {
        self.with(|state| state.due_since)
    }

    fn sent(&self) {
        self.with(|state| state.due_since = Some(Instant::now()));
    }

    fn came(&self, bytes: &[u8]) {
        self.with(|state| {
            for byte in &bytes[bytes.len().saturating_sub(state.tail.len())..] {
                state.tail.rotate_left(1);
                state.tail[5] = *byte;
            }
            // Where data looks like it by chance, a dead line is noticed by keepalives only.
            if state.tail.starts_with(&READY) {
                state.due_since = None;
            } else if let Some(since) = &mut state.due_since {
                *since = Instant::now();
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stream whose traffic is watched.
pub struct Counted {
    wire: Wire,
    traffic: Traffic,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.wire).poll_read(cx, buf);
        let new = &buf.filled()[before..];
        if !new.is_empty() {
            self.traffic.came(new);
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.wire).poll_write(cx, buf);
        if written.is_ready() {
            self.traffic.sent();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

impl TlsStream for Counted {
    fn channel_binding(&self) -> ChannelBinding {
        self.wire.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_due_until_the_server_is_ready() {
        let traffic = Traffic::default();
        assert!(traffic.due_since().is_none());
        traffic.sent();
        assert!(traffic.due_since().is_some());
        traffic.came(b"C\0\0\0\x0bCOMMIT\0Z\0\0");
        assert!(traffic.due_since().is_some());
        traffic.came(b"\0\x05I");
        assert!(traffic.due_since().is_none());
        traffic.came(b"N a notice while nothing is asked");
        assert!(traffic.due_since().is_none());
    }
}
