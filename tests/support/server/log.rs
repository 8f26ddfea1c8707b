//! What a server logs, as it is written, and waiting for it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{PATIENCE, Server, lock};

/// The server's log as it is written.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) lines: Mutex<Vec<String>>,
    pub(super) grown: Condvar,
}

impl Server {
    /// Everything that the server has logged.
    pub fn log(&self) -> String {
        lock(&self.log.lines).join("\n")
    }

    /// How many lines the server has logged.
    pub fn log_length(&self) -> usize {
        lock(&self.log.lines).len()
    }

    /// How many lines of the log, after its first `seen` ones, hold the text.
    pub fn logged(&self, seen: usize, text: &str) -> usize {
        let lines = lock(&self.log.lines);
        let new = lines.iter().skip(seen);
        new.filter(|line| line.contains(text)).count()
    }

    /// Waits until the log is longer than this, but not for long.
    pub fn await_growth(&self, length: usize) {
        let lines = lock(&self.log.lines);
        let moment = Duration::from_millis(10);
        drop(
            self.log
                .grown
                .wait_timeout_while(lines, moment, |lines| lines.len() <= length),
        );
    }

    /// Waits until the log has a line, after its first `seen` lines, that holds one of the texts; which one.
    pub fn await_log(&self, seen: usize, texts: &[&str]) -> Option<usize> {
        let found = |lines: &[String]| {
            let new = lines.get(seen..)?;
            texts
                .iter()
                .position(|text| new.iter().any(|line| line.contains(text)))
        };
        let lines = lock(&self.log.lines);
        let (lines, _) = self
            .log
            .grown
            .wait_timeout_while(lines, PATIENCE, |lines| found(lines).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        found(&lines)
    }

    pub(super) fn await_ready(&self, seen: usize) -> bool {
        let texts = [
            "ready to accept ", // connections, or on a standby read-only connections
            "database system is shut down",
            "contains errors",
        ];
        self.await_log(seen, &texts) == Some(0)
    }
}
