//! What would lose rows or values silently, looked for before the first row is written. Pure.

use super::mapping::{Mapping, TableMap};
use super::table::Role;
use crate::cql::schema::{Schema, Table};
use std::collections::BTreeMap;

/// What is known before an import.
#[derive(Debug)]
pub struct Known<'a> {
    /// What becomes of each table.
    pub mapping: &'a Mapping,
    /// What the members show of the keyspace.
    pub schema: &'a Schema,
    /// `system_views.settings` of the coordinator.
    pub settings: &'a BTreeMap<String, String>,
    /// The level at which rows are written, as the server spells it.
    pub consistency: &'a str,
    /// The latest write time of each table of the export, in microseconds.
    pub max_writes: &'a BTreeMap<String, i64>,
    /// The servers' clock, in microseconds since 1970.
    pub now: i64,
    /// Columns of the keyspace that are masked, by table.
    pub masked: &'a [(String, String)],
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What an import is refused for, each with what to do.
    pub refused: Vec<(String, String)>,
    /// What is worth to know.
    pub notes: Vec<String>,
}

/// A column that was dropped with a write time before this one, in milliseconds since 1970, hides nothing: nobody's cells
/// are so old. `ALTER TABLE … DROP c USING TIMESTAMP 1` makes it so.
const NEVER_WRITTEN: i64 = 86_400_000;

/// Looks for everything that would be lost.
pub fn check(known: &Known<'_>) -> Findings {
    let mut found = Findings::default();
    let on = |name: &str| known.settings.get(name).map(String::as_str);
    let refuse = |found: &mut Findings, what: String, cure: &str| {
        found.refused.push((what, cure.to_string()));
    };
    if on("user_timestamps_enabled") == Some("false") {
        refuse(
            &mut found,
            "the guardrail user_timestamps_enabled is false: no cell could keep its write time"
                .to_string(),
            "let it be true on every node for the time of the import",
        );
    }
    for name in [
        "minimum_timestamp_fail_threshold",
        "maximum_timestamp_fail_threshold",
    ] {
        if let Some(value) = on(name).filter(|value| !matches!(*value, "" | "null")) {
            refuse(
                &mut found,
                format!(
                    "the guardrail {name} is {value}: cells with such write times would be refused"
                ),
                "take it away on every node for the time of the import",
            );
        }
    }
    for name in [
        "column_value_size_fail_threshold",
        "collection_size_fail_threshold",
        "items_per_collection_fail_threshold",
    ] {
        if let Some(value) = on(name).filter(|value| !matches!(*value, "" | "null" | "-1")) {
            found.notes.push(format!(
                "the guardrail {name} is {value}: unless the role is a superuser the server refuses rows beyond it, and they become rejects"
            ));
        }
    }
    if on("write_consistency_levels_disallowed").is_some_and(|all| names(all, known.consistency)) {
        refuse(
            &mut found,
            format!(
                "the guardrail write_consistency_levels_disallowed forbids {}",
                known.consistency
            ),
            "cassandra.consistency = \"…\" in kmig.toml names another level",
        );
    }
    for map in &known.mapping.tables {
        table(known, map, &mut found);
    }
    found
}

/// What of a table is not as it was when the import of it was decided, as far as rows are written to it; nothing where all
/// is. A column that came meanwhile is no matter.
pub fn altered(map: &TableMap, before: &Table, now: Option<&Table>) -> Option<String> {
    let Some(now) = now.filter(|now| now.id == before.id) else {
        return Some("it was dropped".to_string());
    };
    let written = map
        .target
        .columns
        .iter()
        .enumerate()
        .filter(|(to, column)| {
            let moved = map.moves.iter().any(|moved| moved.to == *to);
            column.role.is_key() || moved || map.constants.iter().any(|(at, _)| at == to)
        });
    for (_, column) in written {
        let name = &column.name;
        match (before.columns.get(name), now.columns.get(name)) {
            (Some(_), None) => return Some(format!("its column {name} is gone")),
            (Some(old), Some(new)) if old != new => {
                return Some(format!(
                    "its column {name} is {}, and was {}",
                    new.kind, old.kind
                ));
            }
            _ if before.dropped.get(name) != now.dropped.get(name) => {
                return Some(format!("its column {name} was dropped and added again"));
            }
            _ => {}
        }
    }
    None
}

