use super::findings;
use crate::safety::{Known, Scope, Weight};
use crate::source::load::{Content, Entry, Folder};
use crate::source::{Dialect, Migration, PartKind, parse};
use std::collections::{BTreeMap, BTreeSet};

/// Migrations of these parts, numbered in order.
fn migrations(each: &[&[(PartKind, &str)]]) -> Vec<Migration> {
    let folder = |path: &str, entries: Vec<Entry>| Folder {
        path: path.into(),
        entries,
    };
    let migration = |(at, parts): (usize, &&[(PartKind, &str)])| {
        let name = format!("{:03}_it", at + 1);
        let parts = parts.iter().map(|(kind, text)| Entry {
            name: format!("{kind}.cql"),
            path: format!("{name}/{kind}.cql"),
            content: Content::Text(text.as_bytes().to_vec()),
        });
        Entry {
            content: Content::Folder(folder(&name, parts.collect())),
            path: name.clone(),
            name,
        }
    };
    let root = folder("", each.iter().enumerate().map(migration).collect());
    let set = parse::set(root, &BTreeMap::new(), Dialect::Cassandra);
    set.expect("files in order").migrations
}

/// Rules and statements that an up part trips, with `?` where it is only a note.
fn tripped(members: &[&str], known: &Known) -> Vec<String> {
    let up: Vec<_> = members.iter().map(|text| [(PartKind::Up, *text)]).collect();
    let up: Vec<&[_]> = up.iter().map(|parts| parts.as_slice()).collect();
    let members = migrations(&up);
    let scope = Scope {
        judged: members
            .iter()
            .map(|member| (member, PartKind::Up, 0))
            .collect(),
        members: members.iter().collect(),
        ..Scope::default()
    };
    let found = findings(&scope, known);
    let found = found.iter().enumerate().flat_map(|(part, found)| {
        found.iter().map(move |found| {
            let note = if found.weight == Weight::Notes {
                "?"
            } else {
                ""
            };
            format!("{}.{} {}{note}", part + 1, found.statement, found.rule.name)
        })
    });
    found.collect()
}

fn alone(text: &str) -> Vec<String> {
    tripped(&[text], &Known::default())
}

#[test]
fn what_the_batch_makes_is_exempt() {
    let made = "create table t (id int primary key, a text); create index t_a on t (a); create type p (x int);
        create function f (a int) called on null input returns int language java as 'return a;'; create role r;";
    let used = "alter table t drop a; delete from t where id = 1;
        -- kmig:done-when select a from b where a = 1
        truncate t; drop index t_a; drop table t;
        alter type p rename x to y; drop type p; drop function f; revoke select on u from r; drop role r;";
    assert_eq!(alone(&format!("{made} {used}")), [""; 0]);
    // In an older migration of the batch as well.
    assert_eq!(tripped(&[made, used], &Known::default()), [""; 0]);
    assert_eq!(alone(used).len(), 10);
}

#[test]
fn what_may_be_older_is_not_exempt() {
    for (text, rule) in [
        (
            "create table if not exists t (id int primary key); drop table t;",
            "1.1 drop-table",
        ),
        (
            "create table t (id int primary key); drop table k.t;",
            "1.1 drop-table",
        ),
        (
            "create table k.t (id int primary key); drop table t;",
            "1.1 drop-table",
        ),
        (
            "create table t (id int primary key); drop table \"T\";",
            "1.1 drop-table",
        ),
        (
            "create table t (id int primary key); drop table t; drop table t;",
            "1.2 drop-table",
        ),
        ("create type t (a int); drop table t;", "1.1 drop-table"),
        (
            "create index on t (a); drop index t_a_idx;",
            "1.1 drop-index",
        ),
        (
            "create function f (a int) called on null input returns int language java as ''; drop function f (text);",
            "1.1 drop-function",
        ),
        (
            "alter table t add if not exists a int; alter table t drop a;",
            "1.1 drop-column",
        ),
        (
            "alter table t add a int; alter table u drop a;",
            "1.1 drop-column",
        ),
        (
            "alter table t add a int; alter table t drop (a, b);",
            "1.1 drop-column",
        ),
        (
            "alter table t add a int; alter table t drop a; alter table t drop a;",
            "1.2 drop-column",
        ),
    ] {
        assert!(
            alone(text).contains(&rule.to_string()),
            "{text}: {:?}",
            alone(text)
        );
    }
    let later = tripped(
        &["drop table t;", "create table t (id int primary key);"],
        &Known::default(),
    );
    assert_eq!(later, ["1.0 drop-table"]);
}

