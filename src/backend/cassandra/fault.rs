//! What the driver reports, told apart by code and never by text.

use crate::backend::point::pointed;
use crate::cql::{Act, holds_password, with_id};
use crate::error::{Error, ServerError, reason};
use crate::source::Part;
use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError,
    MetadataError, NewSessionError, PrepareError, RequestAttemptError, RequestError,
    UseKeyspaceError,
};

/// What a failure says of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server said no, before it did anything: syntax, rights, a name that is not there, or is there already.
    Refused,
    /// The server would not take it now, or not yet. Replicas may have been told of a write already.
    Busy,
    /// It was sent, and may or may not have taken effect: a time-out, a broken connection, replicas that did not answer.
    InDoubt,
    /// It was never sent.
    Unreachable,
}

/// A failure of a request or of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it says of the request.
    pub kind: Kind,
    /// The server's error code (CQL protocol v4, section 9); absent where the server said nothing.
    pub code: Option<i32>,
    /// The server's message, or what happened to the connection.
    pub message: String,
    /// Where in the text that was sent: line from 1, column from 0 in UTF-16 units, as the server's parser counts.
    pub position: Option<(usize, usize)>,
    /// Whether the connection is in question: another try, or another node, may do.
    pub lost: bool,
}

/// The code of a server that wants no such login.
pub const AUTHENTICATION: i32 = 0x0100;
/// The code of a request that the role may not make.
pub const UNAUTHORIZED: i32 = 0x2100;
/// The code of a statement that names what is not there, or cannot be.
pub const INVALID: i32 = 0x2200;
/// The code of a table or keyspace that is there already.
pub const ALREADY_EXISTS: i32 = 0x2400;

impl Fault {
    /// Whether the server gave this code.
    pub fn is(&self, code: i32) -> bool {
        self.code == Some(code)
    }

    /// Whether the request may have taken effect, wholly or in part.
    pub fn in_doubt(&self) -> bool {
        matches!(self.kind, Kind::InDoubt | Kind::Busy)
    }

    /// Its code and message, to stand in the middle of a line.
    pub fn brief(&self) -> String {
        let message = self.message.trim_end_matches('.');
        match self.code {
            Some(code) => format!("{}, {message}", shown(code)),
            None => message.to_string(),
        }
    }

    /// The error that a person sees, without a place.
    pub fn error(self) -> Error {
        let lost = self.lost;
        let mut error = Error::failed(self.message);
        error.lost = lost;
        error.server = self.code.map(|code| {
            Box::new(ServerError {
                code: shown(code),
                cql: true,
                ..ServerError::default()
            })
        });
        if self.code == Some(UNAUTHORIZED) {
            // Who knows the keyspace says it better.
            error.next = Some(
                "let an administrator GRANT it; kmig needs ALL PERMISSIONS on its keyspace"
                    .to_string(),
            );
        }
        if self.kind == Kind::InDoubt && !lost {
            error.now = Some("the request was sent, and may have taken effect".to_string());
        }
        error
    }

    /// The error with the place in a part's file: the word of the statement that the server pointed at.
    pub fn at(self, part: &Part, at: usize) -> Error {
        let Some(statement) = part.cql.get(at) else {
            return self.error();
        };
        let file = &part.file.text;
        // As it was sent: a table or view has got an id.
        let sent = with_id(file, statement, &uuid::Uuid::nil().to_string());
        let more = sent.len() - statement.span.of(file).len();
        let byte = self.position.and_then(|position| byte_of(&sent, position));
        let id_at = match &statement.act {
            Act::Create(made) => made.id_place.map(|place| place.at - statement.span.start),
            _ => None,
        };
        let byte = byte.map(|byte| match id_at {
            Some(id_at) if byte > id_at => byte.saturating_sub(more).max(id_at),
            _ => byte,
        });
        let place = pointed(part, at, byte);
        let mut fault = self;
        // The server quotes what it could not read, and that may be the password.
        if holds_password(file, statement) {
            fault.message = "the server refused this statement; its words are not shown, since they may quote the password".to_string();
        }
        fault.error().at(place)
    }

