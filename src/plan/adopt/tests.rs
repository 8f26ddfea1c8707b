use super::*;
use crate::plan::history::Applied;
use crate::source::load::{Content, Entry, Folder};
use crate::source::names::identity;
use crate::source::{Dialect, parse};

fn folder(path: &str, entries: Vec<Entry>) -> Folder {
    Folder {
        path: path.to_string(),
        entries,
    }
}

fn entry(name: &str, path: String, content: Content) -> Entry {
    Entry {
        name: name.to_string(),
        path,
        content,
    }
}

/// Migrations by identity, each with an up and a finish part; an empty text is no part.
fn set(files: &[(&str, &str, &str)]) -> MigrationSet {
    let mut subsystems: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    for (label, up, finish) in files {
        let (subsystem, name) = label.split_once('/').expect("subsystem/NNN_name");
        let parts = [("up.sql", up), ("finish.sql", finish)];
        let parts = parts.into_iter().filter(|(_, text)| !text.is_empty());
        let path = format!("migrations/{label}");
        let parts = parts.map(|(file, text)| {
            let content = Content::Text(text.as_bytes().to_vec());
            entry(file, format!("{path}/{file}"), content)
        });
        let content = Content::Folder(folder(&path, parts.collect()));
        let migrations = subsystems.entry(subsystem).or_default();
        migrations.push(entry(name, path, content));
    }
    let entries = subsystems.into_iter().map(|(subsystem, migrations)| {
        let path = format!("migrations/{subsystem}");
        let content = Content::Folder(folder(&path, migrations));
        entry(subsystem, path, content)
    });
    let root = folder("migrations", entries.collect());
    parse::set(root, &needs(), Dialect::Postgres).expect("the test's files are in order")
}

fn needs() -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([("plugin".to_string(), vec!["core".to_string()])])
}

fn id(name: &str) -> MigrationId {
    identity(name).expect("a name").0
}

/// What is looked for after these parts, as words.
fn looked(parts: &[(&str, &str)]) -> String {
    let names: Vec<String> = (1..=parts.len())
        .map(|number| format!("core/{number:03}_x"))
        .collect();
    let mut files: Vec<(&str, &str, &str)> = vec![("plugin/001_p", "select 1", "")];
    for (name, (up, finish)) in names.iter().zip(parts) {
        files.push((name, up, finish));
    }
    let set = set(&files);
    let last = id(names.last().expect("a migration"));
    let adoption = plan(&set, None, &needs(), &[last], None).expect("nothing against it");
    let words: Vec<String> = adoption
        .wanted
        .iter()
        .map(|wanted| wanted.object.to_string())
        .collect();
    words.join(", ")
}

#[test]
fn what_later_statements_take_away_is_not_looked_for() {
    for (parts, expected) in [
        (
            &[(
                "create table t (a int, b int); create index i on t (a); create view v as select 1",
                "",
            )][..],
            "table t, column a of t, column b of t, index i, view v",
        ),
        (&[("create table t (a int)", "drop table public.t")], ""),
        (
            &[
                ("create table t (a int); create index i on t (a)", ""),
                ("alter table t add b int", "alter table t drop a"),
            ],
            "table t, column b of t",
        ),
        (
            &[
                ("create table t (a int); create index i on t (a)", ""),
                (
                    "alter table t rename to u; alter table u rename a to b; alter index i rename to j",
                    "",
                ),
            ],
            "table u, column b of u, index j",
        ),
        (
            &[
                (
                    "create schema s; create table s.t (a int); create table r (a int)",
                    "",
                ),
                ("alter schema s rename to z; alter table r set schema z", ""),
            ],
            "schema z, table z.t, column a of z.t, table z.r, column a of z.r",
        ),
        (
            &[(
                "create schema s; create table s.t (a int); create table r ()",
                "drop schema s cascade",
            )],
            "table r",
        ),
        (
            &[(
                "create table p (a int) partition by list (a); create table c partition of p default; create index c_a on c (a)",
                "drop table p",
            )],
            "",
        ),
        (
            &[(
                "create table p (a int) partition by list (a); create table c (a int); alter table p attach partition c default",
                "alter table p rename a to b",
            )],
            "table p, column b of p, table c",
        ),
        // One name, two objects: neither can be told apart from then on.
        (
            &[
                ("create table t (a int); create table s.t (a int)", ""),
                ("alter table t rename to u", ""),
            ],
            "",
        ),
        (
            &[(
                "create type e as enum ('a'); create view v as select 1; create table t (a e, b int)",
                "drop type e cascade",
            )],
            "table t",
        ),
        (
            &[(
                "create sequence s; create table t (a int); alter sequence s owned by t.a",
                "alter table t drop column a",
            )],
            "table t",
        ),
        (
            &[(
                "create unique index i on t (a); alter table t add constraint c unique using index i",
                "",
            )],
            "index c",
        ),
    ] {
        assert_eq!(looked(parts), expected, "{parts:?}");
    }
}

