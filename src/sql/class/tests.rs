use super::*;
use crate::sql::{Bare, Name, Reindexed, Segment, Statement, cut_problems, segments, split};
use proptest::prelude::*;

fn known(text: &str) -> Known {
    classify(text, Span::new(0, text.len()))
}

fn check(class: Class, statements: &[&str]) {
    for text in statements {
        let known = known(text);
        assert_eq!(known.class, class, "{text}");
        assert!(known.problems.is_empty(), "{text}: {:?}", known.problems);
    }
}

fn check_refused(part: &str, statements: &[&str]) {
    for text in statements {
        let problems = known(text).problems;
        assert!(
            problems
                .iter()
                .any(|problem| problem.message.contains(part)),
            "{text}: {problems:?}"
        );
    }
}

fn check_verb(text: &str, verb: Verb, writes: &[Verb]) {
    let whole = known(text);
    assert_eq!(
        (whole.verb, whole.writes.as_slice()),
        (verb, writes),
        "{text}"
    );
    // What the tokens alone say must never be less.
    let head = Head::whole(text, Span::new(0, text.len()));
    if matches!(head.word(0), "with" | "merge" | "select") {
        let (main, others) = by_tokens(&head);
        assert_eq!(
            (main, others.as_slice()),
            (verb, writes),
            "tokens of {text}"
        );
    }
}

fn name(schema: Option<&str>, name: &str) -> Name {
    Name {
        schema: schema.map(str::to_string),
        name: name.to_string(),
    }
}

#[test]
fn plain() {
    check(
        Class::Plain,
        &[
            "create table t (a int)",
            "CREATE UNLOGGED TABLE t (concurrently int)",
            "create unique index i on t (a)",
            "create index \"concurrently\" on t (a)",
            "create or replace recursive view v as select 1",
            "create constraint trigger c after insert on t execute function f()",
            "create trusted language l",
            "create or replace procedural language l",
            "create role r",
            "alter table t detach partition p",
            "alter table t detach partition p finalize",
            "alter type t add attribute value int",
            "alter database d set work_mem = '1MB'",
            "alter default privileges grant select on tables to r",
            "alter subscription s disable",
            "create subscription s connection 'c' publication p with (connect = false)",
            "drop index i",
            "drop owned by r",
            "refresh materialized view concurrently m",
            "reindex table t",
            "reindex (verbose) index i",
            "cluster t using i",
            "cluster (verbose) t",
            "comment on table t is 'x'",
            "truncate t",
            "grant all on t to r",
            "security label on table t is 'x'",
            "analyze t",
            "insert into t values (1)",
            "update t set a = 1",
            "delete from t",
            "merge into t using s on true when matched then do nothing",
            "with a as (select 1) insert into t select * from a",
        ],
    );
}

#[test]
fn lone() {
    check(
        Class::Lone,
        &[
            "select 1",
            "(select 1)",
            "values (1)",
            "table t",
            "with a as (delete from t returning 1) select * from a",
            "do $$ begin commit; end $$",
            "call p()",
            "execute p",
            "prepare p as select 1",
            "deallocate p",
            "listen l",
            "notify l",
            "lock table t",
            "declare c cursor for select 1",
            "fetch c",
            "copy t from stdin",
            "create extension e",
            "alter extension e update",
            "explain analyze select 1",
            "import foreign schema s from server x into y",
            "set constraints all deferred",
            "set local search_path = a",
            "select set_config('a.b', 'c', true)",
            "select set_config('a.b', 'c', false), 1",
            "select set_config('a.b', current_setting('a.c'), false)",
            "select set_config('a.b', 'c', x)",
            "load 'lib'",
            "checkpoint",
            "frobnicate t",
            "'x'",
        ],
    );
}

#[test]
fn session() {
    check(
        Class::Session,
        &[
            "set search_path = a, b",
            "SET statement_timeout = 0",
            "set session work_mem to '1MB'",
            "set role r",
            "set session authorization default",
            "set time zone 'UTC'",
            "set client_encoding = 'UTF8'",
            "set names 'utf-8'",
            "set standard_conforming_strings = on",
            "set \"Standard_Conforming_Strings\" to 'tr'",
            "reset all",
            "reset role",
            "select pg_catalog.set_config('search_path', '', false)",
            "select set_config('a.b', 'c', 'f') as x, set_config('a.d', '', FALSE)",
        ],
    );
    check_refused(
        "needs standard_conforming_strings to be on",
        &[
            "set standard_conforming_strings = off",
            "set standard_conforming_strings to default",
            "set local standard_conforming_strings = 'o'",
            "reset standard_conforming_strings",
            "select set_config('Standard_conforming_strings', 'off', false)",
            "select 1, pg_catalog.set_config('standard_conforming_strings', x, false)",
        ],
    );
    check_refused(
        "needs client_encoding to be UTF8",
        &[
            "set client_encoding = latin1",
            "set session client_encoding to 'LATIN1'",
            "set names 'latin1'",
            "set names",
            "reset client_encoding",
        ],
    );
    check_refused("DISCARD", &["discard all", "discard plans"]);
    check_refused(
        "controls the transaction",
        &[
            "begin",
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
            "start transaction",
            "commit",
            "commit prepared 'x'",
            "end",
            "rollback to s",
            "abort",
            "savepoint s",
            "release s",
            "prepare transaction 'x'",
            "set transaction read only",
            "set local transaction read only",
            "set session transaction read only",
            "set session characteristics as transaction read only",
        ],
    );
}

