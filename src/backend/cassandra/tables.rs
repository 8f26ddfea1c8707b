//! The keyspace and kmig's own tables: made so that racing makers cannot hurt each other.
//!
//! Each table has a frozen shape and an id that follows from it, so whoever makes it makes the same one (traps C1). Each
//! set of tables has an incarnation, a random id in the comment of schema_meta that is part of every row's partition
//! key: rows of an earlier set, which a node that was down may bring back, are rows of another partition (traps C2).

use super::fault::Fault;
use super::members::Member;
use super::names::{FORMAT, Names, identifier, literal};
use super::query::{Cells, Sender};
use crate::error::{Error, Exit, Result};
use futures_util::future::try_join_all;
use std::collections::BTreeSet;
use uuid::Uuid;

/// What the schema says of kmig's own tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// There is no such keyspace.
    NoKeyspace,
    /// Some or all are not there: nobody has begun, or a bootstrap was killed while it made them.
    Missing,
    /// All are there; rows are those of this incarnation.
    There(Uuid),
}

/// Columns of a table with their types, and its primary key.
type Shape = (&'static [(&'static str, &'static str)], &'static str);

/// The tables as they are made. A shape never changes: with another one, [`FORMAT`] and so the ids are others.
const SHAPES: [Shape; 3] = [
    (
        &[
            ("incarnation", "uuid"),
            ("subsystem", "text"),
            ("number", "bigint"),
            ("owner", "text STATIC"),
            ("epoch", "bigint STATIC"),
            ("written", "uuid STATIC"),
            ("serial", "text STATIC"),
            ("lease_seconds", "bigint STATIC"),
            ("last_batch", "bigint STATIC"),
            ("last_version", "text STATIC"),
            ("version_before", "text STATIC"),
            ("resetting", "text STATIC"),
            ("floor", "text STATIC"),
            ("floor_before", "text STATIC"),
            ("name", "text"),
            ("state", "text"),
            ("part", "text"),
            ("statements_done", "bigint"),
            ("batch", "bigint"),
            ("origin", "text"),
            ("app_version", "text"),
            ("checksums", "frozen<map<text, text>>"),
            ("started_at", "timestamp"),
            ("finished_at", "timestamp"),
            ("executed_by", "text"),
            ("kmig_version", "text"),
            ("write_time", "bigint"),
            ("intent", "text"),
        ],
        "incarnation, subsystem, number",
    ),
    (
        &[
            ("incarnation", "uuid"),
            ("at", "timeuuid"),
            ("run", "text"),
            ("kind", "text"),
            ("batch", "bigint"),
            ("subsystem", "text"),
            ("number", "bigint"),
            ("name", "text"),
            ("part", "text"),
            ("first_statement", "bigint"),
            ("state", "text"),
            ("app_version", "text"),
            ("executed_by", "text"),
            ("kmig_version", "text"),
            ("detail", "text"),
        ],
        "incarnation, at",
    ),
    (
        &[
            ("incarnation", "uuid"),
            ("owner", "text"),
            ("ticket", "uuid"),
            ("beat", "bigint"),
            ("executed_by", "text"),
            ("application", "text"),
            ("since", "timestamp"),
        ],
        "incarnation",
    ),
];

/// What the tables' comments say behind the incarnation.
const COMMENTS: [&str; 3] = [
    "one row per migration; written by kmig alone",
    "what was run, when and by whom; append-only",
    "who works now",
];

/// The first word of the comment of schema_meta, by which kmig knows its own table.
const MARK: &str = "kmig";

/// Looks for the tables at one member.
///
/// # Errors
/// A table that is not kmig's stands in their place, or theirs is of a newer kmig.
pub async fn look(sender: &Sender, names: &Names, member: Uuid) -> Result<Own> {
    let tables = names.tables();
    let listed: Vec<String> = tables.iter().map(|table| literal(table)).collect();
    let query = format!(
        "SELECT table_name, id, comment FROM system_schema.tables WHERE keyspace_name = {} AND table_name IN ({})",
        literal(&names.keyspace),
        listed.join(", ")
    );
    let rows = sender.ask_member(member, &query, sender.timeout).await;
    let rows = rows.map_err(Fault::error)?;
    let mut incarnation = None;
    let mut found = 0;
    for row in rows.iter() {
        let (Some(table), Some(id)) = (row.text("table_name"), row.uuid("id")) else {
            continue;
        };
        found += 1;
        let comment = row.text("comment").unwrap_or_default();
        if *table == tables[0] {
            incarnation = Some(read_comment(comment).ok_or_else(|| foreign(names, table))??);
        }
        if id != names.id(table) {
            return Err(foreign(names, table));
        }
    }
    Ok(match incarnation {
        Some(incarnation) if found == tables.len() => Own::There(incarnation),
        _ if found > 0 => Own::Missing,
        _ => {
            let query = format!(
                "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = {}",
                literal(&names.keyspace)
            );
            let rows = sender.ask_member(member, &query, sender.timeout).await;
            match rows.map_err(Fault::error)?.first() {
                Some(_) => Own::Missing,
                None => Own::NoKeyspace,
            }
        }
    })
}

