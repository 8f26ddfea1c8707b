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

/// The same statement, as nobody but an adversary writes it.
fn spellings(statement: &str) -> Vec<String> {
    let shouted = statement.to_uppercase();
    let mixed: String = statement
        .chars()
        .enumerate()
        .map(|(at, letter)| match at % 2 {
            0 => letter.to_ascii_uppercase(),
            _ => letter.to_ascii_lowercase(),
        })
        .collect();
    let commented = statement.replace(' ', " /* ; -- ' $$ */\n\t");
    let lined = statement.replace(' ', " -- a comment; '\n");
    let quoted = statement.replace(" users", " \"users\"");
    let escaped = statement.replace(" users", " U&\"\\0075sers\"");
    let qualified = statement.replace(" users", " public . \"users\"");
    vec![
        statement.to_string(),
        shouted,
        mixed,
        commented,
        lined,
        quoted,
        escaped,
        qualified,
        format!("select 1; {statement}"),
        format!("create table users2 (a int); {statement}"),
        format!("copy other from stdin;\nx; y '\n\\.\n{statement}"),
        format!("do $$ begin {statement} end $$;"),
        format!("do 'begin {} end';", statement.replace('\'', "''")),
        format!(
            "do $a$ begin if true then begin {statement} exception when others then null; end; end if; end $a$;"
        ),
        format!("do $a$ begin do $b$ begin {statement} end $b$; end $a$;"),
        format!(
            "create function f() returns void language plpgsql as $$ begin {statement} end $$; select f();"
        ),
        format!(
            "create function f() returns void language sql as $$ {statement} $$; select 1 from f();"
        ),
        format!("create procedure p() language plpgsql as $$ begin {statement} end $$; call p();"),
        format!(
            "create function f() returns int language plpgsql as $$ begin {statement} return 1; end $$; create function g() returns int language sql return f(); select * from pg_class where g() = 1;"
        ),
        format!(
            "create function f() returns int language plpgsql as $$ begin {statement} return 1; end $$; insert into other values (f());"
        ),
        format!(
            "create schema s; set search_path = s, public; create table users (a int); reset search_path; {statement}"
        ),
        format!("create temp table users3 (a int); {statement}"),
    ]
}

#[test]
fn no_spelling_lets_destruction_pass() {
    for (statement, rule) in [
        ("drop table users;", "drop-table"),
        ("drop view users;", "drop-view"),
        ("alter table users drop column old;", "drop-column"),
        (
            "alter table users rename column old to new;",
            "rename-column",
        ),
        ("alter table users rename to people;", "rename-table"),
        (
            "alter table users alter column old set not null;",
            "set-not-null",
        ),
        (
            "alter table users alter column old type bigint;",
            "change-column-type",
        ),
        ("alter table users drop constraint old;", "drop-constraint"),
        ("truncate users;", "truncate"),
        ("delete from users where true;", "delete-rows"),
        ("update users set old = 1;", "update-rows"),
        ("drop index users;", "drop-index"),
        ("revoke select on users from public;", "revoke"),
    ] {
        for text in spellings(statement) {
            let found = refused(&text, &Known::default());
            assert!(
                found.contains(rule),
                "{rule} is not found: {found:?}\n{text}"
            );
        }
    }
}

#[test]
fn what_may_be_older_is_not_exempt() {
    for text in [
        "create table if not exists users (a int); drop table users;",
        "create temp table users (a int); drop table users; drop table users;",
        "create table users2 (a int); alter table users2 rename to users3; drop table users2;",
        "do $$ begin if false then create table users (a int); end if; end $$; drop table users;",
        "create schema s create table users (a int); drop table users;",
        "set search_path = nowhere; create table users (a int); set search_path = public; drop table users;",
        "select set_config('search_path', 's', false); create table users (a int); reset search_path; drop table users;",
        "create table s.users (a int); drop table users;",
        "create table users (a int); drop table users; drop table users;",
    ] {
        let older: (PartKind, &str) = (PartKind::Up, "create table users (a int);");
        let both = set(Dialect::Postgres, &[&[older], &[(PartKind::Up, text)]]);
        let found = findings(&both, &Known::default());
        assert!(
            found
                .iter()
                .any(|(name, verdict, _)| *name == "drop-table" && *verdict == Verdict::Refused),
            "{text}: {found:?}"
        );
    }
    // The old function of that name has other arguments.
    check(
        "create function f(a int) returns int language sql as 'select 1'; drop function f(text);",
        &["drop-function"],
    );
    check(
        "create function f(a int) returns int language sql as 'select 1'; drop function f(int);",
        &[],
    );
    // The column may be there.
    check(
        "alter table users add column if not exists a int; alter table users drop column a;",
        &["drop-column"],
    );
}

