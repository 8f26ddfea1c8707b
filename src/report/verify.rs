//! What a comparison came to. Pure.

use super::{Answer, count};
use crate::backup::cast::show;
use crate::backup::compare::{Difference, Tally};
use crate::backup::mapping::TableMap;
use crate::error::Exit;
use serde_json::{Value, json};

/// Differences that are shown; JSON has the first thousand.
const SHOWN: usize = 20;

/// Differences that JSON has.
const LISTED: usize = 1_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Rows.
    pub tally: Tally,
    /// Rows of the first side that do not fit the mapping.
    pub unfit: u64,
    /// What the folder says is gone, and was looked for.
    pub deleted: u64,
    /// The first rows that differ: table, key, how.
    pub differences: Vec<(String, String, String)>,
    /// Files that are not as they were written.
    pub broken: Vec<String>,
}

/// What was compared.
#[derive(Debug)]
pub struct Sides {
    /// The folder, or the old keyspace.
    pub first: String,
    /// The keyspace of the url.
    pub second: String,
    /// Whether both are keyspaces, so that either may be written meanwhile.
    pub live: bool,
    /// Whether the servers tell the times of elements.
    pub tells: bool,
    /// Whether the folder holds only what changed since another one.
    pub changes: bool,
    /// Tables of the keyspace whose rows were only looked up by the keys of the first side.
    pub looked_up: Vec<String>,
    /// Tables that only the keyspace has.
    pub only: Vec<String>,
}

impl Found {
    /// Notes rows that differ.
    pub fn add(&mut self, map: &TableMap, differences: Vec<Difference>) {
        let left = LISTED.saturating_sub(self.differences.len());
        for Difference { key, how } in differences.into_iter().take(left) {
            let columns = map.target.columns.iter().zip(&key);
            let parts = columns
                .map(|(column, value)| format!("{} = {}", column.name, show(&column.kind, value)));
            let key = parts.collect::<Vec<_>>().join(", ");
            self.differences.push((map.target.name.clone(), key, how));
        }
    }

    fn verdict(&self, sides: &Sides) -> &'static str {
        match (
            self.tally.different,
            self.tally.newer,
            self.broken.is_empty(),
        ) {
            // Nothing is said of rows that nobody looked for.
            (0, 0, true) if !sides.changes && sides.looked_up.is_empty() => "equal",
            (0, _, true) => "no difference",
            _ => "different",
        }
    }
}

fn rows(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), "row")
}

/// What is said of it.
pub fn told(sides: &Sides, found: &Found) -> Answer {
    let Tally {
        same,
        newer,
        gone,
        different,
    } = found.tally;
    let verdict = found.verdict(sides);
    let mut lines = vec![headline(sides, found, verdict)];
    if !sides.tells {
        lines.push("The servers do not tell the write times of elements of collections: those were not compared.".to_string());
    }
    if !sides.looked_up.is_empty() {
        lines.push(format!(
            "Rows that only {} has were not looked for in tables that have other keys, or were reshaped: {}.",
            sides.second,
            sides.looked_up.join(", ")
        ));
    }
    if !sides.only.is_empty() {
        lines.push(format!(
            "Compared with nothing, since only {} has {}: {}.",
            sides.second,
            if sides.only.len() == 1 { "it" } else { "them" },
            sides.only.join(", ")
        ));
    }
    for (table, key, how) in found.differences.iter().take(SHOWN) {
        lines.push(format!("  {table} ({key}): {how}"));
    }
    let more = different.saturating_sub(SHOWN as u64);
    if more > 0 {
        lines.push(format!(
            "  … and {more} more; --json has the first {LISTED}"
        ));
    }
    for broken in &found.broken {
        lines.push(format!("Not compared: {broken}"));
    }
    lines.extend(next(sides, newer, different));
    let differences: Vec<Value> = found
        .differences
        .iter()
        .map(|(table, key, how)| json!({ "table": table, "key": key, "how": how }))
        .collect();
    let mut answer = Answer::line(lines[0].clone())
        .with("verdict", json!(verdict))
        .with("keyspace", json!(sides.second))
        .with("same", json!(same))
        .with("newer", json!(newer))
        .with("expired", json!(gone))
        .with("different", json!(different))
        .with("deleted", json!(found.deleted))
        .with("unfit", json!(found.unfit))
        .with("broken", json!(found.broken))
        .with("looked_up", json!(sides.looked_up))
        .with("differences", differences);
    if sides.live {
        answer = answer
            .with("source", json!(sides.first))
            .with("only", json!(sides.only));
    }
    answer.text = lines.join("\n");
    if verdict == "different" {
        answer.exit = Exit::Failed;
    }
    answer
}

