//! Statements that were observed beside the examples of the rules, as data, and what kmig says of them.

use std::collections::{BTreeMap, BTreeSet};

use super::watch::{Facts, lock};
use crate::safety::files::{judged, migrations};
use kmig::safety::Verdict;
use kmig::safety::judge::Against;
use kmig::source::{Dialect, PartKind};
use serde::Deserialize;

/// One statement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    rule: Option<String>,
    #[serde(default)]
    pub since: u32,
    pub setup: String,
    pub sql: String,
    #[serde(default)]
    locks: BTreeMap<String, String>,
    #[serde(default)]
    scans: BTreeSet<String>,
    #[serde(default)]
    rewrites: BTreeSet<String>,
}

#[derive(Deserialize)]
struct File {
    statement: Vec<Statement>,
}

/// All of them.
pub fn all() -> Vec<Statement> {
    let file: Result<File, _> = toml::from_str(include_str!("statements.toml"));
    file.expect("statements.toml").statement
}

impl Statement {
    /// What servers must show of it.
    pub fn claimed(&self) -> Facts {
        let known = |(name, mode): (&String, &String)| {
            let lock = lock(&format!("{mode}Lock"));
            (name.clone(), lock.expect("a mode of pg_locks"))
        };
        Facts {
            locks: self.locks.iter().map(known).collect(),
            scans: self.scans.clone(),
            rewrites: self.rewrites.clone(),
        }
    }
}

/// What is observed is what is judged: each trips its rule, or passes.
#[test]
fn each_is_judged_as_it_says() {
    let mut wrong = Vec::new();
    for statement in all() {
        let parts = [
            (PartKind::Up, &*statement.setup),
            (PartKind::Up, &*statement.sql),
        ];
        let set = migrations(Dialect::Postgres, &parts).expect("files in order");
        let found = judged(Dialect::Postgres, &set, Against::Database).pop();
        let found = found.unwrap_or_default();
        let right = match &statement.rule {
            Some(rule) => found.iter().any(|found| found.rule == rule),
            None => !found.iter().any(|found| found.verdict == Verdict::Refused),
        };
        if !right {
            wrong.push(format!("{}: {found:?}", statement.sql));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
