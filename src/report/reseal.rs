//! What the sealing of a reshaped folder came to. Pure.

use super::table::{Cell, render};
use super::{Answer, count, object};
use crate::error::Exit;
use crate::keyspace::reseal::Made;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be known before it counts.
pub fn notes(made: &Made) -> Vec<String> {
    let mut lines = Vec::new();
    let began = &made.manifest.began;
    match made.untimed.len() {
        0 => {}
        1 => lines.push(format!(
            "1 table carries no write times: every value of {} gets {began}, when the export began",
            made.untimed[0]
        )),
        many => lines.push(format!(
            "{many} tables carry no write times: every value of {} gets {began}, when the export began",
            made.untimed.join(", ")
        )),
    }
    lines.extend(made.notes.iter().cloned());
    lines
}

/// The rows of each table of the export, and of the folder.
fn both(made: &Made) -> (BTreeMap<&str, u64>, BTreeMap<&str, u64>) {
    let reshaped = made.manifest.reshaped.as_ref();
    let of_export = reshaped
        .map(|reshaped| &reshaped.rows)
        .into_iter()
        .flatten();
    let tables = made.manifest.tables.iter();
    (
        of_export
            .map(|(name, rows)| (name.as_str(), *rows))
            .collect(),
        tables
            .map(|table| (table.outline.name.as_str(), table.rows.rows))
            .collect(),
    )
}

/// The numbers of rows side by side.
fn beside(made: &Made) -> String {
    let (of_export, of_folder) = both(made);
    let row = |cells: [&str; 3]| cells.map(Cell::plain).into_iter().collect();
    let mut rows: Vec<Vec<Cell>> = vec![row(["table", "rows of the export", "rows of the folder"])];
    let names: BTreeSet<&str> = of_export.keys().chain(of_folder.keys()).copied().collect();
    for name in names {
        let shown = |rows: Option<&u64>| rows.map_or("-".to_string(), ToString::to_string);
        rows.push(row([
            name,
            &shown(of_export.get(name)),
            &shown(of_folder.get(name)),
        ]));
    }
    render(&rows, None, &[])
}

fn answer(folder: &str, made: &Made, first: &str, sealed: bool, next: Option<String>) -> Answer {
    let (of_export, of_folder) = both(made);
    let left: Vec<&str> = of_export
        .keys()
        .filter(|name| !of_folder.contains_key(*name))
        .copied()
        .collect();
    let mut text = format!("{first}\n{}", beside(made));
    if !left.is_empty() {
        text += &format!(
            "\nNo table of the folder has the name of {}: what became of its rows is yours to know.",
            left.join(", ")
        );
    }
    if let Some(next) = next {
        text += &format!("\nNext: {next}");
    }
    let tables = made.manifest.tables.iter().map(|table| {
        let name = &table.outline.name;
        json!({
            "name": name,
            "files": table.ranges.len(),
            "rows": table.rows.rows,
            "static_partitions": table.statics.map(|sum| sum.rows),
            "rows_of_export": of_export.get(name.as_str()),
            "write_times": !made.untimed.contains(name),
        })
    });
    let tables: Value = tables.collect();
    let reshaped = made.manifest.reshaped.as_ref();
    Answer {
        exit: Exit::Done,
        text,
        document: object(json!({
            "message": first,
            "folder": folder,
            "from": reshaped.map(|reshaped| &reshaped.from),
            "keyspace": reshaped.map(|reshaped| &reshaped.keyspace),
            "sealed": sealed,
            "tables": tables,
            "not_in_folder": left,
            "notes": notes(made),
        })),
    }
}

fn rows(made: &Made) -> String {
    let tables = made.manifest.tables.iter();
    let rows: u64 = tables.map(|table| table.rows.rows).sum();
    let keyspace = made.manifest.reshaped.as_ref();
    format!(
        "{} of {} for {}",
        count(usize::try_from(rows).unwrap_or(usize::MAX), "row"),
        count(made.manifest.tables.len(), "table"),
        keyspace.map_or("", |reshaped| &reshaped.keyspace)
    )
}

/// It is sealed.
pub fn sealed(folder: &str, made: &Made) -> Answer {
    let first = format!("Sealed {folder}: {}", rows(made));
    let next = format!("kmig import {folder}");
    answer(folder, made, &first, true, Some(next))
}

/// It would be.
pub fn dry_run(folder: &str, made: &Made) -> Answer {
    let first = format!("Would seal {folder}: {}; nothing was written", rows(made));
    answer(folder, made, &first, false, None)
}

/// It was, and none of its files was changed since.
pub fn unchanged(folder: &str, made: &Made) -> Answer {
    let first = format!(
        "{folder} is sealed already, and nothing of it was changed: {}",
        rows(made)
    );
    let next = format!("kmig import {folder}");
    answer(folder, made, &first, true, Some(next))
}
