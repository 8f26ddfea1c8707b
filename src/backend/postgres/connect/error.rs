//! Why a connection did not come about: decided by SQLSTATE and type, never by text.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::{Encryption, Place, Target};
use crate::backend::postgres::wire::TlsFault;
use crate::backend::tls::TlsError;
use crate::error::reason;

/// A connection that did not come about. Never contains a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    /// What kind of trouble it is.
    pub kind: ConnectErrorKind,
    /// What was tried and what went wrong, a line for each server tried.
    pub message: String,
    /// What to check.
    pub help: Option<String>,
    /// The SQLSTATE, if a server sent one.
    pub sqlstate: Option<String>,
}

/// Kinds of trouble on the way to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectErrorKind {
    /// No server answers, or none of the kind asked for.
    Unreachable,
    /// Nobody answered within `connect_timeout`.
    TimedOut,
    /// The login is refused: password, role, `pg_hba.conf`, or the right to connect.
    Auth,
    /// TLS is declined or fails.
    Tls,
    /// There is no such database.
    NoDatabase,
    /// The server, database or role has no free connection.
    TooManyConnections,
    /// The server is starting up, shutting down or recovering.
    StartingUp,
    /// The server refuses a setting, or a setting cannot be used.
    Config,
    /// Anything else.
    Other,
}

/// What a failure means for the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The same address may go with, or without, TLS.
    OtherEncryption,
    /// The next address may do.
    OtherAddress,
    /// No use to go on.
    Stop,
}

/// One attempt that failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: ConnectErrorKind,
    lines: Vec<String>,
    help: Option<String>,
    sqlstate: Option<String>,
    pub(super) next: Next,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectError {}

impl ConnectError {
    /// The last failure decides the kind; every one is told.
    pub(super) fn from_failures(target: &Target, failures: Vec<Failure>) -> Self {
        let mut lines: Vec<String> = Vec::new();
        for line in failures.iter().flat_map(|failure| &failure.lines) {
            if !lines.contains(line) {
                lines.push(line.clone());
            }
        }
        match failures.into_iter().next_back() {
            Some(last) => ConnectError {
                kind: last.kind,
                message: lines.join("\n"),
                help: last.help,
                sqlstate: last.sqlstate,
            },
            None => ConnectError {
                kind: ConnectErrorKind::Config,
                message: format!("{target} has no host"),
                help: None,
                sqlstate: None,
            },
        }
    }
}

impl Failure {
    fn new(kind: ConnectErrorKind, next: Next, place: &Place, what: &str, help: &str) -> Self {
        Failure {
            kind,
            lines: vec![format!("connection to {place} failed: {what}")],
            help: (!help.is_empty()).then(|| help.to_owned()),
            sqlstate: None,
            next,
        }
    }

    /// A name without an address.
    pub(super) fn lookup(name: &str, what: &str) -> Self {
        Failure {
            kind: ConnectErrorKind::Unreachable,
            lines: vec![format!(
                "could not translate host name \"{name}\" to an address: {what}"
            )],
            help: Some("check the host name and the name service".to_owned()),
            sqlstate: None,
            next: Next::OtherAddress,
        }
    }

