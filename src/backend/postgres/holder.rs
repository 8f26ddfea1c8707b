//! Who holds the executor's lock, who waits for it, and the end of its holder.

use super::Postgres;
use super::fault::Fault;
use super::names::{Names, literal};
use super::query::{alone, rows};
use crate::backend::{Ending, Holder, LastLine, QUERY_MAX, Scene, Waiting};
use crate::error::Result;
use crate::machine;
use crate::run::RunId;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryRow};

impl Postgres {
    /// Who holds the lock, and what it does, once [`Backend::history`] has been read.
    ///
    /// # Errors
    /// The server is a standby, where the lock is not, or the connection fails.
    pub(super) async fn lock_scene(&mut self) -> Result<Option<Scene>> {
        self.refuse_standby()?;
        let names = self.format.map(|_| &self.recorder.names);
        scene(&self.connection.client, self.key, &self.options.run, names).await
    }

    /// Tells the server to end the lock's holder, if it is still the one that was seen.
    ///
    /// # Errors
    /// The connection fails.
    pub(super) async fn end_holder(&mut self, holder: &Holder) -> Result<Ending> {
        end(&self.connection.client, self.key, holder).await
    }

    /// Journals that the lock was broken, without the lock: another executor may have it by now. Nothing where kmig's
    /// tables are not there.
    ///
    /// # Errors
    /// The rights are missing, or the connection fails.
    pub(super) async fn journal_broken(
        &mut self,
        holder: &Holder,
        reason: Option<&str>,
    ) -> Result<()> {
        if self.format.is_none() {
            return Ok(());
        }
        let line = self.recorder.broken(holder, reason);
        self.append(&line).await
    }

    /// Adds a line to the journal without the lock.
    ///
    /// # Errors
    /// The rights are missing, or the connection fails.
    pub(super) async fn append(&self, line: &str) -> Result<()> {
        let sql = format!("BEGIN READ WRITE; {line}; COMMIT");
        let client = &self.connection.client;
        let Err(error) = client.batch_execute(&sql).await else {
            return Ok(());
        };
        // The first error is what the user needs.
        let _ = client.batch_execute("ROLLBACK").await;
        Err(Fault::from(error).error())
    }
}

/// The attempt to take the lock. Its text is how others see who waits.
pub fn attempt(key: i64) -> String {
    format!("SELECT pg_try_advisory_lock({key})")
}

/// Rows of pg_locks that say who has the lock. The two halves of a bigint key stand in classid and objid, and objsubid is
/// 1 (pg_locks, documentation).
fn held(key: i64) -> String {
    format!(
        "l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_backend_pid() \
         AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
         AND (l.classid::bigint << 32) | l.objid::bigint = {key}"
    )
}

/// Ends a session of this run that holds the lock, unless its process id has come to another one.
pub fn end_own(key: i64, pid: i32, began: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE {} AND l.pid = {pid} AND extract(epoch FROM a.backend_start)::text = '{began}'",
        held(key)
    )
}

/// When a session connected, exactly.
const BEGAN: &str = "(extract(epoch FROM a.backend_start) * 1000000)::bigint";

/// The columns of [`read_holder`]. `near` is false where the session is known to come from somewhere else than this one:
/// what looks like a run of this machine is then one of its clone.
fn columns() -> String {
    format!(
        "l.pid, a.application_name, a.client_addr, {BEGAN} AS began, \
         extract(epoch FROM now() - a.backend_start)::bigint AS seconds, a.backend_start IS NULL OR a.client_addr IS NOT DISTINCT FROM \
         (SELECT me.client_addr FROM pg_catalog.pg_stat_activity me WHERE me.pid = pg_backend_pid()) AS near"
    )
}

/// Who holds the lock. Names of other roles' sessions may be hidden from this role.
pub async fn holder(client: &Client, key: i64, this: &RunId) -> Result<Option<Holder>> {
    let sql = format!(
        "SELECT {} FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE {} LIMIT 1",
        columns(),
        held(key)
    );
    let messages = alone(client, &sql).await?;
    Ok(rows(&messages).first().map(|row| read_holder(row, this)))
}

