//! Whether a Cassandra answers at an address. The driver tells only the last of all failures, and takes a long time to be
//! sure that a server which speaks something else is none; so kmig asks first: one OPTIONS frame, which needs no login
//! (CQL protocol v4, sections 2 and 4.1.3).

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Why an address will not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was found there.
    pub why: String,
    /// What to do about it.
    pub next: Option<&'static str>,
}

impl Refusal {
    fn new(why: impl Into<String>) -> Self {
        Refusal {
            why: why.into(),
            next: None,
        }
    }

    fn next(self, next: &'static str) -> Self {
        Refusal {
            next: Some(next),
            ..self
        }
    }
}

/// A request of protocol v4 without a body, on stream 0: OPTIONS.
const OPTIONS: [u8; 9] = [0x04, 0, 0, 0, 0x05, 0, 0, 0, 0];
const ERROR: u8 = 0x00;
const SUPPORTED: u8 = 0x06;
/// What a server is read of at most: a list of options is a few hundred bytes.
const BODY_MAX: u32 = 64 * 1024;
/// The type of a TLS alert record, which a server sends that was not greeted in TLS.
const TLS_ALERT: u8 = 0x15;

/// Passes where a Cassandra answers at the address. Each wait of the network is at most `patience`.
///
/// # Errors
/// Why it will not do.
pub async fn probe(
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    patience: Duration,
) -> Result<(), Refusal> {
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own, since the runtime waits for its blocking tasks when it ends.
    std::thread::spawn(move || {
        // Nobody listens any more: fine.
        let _ = tell.send(ask(address, tls, patience));
    });
    told.await
        .unwrap_or_else(|_| Err(Refusal::new("it could not be asked")))
}

fn ask(
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    patience: Duration,
) -> Result<(), Refusal> {
    let mut stream = TcpStream::connect_timeout(&address, patience)
        .and_then(|stream| {
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            Ok(stream)
        })
        .map_err(|error| Refusal::new(crate::error::reason(&error)))?;
    let Some(config) = tls else {
        return converse(&mut stream).map_err(|error| plain(&error))?;
    };
    let name = ServerName::IpAddress(address.ip().into());
    let mut session = ClientConnection::new(config, name)
        .map_err(|error| Refusal::new(format!("TLS cannot be begun: {error}")))?;
    converse(&mut rustls::Stream::new(&mut session, &mut stream))
        .map_err(|error| encrypted(&error))?
}

/// Sends OPTIONS and judges the answer.
fn converse(stream: &mut (impl Read + Write)) -> io::Result<Result<(), Refusal>> {
    stream.write_all(&OPTIONS)?;
    stream.flush()?;
    let mut first = [0];
    stream.read_exact(&mut first)?;
    if first[0] == TLS_ALERT {
        return Ok(Err(wants_tls()));
    }
    // The highest bit marks a response; the versions that there are.
    if !(0x81..=0x86).contains(&first[0]) {
        return Ok(Err(no_cassandra()));
    }
    let mut header = [0; 8];
    stream.read_exact(&mut header)?;
    let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    if length > BODY_MAX {
        return Ok(Err(no_cassandra()));
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body)?;
    Ok(match header[3] {
        SUPPORTED if first[0] == 0x84 => match options(&body) {
            None => Err(no_cassandra()),
            Some(names) if names.iter().any(|name| name.starts_with("SCYLLA_")) => Err(
                Refusal::new("it is a ScyllaDB; kmig knows Apache Cassandra, 4.0 or later"),
            ),
            Some(_) => Ok(()),
        },
        SUPPORTED | ERROR => Err(Refusal::new(
            "it does not speak version 4 of the CQL protocol; kmig knows Apache Cassandra, 4.0 or later",
        )),
        _ => Err(no_cassandra()),
    })
}

/// The names of a string multimap.
fn options(body: &[u8]) -> Option<Vec<String>> {
    let mut rest = body;
    let count = short(&mut rest)?;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(string(&mut rest)?);
        for _ in 0..short(&mut rest)? {
            string(&mut rest)?;
        }
    }
    Some(names)
}

fn short(rest: &mut &[u8]) -> Option<usize> {
    let (number, behind) = rest.split_first_chunk::<2>()?;
    *rest = behind;
    Some(usize::from(u16::from_be_bytes(*number)))
}

fn string(rest: &mut &[u8]) -> Option<String> {
    let length = short(rest)?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    String::from_utf8(text.to_vec()).ok()
}

fn no_cassandra() -> Refusal {
    Refusal::new("what answers there is no Cassandra").next("check host and port of the url")
}

fn wants_tls() -> Refusal {
    Refusal::new("it speaks TLS only").next("set tls = { ca = \"…\" } in [cassandra] of kmig.toml")
}

/// What a failure without TLS means.
fn plain(error: &io::Error) -> Refusal {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            Refusal::new(
                "it ended the connection without a word: it is no Cassandra, or speaks TLS only",
            )
            .next("check host and port of the url, and tls in [cassandra]")
        }
        _ => silent(error),
    }
}

fn silent(error: &io::Error) -> Refusal {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            Refusal::new("it accepts connections, and does not answer")
        }
        _ => Refusal::new(crate::error::reason(error)),
    }
}

/// What a failure with TLS means.
fn encrypted(error: &io::Error) -> Refusal {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        NotValidYet, NotValidYetContext, UnknownIssuer,
    };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(fault)) => {
            let refusal = Refusal::new(format!("its certificate is not accepted: {fault}"));
            match fault {
                NotValidForName | NotValidForNameContext { .. } => refusal.next(
                    "give the node a certificate that names its IP address or a host of the url, or set tls.verify = \"ca\"",
                ),
                // An authority of the same name, or another one.
                BadSignature | UnknownIssuer => refusal
                    .next("tls.ca must name the authority that signed the nodes' certificates"),
                Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
                    refusal.next("renew the node's certificate, and check both clocks")
                }
                _ => refusal,
            }
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            Refusal::new("it does not speak TLS").next("check the port, or set tls = false in [cassandra]")
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            let refusal = Refusal::new(format!("it refused the TLS session: {alert:?}"));
            match alert {
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::CertificateUnknown
                | AlertDescription::HandshakeFailure => refusal.next(
                    "it may want a client certificate: set tls.cert and tls.key in [cassandra]",
                ),
                _ => refusal,
            }
        }
        _ => match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                Refusal::new("it ended the TLS session without a word")
                    .next("check host and port of the url; it may not speak TLS, or want a certificate of the client: tls.cert and tls.key in [cassandra]")
            }
            _ => silent(error),
        },
    }
}