#[test]
fn outside_transactions() {
    check(
        Class::Own,
        &[
            "alter type t add value 'x'",
            "alter type s.\"T\" add value if not exists 'x' before 'y'",
        ],
    );
    check(
        Class::Bare(Bare::Repeatable),
        &[
            "vacuum",
            "vacuum (analyze) t",
            "cluster",
            "cluster verbose",
            "cluster (verbose)",
            "reindex database d",
            "reindex (verbose) system d",
            "reindex schema s",
        ],
    );
    let plain = |name: &str| Name {
        schema: None,
        name: name.to_string(),
    };
    check(
        Class::Bare(Bare::Reindex(Reindexed::Table(plain("t")))),
        &[
            "reindex table concurrently t",
            "reindex (concurrently) table T",
        ],
    );
    check(
        Class::Bare(Bare::Reindex(Reindexed::Index(plain("i")))),
        &[
            "reindex (verbose, concurrently) index i",
            "reindex verbose index concurrently i",
        ],
    );
    check(
        Class::Bare(Bare::Reindex(Reindexed::Schema(plain("s")))),
        &["reindex schema concurrently s"],
    );
    check(
        Class::Bare(Bare::Reindex(Reindexed::Database)),
        &[
            "reindex database concurrently",
            "reindex (concurrently) database d",
        ],
    );
    check(
        Class::Bare(Bare::Opaque),
        &[
            "create database d",
            "drop database if exists d",
            "alter database d set tablespace x",
            "create tablespace t location '/x'",
            "drop tablespace t",
            "alter system set work_mem = 1",
            "create subscription s connection 'c' publication p",
            "alter subscription s refresh publication",
            "alter subscription s set publication p",
            "alter subscription s set (failover = true)",
            "drop subscription s",
            "repack concurrently t",
            "drop index concurrently",
        ],
    );
    let detach = Bare::Detach {
        table: name(Some("s"), "t"),
        partition: name(None, "P"),
    };
    check(
        Class::Bare(detach),
        &[
            "alter table s.t detach partition \"P\" concurrently",
            "alter table if exists only s.t * detach partition \"P\" /* x */ concurrently",
        ],
    );
    let index = Bare::DropIndex {
        index: name(Some("s"), "i"),
    };
    check(
        Class::Bare(index),
        &["drop index concurrently if exists s.i cascade"],
    );
    let text = "create unique index concurrently if not exists I on only S.t using btree (a)";
    let index = Bare::CreateIndex {
        index: name(None, "i"),
        table: name(Some("s"), "t"),
        concurrently: Span::new(20, 32),
        definition: 61,
    };
    check(Class::Bare(index), &[text]);
    check_refused(
        "has no name",
        &[
            "create index concurrently on t (a)",
            "create unique index concurrently on t (a)",
        ],
    );
    check_refused("takes one index", &["drop index concurrently a, b"]);
}

