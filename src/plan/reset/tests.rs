use super::*;
use crate::plan::history::Applied;
use crate::source::load::{Content, Entry, Folder};
use crate::source::{Dialect, parse};
use std::collections::BTreeMap;

/// Parts of core/001, core/002, …: up, finish, undo; an empty text is no part.
fn set(files: &[[&str; 3]]) -> MigrationSet {
    let migrations = files.iter().enumerate().map(|(at, texts)| {
        let name = format!("{:03}_x", at + 1);
        let path = format!("migrations/{name}");
        let parts = ["up.sql", "finish.sql", "undo.sql"].into_iter().zip(texts);
        let parts = parts.filter(|(_, text)| !text.is_empty());
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
    parse::set(root, &BTreeMap::new(), Dialect::Postgres).expect("the test's files are in order")
}

/// One row per migration: batch, origin, progress, and how many statements of up, finish and undo its seals are of.
type Row = (i64, Origin, Progress, [Option<usize>; 3]);

fn history(set: &MigrationSet, rows: &[Row]) -> History {
    let kinds = [PartKind::Up, PartKind::Finish, PartKind::Undo];
    let applied = set.migrations.iter().zip(rows);
    let applied = applied.map(|(migration, (batch, origin, progress, sealed))| {
        let seals = kinds.into_iter().zip(sealed).filter_map(|(kind, done)| {
            let part = migration.part(kind)?;
            let done = (*done)?;
            let running = progress.done_of(kind).is_some();
            Some((
                kind,
                if running {
                    part.begun(done)
                } else {
                    part.seal(done)
                },
            ))
        });
        let applied = Applied {
            name: migration.name.clone(),
            batch: *batch,
            origin: *origin,
            progress: *progress,
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

/// What is dropped | what is left and why | the first words of statements that are told of.
fn told(files: &[[&str; 3]], rows: &[Row]) -> String {
    let set = set(files);
    let reset = plan(&set, &history(&set, rows)).expect("nothing against it");
    let own = reset.own.iter().map(|found| found.object.to_string());
    let left = reset.left.iter();
    let left = left.map(|(found, why)| format!("{} {why:?}", found.object));
    let unseen = reset.unseen.iter().map(|unseen| unseen.words.clone());
    [
        own.collect::<Vec<_>>().join(", "),
        left.collect::<Vec<_>>().join(", "),
        unseen.collect::<Vec<_>>().join(", "),
    ]
    .join(" | ")
}

const ALL: [Option<usize>; 3] = [Some(99), Some(99), None];
const DONE: Row = (1, Origin::Bootstrap, Progress::Executed, ALL);

#[test]
fn what_only_kmig_can_have_made_is_dropped() {
    for (up, expected) in [
        (
            "create table t (a int); create index i on t (a); create index on t (a); create policy p on t using (true); create view v as select 1",
            "table t, view v |  | ",
        ),
        (
            "create table if not exists t (a int); create or replace view v as select 1; create extension if not exists e; create schema if not exists s",
            " | table t Unproved, view v Unproved, extension e Unproved, schema s Unproved | ",
        ),
        (
            "create view v as select 1; create or replace view v as select 2; create extension e",
            "view v, extension e |  | ",
        ),
        // What was dropped before is made by the statement, whoever made it at first.
        (
            "drop table if exists t; create table if not exists t ()",
            " | table t Unproved | ",
        ),
        (
            "create table if not exists t (); drop table t; create table t ()",
            "table t |  | ",
        ),
        (
            "alter table o add a int, add b int; alter table o drop b; create index i on o (a); create index on o (a); create trigger g after insert on o execute function f(); alter table o add check (a > 0)",
            " | column a of o OfAnother, index i OfAnother, trigger g of o OfAnother | create index on o (a), alter table o add check",
        ),
        (
            "do $$ begin end $$; call p(); select 1 as a into t; create role r; alter role r login; create temp table x (); create operator + (function = f)",
            " |  | do $$ begin end $$, call p(), select 1 as a into, create role r, alter role r login, create operator + (function =",
        ),
        (
            "create function f(a int, out b int, c text default 'x') language sql as ''; create function f(text) returns int language sql as ''; drop function f(int, text)",
            "function f |  | ",
        ),
        // Which of the two was meant cannot be told.
        (
            "create function f(a int) returns int language sql as ''; create function f(text) returns int language sql as ''; drop function f(integer)",
            " | function f Unclear, function f Unclear | ",
        ),
        (
            "create table t (); create table s.t (); drop table t",
            " | table t Unclear, table s.t Unclear | ",
        ),
        (
            "create type e as enum ('a'); create view v as select 1; create table t (a e); drop type e cascade",
            "table t | view v Unclear | ",
        ),
    ] {
        assert_eq!(told(&[[up, "", ""]], &[DONE]), expected, "{up}");
    }
}

#[test]
fn what_was_adopted_is_left() {
    let files = [
        [
            "create table t (a int); create index i on t (a); do $$ begin end $$",
            "",
            "",
        ],
        ["alter table t add b int; create table u ()", "", ""],
    ];
    let adopted = (1, Origin::Adopt, Progress::Executed, ALL);
    assert_eq!(
        told(&files, &[adopted, DONE]),
        "table u | table t Adopted, column b of t OfAnother | "
    );
    assert_eq!(told(&files, &[adopted]), " | table t Adopted | ");
    // kmig dropped it and made it anew.
    let files = [files[0], ["drop table t; create table t ()", "", ""]];
    assert_eq!(told(&files, &[adopted, DONE]), "table t |  | ");
}

#[test]
fn parts_count_as_far_as_they_ran() {
    let files = [[
        "create table a (); create table b (); create unique index concurrently i on o (x); create table c ()",
        "drop table a; drop table b",
        "drop table c; drop table b",
    ]];
    let row = |progress, sealed| (1, Origin::Up, progress, sealed);
    let of = |progress, sealed| told(&files, &[row(progress, sealed)]);
    assert_eq!(of(Progress::Up(0), [Some(0), None, None]), " |  | ");
    assert_eq!(of(Progress::Up(1), [Some(1), None, None]), "table a |  | ");
    assert_eq!(
        of(Progress::Up(2), [Some(2), None, None]),
        "table a, table b | index i InDoubt | "
    );
    assert_eq!(
        of(Progress::Up(3), [Some(3), None, None]),
        "table a, table b | index i OfAnother | "
    );
    let all = Some(99);
    assert_eq!(
        of(Progress::Pending, [all, None, None]),
        "table a, table b, table c | index i OfAnother | "
    );
    assert_eq!(
        of(Progress::Contracting(1), [all, Some(1), None]),
        "table b, table c | index i OfAnother | "
    );
    assert_eq!(
        of(Progress::Undoing(1), [all, None, Some(1)]),
        "table a, table b | index i OfAnother | "
    );
    // An undo of half an up.
    assert_eq!(
        of(Progress::Undoing(0), [Some(1), None, Some(0)]),
        "table a |  | "
    );
    assert_eq!(
        of(Progress::Executed, [all, all, None]),
        "table c | index i OfAnother | "
    );
}

#[test]
fn parts_are_read_in_the_order_in_which_they_ran() {
    // In one batch of up the finish parts come last, in a bootstrap each comes with its migration.
    let files = [
        ["create table t ()", "alter table t rename to u", ""],
        [
            "create view t_of as table t; alter table t rename to x",
            "",
            "",
        ],
    ];
    let up = (1, Origin::Up, Progress::Executed, ALL);
    assert_eq!(told(&files, &[up, up]), "table x, view t_of |  | ");
    assert_eq!(told(&files, &[DONE, DONE]), "table u, view t_of |  | ");
    // A late one comes after what is numbered above it.
    let files = [["drop table t", "", ""], ["create table t ()", "", ""]];
    let late = (2, Origin::Up, Progress::Executed, ALL);
    assert_eq!(told(&files, &[late, up]), " |  | ");
    assert_eq!(told(&files, &[up, late]), "table t |  | ");
}

#[test]
fn names_mean_what_the_settings_above_them_say() {
    let up = "create table t (); set search_path = s; create table t (); set local search_path = r; create table t ()";
    let set = set(&[[up, "", ""]]);
    let reset = plan(&set, &history(&set, &[DONE])).expect("nothing against it");
    let settings = reset.own.iter().map(|found| found.settings.join("; "));
    let settings: Vec<_> = settings.collect();
    assert_eq!(
        settings,
        [
            "",
            "set search_path = s",
            "set search_path = s; set local search_path = r"
        ]
    );
}

#[test]
fn files_that_do_not_say_what_was_made_are_refused() {
    let old = set(&[["create table t ()", "", ""]]);
    let recorded = history(&old, &[DONE]);
    let edited = set(&[["create table u ()", "", ""]]);
    assert!(matches!(
        plan(&edited, &recorded),
        Err(Refusal::Disagreement(_))
    ));
    let two = set(&[["create table t ()", "", ""], ["select 1", "", ""]]);
    let recorded = history(&two, &[DONE, DONE]);
    assert!(matches!(plan(&old, &recorded), Err(Refusal::Ahead { .. })));
}
