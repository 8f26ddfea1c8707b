//! What is gone since an export, out of the keyspace: each at the write time that kmig gave it, so that nothing newer is
//! hit (traps C12, C13).

use super::load::Way;
use super::patience::Patience;
use crate::backend::cassandra::fault::{Fault, Kind};
use crate::backend::cassandra::names::identifier;
use crate::backup::gone::placed;
use crate::backup::mapping::TableMap;
use crate::backup::since::Deleted;
use crate::backup::table::Part;
use crate::error::Result;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use scylla::statement::prepared::PreparedStatement;
use std::collections::HashMap;

/// A deletion as CQL, with its values in the order of the markers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    text: String,
    values: Vec<Vec<u8>>,
}

/// The statement of a deletion; nothing where the mapping drops its column.
fn statement(
    map: &TableMap,
    part: Part,
    keyspace: &str,
    gone: &Deleted,
) -> Result<Option<Statement>> {
    let Some(gone) = placed(map, part, gone)? else {
        return Ok(None);
    };
    let mut what = String::new();
    if let Some(column) = gone.column {
        what = format!(" {}", identifier(&column.name));
        if let Some(field) = gone.field {
            what += &format!(".{}", identifier(field));
        }
        if gone.element.is_some() {
            what += "[?]";
        }
    }
    let at = gone.at.to_be_bytes().to_vec();
    let clauses = gone.key.iter();
    let clauses: Vec<String> = clauses
        .map(|(column, _)| format!("{} = ?", identifier(&column.name)))
        .collect();
    let mut values: Vec<Vec<u8>> = gone.element.into_iter().chain([at]).collect();
    values.extend(gone.key.into_iter().map(|(_, value)| value));
    let text = format!(
        "DELETE{what} FROM {}.{} USING TIMESTAMP ? WHERE {}",
        identifier(keyspace),
        identifier(&map.target.name),
        clauses.join(" AND ")
    );
    Ok(Some(Statement { text, values }))
}

impl Way<'_> {
    /// Deletes what is gone; how much that was.
    ///
    /// # Errors
    /// The cluster does not take it, or a signal wants the run to end.
    pub async fn delete(&self, map: &TableMap, part: Part, gone: &[Deleted]) -> Result<u64> {
        let mut prepared: HashMap<String, PreparedStatement> = HashMap::new();
        let mut flying = FuturesUnordered::new();
        let mut count = 0;
        for deleted in gone {
            self.stop.check()?;
            let Some(Statement { text, values }) = statement(map, part, &self.keyspace, deleted)?
            else {
                continue;
            };
            let known = match prepared.get(&text) {
                Some(known) => known.clone(),
                None => {
                    let made = self.session.prepare(text.as_str()).await;
                    let mut made = made.map_err(|error| Fault::from(error).error())?;
                    made.set_consistency(self.consistency);
                    prepared.insert(text, made.clone());
                    made
                }
            };
            flying.push(self.settled(&map.target.name, known, values));
            count += 1;
            if flying.len() >= self.in_flight
                && let Some(done) = flying.next().await
            {
                done?;
            }
        }
        while let Some(done) = flying.next().await {
            done?;
        }
        Ok(count)
    }

    /// Sends a deletion until it is taken: the second time it deletes nothing more.
    async fn settled(
        &self,
        table: &str,
        statement: PreparedStatement,
        values: Vec<Vec<u8>>,
    ) -> Result<()> {
        let mut patience = Patience::new();
        loop {
            let values = super::raw::Key(&values);
            let fault = match self.session.execute_unpaged(&statement, values).await {
                Ok(_) => return Ok(()),
                Err(error) => Fault::from(error),
            };
            self.stop.check()?;
            if fault.kind == Kind::Refused || patience.is_over() {
                return Err(fault.error());
            }
            let what = format!("deleting from {}.{table}", self.keyspace);
            self.hitches.met(&what, &fault.brief(), patience.until());
            patience.pause().await;
        }
    }
}
