//! The settings that kmig's own session runs under, and how a part's changes of the session are taken back. Pure.

use super::names::literal;
use std::time::Duration;

/// Own settings of a session, as SQL.
#[derive(Debug, Clone)]
pub struct Session {
    /// How long a statement waits for a lock before it makes way.
    pub lock_timeout: Duration,
    /// The server's version, 150018 for 15.18.
    pub server: u32,
    /// Whether the server can watch a client's socket while it works: not before 14, and not on every system.
    pub watches_clients: bool,
}

impl Session {
    /// Sets everything that an odd role, database or server default could spoil (fault matrix, rows 16 and 24).
    ///
    /// A commit does not wait for the disk here: each record commits with its effect and after its predecessor, so a
    /// crash of the server can only lose a suffix of both, and [`DURABLE`] ends what is told as done.
    pub fn settings(&self) -> Vec<String> {
        let mut settings = vec![
            // The first: behind RESET ALL a role's own one is in force again, for each statement up to this.
            ("statement_timeout", "0".into()),
            ("lock_timeout", self.lock_timeout.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", "0".into()),
            ("default_transaction_isolation", "read committed".into()),
            ("default_transaction_read_only", "off".into()),
            ("default_transaction_deferrable", "off".into()),
            ("standard_conforming_strings", "on".into()),
            ("synchronous_commit", "off".into()),
        ];
        // Behind a line that is dead the server's end of the session would hold the lock for hours.
        settings.extend([
            ("tcp_keepalives_idle", "20".into()),
            ("tcp_keepalives_interval", "10".into()),
            ("tcp_keepalives_count", "2".into()),
        ]);
        if self.server >= 140_000 {
            settings.push(("idle_session_timeout", "0".into()));
        }
        if self.watches_clients {
            // After kill -9 of the client the server would go on, and commit (facts, finding 4).
            settings.push(("client_connection_check_interval", "2s".into()));
        }
        if self.server >= 170_000 {
            settings.push(("transaction_timeout", "0".into()));
        }
        settings
            .iter()
            .map(|(name, value)| format!("SET {name} TO {}", literal(value)))
            .collect()
    }

    /// Takes back what a part's statements may have left in the session (traps P6). Allowed inside a transaction.
    pub fn reset(&self) -> Vec<String> {
        let mut lines: Vec<String> = ["RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL"]
            .map(str::to_string)
            .into();
        lines.extend(self.settings());
        lines.extend(
            ["DEALLOCATE ALL", "CLOSE ALL", "UNLISTEN *", "DISCARD TEMP"].map(str::to_string),
        );
        lines
    }
}

/// Leaves nothing of this session behind for the next client of a pooler, which may not do that by itself.
pub const CLEARED: &str = "DISCARD ALL";

/// Makes the commit of the current transaction wait for the disk, and with it all commits before.
pub const DURABLE: &str = "SET LOCAL synchronous_commit TO on";
