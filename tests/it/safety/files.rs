//! Migrations in memory, judged.

use std::collections::BTreeMap;

use kmig::safety::judge::Against;
use kmig::safety::{Known, Scope, Verdict, judge};
use kmig::source::load::{Content, Entry, Folder};
use kmig::source::{Dialect, MigrationSet, PartKind, parse};

/// What was found, in the words of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tripped {
    /// The rule.
    pub rule: &'static str,
    /// The statement, by its index in its part.
    pub statement: usize,
    /// The line in the file.
    pub line: usize,
    /// What follows from it.
    pub verdict: Verdict,
}

/// Migrations of one part each, numbered in order.
pub fn migrations(dialect: Dialect, parts: &[(PartKind, &str)]) -> Result<MigrationSet, String> {
    let entries = parts.iter().enumerate().map(|(at, (kind, text))| {
        let name = format!("{:03}_it", at + 1);
        let file = format!("{}.{}", kind.name(), dialect.extension());
        let entry = Entry {
            path: format!("{name}/{file}"),
            name: file,
            content: Content::Text(text.as_bytes().to_vec()),
        };
        Entry {
            path: name.clone(),
            content: Content::Folder(Folder {
                path: name.clone(),
                entries: vec![entry],
            }),
            name,
        }
    });
    let root = Folder {
        path: String::new(),
        entries: entries.collect(),
    };
    parse::set(root, &BTreeMap::new(), dialect).map_err(|wrong| {
        let wrong = wrong.iter().map(|found| found.message.as_str());
        wrong.collect::<Vec<_>>().join("; ")
    })
}

/// What trips in each migration, each judged as a batch of its own.
pub fn judged(dialect: Dialect, set: &MigrationSet, against: Against) -> Vec<Vec<Tripped>> {
    let scopes = Scope::each(&set.migrations);
    let each = scopes.iter().map(|scope| {
        let judgement = judge(
            dialect,
            std::slice::from_ref(scope),
            &Known::default(),
            against,
        );
        let found = judgement.found.iter().map(|found| {
            let text = &found.part.file.text;
            Tripped {
                rule: found.finding.rule.name,
                statement: found.finding.statement,
                line: text[..found.finding.span.start].matches('\n').count() + 1,
                verdict: found.verdict.clone(),
            }
        });
        found.collect()
    });
    each.collect()
}
