//! What passes and what trips, statement by statement. (The examples of the table: `tests/it/safety`.)

mod shown;
mod spellings;

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

#[test]
fn what_trips_in_an_up_part() {
    for (text, expected) in [
        // Gone.
        ("drop table a, b;", &["drop-table"][..]),
        (
            "drop table if exists a cascade;",
            &["drop-table", "drop-cascade"],
        ),
        ("drop foreign table a;", &["drop-table"]),
        ("drop view v; drop materialized view m;", &["drop-view"]),
        (
            "drop sequence s; drop type t; drop domain d;",
            &["drop-sequence", "drop-type"],
        ),
        (
            "drop function f; drop procedure p(int); drop routine r; drop aggregate a(int);",
            &["drop-function"],
        ),
        (
            "drop schema s; drop extension e; drop role r; drop user u; drop group g;",
            &["drop-schema", "drop-extension", "drop-role"],
        ),
        (
            "drop owned by r; reassign owned by r to s;",
            &["drop-owned", "change-owner"],
        ),
        (
            "drop cast (int as text); drop operator +(int, int); drop statistics s; drop collation c; drop server s; drop text search configuration c;",
            &["drop-object"],
        ),
        ("drop index i; drop index concurrently j;", &["drop-index"]),
        (
            "drop trigger x on t; drop policy p on t; drop rule r on t;",
            &["change-trigger", "row-security", "rewrite-rule"],
        ),
        (
            "alter table t drop a, drop constraint b;",
            &["drop-column", "drop-constraint"],
        ),
        (
            "truncate only t restart identity cascade;",
            &["truncate", "drop-cascade"],
        ),
        ("delete from only t using u where true;", &["delete-rows"]),
        (
            "update t set a = 1 where b = 2; insert into t values (1) on conflict (a) do update set a = 2;",
            &["update-rows"],
        ),
        (
            "merge into t using s on t.a = s.a when matched then delete;",
            &["delete-rows"],
        ),
        (
            "merge into t using s on t.a = s.a when matched then update set a = 1 when not matched then insert values (1);",
            &["update-rows"],
        ),
        // Called otherwise, or another thing.
        (
            "alter table t rename to u; alter view v rename to w; alter sequence s rename to t;",
            &["rename-table"],
        ),
        (
            "alter table t rename a to b; alter table t rename constraint a to b;",
            &["rename-column", "rename-constraint"],
        ),
        (
            "alter schema s rename to t; alter type t rename to u; alter function f(int) rename to g; alter role a rename to b;",
            &["rename-object"],
        ),
        (
            "alter table t set schema s; alter function f set schema s; alter type x set schema s;",
            &["set-schema"],
        ),
        (
            "alter table t alter a type text, alter b set data type int using b::int;",
            &["change-column-type"],
        ),
        ("alter table t alter a set not null;", &["set-not-null"]),
        (
            "alter table t add a int not null;",
            &["add-column-not-null"],
        ),
        (
            "alter table t add a int; alter table t alter a set not null;",
            &["add-column-not-null"],
        ),
        (
            "alter table t add a int not null default 1; alter table t alter a drop default;",
            &["add-column-not-null"],
        ),
        (
            "alter table t add a int default 1; alter table t alter a set not null;",
            &["set-not-null-scans"],
        ),
        (
            "alter table t alter a set default 1, alter b drop default;",
            &["set-default", "drop-default"],
        ),
        (
            "alter table t alter a drop identity; alter table t alter a add generated always as identity; alter table t alter a set generated always; alter table t alter a restart; alter table t alter a drop expression;",
            &["change-identity"],
        ),
        (
            "alter sequence s restart; alter sequence s owned by none; alter sequence s cycle;",
            &["alter-sequence"],
        ),
        (
            "alter table t enable row level security; create policy p on t using (true); alter policy p on t using (false);",
            &["row-security"],
        ),
        (
            "create rule r as on insert to t do also delete from x; alter table t disable rule r;",
            &["rewrite-rule"],
        ),
        (
            "create constraint trigger c after insert on t for each row execute function f(); create event trigger e on ddl_command_start execute function f();",
            &["create-trigger"],
        ),
        (
            "alter table t disable trigger all; alter trigger a on t rename to b;",
            &["change-trigger"],
        ),
        (
            "alter function f(int) security definer; alter procedure p set search_path = x;",
            &["replace-function"],
        ),
        (
            "alter domain d add check (value > 0); alter domain d set not null;",
            &["constrain-domain"],
        ),
        (
            "alter type c add attribute a int; alter type t drop attribute b; alter domain d set default 1;",
            &["change-type"],
        ),
        (
            "alter table p detach partition c; alter table p detach partition c concurrently;",
            &["detach-partition"],
        ),
        (
            "alter table c inherit p; alter table c no inherit p; create table x () inherits (p);",
            &["change-inheritance"],
        ),
        (
            "revoke all on t from r; alter default privileges in schema s revoke select on tables from r;",
            &["revoke"],
        ),
        (
            "alter role r nologin; alter user u password 'x'; alter role r set work_mem = '1GB';",
            &["alter-role"],
        ),
        (
            "alter table t owner to r; alter function f owner to r; alter schema s owner to r;",
            &["change-owner"],
        ),
        (
            "alter publication p drop table t; drop publication p; alter table t replica identity nothing;",
            &["replication"],
        ),
        (
            "alter extension e update; alter operator +(int, int) set (restrict = none);",
            &["alter-object"],
        ),
        // Locks.
        (
            "create index on t (a); create unique index i on t (b);",
            &["index-not-concurrent", "unique-index"],
        ),
        (
            "alter table t add unique (a); alter table t add primary key (a);",
            &["add-key-builds-index", "unique-index"],
        ),
        (
            "alter table t add exclude using gist (r with &&);",
            &["add-exclude"],
        ),
        (
            "alter table t add constraint k check (a > 0); alter table t add foreign key (a) references u;",
            &["add-check-validated", "add-foreign-key-validated"],
        ),
        (
            "alter table t add a int references u, add b int check (b > 0), add c int unique;",
            &["references-old-table", "add-column-with-constraint"],
        ),
        (
            "alter table t add a uuid default gen_random_uuid(), add b float default random(), add c int default f();",
            &["volatile-default"],
        ),
        (
            "alter table t add a smallserial, add b bigint generated by default as identity;",
            &["add-identity"],
        ),
        (
            "alter table t add a int generated always as (b * 2) stored;",
            &["stored-generated"],
        ),
        (
            "create domain d as int check (value > 0); alter table t add a d;",
            &["domain-column"],
        ),
        (
            "alter table t set unlogged; alter table u set tablespace x; cluster t using i; alter table t set access method heap;",
            &["rewrite-table"],
        ),
        (
            "refresh materialized view m; reindex table t;",
            &[
                "refresh-not-concurrent",
                "locks-with-work",
                "reindex-not-concurrent",
            ],
        ),
        (
            "reindex (concurrently off) index i;",
            &["reindex-not-concurrent"],
        ),
        (
            "create table c partition of p default; alter table p attach partition d for values in (1);",
            &["partition-of", "attach-partition"],
        ),
        (
            "alter table t add a int; insert into new_one select a from u; create table z as select * from u;",
            &["locks-with-work"],
        ),
        ("lock table t in share mode;", &["lock-table"]),
        // Not understood, and not for a migration.
        (
            "do language plpython3u $$ x $$; import foreign schema s from server x into y; create cast (int as text) without function;",
            &["not-understood"],
        ),
        (
            "do $$ begin for r in execute 'x' loop end loop; return query execute 'y'; end $$;",
            &["dynamic-sql"],
        ),
        (
            "select f(1); select public.now(); select * from g() as x; call p(); select 1 === 2; select a operator(public.+) b from t;",
            &["unknown-call"],
        ),
        (
            "select pg_advisory_lock(1), pg_catalog.pg_terminate_backend(1), setval('s', 1), query_to_xml('drop table t', true, true, ''), lo_unlink(1);",
            &["denied-call"],
        ),
        (
            "do $$ begin perform pg_sleep(0); rollback; end $$;",
            &["transaction-control"],
        ),
        (
            "set session authorization r; set session_replication_role to replica;",
            &["session-role"],
        ),
        (
            "load 'x'; copy t from '/etc/passwd'; copy (select 1) to program 'sh'; vacuum full t;",
            &["load-library", "server-file", "vacuum-full"],
        ),
    ] {
        check(text, expected);
    }
}
