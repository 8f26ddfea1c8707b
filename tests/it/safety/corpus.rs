//! The corpus: migrations as people write them, with the verdicts that they must get. A case is data.
//!
//! ```text
//! tests/corpus/<project>/
//!   kmig.toml
//!   migrations/      as in any project; a line of `--! rule rule` (`//!` in CQL) says what trips in the line below it
//! ```
//!
//! `rule?` is only shown, not refused. What no such line says must not trip.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::kmig::{Kmig, binary};
use kmig::safety::judge::Against;
use kmig::safety::{Known, Scope, Verdict, judge};
use kmig::source::{Dialect, MigrationSet, load, parse};
use serde::Deserialize;

/// What a file trips: line and rule.
type Trips = BTreeSet<(usize, String)>;

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    subsystem: BTreeMap<String, Subsystem>,
}

#[derive(Deserialize)]
struct Subsystem {
    depends_on: Vec<String>,
}

fn projects() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = fs::read_dir(folder).expect("the corpus");
    let mut all: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    all.retain(|path| path.is_dir());
    all.sort();
    all
}

fn dialect(project: &Path) -> Dialect {
    match project.to_string_lossy().ends_with("_cql") {
        true => Dialect::Cassandra,
        false => Dialect::Postgres,
    }
}

fn set(project: &Path) -> MigrationSet {
    let toml = fs::read_to_string(project.join("kmig.toml")).expect("kmig.toml");
    let config: Config = toml::from_str(&toml).expect("kmig.toml");
    let depends_on = config.subsystem.into_iter();
    let depends_on = depends_on
        .map(|(name, found)| (name, found.depends_on))
        .collect();
    let migrations = project.join("migrations");
    let shown = project.file_name().expect("a name").to_string_lossy();
    let root = load::read(&migrations, &shown, dialect(project)).expect("migrations");
    parse::set(root, &depends_on, dialect(project))
        .unwrap_or_else(|wrong| panic!("{}: {wrong:?}", project.display()))
}

/// What the marks in a text say.
fn marked(text: &str) -> Trips {
    let marks = text.lines().enumerate().filter_map(|(at, line)| {
        let line = line.trim_start();
        let rules = line
            .strip_prefix("--!")
            .or_else(|| line.strip_prefix("//!"))?;
        Some((at + 2, rules))
    });
    let each = marks.flat_map(|(line, rules)| {
        let rules = rules.split_whitespace();
        rules.map(move |rule| (line, rule.to_owned()))
    });
    each.collect()
}

/// What trips, by file.
fn tripped(project: &Path, set: &MigrationSet) -> BTreeMap<String, Trips> {
    let scopes = Scope::each(&set.migrations);
    let (dialect, known) = (dialect(project), Known::default());
    let mut all: BTreeMap<String, Trips> = BTreeMap::new();
    for found in judge(dialect, &scopes, &known, Against::Database).found {
        let note = match found.verdict {
            Verdict::Refused => "",
            Verdict::Warned => "?",
            Verdict::Allowed(_) | Verdict::Shown => continue,
        };
        let file = &found.part.file;
        let before = &file.text[..found.finding.span.start];
        let line = before.matches('\n').count() + 1;
        let rule = format!("{}{note}", found.finding.rule.name);
        all.entry(file.path.clone())
            .or_default()
            .insert((line, rule));
    }
    all
}

#[test]
fn every_verdict_is_as_it_is_marked() {
    let (mut files, mut different) = (0, Vec::new());
    for project in projects() {
        let set = set(&project);
        let mut tripped = tripped(&project, &set);
        let parts = set.migrations.iter().flat_map(|found| found.parts.values());
        for file in parts.map(|part| &part.file) {
            files += 1;
            let marked = marked(&file.text);
            let found = tripped.remove(&file.path).unwrap_or_default();
            for (line, rule) in marked.difference(&found) {
                different.push(format!("{}:{line}: {rule} does not trip", file.path));
            }
            for (line, rule) in found.difference(&marked) {
                different.push(format!("{}:{line}: {rule} trips, unmarked", file.path));
            }
        }
    }
    assert!(files >= 100, "{files} files");
    assert!(
        different.is_empty(),
        "of {files} files:\n{}",
        different.join("\n")
    );
}

/// `kmig check` ends with 7 where something is refused without a database, and names each of it; else with 0.
#[test]
fn the_program_says_the_same() {
    let mut codes = BTreeSet::new();
    for project in projects() {
        let (set, dialect) = (set(&project), dialect(&project));
        let scopes = Scope::each(&set.migrations);
        let judgement = judge(dialect, &scopes, &Known::default(), Against::Files);
        let url = match dialect {
            Dialect::Postgres => "postgres://nobody@nowhere.invalid/app",
            Dialect::Cassandra => "cassandra://nowhere.invalid/app",
        };
        let check = Kmig::with_binary(&binary(), &project).args(["check"]);
        let output = check.env("KMIG_URL", url).run();
        let refused: Vec<_> = judgement.refused().collect();
        let code = if refused.is_empty() { 0 } else { 7 };
        assert_eq!(output.code, code, "{}: {output}", project.display());
        for found in refused {
            let rule = found.finding.rule.name;
            assert!(
                output.stderr.contains(rule),
                "{}: {rule}: {output}",
                project.display()
            );
        }
        codes.insert(code);
    }
    assert_eq!(codes.len(), 2, "some projects pass, and some do not");
}