#[test]
fn verbs() {
    use Verb::*;
    check_verb("select 1", Query, &[]);
    check_verb("select 1 into t", Query, &[Other]);
    check_verb("select a from t for update", Query, &[]);
    check_verb("with a as (select 1) select * from a", Query, &[]);
    check_verb(
        "with a as (select 1) select * into t from a",
        Query,
        &[Other],
    );
    check_verb(
        "(with a as (delete from t returning 1) select 1)",
        Query,
        &[Delete],
    );
    check_verb(
        "with a as materialized (delete from t returning 1), update as (update t set a = 1 returning 2) select 1",
        Query,
        &[Delete, Update],
    );
    check_verb("with a as (select 1) update t set a = 1", Update, &[]);
    check_verb("with recursive a as (select 1) delete from t", Delete, &[]);
    check_verb(
        "with a as (delete from t returning 1) insert into s select 1 from a",
        Insert,
        &[Delete],
    );
    check_verb(
        "insert into s with a as (delete from t returning 1) select 1 from a",
        Insert,
        &[Delete],
    );
    check_verb(
        "insert into s (a) values (1) on conflict do update set a = 1",
        Insert,
        &[],
    );
    check_verb(
        "merge into t using s on true when matched then delete",
        Merge { deletes: true },
        &[],
    );
    check_verb(
        "merge into t using s on true when matched then update set a = 1",
        Merge { deletes: false },
        &[],
    );
    check_verb(
        "with a as (select 1) merge into t using a on true when not matched then insert values (1)",
        Merge { deletes: false },
        &[],
    );
    check_verb(
        "copy (delete from t returning 1) to stdout",
        Copy,
        &[Delete],
    );
    check_verb("copy (select 1) to stdout", Copy, &[]);
    check_verb("analyze", Analyze, &[]);
    check_verb("set a = 1", Setting, &[]);
    check_verb("create table t as select 1", Other, &[]);
    // No grammar reads these; the tokens must.
    check_verb(
        "with a as (delete from t frob) select 1 frob frob frob",
        Query,
        &[Delete],
    );
    let long = format!(
        "with a as (delete from t) select 1{}",
        ", 1".repeat(PARSED_TOKENS)
    );
    check_verb(&long, Query, &[Delete]);
}

#[test]
fn cuts() {
    use Segment::{Bare, Transaction};
    let check = |text: &str, expected: &[Segment], refused: &[&str]| {
        let statements: Vec<Statement> = split(text).statements;
        assert_eq!(segments(&statements), expected, "{text}");
        let problems = cut_problems(text, &statements);
        let found: Vec<&str> = problems
            .iter()
            .map(|problem| problem.span.of(text))
            .collect();
        assert_eq!(found, refused, "{text}");
    };
    check("", &[], &[]);
    check("set a = 1; set b = 2", &[Transaction(0..2)], &[]);
    check(
        "create temp table t(); prepare p as select 1; set local a = 1",
        &[Transaction(0..3)],
        &[],
    );
    check("vacuum; vacuum", &[Bare(0), Bare(1)], &[]);
    check(
        "set a = 1; select 1; vacuum; alter type t add value 'a'; alter type t add value 'b'; table t",
        &[
            Transaction(0..2),
            Bare(2),
            Transaction(3..4),
            Transaction(4..5),
            Transaction(5..6),
        ],
        &[],
    );
    check(
        "vacuum; create local temporary view v as select 1; create or replace temp view v as select 1; \
         create table pg_temp.t (); select 1 into local temp t; prepare p as select 1; \
         declare c cursor with hold for select 1; declare d cursor for select 1; set local a = 1; \
         select set_config('a', 'b', true); select set_config('a', 'b', false); select 1 into t",
        &[Bare(0), Transaction(1..12)],
        &[
            "temporary",
            "temp",
            "pg_temp",
            "temp",
            "prepare",
            "with",
            "local",
            "select",
        ],
    );
}

/// The deepest nesting that reaches the grammar must fit a thread of 2 MB, as tests and tokio's workers have, even in a
/// debug build; whatever is deeper must not reach it.
#[test]
fn nesting() {
    let cases = [
        ("(", ")"),
        ("not ", ""),
        ("- ", ""),
        ("a = ", ""),
        ("case when ", " end"),
        ("array[", "]"),
        ("a(", ")"),
        ("(with a as (select 1) select ", ")"),
    ];
    for (open, close) in cases {
        for depth in [PARSED_DEPTH - 2, PARSED_TOKENS - 20, 100_000] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let text = format!("with a as (delete from t returning {deep}) select 1");
            check_verb(&text, Verb::Query, &[Verb::Delete]);
        }
    }
    let both = "(".repeat(PARSED_DEPTH - 2) + &"not ".repeat(PARSED_TOKENS - 150);
    let text = format!(
        "with a as (delete from t returning {both}1{}) select 1",
        ")".repeat(PARSED_DEPTH - 2)
    );
    check_verb(&text, Verb::Query, &[Verb::Delete]);
}

proptest! {
    #[test]
    fn any_statement_is_survived(words in prop::collection::vec(
        prop::sample::select(vec![
            "with", "a", "as", "(", ")", "select", "insert", "into", "update", "delete", "merge", "when", "matched",
            "then", ",", "1", "'x'", "from", "t", ".", "*", "set", "=", "case", "end", "[", "]", "::", "$1", "copy",
            "to", "stdout", "using", "on", "not", "values", "recursive", "search", "returning", "over", "union", "$$x$$",
            "U&\"x\"", "interval", "between", "in", "like", "json_table", "columns", "xmltable", "for", "lateral",
        ]),
        0..30,
    )) {
        for start in ["with ", "merge ", "select 1 into ", "copy ( ", "insert with "] {
            let text = format!("{start}{}", words.join(" "));
            known(&text);
        }
    }
}
