//! The table against the classifier: what each rule's examples trip, and that what stands for them passes.

use super::judge::{Against, Found, Scope, Verdict, judge};
use super::known::Known;
use super::rule::{Example, rules};
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
fn every_example_trips_its_rule_and_what_stands_for_it_passes() {
    let mut wrong = Vec::new();
    for rule in rules(Dialect::Postgres) {
        assert!(!rule.examples.is_empty(), "{} has no example", rule.name);
        for example in rule.examples {
            wrong.extend(trips(rule.name, example));
            for (kind, text) in example.instead {
                let set = set(Dialect::Postgres, &[&[(PartKind::Up, ""), (*kind, text)]]);
                let known = known_by(example);
                let left = findings(&set, &known)
                    .into_iter()
                    .filter(|(_, verdict, _)| *verdict == Verdict::Refused)
                    .map(|(name, _, words)| {
                        format!("{}: instead trips {name} at {words}", rule.name)
                    });
                wrong.extend(left);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a database would show after the set-up of an example.
fn known_by(example: &Example) -> Known {
    let mut known = Known::default();
    if example.setup.contains("create domain positive") {
        known.schema = Some("public".into());
        known
            .checked_domains
            .insert(("public".into(), "positive".into()));
    }
    known
}

fn trips(rule: &str, example: &Example) -> Option<String> {
    let parts: &[(PartKind, &str)] = &[(PartKind::Up, ""), (example.part, example.trips)];
    let parts = if example.part == PartKind::Up {
        &parts[1..]
    } else {
        parts
    };
    let set = set(Dialect::Postgres, &[parts]);
    let scopes = Scope::each(&set.migrations);
    let known = known_by(example);
    let judged = judge(Dialect::Postgres, &scopes, &known, Against::Database);
    let part = set.migrations[0].part(example.part).expect("the part");
    let last = part.len() - 1;
    let hit = judged
        .found
        .iter()
        .any(|found| found.finding.rule.name == rule && found.finding.statement == last);
    let names: Vec<_> = judged
        .found
        .iter()
        .map(|found| found.finding.rule.name)
        .collect();
    (!hit).then(|| format!("{rule}: `{}` trips {names:?}", example.trips))
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