    /// The socket could not be opened.
    pub(super) fn unreachable(place: &Place, error: &io::Error) -> Self {
        let help = match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                "check that the server runs and listens on this host and port"
            }
            io::ErrorKind::NotFound => {
                "check that the server runs here and puts its socket into this directory"
            }
            io::ErrorKind::PermissionDenied => "check the permissions of the socket's directory",
            _ => "check host, port, network and firewall",
        };
        Failure::new(
            ConnectErrorKind::Unreachable,
            Next::OtherAddress,
            place,
            &reason(error),
            help,
        )
    }

    /// The stream broke.
    pub(super) fn io(place: &Place, error: &io::Error) -> Self {
        Failure::new(
            ConnectErrorKind::Unreachable,
            Next::Stop,
            place,
            &reason(error),
            "check the server's log",
        )
    }

    /// `connect_timeout` is over.
    pub(super) fn timeout(place: &Place, limit: Duration) -> Self {
        let what = format!("timeout expired after {} s", limit.as_secs());
        Failure::new(
            ConnectErrorKind::TimedOut,
            Next::OtherAddress,
            place,
            &what,
            "check host, port, network and firewall, or raise connect_timeout",
        )
    }

    /// The server is not what `target_session_attrs` asks for.
    pub(super) fn unwanted(place: &Place, why: &str) -> Self {
        let help = "target_session_attrs asks for another kind of server";
        Failure::new(
            ConnectErrorKind::Unreachable,
            Next::OtherAddress,
            place,
            why,
            help,
        )
    }

    /// The server has no TLS.
    pub(super) fn tls_declined(place: &Place) -> Self {
        Failure::new(
            ConnectErrorKind::Tls,
            Next::Stop,
            place,
            "server does not support TLS, but TLS was required",
            "turn on ssl on the server, or use sslmode=prefer if an unprotected connection is acceptable",
        )
    }

    /// TLS settings that cannot be used.
    pub(super) fn tls_settings(place: &Place, error: TlsError) -> Self {
        Failure::new(
            ConnectErrorKind::Tls,
            Next::OtherEncryption,
            place,
            &error.message,
            error.help,
        )
    }

    /// TLS that did not come about.
    pub(super) fn tls(place: &Place, fault: TlsFault) -> Self {
        match fault {
            TlsFault::Broken(error) => Failure::io(place, &error),
            TlsFault::Odd(_) => Failure::new(
                ConnectErrorKind::Other,
                Next::Stop,
                place,
                "unexpected answer to the request for TLS",
                "check that a Postgres server listens there",
            ),
            TlsFault::Handshake(error) => {
                let help =
                    certificate_fault(&error).unwrap_or("check the server's TLS settings and log");
                let what = format!("TLS: {error}");
                Failure::new(
                    ConnectErrorKind::Tls,
                    Next::OtherEncryption,
                    place,
                    &what,
                    help,
                )
            }
        }
    }

    /// Something that should not happen.
    pub(super) fn other(place: &Place, what: &str) -> Self {
        Failure::new(ConnectErrorKind::Other, Next::Stop, place, what, "")
    }

    /// An address that none of the ways to connect fits.
    pub(super) fn nothing_tried(place: &Place) -> Self {
        Failure::other(place, "there is no way to connect")
    }

    /// What the driver says during login.
    pub(super) fn driver(place: &Place, error: &tokio_postgres::Error, target: &Target) -> Self {
        use ConnectErrorKind::{Auth, Other, Unreachable};
        let what = unfolded(error);
        if let Some(db) = error.as_db_error() {
            let (kind, next, help) = server_said(db.code(), target);
            let mut failure = Failure::new(kind, next, place, &what, &help);
            failure.sqlstate = Some(db.code().code().to_owned());
            return failure;
        }
        // The driver does not tell the kinds of its errors apart; their causes do. With the wire opened and TLS done by
        // kmig, a cause that is no io error comes from the login: a password that is missing, a method unknown to
        // the driver, channel binding that the server does not do.
        match error.source() {
            Some(cause) if cause.is::<io::Error>() => Failure::new(
                Unreachable,
                Next::Stop,
                place,
                &what,
                "check the server's log",
            ),
            Some(_) => Failure::new(Auth, Next::Stop, place, &what, &login_help(place, target)),
            None if error.is_closed() => Failure::new(
                Unreachable,
                Next::Stop,
                place,
                "server closed the connection unexpectedly",
                "check the server's log",
            ),
            None => Failure::new(
                Other,
                Next::Stop,
                place,
                &what,
                "check that a Postgres server listens there",
            ),
        }
    }

    /// A login refused under one encryption may go under the other.
    pub(super) fn after(mut self, encryption: Encryption, encrypted: bool) -> Self {
        let other_is_left = match encryption {
            Encryption::Plain => true,
            Encryption::TlsIfOffered => encrypted,
            Encryption::Tls => false,
        };
        if self.next == Next::Stop && self.sqlstate.is_some() && other_is_left {
            self.next = Next::OtherEncryption;
        }
        self
    }

    /// This failure behind an earlier one at the same address.
    pub(super) fn and(mut self, later: Failure) -> Self {
        self.lines.extend(later.lines);
        Failure {
            lines: self.lines,
            ..later
        }
    }

    /// With all encryptions tried there is none left.
    pub(super) fn stop_if_only_encryption(self) -> Self {
        match self.next {
            Next::OtherEncryption => Failure {
                next: Next::Stop,
                ..self
            },
            _ => self,
        }
    }
}

