//! The documentation says what the program has: commands, flags, exit codes, settings, and links that lead somewhere.

use crate::support::case::{Case, EMPTY};
use crate::support::server::Server;
use clap::{Command, CommandFactory};
use kmig::cli::Cli;
use kmig::error::Exit;
use kmig::settings::{Flags, Settings};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text from a command's heading to the next heading of that level.
fn section<'a>(page: &'a str, command: &str) -> Option<&'a str> {
    let named = |line: &str| {
        line.strip_prefix("## ").is_some_and(|heading| {
            heading.split(", ").any(|name| {
                let mut words = name.split_whitespace();
                words.next() == Some("kmig") && words.next() == Some(command)
            })
        })
    };
    let mut start = None;
    let mut at = 0;
    for line in page.split_inclusive('\n') {
        match start {
            None if named(line) => start = Some(at),
            Some(start) if line.starts_with("## ") => return Some(&page[start..at]),
            _ => {}
        }
        at += line.len();
    }
    start.map(|start| &page[start..])
}

/// Whether a text names a flag, and not just a longer one that begins with it.
fn names(text: &str, flag: &str) -> bool {
    text.match_indices(flag).any(|(at, _)| {
        let behind = text[at + flag.len()..].chars().next();
        !behind.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-')
    })
}

fn long_flags(command: &Command) -> BTreeSet<String> {
    command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter_map(|argument| Some(format!("--{}", argument.get_long()?)))
        .collect()
}

