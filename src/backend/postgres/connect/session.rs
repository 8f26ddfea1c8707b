//! Opening one stream, logging in on it, and keeping it going.

use std::sync::OnceLock;
use std::time::Duration;

use super::*;
use crate::backend::files;
use crate::backend::tls::{Sources, TlsError};

/// The settings a server reports by itself (server documentation, "Asynchronous Operations").
const REPORTED: [&str; 15] = [
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "scram_iterations",
    "search_path",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
];

/// Runs `work` for at most `limit`; the error is the limit.
pub(super) async fn limited<T>(
    limit: Option<Duration>,
    work: impl Future<Output = T>,
) -> Result<T, Duration> {
    match limit {
        None => Ok(work.await),
        Some(limit) => tokio::time::timeout(limit, work).await.map_err(|_| limit),
    }
}

/// Opens the stream to `place`.
pub(super) async fn open(
    target: &Target,
    place: &Place,
    encryption: Encryption,
) -> Result<Wire, Failure> {
    let address = match (&place.host.address, place.address) {
        (Address::Socket(directory), _) => {
            let stream = wire::unix(directory, place.host.port).await;
            return stream
                .map(Wire::Unix)
                .map_err(|error| Failure::unreachable(place, &error));
        }
        (_, Some(address)) => address,
        (_, None) => return Err(Failure::nothing_tried(place)),
    };
    // Settings that cannot work are told before the server is asked.
    let tls = match encryption {
        Encryption::Plain => None,
        _ => Some((
            connector(target, place).await?,
            server_name(target, place, address)?,
        )),
    };
    let stream = wire::tcp(address, target)
        .await
        .map_err(|error| Failure::unreachable(place, &error))?;
    let Some((connector, name)) = tls else {
        return Ok(Wire::Tcp(stream));
    };
    let wire = wire::start_tls(stream, target.ssl.negotiation, &connector, &name)
        .await
        .map_err(|fault| Failure::tls(place, fault))?;
    if encryption == Encryption::Tls && !wire.is_encrypted() {
        return Err(Failure::tls_declined(place));
    }
    Ok(wire)
}

/// The TLS settings, read from files. Reading happens on a blocking thread.
async fn connector(target: &Target, place: &Place) -> Result<MakeRustlsConnect, Failure> {
    let ssl = target.ssl.clone();
    let read = move || {
        let sources = Sources {
            file: &files::read,
            system_roots: &files::system_roots,
        };
        tls::client_config(&ssl, &sources)
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(config)) => Ok(MakeRustlsConnect::new(config)),
        Ok(Err(error)) => Err(Failure::tls_settings(place, error)),
        Err(error) => Err(Failure::other(place, &error.to_string())),
    }
}

/// What the certificate must name, and what the server is told in clear.
fn server_name(target: &Target, place: &Place, address: SocketAddr) -> Result<String, Failure> {
    let strict = tls::needs_host_name(&target.ssl);
    match &place.host.address {
        Address::Name(name)
        | Address::Ip {
            name: Some(name), ..
        } if strict || rustls::pki_types::ServerName::try_from(name.as_str()).is_ok() => {
            Ok(name.clone())
        }
        _ if strict => Err(Failure::tls_settings(
            place,
            TlsError {
                message: "a host name is needed to verify the server's certificate".to_owned(),
                help: "add host=NAME to hostaddr, or use sslmode=verify-ca",
            },
        )),
        // A name that cannot stand in a certificate; nobody is going to look.
        _ => Ok(address.ip().to_string()),
    }
}

/// Opens a stream and logs in.
pub(super) async fn start(
    target: &Target,
    place: &Place,
    encryption: Encryption,
) -> Result<Connection, Failure> {
    let wire = open(target, place, encryption).await?;
    let encrypted = wire.is_encrypted();
    let traffic = Traffic::default();
    let (client, connection) = driver_config(target, place)
        .connect_raw(traffic.of(wire), Already)
        .await
        .map_err(|error| Failure::driver(place, &error, target).after(encryption, encrypted))?;
    let parameters = REPORTED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), connection.parameter(name)?.to_owned())))
        .collect();
    let request = CancelRequest::of(&client.cancel_token())
        .await
        .ok_or_else(|| Failure::other(place, "the driver gave no way to cancel"))?;
    let (sender, messages) = channel(NOTICES_MAX);
    let unheard = Arc::new(AtomicUsize::new(0));
    let farewell = Arc::new(OnceLock::new());
    Ok(Connection {
        client,
        messages,
        unheard: Arc::clone(&unheard),
        parameters,
        backend_pid: request.process_id(),
        cancel: CancelHandle {
            request,
            place: place.clone(),
            encrypted,
            target: target.clone(),
        },
        encrypted,
        ended: tokio::spawn(drive(connection, (sender, unheard), Arc::clone(&farewell))),
        farewell,
        traffic,
    })
}