    fn unreachable(error: &dyn std::fmt::Display) -> Fault {
        Fault::silent(Kind::Unreachable, error)
    }

    /// A failure of which the server said nothing.
    fn silent(kind: Kind, error: &dyn std::fmt::Display) -> Fault {
        Fault {
            kind,
            code: None,
            message: error.to_string(),
            position: None,
            lost: true,
        }
    }

    /// What the server said.
    pub(super) fn said(error: &DbError, message: &str) -> Fault {
        let code = code(error);
        Fault {
            kind: kind(code),
            code: Some(code),
            message: message.to_string(),
            position: (code == SYNTAX).then(|| position(message)).flatten(),
            lost: false,
        }
    }
}

const SYNTAX: i32 = 0x2000;

/// The number of an error (CQL protocol v4, section 9).
fn code(error: &DbError) -> i32 {
    match error {
        // The driver asks for the extensions of Scylla to name this one, and kmig has none.
        DbError::RateLimitReached { .. } => 0x1001,
        other => other.code(&Default::default()),
    }
}

/// What a code says of the request.
fn kind(code: i32) -> Kind {
    match code {
        // Protocol error, bad credentials, syntax, unauthorized, invalid, configuration, already exists, unprepared.
        0x000A | AUTHENTICATION | SYNTAX | UNAUTHORIZED | INVALID | 0x2300 | ALREADY_EXISTS
        | 0x2500 => Kind::Refused,
        // Overloaded, bootstrapping.
        0x1001 | 0x1002 => Kind::Busy,
        // An Unavailable too: a conditional write, or a batch, may find its replicas gone after the first round.
        _ => Kind::InDoubt,
    }
}

/// `2000 (syntax error)`: the code as the protocol and cqlsh write it, and its name.
fn shown(code: i32) -> String {
    let name = match code {
        0x0000 => "server error",
        0x000A => "protocol error",
        AUTHENTICATION => "bad credentials",
        0x1000 => "unavailable",
        0x1001 => "overloaded",
        0x1002 => "bootstrapping",
        0x1003 => "truncate error",
        0x1100 => "write timeout",
        0x1200 => "read timeout",
        0x1300 => "read failure",
        0x1400 => "function failure",
        0x1500 => "write failure",
        SYNTAX => "syntax error",
        UNAUTHORIZED => "unauthorized",
        INVALID => "invalid",
        0x2300 => "configuration error",
        ALREADY_EXISTS => "already exists",
        0x2500 => "unprepared",
        _ => "unknown",
    };
    format!("{code:04X} ({name})")
}

/// The place in `line 3:17 no viable alternative …`, as ANTLR writes it. Only a caret depends on it.
fn position(message: &str) -> Option<(usize, usize)> {
    let (line, rest) = message.strip_prefix("line ")?.split_once(':')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    Some((line.parse().ok()?, rest[..digits].parse().ok()?))
}

/// The byte at a line and column of a text.
fn byte_of(text: &str, (line, column): (usize, usize)) -> Option<usize> {
    let start = match line.checked_sub(1)? {
        0 => 0,
        breaks => text.match_indices('\n').nth(breaks - 1)?.0 + 1,
    };
    let mut units = 0;
    for (at, letter) in text[start..].char_indices() {
        if units >= column {
            return Some(start + at);
        }
        units += letter.len_utf16();
    }
    None
}

impl From<RequestAttemptError> for Fault {
    fn from(error: RequestAttemptError) -> Self {
        match &error {
            RequestAttemptError::DbError(db, message) => Fault::said(db, message),
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::UnableToAllocStreamId
            | RequestAttemptError::RepreparedIdChanged { .. }
            | RequestAttemptError::RepreparedIdMissingInBatch => Fault::unreachable(&error),
            _ => Fault::silent(Kind::InDoubt, &error),
        }
    }
}

