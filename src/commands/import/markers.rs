//! How the row markers of each table are written: by what was named, by what an earlier run has begun with, or by evidence.

use super::decide::Decided;
use crate::backup::mapping::{Mapping, TableMap};
use crate::backup::marker::{Evidence, Policy};
use crate::backup::table::Role;
use crate::cli::ImportArgs;
use crate::error::{Error, Exit, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// The policies that were named, on the command line before those of the mapping.
pub fn named(mapping: &Mapping, args: &ImportArgs) -> Result<BTreeMap<String, Policy>> {
    let mut policies = BTreeMap::new();
    for map in &mapping.tables {
        if let Some(policy) = map.marker {
            policies.insert(map.source.name.clone(), policy);
        }
    }
    for said in &args.marker {
        let pair = said.split_once('=');
        let pair = pair.and_then(|(table, word)| Some((table, Policy::read(word)?)));
        let Some((table, policy)) = pair else {
            return Err(
                Error::usage(format!("--marker {said}: no table and policy"))
                    .next("--marker users=insert, or --marker users=none"),
            );
        };
        let known = mapping.tables.iter();
        if !known.into_iter().any(|map| map.source.name == table) {
            return Err(Error::usage(format!(
                "--marker {said}: no table {table} is imported"
            )));
        }
        policies.insert(table.to_string(), policy);
    }
    Ok(policies)
}

/// What tells how the rows of a table are made: its rows without cells, and statements that the source's nodes hold prepared.
pub fn evidence(
    map: &TableMap,
    keyspace: &str,
    prepared: &[(String, String)],
    bare_rows: u64,
) -> Evidence {
    let mut evidence = Evidence {
        bare_rows,
        has_cells: map.source.of(Role::Regular).next().is_some(),
        inserts: 0,
        updates: 0,
    };
    for (of, text) in prepared {
        let script = crate::cql::split(text);
        for statement in &script.statements {
            let crate::cql::Act::Write(write) = &statement.act else {
                continue;
            };
            let name = &write.table;
            let in_keyspace = name.keyspace.as_deref().unwrap_or(of) == keyspace;
            if !in_keyspace || name.name != map.source.name {
                continue;
            }
            match write.verb {
                crate::cql::WriteVerb::Insert => evidence.inserts += 1,
                crate::cql::WriteVerb::Update => evidence.updates += 1,
                _ => {}
            }
        }
    }
    evidence
}

/// How markers of a table are written by what is noted: by its files, and otherwise by the last run that has decided it.
pub fn kept(imports: &[Value], table: &str) -> Option<Policy> {
    let of_files = imports.iter().filter(|line| line["table"] == table);
    let mut of_files = of_files.filter_map(|line| line["marker"].as_str());
    let decided = imports.iter();
    let mut decided = decided.filter_map(|line| line["markers"][table].as_str());
    let last = of_files.next_back().or_else(|| decided.next_back());
    last.and_then(Policy::read)
}

/// What it means that markers are written in another way than an earlier run has begun to write them.
pub fn changed(table: &str, before: Policy, now: Policy) -> String {
    let meaning = match now {
        Policy::None => "the markers that are there stay, and keep rows whose last cell is deleted",
        Policy::Insert => "its rows get markers that they had not",
    };
    format!(
        "row markers of {table} were written as {} by an earlier run: all of its files are imported anew as {}, and {meaning}",
        before.word(),
        now.word()
    )
}

/// The first table on whose markers another run has decided otherwise meanwhile, with its policy.
pub fn disagreement(
    before: &[Value],
    now: &[Value],
    run: &str,
    tables: &[Decided],
) -> Option<(String, Policy)> {
    let others = || {
        let news = now.iter().filter(|line| !before.contains(line));
        news.filter(|line| line["run"] != run)
    };
    tables
        .iter()
        .filter(|table| !table.named)
        .find_map(|table| {
            let name = &table.map.target.name;
            let other = others().find_map(|line| {
                let of_file = line["marker"].as_str().filter(|_| line["table"] == **name);
                Policy::read(of_file.or(line["markers"][name].as_str())?)
            })?;
            (other != table.marker.policy).then(|| (name.clone(), other))
        })
}

/// A run that has decided otherwise than another one that began at the same time.
pub fn undecided(table: &str, other: Policy) -> Error {
    Error::new(
        Exit::Locked,
        format!(
            "another import has begun at the same time, and writes row markers of {table} as {}; this one would not",
            other.word()
        ),
    )
    .now("this run has written no row")
    .next(format!(
        "the same command, which then does as the other one; --marker {table}=… says it for both"
    ))
}