#[test]
fn a_keyspace_that_is_known_makes_names_one() {
    let known = Known {
        schema: Some("k".into()),
        ..Known::default()
    };
    let both = "create table k.t (id int primary key); drop table t;";
    assert_eq!(tripped(&[both], &known), [""; 0]);
    let other = "create table other.t (id int primary key); drop table t;";
    assert_eq!(tripped(&[other], &known), ["1.1 drop-table"]);
}

#[test]
fn what_a_batch_holds_is_judged_one_by_one() {
    let text = "create table n (id int primary key);
        begin batch
            insert into n (id, a) values (1, null)
            delete from n where id = 1;
            insert into t (id) values (1);
            delete from t where id = 2;
            update t set a = a - {'x'}, b = null where id = 3;
        apply batch;";
    let found = alone(text);
    let expected = [
        "1.1 delete-rows",
        "1.1 removes-values",
        "1.1 removes-values",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_a_database_shows_decides() {
    let replace = "create or replace function f (a int) called on null input returns int language java as 'return a;';";
    let functions = |names: &[&str]| Known {
        schema: Some("k".into()),
        functions: Some(
            names
                .iter()
                .map(|name| ("k".into(), (*name).into()))
                .collect::<BTreeSet<_>>(),
        ),
        ..Known::default()
    };
    assert_eq!(alone(replace), ["1.0 replace-function"]);
    assert_eq!(
        tripped(&[replace], &functions(&["f"])),
        ["1.0 replace-function"]
    );
    assert_eq!(tripped(&[replace], &functions(&["g"])), [""; 0]);

    let add = "alter table t add a int;";
    let queries = |query: &str| Known {
        queries: vec![query.into()],
        ..Known::default()
    };
    assert_eq!(alone(add), ["1.0 prepared-select-star?"]);
    for (query, refused) in [
        ("SELECT * FROM k.t WHERE id = ?", true),
        ("select json * from t", true),
        ("SELECT id FROM t", false),
        ("SELECT * FROM u", false),
        ("SELECT count(*) FROM t", false),
    ] {
        let found = tripped(&[add], &queries(query));
        assert_eq!(
            found == ["1.0 prepared-select-star"],
            refused,
            "{query}: {found:?}"
        );
    }
    let of_another = Known {
        schema: Some("k".into()),
        ..queries("SELECT * FROM other.t")
    };
    assert_eq!(tripped(&[add], &of_another), ["1.0 prepared-select-star?"]);
}

#[test]
fn the_parts_run_in_their_order() {
    let all = migrations(&[&[
        (PartKind::Up, "create table t (id int primary key);"),
        (
            PartKind::Finish,
            "drop table old; drop table t; drop table older;",
        ),
        (PartKind::Undo, "drop table t; drop table older;"),
    ]]);
    let scope = Scope {
        members: vec![&all[0]],
        judged: vec![(&all[0], PartKind::Undo, 0), (&all[0], PartKind::Finish, 1)],
        ..Scope::default()
    };
    let found = findings(&scope, &Known::default());
    let each = found
        .iter()
        .map(|found| found.iter().map(|found| found.statement));
    let each: Vec<Vec<usize>> = each.map(Iterator::collect).collect();
    // An undo runs instead of a finish. What is done already is not told of.
    assert_eq!(each, [vec![1], vec![2]]);
}
