use super::*;
use crate::plan::history::{Applied, Origin, Progress};
use crate::plan::reset;
use crate::source::load::{Content, Entry, Folder};
use crate::source::{Dialect, PartKind, parse};
use std::collections::BTreeMap;

/// core/001, core/002, … with up and finish parts of CQL.
fn set(files: &[[&str; 2]]) -> MigrationSet {
    let migrations = files.iter().enumerate().map(|(at, texts)| {
        let name = format!("{:03}_x", at + 1);
        let path = format!("migrations/{name}");
        let parts = ["up.cql", "finish.cql"].into_iter().zip(texts);
        let entries = parts.map(|(file, text)| Entry {
            name: file.to_string(),
            path: format!("{path}/{file}"),
            content: Content::Text(text.as_bytes().to_vec()),
        });
        let folder = Folder {
            path: path.clone(),
            entries: entries.collect(),
        };
        Entry {
            name,
            path,
            content: Content::Folder(folder),
        }
    });
    let root = Folder {
        path: "migrations".to_string(),
        entries: migrations.collect(),
    };
    parse::set(root, &BTreeMap::new(), Dialect::Cassandra).expect("the test's files are in order")
}

fn history(set: &MigrationSet, progress: Progress) -> History {
    let applied = set.migrations.iter().map(|migration| {
        let seals = [PartKind::Up, PartKind::Finish].into_iter();
        let seals = seals.filter_map(|kind| {
            let part = migration.part(kind)?;
            Some((
                kind,
                part.seal(progress.done_of(kind).unwrap_or(part.len())),
            ))
        });
        let applied = Applied {
            name: migration.name.clone(),
            batch: 1,
            origin: Origin::Bootstrap,
            progress,
            checksums: seals.collect(),
            app_version: None,
            started: None,
            finished: None,
            by: String::new(),
        };
        (migration.id.clone(), applied)
    });
    History {
        applied: applied.collect(),
        batch: 1,
        ..History::default()
    }
}

fn names(files: &[[&str; 2]], progress: Progress) -> String {
    let set = set(files);
    let found = gone(&set, &history(&set, progress));
    let found: Vec<String> = found.iter().map(|gone| gone.object.to_string()).collect();
    found.join(", ")
}

#[test]
fn what_was_dropped_for_good_is_told() {
    for (files, expected) in [
        (
            &[[
                "create table t (a int primary key, b int)",
                "alter table t drop b",
            ]][..],
            "column b of t",
        ),
        (
            &[
                ["create table t (a int primary key)", "drop table t"],
                ["create table t (a int primary key)", ""],
            ],
            "",
        ),
        (
            &[
                [
                    "create table t (a int primary key)",
                    "alter table t drop b; drop table t",
                ],
                [
                    "create type t (a int)",
                    "drop index if exists k.i; drop materialized view v",
                ],
            ],
            "table t, index k.i, materialized view v",
        ),
        (
            &[
                [
                    "create table t (a int primary key)",
                    "alter table t rename a to z",
                ],
                ["alter table t add b int", "alter table t drop (b, c)"],
            ],
            "column a of t, column b of t, column c of t",
        ),
        (
            &[
                [
                    "create type u (a int)",
                    "drop type u; drop function f (int); drop aggregate f (int)",
                ],
                [
                    "create type if not exists u (a int); create function f (a text) called on null input returns int language java as 'x'",
                    "",
                ],
            ],
            "function f, aggregate f",
        ),
    ] {
        assert_eq!(names(files, Progress::Executed), expected, "{files:?}");
    }
}

#[test]
fn a_statement_that_may_have_run_counts_for_what_it_makes_only() {
    let files = [[
        "drop table t; create table t (a int primary key); drop table s",
        "",
    ]];
    assert_eq!(names(&files, Progress::Up(0)), "");
    assert_eq!(names(&files, Progress::Up(1)), "");
    assert_eq!(names(&files, Progress::Up(2)), "");
    let files = [["drop table t; drop table s", ""]];
    assert_eq!(names(&files, Progress::Up(1)), "table t");
}

/// What a reset of Cassandra takes away | leaves and why | tells of.
#[test]
fn a_reset_knows_what_cql_made() {
    for (up, expected) in [
        (
            "create table t (a int primary key, b int); create index i on t (b); create index on t (b); create type u (x int); alter type u add y int; create materialized view v as select * from t where b is not null and a is not null primary key (b, a); alter table t with comment = 'x'",
            "table t, type u, materialized view v |  | ",
        ),
        (
            "create table if not exists t (a int primary key); create or replace function f (a int) called on null input returns int language java as 'x'",
            " | table t Unproved, function f Unproved | ",
        ),
        (
            "create table t (a int primary key); drop table t; create table s (a int primary key); alter table o add x int; create index j on o (x)",
            "table s | column x of o OfAnother, index j OfAnother | ",
        ),
        (
            "create role r with password = 'x'; alter role r with login = true; create index on o (x); alter table o with comment = ''; grant select on t to r",
            " |  | create role r with password, alter role r with login, create index on o (x), alter table o with comment",
        ),
    ] {
        let set = set(&[[up, ""]]);
        let reset =
            reset::plan(&set, &history(&set, Progress::Executed)).expect("nothing against it");
        let own = reset.own.iter().map(|found| found.object.to_string());
        let left = reset.left.iter();
        let left = left.map(|(found, why)| format!("{} {why:?}", found.object));
        let unseen = reset.unseen.iter().map(|unseen| unseen.words.clone());
        let shown = [
            own.collect::<Vec<_>>().join(", "),
            left.collect::<Vec<_>>().join(", "),
            unseen.collect::<Vec<_>>().join(", "),
        ];
        assert_eq!(shown.join(" | "), expected, "{up}");
    }
    // After a crash any statement of CQL may have run.
    let set = set(&[[
        "create table t (a int primary key); create table s (a int primary key)",
        "",
    ]]);
    let reset = reset::plan(&set, &history(&set, Progress::Up(1))).expect("nothing against it");
    let left: Vec<String> = reset
        .left
        .iter()
        .map(|(found, why)| format!("{} {why:?}", found.object))
        .collect();
    assert_eq!(left, ["table s InDoubt"]);
}
