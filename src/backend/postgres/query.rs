//! Queries of kmig's own that are sent by themselves: whatever statement_timeout a role has, and behind any pooler.

use super::fault::Fault;
use crate::error::Result;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// How often a statement that is due under a statement_timeout is tried again.
pub const UNHURRIED: usize = 20;

/// Runs a query by itself, whatever statement_timeout is in force, and leaves nothing in the session.
pub async fn alone(client: &Client, sql: &str) -> Result<Vec<SimpleQueryMessage>> {
    match client.simple_query(sql).await.map_err(Fault::from) {
        Err(fault) if fault.is(&SqlState::QUERY_CANCELED) && hurried(client).await? => {
            Ok(patiently(client, sql).await?)
        }
        result => Ok(result?),
    }
}

/// Runs a query without a statement_timeout, in a transaction of its own.
pub async fn patiently(client: &Client, sql: &str) -> Result<Vec<SimpleQueryMessage>, Fault> {
    let sql = format!("BEGIN READ ONLY; SET LOCAL statement_timeout TO 0; {sql}; COMMIT");
    let mut tries = 0;
    loop {
        let fault = match client.simple_query(&sql).await.map_err(Fault::from) {
            Ok(messages) => return Ok(messages),
            Err(fault) => fault,
        };
        if fault.session_gone() {
            return Err(fault);
        }
        again(client, "ROLLBACK").await?;
        tries += 1;
        if !fault.is(&SqlState::QUERY_CANCELED) || tries > UNHURRIED {
            return Err(fault);
        }
    }
}

/// Whether there is a statement_timeout; else what ended a statement was somebody's cancel.
pub async fn hurried(client: &Client) -> Result<bool> {
    let messages = again(client, "SHOW statement_timeout").await?;
    let shown = rows(&messages);
    Ok(shown.first().and_then(|row| row.get(0)) != Some("0"))
}

/// Runs a statement that takes no time. A statement_timeout of a millisecond may end it too, by chance: it is tried again.
pub async fn again(client: &Client, sql: &str) -> Result<Vec<SimpleQueryMessage>, Fault> {
    let mut tries = 0;
    loop {
        match client.simple_query(sql).await.map_err(Fault::from) {
            Err(fault) if fault.is(&SqlState::QUERY_CANCELED) && tries < UNHURRIED => tries += 1,
            result => return result,
        }
    }
}

/// The rows of a simple query's answer.
pub fn rows(messages: &[SimpleQueryMessage]) -> Vec<&SimpleQueryRow> {
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })
        .collect()
}
