//! What kmig tells of other sessions: who holds the lock, who stands in the way, what killed runs left behind.

use crate::error::Error;
use serde::Serialize;
use std::collections::BTreeSet;

/// Lines of what stands in the way of a reset that are shown.
const SHOWN: usize = 20;

/// How long the head of a query is that is shown, in characters.
pub const QUERY_MAX: usize = 300;

/// The executor that holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Its server process; of a lease its own process.
    pub pid: i64,
    /// `kmig/<version> <run> user@host`, as it announced itself.
    pub application: String,
    /// Its run, as the journal has it, where it announced one.
    pub run: Option<String>,
    /// Where it comes from, absent for a local socket.
    pub address: Option<String>,
    /// Seconds since it connected.
    pub seconds: i64,
    /// Whether it is proved that its process has died: only of runs on this machine.
    pub gone: bool,
    /// When it connected, in microseconds, or took the lease, in milliseconds: a server process id may come again.
    #[serde(skip)]
    pub began: Option<i64>,
    /// Whether it holds a lease, and not a lock of its session: `pid` is its own process then, and `seconds` count from
    /// when it took it.
    #[serde(skip)]
    pub leases: bool,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.application.as_str() {
            "" => "a session without a name",
            name => name,
        };
        let (pid, seconds) = (self.pid, self.seconds);
        match self.leases {
            true => write!(f, "{name} (process {pid}, for {seconds} s")?,
            false => write!(f, "{name} (server process {pid}, connected {seconds} s ago")?,
        }
        f.write_str(if self.gone {
            "; its process is gone)"
        } else {
            ")"
        })
    }
}

/// What is known of the lock's holder, and of those who wait for it. What this role may not see is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scene {
    /// Who has the lock.
    pub holder: Holder,
    /// Its role.
    pub user: Option<String>,
    /// What it does: `active`, `idle`, `idle in transaction` …
    pub state: Option<String>,
    /// Seconds since it is in that state.
    pub state_seconds: Option<i64>,
    /// What the server waits for in its name, `Lock: relation`.
    pub waits_for: Option<String>,
    /// The head of the statement that it runs, or ran last; of a lease, of what it is sending by its record.
    pub query: Option<String>,
    /// The last line that its run wrote to the journal.
    pub last: Option<LastLine>,
    /// Migrations in the middle of a part, as recorded: `core/002_b up, 0 statements done`.
    pub unfinished: Vec<String>,
    /// Who waits for the lock.
    pub waiting: Vec<Waiting>,
}

/// The last line of a run in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastLine {
    /// `batch`, `step`, `intent` …
    pub kind: String,
    /// `subsystem/NNN_name`, where it is about a migration.
    pub migration: Option<String>,
    /// Its part.
    pub part: Option<String>,
    /// The first statement that it is about, from 0.
    pub statement: Option<i64>,
    /// Seconds since.
    pub seconds: i64,
}

/// An executor that waits for the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Its server process.
    pub pid: i64,
    /// As it announced itself.
    pub application: String,
    /// Seconds since it connected.
    pub seconds: i64,
}

/// What came of the attempt to end the lock's holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The server was told to end it.
    Told,
    /// It does not hold the lock any more.
    Changed,
    /// This role may not; the server's words.
    Denied(String),
}

/// An INVALID index that a killed build left behind. A unique one goes on rejecting writes (traps P11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// Its qualified name.
    pub index: String,
    /// Its table's.
    pub table: String,
    /// Whether writes may fail because of it.
    pub unique: bool,
    /// The migration that was to build it.
    pub migration: String,
    /// The part of it.
    pub part: String,
    /// When the build was begun, in UTC.
    pub since: String,
}

/// A session, or a prepared transaction, that stands in the way of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// Its server process; 0 for a prepared transaction, which has none.
    pub pid: i64,
    /// Its application_name; may be empty.
    pub application: String,
    /// Its role.
    pub user: String,
    /// `active`, `idle in transaction` …; empty where this role may not see it.
    pub state: String,
    /// Seconds that its transaction is open, where this role may see it.
    pub seconds: Option<i64>,
    /// The head of its last query, where this role may see it.
    pub query: String,
    /// The name of a prepared transaction.
    pub prepared: Option<String>,
}

impl Blocker {
    /// What tells it apart from others.
    pub fn key(&self) -> (i64, Option<String>) {
        (self.pid, self.prepared.clone())
    }

    /// The statement that ends it.
    pub fn end(&self) -> String {
        match &self.prepared {
            Some(gid) => format!("ROLLBACK PREPARED '{}'", gid.replace('\'', "''")),
            None => format!("SELECT pg_terminate_backend({})", self.pid),
        }
    }
}

impl std::fmt::Display for Blocker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(gid) = &self.prepared {
            write!(f, "the prepared transaction {gid} of {}", self.user)?;
            return match self.seconds {
                Some(seconds) => write!(f, ", prepared {seconds} s ago"),
                None => Ok(()),
            };
        }
        let name = match (self.application.as_str(), self.user.as_str()) {
            ("", "") => "a session",
            ("", user) => user,
            (application, _) => application,
        };
        write!(f, "{name} (server process {}", self.pid)?;
        if self.state.starts_with("idle") {
            write!(f, ", {}", self.state)?;
        }
        if let Some(seconds) = self.seconds {
            write!(f, ", in a transaction for {seconds} s")?;
        }
        write!(f, ")")?;
        if self.query.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.query)
        }
    }
}

/// The error of a reset that would drop what other objects stand on, a line each. Whoever raises it says what is now true.
pub fn blocked(lines: &BTreeSet<String>) -> Error {
    let shown: Vec<String> = lines
        .iter()
        .take(SHOWN)
        .map(|line| format!("\n  {line}"))
        .collect();
    let mut message = format!(
        "objects that are not kmig's stand in the way of the reset:{}",
        shown.concat()
    );
    if lines.len() > SHOWN {
        message += &format!("\n  … and {} more", lines.len() - SHOWN);
    }
    Error::failed(message).next(
        "drop or change these yourself, where they are no longer needed, then kmig reset again",
    )
}