#[test]
fn what_a_database_shows_decides() {
    let mut known = Known {
        version: Some(15),
        schema: Some("public".to_string()),
        functions: Some(BTreeSet::new()),
        ..Known::default()
    };
    let users = super::known::Relation {
        rows: Some(3_000_000),
        bytes: 410_000_000,
        columns: [("name", "character varying(10)"), ("age", "integer")]
            .map(|(name, kind)| (name.to_string(), kind.to_string()))
            .into(),
        ..Default::default()
    };
    known
        .relations
        .insert(("public".into(), "users".into()), users);
    let cases: [(&str, &[&str]); 8] = [
        ("alter table users alter name type varchar(20);", &[]),
        (
            "alter table users alter age type bigint;",
            &["change-column-type"],
        ),
        (
            "create or replace function f() returns int language sql as 'select 1'; select f();",
            &[],
        ),
        ("create or replace view v as select 1;", &[]),
        (
            "create or replace view users as select 1;",
            &["replace-view"],
        ),
        (
            "create table if not exists fresh (a int); create index on fresh (a);",
            &[],
        ),
        (
            "create table if not exists users (a int); create index on users (a);",
            &["index-not-concurrent"],
        ),
        ("create policy p on users using (true);", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(
            refused(text, &known),
            expected.iter().copied().collect(),
            "{text}"
        );
    }
    let set = set(
        Dialect::Postgres,
        &[&[(PartKind::Up, "create index on users (name);")]],
    );
    let scopes = Scope::each(&set.migrations);
    let judged = judge(Dialect::Postgres, &scopes, &known, Against::Database);
    assert!(
        judged.found[0]
            .finding
            .message
            .contains("about 3000000 rows, 410 MB")
    );
    known.queries = vec!["SELECT * FROM users WHERE id = $1".to_string()];
    assert_eq!(
        refused("alter table users add column c int;", &known),
        BTreeSet::from(["prepared-select-star"])
    );
    known.version = Some(18);
    assert_eq!(
        refused(
            "alter table t add a int generated always as (b * 2);",
            &known
        ),
        BTreeSet::new()
    );
}

#[test]
fn what_a_later_statement_needs_is_remembered() {
    let steps: [&[(PartKind, &str)]; 3] = [
        &[(
            PartKind::Up,
            "alter table t add column c int default 0; alter table t add constraint k check (c is not null) not valid;",
        )],
        &[(PartKind::Up, "alter table t validate constraint k;")],
        &[(PartKind::Up, "alter table t alter column c set not null;")],
    ];
    let set = set(Dialect::Postgres, &steps);
    let scope = Scope {
        members: set.migrations.iter().collect(),
        judged: set
            .migrations
            .iter()
            .map(|found| (found, PartKind::Up, 0))
            .collect(),
        ..Scope::default()
    };
    let judged = judge(
        Dialect::Postgres,
        &[scope],
        &Known::default(),
        Against::Database,
    );
    assert_eq!(judged.refused().count(), 0);
}

#[test]
fn backfills_are_guarded() {
    for (text, guarded) in [
        ("update t set b = a where b is null;", true),
        ("update t set b = a where t.b is distinct from a;", true),
        ("update t set b = a;", false),
        ("update t set b = a where a > 0;", false),
        ("insert into t select 1 on conflict do nothing;", true),
        (
            "insert into t (a) select a from u where not exists (select from t where t.a = u.a);",
            true,
        ),
        ("insert into t values (1);", false),
        (
            "insert into t values (1) on conflict (a) do update set b = 2;",
            false,
        ),
        (
            "insert into t values (1) on conflict (a) do update set b = 2 where t.b is null;",
            true,
        ),
        (
            "merge into t using u on t.a = u.a when matched and t.b is null then update set b = u.b;",
            true,
        ),
        (
            "merge into t using u on t.a = u.a when matched then update set b = u.b;",
            false,
        ),
        (
            "merge into t using u on t.a = u.a when not matched then insert values (1);",
            true,
        ),
        ("copy t from stdin;\n1\n\\.\n", false),
        ("select 1; analyze t;", true),
    ] {
        let set = set(
            Dialect::Postgres,
            &[&[(PartKind::Up, ""), (PartKind::Backfill, text)]],
        );
        let found = findings(&set, &Known::default());
        let refused: Vec<_> = found.iter().map(|(name, ..)| *name).collect();
        let expected: &[&str] = if guarded {
            &[]
        } else {
            &["unguarded-backfill"]
        };
        assert_eq!(refused, expected, "{text}");
    }
}

#[test]
fn what_the_grammar_cannot_take_is_not_called_safe() {
    let deep = format!("select {}1{};", "(".repeat(500), ")".repeat(500));
    check(&deep, &["not-understood"]);
    let chain = format!("select 1{};", " + 1".repeat(50_000));
    check(&chain, &["not-understood"]);
    let rows = format!(
        "insert into t (a, b) values (1, 'x'){};",
        ", (-2, null)".repeat(100_000)
    );
    check(&rows, &[]);
    let called = format!(
        "insert into t (a, b) values (1, f()){};",
        ", (-2, null)".repeat(100_000)
    );
    check(&called, &["not-understood"]);
    let body = format!(
        "do $$ begin if {}true{} then null; end if; end $$;",
        "(".repeat(300),
        ")".repeat(300)
    );
    check(&body, &["not-understood"]);
}