/// The target in the driver's terms.
fn driver_config(target: &Target, place: &Place) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config
        .user(&target.user)
        .dbname(&target.dbname)
        .application_name(&target.application_name)
        // "TLS at once": so the driver asks for nothing and takes the stream that `Already` hands it.
        .ssl_mode(config::SslMode::Require)
        .ssl_negotiation(config::SslNegotiation::Direct)
        .channel_binding(match target.channel_binding {
            ChannelBinding::Disable => config::ChannelBinding::Disable,
            ChannelBinding::Prefer => config::ChannelBinding::Prefer,
            ChannelBinding::Require => config::ChannelBinding::Require,
        });
    if let Some(options) = &target.options {
        config.options(options);
    }
    if let Some(password) = target.password.as_ref().or(place.host.password.as_ref()) {
        config.password(password.expose_secret());
    }
    config
}

/// Notices that are kept until somebody listens: one statement may send millions.
const NOTICES_MAX: usize = 1000;

/// Keeps the session going until it ends, and passes on what the server says.
async fn drive(
    mut connection: tokio_postgres::Connection<Counted, Counted>,
    (sender, unheard): (Sender<Notice>, Arc<AtomicUsize>),
    farewell: Arc<OnceLock<String>>,
) -> Option<String> {
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notice(notice))) => {
                // Nobody listening is no reason to stop, nor to keep everything.
                let sent = sender.try_send(Notice {
                    severity: notice.severity().to_owned(),
                    code: notice.code().code().to_owned(),
                    message: notice.message().to_owned(),
                    detail: notice.detail().map(str::to_owned),
                    hint: notice.hint().map(str::to_owned),
                    context: notice.where_().map(str::to_owned),
                });
                if sent.is_err() {
                    unheard.fetch_add(1, Ordering::Relaxed);
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                if let Some(code) = error.code() {
                    let _ = farewell.set(code.code().to_owned());
                }
                return Some(unfolded(&error));
            }
            None => return None,
        }
    }
}

/// Why the server is not of the kind wanted, if it is not. Servers from 14 have told already; others are asked.
pub(super) async fn is_wanted(
    connection: &Connection,
    wanted: TargetSessionAttrs,
) -> Result<Option<&'static str>, tokio_postgres::Error> {
    let told = |name: &str| connection.parameters.get(name).map(|value| value == "on");
    Ok(match wanted {
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => None,
        TargetSessionAttrs::ReadWrite | TargetSessionAttrs::ReadOnly => {
            let read_only = match (
                told("default_transaction_read_only"),
                told("in_hot_standby"),
            ) {
                (Some(by_default), Some(standby)) => by_default || standby,
                _ => asked(connection, "SHOW transaction_read_only", "on").await?,
            };
            match (wanted, read_only) {
                (TargetSessionAttrs::ReadWrite, true) => Some("the session is read-only"),
                (TargetSessionAttrs::ReadOnly, false) => Some("the session is not read-only"),
                _ => None,
            }
        }
        TargetSessionAttrs::Primary | TargetSessionAttrs::Standby => {
            let standby = match told("in_hot_standby") {
                Some(standby) => standby,
                None => asked(connection, "SELECT pg_catalog.pg_is_in_recovery()", "t").await?,
            };
            match (wanted, standby) {
                (TargetSessionAttrs::Primary, true) => Some("the server is in hot standby mode"),
                (TargetSessionAttrs::Standby, false) => {
                    Some("the server is not in hot standby mode")
                }
                _ => None,
            }
        }
    })
}

/// Whether the first column of the only row is `yes`.
async fn asked(
    connection: &Connection,
    query: &str,
    yes: &str,
) -> Result<bool, tokio_postgres::Error> {
    let messages = connection.client.simple_query(query).await?;
    Ok(messages.iter().any(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0) == Some(yes),
        _ => false,
    }))
}