/// `kmig 1 <incarnation> …`; nothing where it is no comment of kmig's.
fn read_comment(comment: &str) -> Option<Result<Uuid>> {
    let mut words = comment.split_whitespace();
    let mark = words.next() == Some(MARK);
    let format: i64 = words.next().filter(|_| mark)?.parse().ok()?;
    if format > FORMAT {
        return Some(Err(Error::new(
            Exit::Ahead,
            format!(
                "the tables of kmig in this keyspace have format {format}; this kmig ({}) knows formats up to {FORMAT}",
                env!("CARGO_PKG_VERSION")
            ),
        )
        .now("nothing was run")
        .next("install a newer kmig")));
    }
    words.next()?.parse().ok().map(Ok)
}

fn foreign(names: &Names, table: &str) -> Error {
    Error::failed(format!(
        "{}.{} is not kmig's table: its id or its comment is another",
        identifier(&names.keyspace),
        identifier(table)
    ))
    .now("nothing was run")
    .next("table = \"…\" in kmig.toml gives kmig's tables another name; a copy of the keyspace's tables is no copy of its record")
}

/// The statements that make what is missing: all of them, since each takes what is there.
pub fn statements(names: &Names, replication: &str, own: Own) -> Vec<String> {
    let mut texts = Vec::new();
    if own == Own::NoKeyspace {
        texts.push(format!(
            "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {replication}",
            identifier(&names.keyspace)
        ));
    }
    let incarnation = Uuid::new_v4();
    for ((table, (columns, key)), words) in names.tables().iter().zip(SHAPES).zip(COMMENTS) {
        let comment = format!("{MARK} {FORMAT} {incarnation} {words}");
        let columns: Vec<String> = columns
            .iter()
            .map(|(name, kind)| format!("{} {kind}", identifier(name)))
            .collect();
        texts.push(format!(
            "CREATE TABLE IF NOT EXISTS {}.{} ({}, PRIMARY KEY ({key})) WITH id = {} AND comment = {}",
            identifier(&names.keyspace),
            identifier(table),
            columns.join(", "),
            names.id(table),
            literal(&comment)
        ));
    }
    texts
}

/// A new incarnation, which hides every row that was written before.
pub fn renew(names: &Names) -> String {
    let comment = format!("{MARK} {FORMAT} {} {}", Uuid::new_v4(), COMMENTS[0]);
    format!(
        "ALTER TABLE {} WITH comment = {}",
        names.meta,
        literal(&comment)
    )
}

/// Reads the tables back at every member: a CREATE … IF NOT EXISTS says yes over any table (traps C3).
///
/// # Errors
/// A member has others, or other columns.
pub async fn same_everywhere(sender: &Sender, names: &Names, members: &[Member]) -> Result<Uuid> {
    let looks = members.iter().map(|member| look(sender, names, member.id));
    let found = try_join_all(looks).await?;
    let columns = members
        .iter()
        .map(|member| columns(sender, names, member.id));
    let columns = try_join_all(columns).await?;
    let mut wanted = BTreeSet::new();
    for (table, (shape, _)) in names.tables().iter().zip(SHAPES) {
        wanted.extend(
            shape
                .iter()
                .map(|(name, _)| (table.clone(), (*name).to_string())),
        );
    }
    for (member, columns) in members.iter().zip(columns) {
        if let Some((table, column)) = wanted.symmetric_difference(&columns).next() {
            return Err(Error::failed(format!(
                "kmig's table {table} is not as kmig makes it at {}: its column {column}",
                member.address
            ))
            .now("nothing was run")
            .next("take back what was changed in it: kmig alone changes these tables"));
        }
    }
    match found.as_slice() {
        [Own::There(first), rest @ ..] if rest.iter().all(|own| *own == found[0]) => Ok(*first),
        _ => Err(Error::failed(
            "the members do not have the same tables of kmig, though they agree on the schema",
        )
        .now("nothing was run")
        .next("nodetool describecluster; then the same command")),
    }
}

/// Table and name of each column of kmig's tables at one member.
async fn columns(
    sender: &Sender,
    names: &Names,
    member: Uuid,
) -> Result<BTreeSet<(String, String)>> {
    let listed: Vec<String> = names.tables().iter().map(|table| literal(table)).collect();
    let query = format!(
        "SELECT table_name, column_name FROM system_schema.columns WHERE keyspace_name = {} AND table_name IN ({})",
        literal(&names.keyspace),
        listed.join(", ")
    );
    let rows = sender.ask_member(member, &query, sender.timeout).await;
    let rows = rows.map_err(Fault::error)?;
    let pair = |row: Cells<'_>| {
        let text = |name| row.text(name).map(str::to_string);
        Some((text("table_name")?, text("column_name")?))
    };
    Ok(rows.iter().filter_map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_incarnation_stands_in_the_comment() {
        let names = Names::new("ks", "schema_meta");
        let texts = statements(&names, "{}", Own::NoKeyspace);
        assert_eq!(texts.len(), 4);
        let comment = texts[1].split('\'').nth(1).unwrap_or_default();
        assert!(matches!(read_comment(comment), Some(Ok(_))), "{comment}");
        assert!(read_comment("users of the shop").is_none());
        assert!(read_comment("").is_none());
        let newer = format!("kmig 99 {} one row", Uuid::new_v4());
        assert!(matches!(read_comment(&newer), Some(Err(_))));
    }
}
