//! kmig's own tables, made and upgraded by refinery's runner. Called under the executor's lock: the runner takes none.

use super::fault::Fault;
use super::names::Names;
use crate::error::{Error, Result};
use refinery_core::{Migration, Runner};
use std::error::Error as _;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Version and text of each step of the tables' format; the last version is [`super::read::FORMAT`].
const STEPS: [(&str, &str); 1] = [("V1__state", include_str!("meta/V1__state.sql"))];

/// Brings kmig's tables to the format that this kmig writes.
pub async fn tables(client: &mut Client, names: &Names) -> Result<()> {
    let migrations = STEPS
        .iter()
        .map(|(name, text)| {
            let sql = text
                .replace("{meta}", &names.meta)
                .replace("{journal}", &names.journal);
            Migration::unapplied(name, &sql)
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::failed(format!("kmig's own tables: {error}")))?;
    let mut runner = Runner::new(&migrations)
        // The text holds the names of the tables, and these change where a schema is renamed.
        .set_abort_divergent(false);
    runner.set_migration_table_name(&names.history);
    match runner.run_async(client).await {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(&error, names)),
    }
}

fn explain(error: &refinery_core::Error, names: &Names) -> Error {
    let mut source = error.source();
    let mut lost = false;
    while let Some(cause) = source {
        // The driver's own errors, without words of the server, are about the connection.
        lost |= cause.is::<tokio_postgres::Error>();
        if let Some(db) = cause
            .downcast_ref::<tokio_postgres::Error>()
            .and_then(tokio_postgres::Error::as_db_error)
        {
            let fault = Fault::from(db);
            let denied = fault.is(&SqlState::INSUFFICIENT_PRIVILEGE);
            let mut error = fault.error().now("nothing was run");
            error.message = format!(
                "kmig's own tables ({}, …) could not be made: {}",
                names.meta, error.message
            );
            if denied {
                error = error.next(
                    "GRANT CREATE on the schema to this role, or set schema = \"…\" to one that it may create in",
                );
            }
            return error;
        }
        source = cause.source();
    }
    let mut failed = Error::failed(format!("kmig's own tables could not be made: {error}"));
    failed.lost = lost;
    failed
}