fn table(known: &Known<'_>, map: &TableMap, found: &mut Findings) {
    let name = &map.target.name;
    let Some(table) = known.schema.tables.get(name) else {
        return;
    };
    let written = map.moves.iter().map(|moved| moved.to);
    let written = written.chain(map.constants.iter().map(|(to, _)| *to));
    for column in written.map(|to| &map.target.columns[to]) {
        if let Some(dropped) = table.dropped.get(&column.name)
            && dropped.time > NEVER_WRITTEN
        {
            found.refused.push((
                format!(
                    "{name}.{} was dropped once and added again: cells that were written before {} ms since 1970 would be \
                     invisible, without an error",
                    column.name, dropped.time
                ),
                format!(
                    "another column name; or ALTER TABLE {name} DROP {0} USING TIMESTAMP 1, then ADD {0} again, while the \
                     column is empty",
                    column.name
                ),
            ));
        }
    }
    let option = |option: &str| table.options.get(option).map(String::as_str);
    if let Some(seconds) = option("default_time_to_live").filter(|seconds| *seconds != "0") {
        found.notes.push(format!(
            "{name} has default_time_to_live = {seconds}: cells without an expiry stay without one"
        ));
        let twcs = option("compaction").is_some_and(|text| text.contains("TimeWindow"));
        let zero = known.settings.get("zero_ttl_on_twcs_enabled");
        if twcs && zero.is_some_and(|enabled| enabled == "false") {
            found.refused.push((
                format!("{name} has TimeWindowCompactionStrategy, and the guardrail zero_ttl_on_twcs_enabled is false: cells without an expiry would be refused"),
                "let it be true on every node for the time of the import".to_string(),
            ));
        }
    }
    let max_write = known.max_writes.get(&map.source.name);
    if let Some(ahead) = max_write.filter(|write| **write > known.now) {
        found.notes.push(format!(
            "{name} gets cells from the future: the latest write time is {} s ahead of the servers' clock, and later writes \
             of the application lose against it until then",
            (ahead - known.now) / 1_000_000
        ));
    }
    let masked: Vec<&str> = known
        .masked
        .iter()
        .filter(|(of, _)| of == name)
        .map(|(_, column)| column.as_str())
        .collect();
    if !masked.is_empty() {
        found.notes.push(format!(
            "{name} has masked columns ({}): kmig verify needs UNMASK to see what was written",
            masked.join(", ")
        ));
    }
    for moved in &map.moves {
        let (from, to) = (
            &map.source.columns[moved.from],
            &map.target.columns[moved.to],
        );
        if from.composed && !to.composed && to.role != Role::Partition {
            found.notes.push(format!(
                "{name}.{} is one cell, and its elements were several: it gets the latest of their write times and lives as \
                 long as any of them",
                to.name
            ));
        }
    }
}

/// Whether a list such as `[ONE, TWO]` names a level.
fn names(all: &str, level: &str) -> bool {
    all.split(|c: char| !c.is_ascii_alphabetic() && c != '_')
        .any(|word| word.eq_ignore_ascii_case(level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::kind::Types;
    use crate::backup::mapping::plan;
    use crate::backup::table::{Column, Shape};
    use crate::cql::schema::{self, Dropped};

    fn mapping() -> Mapping {
        let column =
            |name, role, kind| Column::read(name, role, kind, &Types::new()).expect("a column");
        let shape = Shape {
            name: "t".into(),
            id: String::new(),
            columns: vec![
                column("id", Role::Partition, "int"),
                column("v", Role::Regular, "text"),
            ],
        };
        plan(
            None,
            std::slice::from_ref(&shape),
            std::slice::from_ref(&shape),
            &Types::new(),
        )
        .expect("a mapping")
    }

    fn checked(settings: &[(&str, &str)], table: schema::Table) -> Findings {
        let mapping = mapping();
        let settings = settings.iter();
        let settings = settings.map(|(name, value)| (name.to_string(), value.to_string()));
        let schema = Schema {
            tables: [("t".to_string(), table)].into(),
            ..Schema::default()
        };
        check(&Known {
            mapping: &mapping,
            schema: &schema,
            settings: &settings.collect(),
            consistency: "LOCAL_QUORUM",
            max_writes: &[("t".to_string(), 9_000_000)].into(),
            now: 2_000_000,
            masked: &[],
        })
    }

    fn dropped(time: i64) -> schema::Table {
        let dropped = Dropped {
            role: schema::Role::Regular,
            kind: "text".into(),
            time,
        };
        schema::Table {
            dropped: [("v".to_string(), dropped)].into(),
            ..schema::Table::default()
        }
    }

    #[test]
    fn a_column_that_was_dropped_hides_what_is_older() {
        let found = checked(&[], dropped(1_769_000_000_000));
        assert_eq!(found.refused.len(), 1, "{found:?}");
        assert!(checked(&[], dropped(0)).refused.is_empty());
    }

    #[test]
    fn guardrails_that_refuse_times_refuse_the_import() {
        for settings in [
            [("user_timestamps_enabled", "false")],
            [("maximum_timestamp_fail_threshold", "1d")],
            [("write_consistency_levels_disallowed", "[ANY, LOCAL_QUORUM]")],
        ] {
            let found = checked(&settings, schema::Table::default());
            assert_eq!(found.refused.len(), 1, "{settings:?}");
        }
        let harmless = [
            ("user_timestamps_enabled", "true"),
            ("minimum_timestamp_fail_threshold", "null"),
            ("write_consistency_levels_disallowed", "[QUORUM]"),
        ];
        assert!(
            checked(&harmless, schema::Table::default())
                .refused
                .is_empty()
        );
    }

    #[test]
    fn guardrails_that_refuse_single_rows_are_told() {
        let set = [
            ("column_value_size_fail_threshold", "1KiB"),
            ("collection_size_fail_threshold", "null"),
            ("items_per_collection_fail_threshold", "-1"),
        ];
        let found = checked(&set, schema::Table::default());
        assert_eq!((found.refused.len(), found.notes.len()), (0, 2));
        assert!(found.notes[0].contains("column_value_size_fail_threshold is 1KiB"));
    }

    #[test]
    fn what_is_worth_to_know_is_told() {
        let mut table = schema::Table::default();
        let options = [
            ("default_time_to_live", "60"),
            (
                "compaction",
                "{\"class\": \"a.TimeWindowCompactionStrategy\"}",
            ),
        ];
        table.options = options
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .into();
        let found = checked(&[("zero_ttl_on_twcs_enabled", "false")], table);
        assert_eq!(
            (found.refused.len(), found.notes.len()),
            (1, 2),
            "{found:?}"
        );
        assert!(found.notes[1].contains("7 s ahead"));
    }
}
