//! Strings of several statements: built with the place of each line, sent as one, and read back line by line.
//!
//! The server abandons a simple-query string at its first error, at COMMIT as well, so a string of many
//! `BEGIN … COMMIT` stops at the first migration that fails (facts measured on 15.18).

use super::fault::Fault;
use crate::error::Error;
use futures_util::{StreamExt, pin_mut};
use tokio_postgres::{Client, SimpleQueryMessage};

/// What a line of a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// kmig's own: BEGIN, settings, resets.
    Own,
    /// Proves inside the transaction that the executor's lock is held.
    Guard,
    /// A statement of a part, by its index there.
    User(usize),
    /// Fires the deferred constraints of the part.
    Deferred,
    /// Records the unit.
    Record,
    /// Ends the transaction.
    Commit,
}

/// One line of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What it is for.
    pub role: Role,
    /// Index of its unit in the run.
    pub unit: usize,
    /// Offset of its first byte in the script.
    start: usize,
}

impl Line {
    /// Whether its script begins with it.
    pub fn is_first(self) -> bool {
        self.start == 0 && self.role == Role::Own
    }
}

/// Several statements, sent as one string.
#[derive(Debug, Default)]
pub struct Script {
    sql: String,
    lines: Vec<Line>,
}

/// A script that stopped.
#[derive(Debug)]
pub struct Stopped {
    /// The line that failed; absent where the connection was lost before the first answer was due.
    pub line: Line,
    /// Why.
    pub fault: Fault,
    /// Where in that line, in bytes.
    pub offset: Option<usize>,
}

/// Why a unit did not come to its end.
pub enum Failure {
    /// A line failed; everything since the unit's BEGIN is rolled back.
    Stopped(Stopped),
    /// kmig itself refuses to go on.
    Refused(Error),
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Failure::Stopped(stopped)
    }
}

impl Script {
    /// Appends one statement without its closing semicolon.
    pub fn push(&mut self, unit: usize, role: Role, sql: &str) {
        self.lines.push(Line {
            role,
            unit,
            start: self.sql.len(),
        });
        self.sql.push_str(sql);
        // A newline first: the statement may end in a comment of its own.
        self.sql.push_str("\n;");
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.sql.len()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Sends it and calls `done` for each line that completed, in order.
    ///
    /// # Errors
    /// The line that failed and why; all lines before it completed.
    pub async fn run(&self, client: &Client, mut done: impl FnMut(Line)) -> Result<(), Stopped> {
        // Never the text: a statement may hold a password.
        tracing::debug!(
            statements = self.lines.len(),
            bytes = self.sql.len(),
            "sending"
        );
        let mut completed = 0;
        let result = async {
            let stream = client.simple_query_raw(&self.sql).await?;
            pin_mut!(stream);
            while let Some(message) = stream.next().await {
                if let SimpleQueryMessage::CommandComplete(_) = message? {
                    if let Some(line) = self.lines.get(completed) {
                        done(*line);
                    }
                    completed += 1;
                }
            }
            Ok(())
        };
        result
            .await
            .map_err(|error: tokio_postgres::Error| self.stopped_at(completed, Fault::from(error)))
    }

    /// The script as it stopped after so many completed lines.
    pub fn stopped_at(&self, completed: usize, fault: Fault) -> Stopped {
        let at = completed.min(self.lines.len().saturating_sub(1));
        let line = self.lines.get(at).copied().unwrap_or(Line {
            role: Role::Own,
            unit: 0,
            start: 0,
        });
        // The server counts characters from 1 over the whole string that was sent.
        let byte = fault.position.and_then(|position| {
            let mut offsets = self.sql.char_indices().map(|(byte, _)| byte);
            offsets.nth(position.saturating_sub(1))
        });
        let offset = byte.and_then(|byte| byte.checked_sub(line.start));
        Stopped {
            line,
            fault,
            offset,
        }
    }
}
