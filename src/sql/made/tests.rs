use super::*;

fn told(text: &str) -> String {
    let effects = effects(text, Span::new(0, text.len()));
    let lines: Vec<String> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Makes(object) => format!("+{object}"),
            Effect::Drops(object, false) => format!("-{object}"),
            Effect::Drops(object, true) => format!("--{object}"),
            Effect::Renames(object, to) => format!("{object} > {to}"),
            Effect::Moves(object, to) => format!("{object} @ {to}"),
            Effect::Owns(object, table) => format!("{object} in {}", table.name),
        })
        .collect();
    lines.join(", ")
}

#[test]
fn what_is_made() {
    for (text, expected) in [
        (
            "create table if not exists App.T (id int, \"B c\" numeric(3, 2) check (\"B c\" > 0), primary key (id), like u)",
            "+table app.t, +column id of app.t, +column B c of app.t",
        ),
        (
            "create table p1 partition of p (a not null) for values in (1)",
            "+table p1, table p1 in p",
        ),
        ("create unlogged table t as select 1 as a", "+table t"),
        ("create temp table t (a int)", ""),
        (
            "create unique index concurrently if not exists i on only a.t (x)",
            "+index a.i",
        ),
        ("create index on t (x)", ""),
        ("create or replace view v as select 1", "+view v"),
        (
            "create materialized view m as select 1",
            "+materialized view m",
        ),
        (
            "create constraint trigger g after insert or update of a on s.t for each row execute function f()",
            "+trigger g of s.t",
        ),
        (
            "create or replace procedure s.p(a int) language sql as ''",
            "+function s.p",
        ),
        ("create schema if not exists s authorization x", "+schema s"),
        ("create schema authorization x", ""),
        (
            "create extension if not exists \"uuid-ossp\"",
            "+extension uuid-ossp",
        ),
        ("create domain d as int", "+type d"),
        (
            "create sequence s owned by t.a",
            "+sequence s, sequence s in t",
        ),
        ("create role r", ""),
        ("insert into t values ('create table x ()')", ""),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
}

#[test]
fn what_is_changed_and_dropped() {
    for (text, expected) in [
        (
            "drop table if exists a, s.b cascade",
            "--table a, --table s.b",
        ),
        ("drop function f(int, text), g", "-function f, -function g"),
        ("drop trigger if exists g on s.t", "-trigger g of s.t"),
        ("drop index concurrently if exists i", "-index i"),
        ("alter table t rename to u", "table t > u"),
        (
            "alter table if exists only s.t rename a to b",
            "column a of s.t > b",
        ),
        (
            "alter table t rename column a to \"B\"",
            "column a of t > B",
        ),
        ("alter view v set schema s", "view v @ s"),
        (
            "alter table t add a int default (1, 2), add column if not exists b int, add primary key (a), add constraint c check (a > 0), drop column d cascade, drop e, alter f drop not null",
            "+column a of t, +column b of t, --column d of t, -column e of t",
        ),
        (
            "alter table s.t add constraint c unique using index i",
            "index s.i > c",
        ),
        ("alter table s.p attach partition c default", "table c in p"),
        ("alter table t drop constraint if exists c", "-index c"),
        ("alter sequence s.q owned by s.t.a", "sequence s.q in t"),
        ("alter function f(int) rename to g", "function f > g"),
        ("alter type e add value 'x'", ""),
        ("drop owned by x", ""),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
}

#[test]
fn what_proves_that_it_was_made() {
    let made = |text: &str| proves(text, Span::new(0, text.len()));
    for text in [
        "create table t ()",
        "create unique index concurrently i on t (a)",
        "alter table t add column if not exists a int",
        "create view replace as select 1",
    ] {
        assert!(made(text), "{text}");
    }
    for text in [
        "create table if not exists t ()",
        "CREATE /* c */ OR REPLACE VIEW v AS SELECT 1",
        "create unique index concurrently if not exists i on t (a)",
        "create foreign table if not exists f (a int) server s",
        "create schema if not exists s",
    ] {
        assert!(!made(text), "{text}");
    }
}

#[test]
fn what_functions_are_called_with() {
    let object = |text: &str| match effects(text, Span::new(0, text.len())).pop() {
        Some(Effect::Makes(object) | Effect::Drops(object, _) | Effect::Renames(object, _)) => {
            object
        }
        other => panic!("{text}: {other:?}"),
    };
    let made = object(
        "create function f(A int, inout b numeric(3, 2) default 1, out c text, variadic d double precision[] = '{}') returns int language sql as ''",
    );
    for (text, called) in [
        (
            "drop function f(int, numeric(3,2), double precision[])",
            true,
        ),
        (
            "drop function f(a int, b numeric(3,2), d double precision[])",
            true,
        ),
        (
            "alter function f(int, numeric(3,2), precision[]) rename to g",
            true,
        ),
        ("drop function f(int, numeric(3,2))", false),
        (
            "drop function f(bigint, numeric(3,2), double precision[])",
            false,
        ),
        ("drop function f", false),
    ] {
        assert_eq!(made.is_called_by(&object(text)), called, "{text}");
    }
    assert_eq!(
        object("create function f() returns int language sql as ''").arguments,
        Some(vec![])
    );
}

#[test]
fn what_goes_with_a_table_and_what_is_altered() {
    let table = |text: &str| {
        let name = attached(text, Span::new(0, text.len()))?;
        Some(format!("{}{}", name.schema.unwrap_or_default(), name.name))
    };
    for (text, expected) in [
        ("create index on only s.t (a)", Some("st")),
        ("create unique index on t (a)", Some("t")),
        ("create policy p on t using (true)", Some("t")),
        (
            "create or replace rule r as on insert to s.t do nothing",
            Some("st"),
        ),
        ("create statistics q on a, b from t", Some("t")),
        ("create operator + (function = f)", None),
        ("drop policy p on t", None),
    ] {
        assert_eq!(table(text).as_deref(), expected, "{text}");
    }
    let changed = |text: &str| {
        let object = altered(text, Span::new(0, text.len()));
        object.map(|object| object.to_string())
    };
    let found = changed("alter table if exists only s.t add check (a > 0)");
    assert_eq!(found.as_deref(), Some("table s.t"));
    assert_eq!(
        changed("alter type e add value 'x'").as_deref(),
        Some("type e")
    );
    assert_eq!(changed("alter role r login"), None);
    assert_eq!(changed("create table t ()"), None);
}