#[test]
fn names_are_looked_for_under_the_settings_above_them() {
    let set = set(&[(
        "core/001_x",
        "create table a (); set search_path = s; create table b ()",
        "create table c ()",
    )]);
    let adoption = plan(&set, None, &needs(), &[id("core/1")], None).expect("nothing against it");
    let settings: Vec<_> = adoption
        .wanted
        .iter()
        .map(|found| &found.settings)
        .collect();
    assert_eq!(settings, [&vec![], &vec!["set search_path = s"], &vec![]]);
}

fn history(rows: &[(&str, &MigrationSet, Origin, Progress)]) -> History {
    let applied = rows.iter().map(|(name, set, origin, progress)| {
        let id = id(name);
        let migration = set.get(&id).expect("among the files");
        let sealed = migration
            .parts
            .values()
            .filter(|_| *progress != Progress::BEGIN);
        let applied = Applied {
            name: migration.name.clone(),
            batch: 1,
            origin: *origin,
            progress: *progress,
            checksums: sealed
                .map(|part| (part.kind, part.checksum.clone()))
                .collect(),
            app_version: None,
            started: None,
            finished: None,
            by: String::new(),
        };
        (id, applied)
    });
    History {
        applied: applied.collect(),
        batch: 1,
        ..History::default()
    }
}

#[test]
fn what_is_recorded_counts() {
    let set = set(&[
        ("core/001_a", "select 1", ""),
        ("core/002_b", "select 1", "select 2"),
        ("plugin/001_p", "select 1", ""),
    ]);
    let decide = |rows: &[(&str, Origin, Progress)], baselines: &[&str]| {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, origin, at)| (*name, &set, *origin, *at))
            .collect();
        let history = (!rows.is_empty()).then(|| history(&rows));
        let baselines: Vec<_> = baselines.iter().map(|name| id(name)).collect();
        let taken = plan(&set, history.as_ref(), &needs(), &baselines, None);
        taken.map(|adoption| {
            let numbers: Vec<u64> = adoption.batch.take.iter().map(|id| id.number).collect();
            (adoption.batch.number, numbers, adoption.batch.leave.len())
        })
    };
    use Origin::{Bootstrap, Up};
    use Progress::{Executed, Pending};
    assert_eq!(decide(&[], &["core/2"]), Ok((1, vec![1, 2], 0)));
    assert_eq!(decide(&[], &["plugin/1", "core/1"]), Ok((1, vec![1, 1], 0)));
    assert!(matches!(
        decide(&[], &["plugin/1"]),
        Err(Refusal::BaselineNeeded { .. })
    ));
    assert!(matches!(
        decide(&[], &["core/1", "core/2"]),
        Err(Refusal::TwoBaselines(_))
    ));
    assert!(matches!(
        decide(&[], &["core/3"]),
        Err(Refusal::NoSuchMigration(_))
    ));
    let first = ("core/1", Up, Executed);
    assert_eq!(decide(&[first], &["core/1"]), Ok((2, vec![], 0)));
    assert_eq!(decide(&[first], &["core/2"]), Ok((2, vec![2], 0)));
    assert_eq!(decide(&[first], &["plugin/1"]), Ok((2, vec![1], 0)));
    // A batch of which nothing was run gives way; one that has begun does not.
    let begun = [
        ("core/1", Bootstrap, Progress::BEGIN),
        ("core/2", Bootstrap, Progress::BEGIN),
    ];
    assert_eq!(decide(&begun, &["core/1"]), Ok((2, vec![1], 2)));
    let owed = [first, ("core/2", Up, Pending)];
    assert_eq!(decide(&owed, &["core/1"]), Ok((2, vec![], 0)));
    assert!(matches!(
        decide(&owed, &["core/2"]),
        Err(Refusal::AdoptPending(_))
    ));
    let late = [("core/2", Up, Executed)];
    assert!(matches!(
        decide(&late, &["core/2"]),
        Err(Refusal::Disagreement(_))
    ));
}
