//! What a database shows, and what earlier statements did, decides.

use super::*;

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
    let users = crate::safety::known::Relation {
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