#[test]
fn every_command_and_flag_is_described() {
    let page = text("docs/commands.md");
    let mut top = Cli::command();
    top.build();
    let global = long_flags(&top);
    let of_all = page.split("\n## kmig ").next().unwrap_or_default();
    let mut missing: Vec<String> = global
        .iter()
        .filter(|flag| !names(of_all, flag))
        .map(|flag| format!("{flag}, an option of every command"))
        .collect();
    // Options of all commands that run statements are described once, above the commands.
    let shared: BTreeSet<String> = [
        "--dry-run",
        "--lock-wait",
        "--lock-timeout",
        "--ddl-deadline",
        "--reconnect",
    ]
    .map(str::to_owned)
    .into();
    for command in top.get_subcommands() {
        let name = command.get_name();
        if name == "help" {
            continue;
        }
        let Some(section) = section(&page, name) else {
            missing.push(format!("a section `## kmig {name}`"));
            continue;
        };
        let runs = long_flags(command).is_superset(&shared);
        for flag in long_flags(command).difference(&global) {
            let above = runs && shared.contains(flag) && names(of_all, flag);
            if !above && !names(section, flag) {
                missing.push(format!("{flag} in the section of kmig {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/commands.md lacks {missing:#?}");
}

#[test]
fn every_described_flag_is_there() {
    let page = text("docs/commands.md");
    let mut top = Cli::command();
    top.build();
    let mut known = long_flags(&top);
    for command in top.get_subcommands() {
        known.extend(long_flags(command));
    }
    let first_cells = page.lines().filter_map(|line| line.strip_prefix("| `-"));
    for cell in first_cells {
        let cell = format!("-{}", cell.split(" | ").next().unwrap_or_default());
        let flag = cell
            .split(|c: char| c.is_whitespace() || matches!(c, '`' | ','))
            .find(|word| word.starts_with("--"));
        if let Some(flag) = flag {
            assert!(
                known.contains(flag),
                "docs/commands.md describes {flag}, which kmig has not"
            );
        }
    }
}

#[test]
fn every_exit_code_is_described() {
    let page = text("docs/exit-codes.md");
    // The match is exhaustive: a new code does not compile before it stands here, and in the list below.
    let listed = |exit: Exit| match exit {
        Exit::Done
        | Exit::Failed
        | Exit::Usage
        | Exit::NeedsBootstrap
        | Exit::Pending
        | Exit::New
        | Exit::Locked
        | Exit::Refused
        | Exit::Disagree
        | Exit::Ahead
        | Exit::Interrupted
        | Exit::Terminated => format!("| {} | `{}` |", exit as u8, exit.word()),
    };
    for exit in [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::NeedsBootstrap,
        Exit::Pending,
        Exit::New,
        Exit::Locked,
        Exit::Refused,
        Exit::Disagree,
        Exit::Ahead,
        Exit::Interrupted,
        Exit::Terminated,
    ] {
        let row = listed(exit);
        assert!(page.contains(&row), "docs/exit-codes.md has no row {row}");
    }
}

#[test]
fn every_setting_is_described() {
    let page = text("docs/configuration.md");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("kmig.toml"), "").unwrap();
    let flags = Flags {
        config: Some(folder.path().to_owned()),
        ..Flags::default()
    };
    let settings = Settings::load(&flags, &|_| None).unwrap();
    assert!(!settings.effective.is_empty());
    for value in &settings.effective {
        let variable = format!("KMIG_{}", value.key.to_uppercase().replace('.', "_"));
        let row = format!("| `{}` | `{variable}`", value.key);
        let line = page.lines().find(|line| line.starts_with(&row));
        let line = line.unwrap_or_else(|| panic!("docs/configuration.md has no row {row}"));
        // The url's default is libpq's, and no value at all.
        let default = value.value.as_ref().map(|value| format!("| `{value}` |"));
        assert!(
            default
                .as_ref()
                .is_none_or(|default| line.contains(default)),
            "docs/configuration.md tells another default of {}: {line}",
            value.key
        );
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages: Vec<PathBuf> = Vec::new();
    for folder in [".", "docs", "migrations"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    assert!(
        pages.len() > 9,
        "the pages are not where they were: {pages:?}"
    );
    let mut broken = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for target in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            let there = match (file.exists(), anchor) {
                (exists, "") => exists,
                (true, anchor) => {
                    fs::read_to_string(&file).is_ok_and(|text| headings(&text).contains(anchor))
                }
                (false, _) => false,
            };
            if !there {
                broken.push(format!("{} -> {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

/// The tables of docs/state.md have the columns that are described, in that order, and its queries are queries.
#[test]
fn the_state_is_described_as_it_is() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[EMPTY, ("migrations/core/001_a/up.sql", "select 1;")]);
    case.run("kmig bootstrap", 0);
    let page = text("docs/state.md");
    for table in ["schema_meta", "schema_meta_journal"] {
        let heading = format!("\n## {table}\n");
        let section = page.split(&heading).nth(1).expect("its section");
        let rows = section
            .lines()
            .skip_while(|line| !line.starts_with("| column"));
        let described: Vec<String> = rows
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .flat_map(|row| row.split(" | ").next().unwrap_or_default().split(", "))
            .map(|name| name.trim_matches(['|', '`', ' ']).to_owned())
            .collect();
        let columns = case.sql(&format!(
            "select string_agg(attname, ',' order by attnum) from pg_attribute where attrelid = '{table}'::regclass and attnum > 0"
        ));
        assert_eq!(described.join(","), columns, "docs/state.md, {table}");
    }
    let queries: Vec<&str> = page.split("```sql\n").skip(1).collect();
    assert!(queries.len() > 5, "the queries are not where they were");
    for query in queries {
        // psql fails where the server does.
        case.sql(query.split("```").next().unwrap_or_default());
    }
    let kinds = case.sql("select string_agg(distinct kind, ',') from schema_meta_journal");
    for kind in kinds.split(',') {
        assert!(
            page.contains(&format!("`{kind}`")),
            "docs/state.md has no kind {kind}"
        );
    }
}

/// Scenarios that the README names as its evidence are there, and none of them waits for something kmig lacks.
#[test]
fn the_evidence_of_the_readme_is_there() {
    let page = text("README.md");
    let table = page
        .split("## What sets it apart")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .unwrap_or_default();
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| what"));
    let mut count = 0;
    for row in rows {
        let cell = row
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .unwrap_or_default();
        for name in cell.split(", ").map(|name| name.trim_matches('`')) {
            let steps = text(&format!("tests/scenarios/{name}/steps.toml"));
            let pending = steps.lines().any(|line| line.starts_with("pending"));
            assert!(
                !pending,
                "README.md names the scenario {name}, which is pending"
            );
            count += 1;
        }
    }
    assert!(count > 0, "README.md names no scenarios");
}

#[test]
fn every_test_that_the_page_on_faults_names_is_one() {
    let page = text("docs/faults.md");
    let mut count = 0;
    // Every second piece between backquotes is inside them.
    let names = page.split('`').skip(1).step_by(2);
    for name in names.filter(|name| !name.ends_with('…')) {
        if let Some(folder) = name.strip_prefix("scenario ") {
            let steps = text(&format!("tests/scenarios/{folder}/steps.toml"));
            assert!(!steps.lines().any(|line| line.starts_with("pending")));
        } else if let Some((module, test)) = name.split_once("::") {
            let path = match module.split_once('/') {
                Some((binary, module)) => format!("tests/{binary}/{module}.rs"),
                None => format!("tests/faults/{module}.rs"),
            };
            let line = format!("#[test]\nfn {test}()");
            assert!(text(&path).contains(&line), "{path} has no test {test}");
        } else {
            continue;
        }
        count += 1;
    }
    assert!(count > 90, "docs/faults.md names {count} tests");
}

/// Targets of `[text](target)` outside code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let mut rest = line;
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            if let Some(end) = rest.find(')') {
                found.push(rest[..end].to_owned());
            }
        }
    }
    found
}

/// Anchors of a page's headings, as forges make them.
fn headings(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

/// The lines outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        if fence {
            fenced = !fenced;
        }
        !fence && !fenced
    })
}
