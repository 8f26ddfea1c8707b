//! What a plan is about to drop, by name: where a server counts who uses it, that is asked too. Pure.

use crate::cql::{Act, Change, Object};
use crate::plan::Plan;
use crate::source::{MigrationSet, PartKind};
use std::collections::BTreeSet;

/// Tables, views and columns of a keyspace that are about to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doomed {
    /// Tables and views that are dropped or truncated.
    pub tables: BTreeSet<String>,
    /// Columns that are dropped, with their table.
    pub columns: BTreeSet<(String, String)>,
}

/// What the finish parts of a plan drop. On Postgres nothing is counted that would prove anything.
pub fn doomed(set: &MigrationSet, plan: &Plan) -> Doomed {
    let mut doomed = Doomed::default();
    for step in plan
        .steps
        .iter()
        .filter(|step| step.part == PartKind::Finish)
    {
        let part = set.get(&step.id).and_then(|found| found.part(step.part));
        let statements = part.and_then(|part| part.cql.get(step.from..step.to));
        for statement in statements.unwrap_or_default() {
            match &statement.act {
                Act::Drop {
                    object: Object::Table(name) | Object::View(name),
                    ..
                }
                | Act::Truncate { table: name } => {
                    doomed.tables.insert(name.name.clone());
                }
                Act::Alter {
                    object: Object::Table(name),
                    change: Change::Drop { columns, .. },
                    ..
                } => {
                    let columns = columns.iter().cloned();
                    let columns = columns.map(|column| (name.name.clone(), column));
                    doomed.columns.extend(columns);
                }
                _ => {}
            }
        }
    }
    doomed
}

impl Doomed {
    /// The columns that a statement names, as far as its words tell.
    pub fn named(&self, statement: &str) -> Option<&(String, String)> {
        let words: BTreeSet<String> = statement
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .map(str::to_lowercase)
            .collect();
        self.columns.iter().find(|(table, column)| {
            words.contains(&table.to_lowercase()) && words.contains(&column.to_lowercase())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_name_a_column() {
        let doomed = Doomed {
            columns: [("users".to_string(), "Old".to_string())].into(),
            ..Doomed::default()
        };
        assert!(
            doomed
                .named("SELECT \"Old\" FROM ks.users WHERE a = ?")
                .is_some()
        );
        assert!(doomed.named("select older from users").is_none());
        assert!(doomed.named("select old from orders").is_none());
    }
}
