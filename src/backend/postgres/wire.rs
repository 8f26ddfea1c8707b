//! The byte stream to a server: TCP or Unix socket, and the request for TLS.
//!
//! kmig starts TLS itself rather than leave it to the driver, so that a refusal of TLS, a broken handshake and a login
//! that failed can be told apart by type and not by text. The driver is told that TLS is done (`Already`).

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conninfo::{SslNegotiation, Target};

type Encrypted = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream;

/// A stream to a server, with or without TLS.
pub enum Wire {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A Unix socket; never with TLS, as in libpq.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<Encrypted>),
}

/// Why TLS did not come about.
#[derive(Debug)]
pub enum TlsFault {
    /// The stream broke before the server answered.
    Broken(io::Error),
    /// The server answered the request for TLS with something else than yes or no.
    Odd(u8),
    /// The handshake failed.
    Handshake(io::Error),
}

/// Opens TCP with the keepalives of the target.
pub async fn tcp(address: SocketAddr, target: &Target) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let keepalives = target.keepalives;
    socket.set_keepalive(keepalives.enabled)?;
    if keepalives.enabled {
        let mut wanted = TcpKeepalive::new();
        if let Some(idle) = keepalives.idle {
            wanted = wanted.with_time(idle);
        }
        if let Some(interval) = keepalives.interval {
            wanted = wanted.with_interval(interval);
        }
        if let Some(count) = keepalives.count {
            wanted = wanted.with_retries(count);
        }
        socket.set_tcp_keepalive(&wanted)?;
    }
    #[cfg(target_os = "linux")]
    if target.tcp_user_timeout.is_some() {
        socket.set_tcp_user_timeout(target.tcp_user_timeout)?;
    }
    Ok(stream)
}

/// Opens the socket in `directory`; `@` means the abstract namespace.
pub async fn unix(directory: &str, port: u16) -> io::Result<UnixStream> {
    let path = format!("{directory}/.s.PGSQL.{port}");
    match path.strip_prefix('@') {
        Some(name) => UnixStream::connect(format!("\0{name}")).await,
        None => UnixStream::connect(path).await,
    }
}

/// Starts TLS. `Ok` holds a plain stream if the server declined.
pub async fn start_tls(
    mut stream: TcpStream,
    negotiation: SslNegotiation,
    tls: &MakeRustlsConnect,
    server_name: &str,
) -> Result<Wire, TlsFault> {
    /// `SSLRequest`: length 8 and the request's code (server documentation, "Message Formats").
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    if negotiation == SslNegotiation::Postgres {
        stream
            .write_all(&SSL_REQUEST)
            .await
            .map_err(TlsFault::Broken)?;
        // One byte and no more: what is sent behind it in clear must not be taken for decrypted (CVE-2021-23222).
        match stream.read_u8().await.map_err(TlsFault::Broken)? {
            b'S' => {}
            b'N' => return Ok(Wire::Tcp(stream)),
            other => return Err(TlsFault::Odd(other)),
        }
    }
    let Ok(connect) = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls.clone(), server_name);
    let encrypted = connect.connect(stream).await.map_err(TlsFault::Handshake)?;
    Ok(Wire::Tls(Box::new(encrypted)))
}

impl Wire {
    /// Whether TLS protects the stream.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Wire::Tls(_))
    }
}

/// Calls a method of whichever stream it is.
macro_rules! delegate {
    ($wire:expr, $method:ident, $($argument:expr),*) => {
        match $wire.get_mut() {
            Wire::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Wire::Unix(stream) => Pin::new(stream).$method($($argument),*),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self, poll_read, cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, poll_write, cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_shutdown, cx)
    }
}

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Wire::Tls(stream) => stream.channel_binding(),
            Wire::Tcp(_) | Wire::Unix(_) => ChannelBinding::none(),
        }
    }
}

/// Tells the driver that the stream is as it should be.
pub struct Already;

impl<S: TlsStream + Unpin> TlsConnect<S> for Already {
    type Stream = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn connect(self, stream: S) -> Self::Future {
        ready(Ok(stream))
    }
}

/// The message that cancels what a session does: length, code, process id and secret, four bytes each (server
/// documentation, "Message Formats", `CancelRequest`).
#[derive(Clone, Copy)]
pub struct CancelRequest([u8; 16]);

impl CancelRequest {
    /// Has the driver write its request into memory: that is the only place where it gives away the process id.
    pub async fn of(token: &CancelToken) -> Option<Self> {
        let memory = Memory::default();
        token.cancel_query_raw(memory.clone(), Already).await.ok()?;
        let written = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.as_slice().try_into().ok().map(CancelRequest)
    }

    /// The process id of the server's backend.
    pub fn process_id(&self) -> i32 {
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = self.0;
        i32::from_be_bytes([a, b, c, d])
    }

    /// Sends it and waits until the server has dealt with it, which it shows by closing the stream.
    pub async fn send(&self, mut wire: Wire) -> io::Result<()> {
        wire.write_all(&self.0).await?;
        wire.flush().await?;
        let mut rest = [0; 64];
        // How the server closes (with or without TLS' farewell, or by a reset) does not matter.
        while matches!(wire.read(&mut rest).await, Ok(1..)) {}
        Ok(())
    }
}

/// A stream that keeps what is written.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl AsyncRead for Memory {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for Memory {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
