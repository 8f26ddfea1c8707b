//! kmig's own tables are no migration's business.

use crate::cql::{Act, Object};
use crate::error::Diagnostic;
use crate::source::MigrationSet;

/// What statements change of kmig's own tables, which are called `names`, in whichever keyspace: a record that was
/// truncated, or a table that was dropped and is made again with the same id, is worse than none (traps C2).
pub fn touched(set: &MigrationSet, names: &[String]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for part in set
        .migrations
        .iter()
        .flat_map(|migration| migration.parts.values())
    {
        for (at, statement) in part.cql.iter().enumerate() {
            let tables = tables(&statement.act);
            let Some(own) = names.iter().find(|own| tables.contains(&own.as_str())) else {
                continue;
            };
            found.push(
                Diagnostic::at(part.place(at), format!("{own} is kmig's own table"))
                    .help("remove the statement: kmig alone writes and changes its tables"),
            );
        }
    }
    found
}

/// The tables that a statement writes, changes or drops.
fn tables(act: &Act) -> Vec<&str> {
    let object = match act {
        Act::Create(made) => Some(&made.object),
        Act::Alter { object, .. } | Act::Drop { object, .. } => Some(object),
        _ => None,
    };
    let of_object = match object {
        Some(Object::Table(name)) => Some(name),
        Some(Object::Index { table, .. }) => table.as_ref(),
        Some(Object::Trigger { table, .. }) => Some(table),
        _ => None,
    };
    let truncated = match act {
        Act::Truncate { table } => Some(table),
        _ => None,
    };
    let written = act.writes().iter().map(|write| &write.table);
    of_object
        .into_iter()
        .chain(truncated)
        .chain(written)
        .map(|name| name.name.as_str())
        .collect()
}
