//! `COPY … FROM stdin` with the data that stands below it in the file.

use super::Postgres;
use super::fault::Fault;
use super::script::{Failure, Role, Script, Stopped};
use crate::sql::copy_target;
use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::error::SqlState;

/// Bytes of COPY data in one message.
const CHUNK: usize = 64 * 1024;

impl Postgres {
    /// Sends what the script holds, then the statement `at` and its data.
    ///
    /// The driver loses the session where a COPY is refused; a table that is not there or not free is found out before,
    /// by the lock that COPY itself takes.
    pub(super) async fn copy(
        &mut self,
        script: &mut Script,
        at: usize,
        text: &str,
        data: &str,
    ) -> Result<(), Failure> {
        if let Some(table) = copy_target(text) {
            // Released again: COPY … (FREEZE) wants the subtransaction that its table was made in. The name may be what
            // the server cannot read, and then the string fails at its first line: the statement's own.
            script.push(0, Role::User(at), "SAVEPOINT kmig");
            let lock = format!("LOCK TABLE {table} IN ROW EXCLUSIVE MODE");
            script.push(0, Role::User(at), &lock);
            script.push(0, Role::Own, "RELEASE SAVEPOINT kmig");
        }
        match self.send(script, &mut |_| {}).await {
            // A foreign table takes a COPY and no LOCK.
            Err(Failure::Stopped(Stopped { line, fault, .. }))
                if line.role == Role::User(at) && fault.is(&SqlState::WRONG_OBJECT_TYPE) =>
            {
                script.push(0, Role::Own, "ROLLBACK TO SAVEPOINT kmig");
                script.push(0, Role::Own, "RELEASE SAVEPOINT kmig");
                self.send(script, &mut |_| {}).await?;
            }
            // The position is that of the LOCK, which nobody wrote.
            Err(Failure::Stopped(stopped)) => {
                return Err(Failure::Stopped(Stopped {
                    offset: None,
                    ..stopped
                }));
            }
            other => other?,
        }
        self.stream(text, data).await.map_err(|fault| {
            let mut sent = Script::default();
            sent.push(0, Role::User(at), text);
            Failure::Stopped(sent.stopped_at(0, fault))
        })
    }

    async fn stream(&self, sql: &str, data: &str) -> Result<(), Fault> {
        let sink = self.connection.client.copy_in::<_, Bytes>(sql).await?;
        let mut sink = std::pin::pin!(sink);
        for chunk in data.as_bytes().chunks(CHUNK) {
            sink.as_mut().feed(Bytes::copy_from_slice(chunk)).await?;
        }
        sink.as_mut().finish().await?;
        Ok(())
    }
}