fn headline(sides: &Sides, found: &Found, verdict: &str) -> String {
    let (first, second) = (&sides.first, &sides.second);
    let Tally {
        same,
        newer,
        gone,
        different,
    } = found.tally;
    let mut text = match verdict {
        "equal" => format!("{first} and {second} are equal: {}", rows(same)),
        "no difference" if newer == 0 => {
            format!(
                "{second} has every row of {first} as it is there: {}",
                rows(same)
            )
        }
        "no difference" => {
            let one = newer == 1;
            let newer = match (sides.live, one) {
                (true, true) => "1 row was written while they were compared".to_string(),
                (true, false) => format!("{newer} rows were written while they were compared"),
                (false, true) => "1 row is newer than the export".to_string(),
                (false, false) => format!("{newer} rows are newer than the export"),
            };
            format!(
                "{first} and {second}: no difference in {}; {newer}, of which nothing is said",
                rows(same)
            )
        }
        _ if different == 0 && !found.broken.is_empty() => format!(
            "{first} and {second} were compared in part only: no difference in {}",
            rows(same + newer)
        ),
        _ => format!(
            "{first} and {second} differ in {} of {}",
            rows(different),
            same + newer + different
        ),
    };
    if gone > 0 {
        text += &format!("; {} expired", rows(gone));
    }
    if found.deleted > 0 {
        let deleted = usize::try_from(found.deleted).unwrap_or(usize::MAX);
        text += &format!("; {} looked up", count(deleted, "deletion"));
    }
    if found.unfit > 0 {
        let verb = if found.unfit == 1 { "does" } else { "do" };
        text += &format!(
            "; {} of {first} {verb} not fit the mapping",
            rows(found.unfit)
        );
    }
    text + "."
}

/// What to do about rows that are newer or differ.
fn next(sides: &Sides, newer: u64, different: u64) -> Option<String> {
    match (sides.live, newer, different) {
        (true, 0, 0) | (false, 0, _) => None,
        (true, _, 0) => Some(format!(
            "For a word on every row: the same command once nobody writes to {} any more.",
            sides.first
        )),
        (true, _, _) => Some(format!(
            "A row that changed in {} since it was copied differs too: kmig export --since brings it, then the same command.",
            sides.first
        )),
        (false, _, _) => Some("Rows that changed since the export: kmig export --since brings them, or stop the writers and export again.".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(live: bool) -> Sides {
        Sides {
            first: "old".into(),
            second: "new".into(),
            live,
            tells: true,
            changes: false,
            looked_up: Vec::new(),
            only: Vec::new(),
        }
    }

    fn found(same: u64, newer: u64, different: u64) -> Found {
        Found {
            tally: Tally {
                same,
                newer,
                different,
                gone: 0,
            },
            ..Found::default()
        }
    }

    #[test]
    fn the_verdict_says_no_more_than_was_seen() {
        for (same, newer, different, live, headline, exit) in [
            (5, 0, 0, true, "old and new are equal: 5 rows.", Exit::Done),
            (
                5,
                1,
                0,
                true,
                "old and new: no difference in 5 rows; 1 row was written while they were compared, of which nothing is said.",
                Exit::Done,
            ),
            (
                1,
                2,
                0,
                false,
                "old and new: no difference in 1 row; 2 rows are newer than the export, of which nothing is said.",
                Exit::Done,
            ),
            (
                5,
                1,
                2,
                true,
                "old and new differ in 2 rows of 8.",
                Exit::Failed,
            ),
        ] {
            let answer = told(&sides(live), &found(same, newer, different));
            assert_eq!(answer.text.lines().next(), Some(headline));
            assert_eq!(answer.exit, exit);
        }
        let broken = Found {
            broken: vec!["t/a.parquet".into()],
            ..found(5, 0, 0)
        };
        let answer = told(&sides(false), &broken);
        assert_eq!(answer.exit, Exit::Failed);
        assert_eq!(
            answer.text.lines().next(),
            Some("old and new were compared in part only: no difference in 5 rows.")
        );
    }

    #[test]
    fn what_was_not_looked_at_is_named() {
        let sides = Sides {
            tells: false,
            looked_up: vec!["accounts".into()],
            only: vec!["audit".into(), "more".into()],
            ..sides(true)
        };
        let found = Found {
            unfit: 1,
            ..found(5, 0, 0)
        };
        let text = told(&sides, &found).text;
        for part in [
            "new has every row of old as it is there: 5 rows",
            "1 row of old does not fit the mapping",
            "do not tell the write times",
            "only new has were not looked for in tables that have other keys, or were reshaped: accounts.",
            "only new has them: audit, more.",
        ] {
            assert!(text.contains(part), "{text}: {part}");
        }
    }
}