/// Who holds the lock, and all that this role may see of what it does. `names` where kmig's tables are there.
pub async fn scene(
    client: &Client,
    key: i64,
    this: &RunId,
    names: Option<&Names>,
) -> Result<Option<Scene>> {
    let sql = format!(
        "SELECT {}, a.usename, a.state, extract(epoch FROM now() - a.state_change)::bigint AS state_seconds, \
         a.wait_event_type || ': ' || a.wait_event AS waits_for, CASE WHEN a.backend_start IS NOT NULL THEN \
         left(regexp_replace(a.query, '\\s+', ' ', 'g'), {QUERY_MAX}) END AS query \
         FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE {} LIMIT 1",
        columns(),
        held(key)
    );
    let messages = alone(client, &sql).await?;
    let found = rows(&messages);
    let Some(row) = found.first() else {
        return Ok(None);
    };
    let holder = read_holder(row, this);
    let last = match (names, &holder.run) {
        (Some(names), Some(run)) => last_line(client, names, run).await?,
        _ => None,
    };
    let unfinished = match names {
        Some(names) => unfinished(client, names).await?,
        None => Vec::new(),
    };
    let waiting = waiting(client, key, holder.pid).await?;
    let text = |column: &str| {
        row.get(column)
            .filter(|text| !text.is_empty())
            .map(str::to_string)
    };
    Ok(Some(Scene {
        user: text("usename"),
        state: text("state"),
        state_seconds: number(row, "state_seconds"),
        // A session that is idle waits for its client, which says nothing more.
        waits_for: text("waits_for").filter(|what| !what.starts_with("Client")),
        query: text("query"),
        last,
        unfinished,
        waiting,
        holder,
    }))
}

async fn last_line(client: &Client, names: &Names, run: &str) -> Result<Option<LastLine>> {
    let sql = format!(
        "SELECT kind, subsystem || '/' || name AS migration, part, first_statement, extract(epoch FROM now() - at)::bigint AS seconds \
         FROM {} WHERE run = {} ORDER BY seq DESC LIMIT 1",
        names.journal,
        literal(run)
    );
    let messages = alone(client, &sql).await?;
    Ok(rows(&messages).first().map(|row| LastLine {
        kind: row.get("kind").unwrap_or_default().to_string(),
        migration: row.get("migration").map(str::to_string),
        part: row.get("part").map(str::to_string),
        statement: number(row, "first_statement"),
        seconds: number(row, "seconds").unwrap_or_default(),
    }))
}

async fn unfinished(client: &Client, names: &Names) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT subsystem || '/' || name || ' ' || part AS part, statements_done FROM {} WHERE part IS NOT NULL ORDER BY subsystem, number",
        names.meta
    );
    let messages = alone(client, &sql).await?;
    let found = rows(&messages).into_iter().map(|row| {
        let done = number(row, "statements_done").unwrap_or_default();
        let part = row.get("part").unwrap_or_default();
        format!("{part}, {done} statements done")
    });
    Ok(found.collect())
}

async fn waiting(client: &Client, key: i64, holder: i64) -> Result<Vec<Waiting>> {
    // Between two attempts a waiting executor asks who has the lock; the text of both names the key.
    let sql = format!(
        "SELECT a.pid, a.application_name, extract(epoch FROM now() - a.backend_start)::bigint AS seconds \
         FROM pg_catalog.pg_stat_activity a WHERE a.datname = current_database() AND a.pid NOT IN ({holder}, pg_backend_pid()) \
         AND a.application_name LIKE 'kmig/%' AND strpos(a.query, '{key}') > 0 ORDER BY a.backend_start, a.pid"
    );
    let messages = alone(client, &sql).await?;
    let found = rows(&messages).into_iter().map(|row| Waiting {
        pid: number(row, "pid").unwrap_or_default(),
        application: row.get("application_name").unwrap_or_default().to_string(),
        seconds: number(row, "seconds").unwrap_or_default(),
    });
    Ok(found.collect())
}

/// Tells the server to end the holder, if that very session still holds the lock.
pub async fn end(client: &Client, key: i64, holder: &Holder) -> Result<Ending> {
    let began = holder
        .began
        .map_or_else(|| "NULL".to_string(), |began| began.to_string());
    let sql = format!(
        "SELECT pg_terminate_backend(l.pid) AS told FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE {} AND l.pid = {} AND {BEGAN} IS NOT DISTINCT FROM {began}::bigint LIMIT 1",
        held(key),
        holder.pid
    );
    match client.simple_query(&sql).await.map_err(Fault::from) {
        Ok(messages) => Ok(
            match rows(&messages).first().and_then(|row| row.get("told")) {
                Some("t") => Ending::Told,
                // The row is there no more, or the process ended before the signal.
                _ => Ending::Changed,
            },
        ),
        Err(fault) if fault.is(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            Ok(Ending::Denied(fault.message))
        }
        Err(fault) => Err(fault.error()),
    }
}

fn read_holder(row: &SimpleQueryRow, this: &RunId) -> Holder {
    let application = row.get("application_name").unwrap_or_default().to_string();
    let run = RunId::of_application(&application);
    let near = row.get("near") == Some("t");
    Holder {
        pid: number(row, "pid").unwrap_or_default(),
        gone: near
            && run
                .as_ref()
                .is_some_and(|run| machine::proves_dead(run, this)),
        run: run.map(|run| run.to_string()),
        application,
        address: row.get("client_addr").map(str::to_string),
        seconds: number(row, "seconds").unwrap_or_default(),
        began: number(row, "began"),
        leases: false,
    }
}

fn number(row: &SimpleQueryRow, column: &str) -> Option<i64> {
    row.get(column).and_then(|text| text.parse().ok())
}
