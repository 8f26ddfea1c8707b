//! What the driver reports, told apart by code and never by text.

use super::connect::ConnectError;
use crate::error::{Error, ServerError};
use std::error::Error as _;
use tokio_postgres::error::{DbError, ErrorPosition, Severity, SqlState};

/// A failure of a query or of the connection.
#[derive(Debug, Clone)]
pub struct Fault {
    /// SQLSTATE; absent where the connection itself failed.
    pub code: Option<SqlState>,
    /// The server's message, or what happened to the connection.
    pub message: String,
    /// The server's other words.
    pub server: ServerError,
    /// Where in the text that was sent, in characters from 1.
    pub position: Option<usize>,
    /// Whether the server ended the session with it.
    pub fatal: bool,
}

impl Fault {
    /// Whether the server gave this code.
    pub fn is(&self, code: &SqlState) -> bool {
        self.code.as_ref() == Some(code)
    }

    /// Whether the statement only failed to get its lock in time, or was picked to end a deadlock: worth another try.
    pub fn lock_not_granted(&self) -> bool {
        self.is(&SqlState::LOCK_NOT_AVAILABLE) || self.is(&SqlState::T_R_DEADLOCK_DETECTED)
    }

    /// Whether the session is gone: the connection broke, or the server ended it. The code does not tell: a statement that
    /// calls another server, or raises what it likes, fails with the codes of lost connections too.
    pub fn session_gone(&self) -> bool {
        self.code.is_none() || self.fatal
    }

    /// The error that a person sees, without a place.
    pub fn error(self) -> Error {
        let lost = self.session_gone();
        let mut error = Error::failed(self.message);
        error.lost = lost;
        error.server = self.code.is_some().then(|| Box::new(self.server));
        error
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            let mut message = "the connection to the server was lost".to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                message += &format!(": {cause}");
                source = cause.source();
            }
            return Fault {
                code: None,
                message,
                server: ServerError::default(),
                position: None,
                fatal: true,
            };
        };
        Fault::from(db)
    }
}

impl From<&DbError> for Fault {
    fn from(db: &DbError) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_string);
        let mut context = owned(db.where_());
        let position = match db.position() {
            Some(ErrorPosition::Original(position)) => usize::try_from(*position).ok(),
            Some(ErrorPosition::Internal { query, .. }) => {
                let line = format!("inner query: {query}");
                context = Some(match context {
                    Some(context) => format!("{context}\n{line}"),
                    None => line,
                });
                None
            }
            None => None,
        };
        Fault {
            code: Some(db.code().clone()),
            message: db.message().to_string(),
            server: ServerError {
                code: db.code().code().to_string(),
                detail: owned(db.detail()),
                hint: owned(db.hint()),
                context,
                ..ServerError::default()
            },
            position,
            fatal: matches!(
                db.parsed_severity(),
                Some(Severity::Fatal | Severity::Panic)
            ),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        fault.error()
    }
}

impl From<ConnectError> for Error {
    fn from(refused: ConnectError) -> Self {
        let mut error = Error::failed(refused.message).now("nothing was run");
        error.next = refused.help;
        error.server = refused.sqlstate.map(|code| {
            Box::new(ServerError {
                code,
                ..ServerError::default()
            })
        });
        error
    }
}
