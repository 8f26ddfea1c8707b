//! Which session, on which server and in which database: what a run compares after its connection was lost (traps P18).

use super::fault::Fault;
use super::query::rows;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

/// A session and the server behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Given once by initdb, the same on its standbys; absent where the role may not ask.
    pub system: Option<String>,
    /// Raised by each promotion of a standby; absent on a standby, and where the role may not ask.
    pub timeline: Option<String>,
    /// The database's oid: another one after it was dropped and made again.
    pub database: String,
    /// When the server was started.
    pub started: String,
    /// Whether the server only replays another's changes.
    pub standby: bool,
    /// The server process of the session, as itself says: behind a pooler it is not the one that was announced.
    pub pid: i32,
    /// When that process began; process ids come again.
    pub began: String,
}

/// Everybody may ask these.
const ALWAYS: &str = "(SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) AS database, \
     extract(epoch FROM pg_postmaster_start_time())::text AS started, pg_is_in_recovery() AS standby, pg_backend_pid() AS pid, \
     (SELECT extract(epoch FROM backend_start)::text FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()) AS began";

/// Everybody may ask these too, unless the right was revoked; some services have no such functions.
const USUALLY: &str = "(SELECT system_identifier FROM pg_control_system()) AS system, \
     CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline";

impl Identity {
    /// Sends `before`, in the same message, and asks.
    pub async fn ask(client: &Client, before: &[String]) -> Result<Self, Fault> {
        let ask = |columns: &str| {
            let mut lines = before.to_vec();
            lines.push(format!("SELECT {columns}"));
            lines.join(";")
        };
        let messages = match client
            .simple_query(&ask(&format!("{ALWAYS}, {USUALLY}")))
            .await
        {
            Ok(messages) => messages,
            Err(error) => {
                let fault = Fault::from(error);
                // What was sent before it is at fault, and not the question.
                if fault.session_gone() || fault.is(&SqlState::INVALID_PARAMETER_VALUE) {
                    return Err(fault);
                }
                client.simple_query(&ask(ALWAYS)).await?
            }
        };
        Ok(Identity::read(&messages))
    }

    fn read(messages: &[SimpleQueryMessage]) -> Self {
        let rows = rows(messages);
        let column = |name: &str| Some(rows.last()?.try_get(name).ok()??.to_string());
        let text = |name: &str| column(name).unwrap_or_default();
        Identity {
            system: column("system"),
            timeline: column("timeline"),
            database: text("database"),
            started: text("started"),
            standby: text("standby") == "t",
            pid: text("pid").parse().unwrap_or_default(),
            began: text("began"),
        }
    }

    /// Why `now` is not the database of this session, if it is not.
    pub fn differs(&self, now: &Identity) -> Option<&'static str> {
        match (&self.system, &now.system) {
            (Some(before), Some(now)) if before != now => {
                Some("it is another server, with another system identifier")
            }
            _ if self.database != now.database => {
                Some("it is another database of the same name, with another oid")
            }
            _ => None,
        }
    }

    /// Whether another server took over in between: what it has not got is lost for good. Where that is not known, it
    /// may be so.
    pub fn taken_over(&self, now: &Identity) -> bool {
        self.timeline.is_none() || self.timeline != now.timeline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            system: Some("7".into()),
            timeline: Some("00000001".into()),
            database: "5".into(),
            started: "1".into(),
            standby: false,
            pid: 1,
            began: "2".into(),
        }
    }

    #[test]
    fn a_database_is_known_by_system_and_oid() {
        let before = identity();
        let restarted = Identity {
            started: "9".into(),
            pid: 2,
            ..identity()
        };
        assert_eq!(before.differs(&restarted), None);
        assert!(!before.taken_over(&restarted));
        let other_system = Identity {
            system: Some("8".into()),
            ..identity()
        };
        let other_database = Identity {
            database: "6".into(),
            system: None,
            ..identity()
        };
        for other in [other_system, other_database] {
            assert!(before.differs(&other).is_some());
        }
        for timeline in [Some("00000002".into()), None] {
            let other = Identity {
                timeline,
                ..identity()
            };
            assert!(before.taken_over(&other));
            assert!(other.taken_over(&before));
        }
    }
}
