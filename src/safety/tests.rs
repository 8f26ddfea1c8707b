//! What passes and what trips, statement by statement. (The examples of the table: `tests/it/safety`.)

use super::judge::{Against, Found, Scope, Verdict, judge};
use super::known::Known;
use super::rule::rules;
use crate::source::load::{Content, Entry, Folder};
use crate::source::{Dialect, MigrationSet, PartKind, parse};
use std::collections::{BTreeMap, BTreeSet};

/// A set of migrations `001_x`, `002_x`, …, each with these parts.
pub(super) fn set(dialect: Dialect, migrations: &[&[(PartKind, &str)]]) -> MigrationSet {
    let entries = migrations.iter().enumerate().map(|(at, parts)| {
        let path = format!("migrations/{:03}_x", at + 1);
        let files = parts.iter().map(|(kind, text)| {
            let name = format!("{kind}.{}", dialect.extension());
            Entry {
                path: format!("{path}/{name}"),
                name,
                content: Content::Text(text.as_bytes().to_vec()),
            }
        });
        Entry {
            name: format!("{:03}_x", at + 1),
            path: path.clone(),
            content: Content::Folder(Folder {
                entries: files.collect(),
                path,
            }),
        }
    });
    let root = Folder {
        path: "migrations".to_string(),
        entries: entries.collect(),
    };
    parse::set(root, &BTreeMap::new(), dialect)
        .unwrap_or_else(|problems| panic!("{problems:?}\n{migrations:?}"))
}

/// Rule, verdict and marked words of each finding about the parts of the migrations, each a batch of its own.
fn findings(set: &MigrationSet, known: &Known) -> Vec<(&'static str, Verdict, String)> {
    let scopes = Scope::each(&set.migrations);
    let judged = judge(Dialect::Postgres, &scopes, known, Against::Database);
    let told = |found: &Found<'_>| {
        (
            found.finding.rule.name,
            found.verdict.clone(),
            found.finding.span.of(&found.part.file.text).to_string(),
        )
    };
    judged.found.iter().map(told).collect()
}

fn refused(text: &str, known: &Known) -> BTreeSet<&'static str> {
    let set = set(Dialect::Postgres, &[&[(PartKind::Up, text)]]);
    let found = findings(&set, known);
    let refused = found
        .into_iter()
        .filter(|(_, verdict, _)| *verdict == Verdict::Refused);
    refused.map(|(name, ..)| name).collect()
}

/// Checks that an up part trips exactly these rules, whatever order.
fn check(text: &str, expected: &[&str]) {
    let found = refused(text, &Known::default());
    assert_eq!(found, expected.iter().copied().collect(), "{text}");
}

#[test]
fn names_of_rules_are_unique_and_in_one_style() {
    for dialect in Dialect::ALL {
        let names: Vec<_> = rules(dialect).map(|rule| rule.name).collect();
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        for rule in rules(dialect) {
            let plain = |letter: char| letter.is_ascii_lowercase() || letter == '-';
            assert!(rule.name.chars().all(plain), "{}", rule.name);
            for text in [rule.why, rule.instead] {
                assert!(text.ends_with('.'), "{}: {text}", rule.name);
            }
        }
    }
}

#[test]
fn what_passes_in_an_up_part() {
    for text in [
        "create table t (id bigint generated always as identity primary key, c text not null default 'x', check (c <> ''));",
        "create table if not exists t (id serial primary key); create view v as select f(1) from old;",
        "create materialized view v as select 1 as one; create sequence s; create type e as enum ('a'); create domain d as int check (value > 0);",
        "create schema s; create extension if not exists hstore; create role r; create procedure p() language sql as 'select 1';",
        "create function f(a int) returns int language plpgsql as $$ begin return a; end $$; create aggregate agg (int) (sfunc = int4pl, stype = int4);",
        "create index concurrently i on old (lower(c)) where c > 0; create statistics st on a, b from old;",
        "alter table old add column a int, add b text not null default '', add c timestamptz default now(), add d int default 1 + 2;",
        "alter table old validate constraint k; alter table old alter c set statistics 100; alter table old set (fillfactor = 70);",
        "alter index i rename to j; grant select on old to r; comment on table old is 'x'; analyze old; alter default privileges grant select on tables to r;",
        "insert into old (a) values (1), (2); insert into old select 1 on conflict do nothing; select count(*), now() from old; copy old from stdin;\n1\n\\.\n",
        "alter table old add constraint k unique using index i;",
        "alter type mood add value 'fine' after 'ok'; ",
        "set search_path = app, public; select pg_catalog.set_config('statement_timeout', '0', false); reset search_path;",
        "create table t (a int); alter table t rename to u; drop table u; ",
        "create table t (a int); create index i on t (a); alter table t drop a, alter b set not null; truncate t; update t set a = 1; delete from t; insert into t values (1) on conflict do nothing;",
        "alter table old add column a int; alter table old alter column a set default 3; alter table old add constraint k check (a > 0) not valid; alter table old drop constraint k; alter table old drop column a;",
        "do $$ declare n int := 0; begin for n in 1..3 loop raise notice '%', n; end loop; if n > 3 then perform now(); end if; exception when others then null; end $$;",
        "refresh materialized view concurrently v; reindex (concurrently) table old; reindex index concurrently i; reindex table concurrently old;",
        "select coalesce(a, 1), greatest(1, 2), extract(year from now()), a->>'b', a || b, x::text, array_agg(y order by y) filter (where true), row_number() over (partition by z), position('a' in b), trim(both from c), current_date, nullif(a, b), exists (select 1), cast(a as int), interval '1 day', date '2020-01-01' from old;",
        "select setval('t_id_seq', 10);",
    ] {
        let text = match text.starts_with("select setval") {
            true => format!("create table t (id bigserial); {text}"),
            false => text.to_string(),
        };
        check(&text, &[]);
    }
}
