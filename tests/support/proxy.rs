//! A TCP proxy that makes the network slow, and counts round trips.
//!
//! What arrives is passed on in order, each piece a settable time after it came; the pieces do not wait for one
//! another, as on a long line. A round trip is a burst from the client after which it waits for the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A listening proxy; it stops listening when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
    listening: JoinHandle<()>,
}

/// What all connections of a proxy share.
#[derive(Debug, Default)]
struct Line {
    delay_micros: AtomicU64,
    round_trips: AtomicU64,
    bytes_to_server: AtomicU64,
    bytes_to_client: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Towards {
    Server,
    Client,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 for connections to the target, delaying each direction by `one_way`.
    pub async fn start(target: SocketAddr, one_way: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("the proxy listens");
        let address = listener.local_addr().expect("the proxy's address");
        let line = Arc::new(Line::default());
        let listening = tokio::spawn({
            let line = Arc::clone(&line);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(connect(client, target, Arc::clone(&line)));
                }
            }
        });
        let proxy = Self {
            address,
            line,
            listening,
        };
        proxy.set_delay(one_way);
        proxy
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets how long each piece is under way from now on, in each direction.
    pub fn set_delay(&self, one_way: Duration) {
        let micros = u64::try_from(one_way.as_micros()).unwrap_or(u64::MAX);
        self.line.delay_micros.store(micros, Ordering::Relaxed);
    }

    /// Bursts from clients since the start or the last [`Proxy::reset`].
    pub fn round_trips(&self) -> u64 {
        self.line.round_trips.load(Ordering::Relaxed)
    }

    /// Bytes that went to the server, and to the clients.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.line.bytes_to_server.load(Ordering::Relaxed),
            self.line.bytes_to_client.load(Ordering::Relaxed),
        )
    }

    /// Sets the counts back to nought.
    pub fn reset(&self) {
        self.line.round_trips.store(0, Ordering::Relaxed);
        self.line.bytes_to_server.store(0, Ordering::Relaxed);
        self.line.bytes_to_client.store(0, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn connect(client: TcpStream, target: SocketAddr, line: Arc<Line>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return; // the client sees its connection closed, as it would without a proxy
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let client_spoke_last = Arc::new(AtomicBool::new(false));
    let up = pump(
        from_client,
        to_server,
        Towards::Server,
        Arc::clone(&line),
        Arc::clone(&client_spoke_last),
    );
    let down = pump(
        from_server,
        to_client,
        Towards::Client,
        line,
        client_spoke_last,
    );
    tokio::join!(up, down);
}

/// Reads pieces, stamps each with the time when it is due, and has them written when they are.
async fn pump(
    mut from: OwnedReadHalf,
    to: OwnedWriteHalf,
    towards: Towards,
    line: Arc<Line>,
    client_spoke_last: Arc<AtomicBool>,
) {
    let (send, receive) = mpsc::unbounded_channel();
    let writing = tokio::spawn(write_when_due(to, receive));
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut buffer).await {
        if length == 0 {
            break;
        }
        let spoke = client_spoke_last.swap(towards == Towards::Server, Ordering::Relaxed);
        let bytes = match towards {
            Towards::Server => {
                if !spoke {
                    line.round_trips.fetch_add(1, Ordering::Relaxed);
                }
                &line.bytes_to_server
            }
            Towards::Client => &line.bytes_to_client,
        };
        bytes.fetch_add(length as u64, Ordering::Relaxed);
        let delay = Duration::from_micros(line.delay_micros.load(Ordering::Relaxed));
        let piece = (Instant::now() + delay, buffer[..length].to_vec());
        if send.send(piece).is_err() {
            break;
        }
    }
    drop(send); // what is under way still arrives, then the other side sees the end
    let _ = writing.await;
}

async fn write_when_due(
    mut to: OwnedWriteHalf,
    mut pieces: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
) {
    while let Some((due, bytes)) = pieces.recv().await {
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