impl From<ExecutionError> for Fault {
    fn from(error: ExecutionError) -> Self {
        match error {
            ExecutionError::LastAttemptError(attempt) => attempt.into(),
            ExecutionError::PrepareError(prepare) => prepare.into(),
            ExecutionError::ConnectionPoolError(ConnectionPoolError::Broken {
                last_connection_error,
            }) => Fault::unreachable(&unconnected(&last_connection_error)),
            ExecutionError::BadQuery(_)
            | ExecutionError::EmptyPlan
            | ExecutionError::ConnectionPoolError(_) => Fault::unreachable(&error),
            _ => Fault::silent(Kind::InDoubt, &error),
        }
    }
}

impl From<RequestError> for Fault {
    fn from(error: RequestError) -> Self {
        error.into_execution_error().into()
    }
}

impl From<PrepareError> for Fault {
    /// Preparing changes nothing, so whatever became of it, nothing was sent.
    fn from(error: PrepareError) -> Self {
        let mut fault = match error {
            PrepareError::AllAttemptsFailed { first_attempt } => Fault::from(first_attempt),
            other => Fault::unreachable(&other),
        };
        if fault.kind == Kind::InDoubt {
            fault.kind = Kind::Unreachable;
        }
        fault
    }
}

impl From<NewSessionError> for Fault {
    /// Connecting changes nothing either.
    fn from(error: NewSessionError) -> Self {
        match connection(&error) {
            Some(connection) => Fault::of_connection(connection),
            None => Fault::unreachable(&error),
        }
    }
}

/// Whether a node's host said, at the last try to connect, that no process listens there.
pub(super) fn not_listening(error: &ExecutionError) -> bool {
    let ExecutionError::ConnectionPoolError(ConnectionPoolError::Broken {
        last_connection_error: ConnectionError::IoError(error),
    }) = error
    else {
        return false;
    };
    error.kind() == std::io::ErrorKind::ConnectionRefused
}

/// Why a node that was connected is not any more, in few words: it stands in the line of a member.
fn unconnected(error: &ConnectionError) -> String {
    match error {
        ConnectionError::IoError(error) => reason(error),
        ConnectionError::ConnectTimeout => "no connection in time".to_string(),
        ConnectionError::ConnectionSetupRequestError(setup) => match setup.get_error() {
            ConnectionSetupRequestErrorKind::DbError(_, message) => message.clone(),
            _ => "it takes connections and answers nothing".to_string(),
        },
        other => other.to_string(),
    }
}

/// Why the first connection of a session could not be made.
fn connection(error: &NewSessionError) -> Option<&ConnectionError> {
    match error {
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(
            ConnectionPoolError::Broken {
                last_connection_error,
            },
        )) => Some(last_connection_error),
        _ => None,
    }
}

/// Whether a login was wanted and none given.
pub(super) fn missing_login(error: &NewSessionError) -> bool {
    matches!(
        connection(error),
        Some(ConnectionError::ConnectionSetupRequestError(setup))
            if matches!(setup.get_error(), ConnectionSetupRequestErrorKind::MissingAuthentication)
    )
}

impl Fault {
    /// Why a connection could not be made.
    fn of_connection(error: &ConnectionError) -> Fault {
        match error {
            ConnectionError::ConnectionSetupRequestError(setup) => match setup.get_error() {
                ConnectionSetupRequestErrorKind::DbError(db, message) => Fault::said(db, message),
                other => Fault::unreachable(other),
            },
            ConnectionError::UseKeyspaceError(UseKeyspaceError::RequestError(
                RequestAttemptError::DbError(db, message),
            )) => Fault::said(db, message),
            other => Fault::unreachable(other),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        fault.error()
    }
}

#[cfg(test)]
mod tests;