/// What a server's refusal means (server documentation, "PostgreSQL Error Codes").
fn server_said(code: &SqlState, target: &Target) -> (ConnectErrorKind, Next, String) {
    use ConnectErrorKind::{Auth, Config, NoDatabase, Other, StartingUp, TooManyConnections};
    let Target { user, dbname, .. } = target;
    let (kind, help) = match code.code() {
        "57P03" => {
            let help = "wait until the server is ready".to_owned();
            return (StartingUp, Next::OtherAddress, help);
        }
        "57P01" | "57P02" => (StartingUp, "the server is shutting down".to_owned()),
        "28P01" => (
            Auth,
            "check user and password (URL, PGPASSWORD, passfile)".to_owned(),
        ),
        "42501" => (
            Auth,
            format!("GRANT CONNECT ON DATABASE \"{dbname}\" TO \"{user}\""),
        ),
        class if class.starts_with("28") => {
            let help =
                "check the user, and pg_hba.conf: it decides by host, user, database and TLS";
            (Auth, help.to_owned())
        }
        "3D000" => (
            NoDatabase,
            format!("create it (createdb {dbname}), or check the name"),
        ),
        "53300" => {
            let help =
                "wait, close sessions, or raise max_connections or the role's or database's limit";
            (TooManyConnections, help.to_owned())
        }
        // undefined_object, invalid_parameter_value, cant_change_runtime_param, syntax_error
        "42704" | "22023" | "55P02" | "42601" => {
            let help = "check options and the PG* variables that become server settings";
            (Config, help.to_owned())
        }
        _ => (Other, String::new()),
    };
    (kind, Next::Stop, help)
}

fn login_help(place: &Place, target: &Target) -> String {
    if target.password.is_none() && place.host.password.is_none() {
        "no password is set: put it into the URL, PGPASSWORD or a passfile".to_owned()
    } else {
        "check channel_binding and the method in the server's pg_hba.conf; kmig knows password, md5, scram-sha-256 and cert".to_owned()
    }
}

/// What to check when the server's certificate is not accepted.
fn certificate_fault(error: &io::Error) -> Option<&'static str> {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(fault) = error else {
        return None;
    };
    Some(match fault {
        NotValidForName | NotValidForNameContext { .. } => {
            "connect by a name that stands in the server's certificate, or use sslmode=verify-ca"
        }
        UnknownIssuer => "sslrootcert must name the authority that signed the server's certificate",
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            "renew the server's certificate, and check both clocks"
        }
        _ => "check the server's certificate: it must be X.509 version 3 and meant for servers",
    })
}

/// An error of the driver with all its causes; of a server's error, the server's words.
pub(super) fn unfolded(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        let mut text = format!("{}: {}", db.severity(), db.message());
        for (name, more) in [("DETAIL", db.detail()), ("HINT", db.hint())] {
            if let Some(more) = more {
                text.push_str(&format!(" ({name}: {more})"));
            }
        }
        return text;
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
