//! One error type for the whole program: a kind to branch on, and a message for a person who is frightened.

use crate::gate::Verdict;
use crate::place::Place;
use std::fmt;

/// How a run ends, as a number for scripts. The one list of exit codes (contract §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// A statement, the connection or rights failed.
    Failed = 1,
    /// Usage, kmig.toml, or anything wrong in the files.
    Usage = 2,
    /// The database needs `bootstrap`.
    NeedsBootstrap = 3,
    /// Migrations are pending: a `finish` is owed.
    Pending = 4,
    /// New migrations, or an interrupted `up`.
    New = 5,
    /// Another executor holds the lock.
    Locked = 6,
    /// Refused for safety.
    Refused = 7,
    /// Files and database disagree.
    Disagree = 8,
    /// The database is ahead of the files.
    Ahead = 9,
    /// Stopped by SIGINT.
    Interrupted = 130,
    /// Stopped by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// The word that stands for the code in JSON documents.
    pub fn word(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Usage => "usage",
            Exit::NeedsBootstrap => "needs-bootstrap",
            Exit::Pending => "pending",
            Exit::New => "new",
            Exit::Locked => "locked",
            Exit::Refused => "refused",
            Exit::Disagree => "disagree",
            Exit::Ahead => "ahead",
            Exit::Interrupted => "interrupted",
            Exit::Terminated => "terminated",
        }
    }
}

/// One thing that is wrong, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where, if it is somewhere.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The safety rule that says so.
    pub rule: Option<&'static str>,
    /// Whether it is only to be known, and stops nothing.
    pub warning: bool,
}

impl Diagnostic {
    /// Something wrong that stands in no file.
    pub fn nowhere(message: impl Into<String>) -> Self {
        Diagnostic {
            place: None,
            message: message.into(),
            help: None,
            rule: None,
            warning: false,
        }
    }

    /// Something wrong with a whole file or folder.
    pub fn file(path: impl Into<String>, message: impl Into<String>) -> Self {
        Diagnostic {
            place: Some(Place::file(path)),
            message: message.into(),
            help: None,
            rule: None,
            warning: false,
        }
    }

    /// Something wrong at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Diagnostic {
            place: Some(place),
            message: message.into(),
            help: None,
            rule: None,
            warning: false,
        }
    }

    /// The same, stopping nothing.
    pub fn warning(mut self) -> Self {
        self.warning = true;
        self
    }

    /// The same with a line on what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What the server itself said of a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// SQLSTATE, or an error code of the CQL protocol with its name.
    pub code: String,
    /// Whether it is a code of the CQL protocol.
    pub cql: bool,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// CONTEXT.
    pub context: Option<String>,
}

/// Why a command ended without success: what happened, where, what is now true, what to run next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Decides the exit code.
    pub exit: Exit,
    /// What happened, one or a few lines.
    pub message: String,
    /// Where in the files.
    pub place: Option<Box<Place>>,
    /// The server's own words.
    pub server: Option<Box<ServerError>>,
    /// Everything that is wrong, where it is more than one thing.
    pub diagnostics: Box<[Diagnostic]>,
    /// What is now true of the database.
    pub now: Option<String>,
    /// What to run or write next.
    pub next: Option<String>,
    /// The session with the database is gone: whether the transaction that was under way has taken effect is not known
    /// here, and a run may connect again and look.
    pub lost: bool,
    /// The gate, where it is what is closed.
    pub gate: Option<Box<Verdict>>,
}

/// Stands in [`Error::next`] for the command that was typed, where its name is not known yet.
pub const SAME: &str = "the same command";

/// Result of everything that can end a command.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind, with its message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Error {
            exit,
            message: message.into(),
            place: None,
            server: None,
            diagnostics: Box::default(),
            now: None,
            next: None,
            lost: false,
            gate: None,
        }
    }

    /// Wrong usage or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(Exit::Usage, message)
    }

    /// A failure of the database, of the connection or of the machine.
    pub fn failed(message: impl Into<String>) -> Self {
        Error::new(Exit::Failed, message)
    }

    /// All that is wrong in the files, at once.
    pub fn files(diagnostics: Vec<Diagnostic>) -> Self {
        let count = diagnostics.len();
        let things = if count == 1 { "problem" } else { "problems" };
        Error {
            diagnostics: diagnostics.into(),
            ..Error::new(
                Exit::Usage,
                format!("{count} {things} in the files; nothing was run"),
            )
        }
    }

    /// Adds the place.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    /// Adds what is now true.
    pub fn now(mut self, now: impl Into<String>) -> Self {
        self.now = Some(now.into());
        self
    }

    /// Adds what to run next.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The system's reason without Rust's `(os error 13)`.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}
