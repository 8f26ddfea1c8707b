use super::super::{Act, Change, Column, Key, Name, Object, WriteVerb};
use super::parse;
use crate::place::Span;

fn act(text: &str) -> Act {
    parse(text, Span::new(0, text.len()))
}

/// The object of a CREATE, ALTER or DROP in few words, with `?` where it is guarded.
fn object(text: &str) -> String {
    let (verb, object, guarded) = match act(text) {
        Act::Create(made) => ("create", made.object, made.guarded),
        Act::Alter {
            object, guarded, ..
        } => ("alter", object, guarded),
        Act::Drop { object, guarded } => ("drop", object, guarded),
        other => return format!("{other:?}"),
    };
    let name = |name: &Name| match &name.keyspace {
        Some(keyspace) => format!("{keyspace}.{}", name.name),
        None => name.name.clone(),
    };
    let called = |kind: &str, function: &Name, arguments: Option<Vec<String>>| {
        let arguments = arguments.map(|arguments| format!("({})", arguments.join(", ")));
        format!("{kind} {}{}", name(function), arguments.unwrap_or_default())
    };
    let shown = match object {
        Object::Keyspace(keyspace) => format!("keyspace {keyspace}"),
        Object::Table(table) => format!("table {}", name(&table)),
        Object::Type(kind) => format!("type {}", name(&kind)),
        Object::View(view) => format!("view {}", name(&view)),
        Object::Index {
            name: index,
            unnamed,
            table,
        } => {
            let on = table.map(|table| format!(" on {}", name(&table)));
            let made = if unnamed { " (unnamed)" } else { "" };
            format!("index {}{made}{}", name(&index), on.unwrap_or_default())
        }
        Object::Function { name, arguments } => called("function", &name, arguments),
        Object::Aggregate { name, arguments } => called("aggregate", &name, arguments),
        Object::Trigger {
            name: trigger,
            table,
        } => format!("trigger {trigger} on {}", name(&table)),
        Object::Role(role) => format!("role {role}"),
    };
    format!("{verb}{} {shown}", if guarded { "?" } else { "" })
}

#[test]
fn objects() {
    for (text, expected) in [
        ("CREATE TABLE Foo (a int PRIMARY KEY)", "create table foo"),
        (
            "create columnfamily if not exists Ks.\"Foo\" (a int primary key)",
            "create? table ks.Foo",
        ),
        (
            "CREATE TABLE \"a\"\"b\" (a int PRIMARY KEY,)",
            "create table a\"b",
        ),
        ("CREATE TYPE k.t (a int, \"B\" text)", "create type k.t"),
        (
            "CREATE INDEX ON t (C)",
            "create index t_c_idx (unnamed) on t",
        ),
        (
            "CREATE INDEX ON k.t (keys(\"A-b\"))",
            "create index k.t_Ab_idx (unnamed) on k.t",
        ),
        (
            "CREATE INDEX IF NOT EXISTS Ix ON k.t (full(c))",
            "create? index k.ix on k.t",
        ),
        (
            "CREATE CUSTOM INDEX i ON t () USING 'x.Y' WITH OPTIONS = {'a': 'b'}",
            "create index i on t",
        ),
        ("CREATE INDEX i ON t (c) USING 'sai'", "create index i on t"),
        ("CREATE INDEX keys ON t (keys)", "create index keys on t"),
        (
            "CREATE MATERIALIZED VIEW v AS SELECT * FROM t WHERE a IS NOT NULL PRIMARY KEY ((a, b), c) WITH comment = 'x'",
            "create view v",
        ),
        (
            "CREATE OR REPLACE FUNCTION k.F (a Int, b frozen<map<TEXT, varchar>>) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE java AS $$ return 1; $$",
            "create function k.f(int, frozen<map<text,text>>)",
        ),
        (
            "CREATE FUNCTION f () CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'x'",
            "create function f()",
        ),
        (
            "CREATE AGGREGATE g (int) SFUNC f STYPE int INITCOND 0",
            "create aggregate g(int)",
        ),
        (
            "CREATE TRIGGER t ON k.u USING 'x'",
            "create trigger t on k.u",
        ),
        (
            "CREATE ROLE IF NOT EXISTS Bob WITH PASSWORD = 'x' AND LOGIN = true",
            "create? role bob",
        ),
        ("CREATE ROLE 'Bob'", "create role Bob"),
        (
            "CREATE USER Bob WITH PASSWORD 'x' SUPERUSER",
            "create role Bob",
        ),
        (
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "create keyspace k",
        ),
        (
            "ALTER KEYSPACE k WITH durable_writes = false",
            "alter keyspace k",
        ),
        ("ALTER ROLE r WITH LOGIN = true", "alter role r"),
        (
            "ALTER MATERIALIZED VIEW v WITH comment = 'x'",
            "alter view v",
        ),
        ("DROP TABLE IF EXISTS k.t", "drop? table k.t"),
        ("DROP SCHEMA k", "drop keyspace k"),
        ("DROP INDEX k.i", "drop index k.i"),
        ("DROP FUNCTION f", "drop function f"),
        ("DROP FUNCTION f ()", "drop function f()"),
        (
            "DROP AGGREGATE k.g (list<int>, k.u)",
            "drop aggregate k.g(list<int>, k.u)",
        ),
        ("DROP TRIGGER IF EXISTS t ON u", "drop? trigger t on u"),
        ("DROP MATERIALIZED VIEW v", "drop view v"),
        ("DROP USER Bob", "drop role Bob"),
    ] {
        assert_eq!(object(text), expected, "{text}");
    }
}

#[test]
fn what_deviates_is_other() {
    for text in [
        "CRAETE TABLE t (a int PRIMARY KEY)",
        "CREATE TABLE t (a int PRIMARY KEY) CREATE TABLE u (a int PRIMARY KEY)",
        "CREATE TABLE t (a int PRIMARY KEY) WITH comment = 'x' CREATE TABLE u (a int PRIMARY KEY)",
        "SELECT a FROM t DROP TABLE t",
        "UPDATE t SET a = 1 WHERE b = 2 UPDATE t SET a = 1 WHERE b = 3",
        "CREATE ROLE a WITH LOGIN = true DROP ROLE b",
        "CREATE TABLE table (a int PRIMARY KEY)",
        "CREATE OR REPLACE TABLE t (a int PRIMARY KEY)",
        "CREATE TABLE t LIKE u",
        "CREATE INDEX i ON t (a) b",
        "ALTER TABLE t ADD",
        "ALTER TABLE t ADD a int, b int",
        "DROP TABLE a, b",
        "DROP TABLE a.b.c",
        "TRUNCATE a b",
        "USE",
        "UPDATE t SET a WHERE b = 1",
        "UPDATE t SET a = 1",
        "INSERT INTO t VALUES (1)",
        "DELETE FROM t",
        "SELECT 1",
        "BEGIN BATCH SELECT a FROM b; APPLY BATCH",
        "BEGIN BATCH APPLY BATCH USE k",
        "BEGIN TRANSACTION",
        "WITH x AS (SELECT 1) SELECT 2",
        "'create'",
        "",
    ] {
        assert_eq!(act(text), Act::Other, "{text}");
    }
}

fn column(name: &str, kind: &str, is_static: bool) -> Column {
    Column {
        name: name.into(),
        kind: kind.into(),
        is_static,
    }
}

#[test]
fn tables() {
    let text = "CREATE TABLE t (A int, \"B\" Frozen< Map<text , Set<k.\"U\">> >, c vector<float, 3> static, d varchar masked with default, PRIMARY KEY ((a, \"B\"), d)) \
                WITH CLUSTERING ORDER BY (d DESC) AND ID = 5A1C395E-b41f-11e5-9f22-ba0be0483c18 AND comment = 'x' AND compression = {'class': 'y'} AND COMPACT STORAGE";
    let Act::Create(made) = act(text) else {
        panic!("{text}");
    };
    assert_eq!(
        made.columns,
        [
            column("a", "int", false),
            column("B", "frozen<map<text,set<k.\"U\">>>", false),
            column("c", "vector<float,3>", true),
            column("d", "text", false),
        ]
    );
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    assert_eq!(
        made.key,
        Key {
            partition: names(&["a", "B"]),
            clustering: names(&["d"])
        }
    );
    assert_eq!(
        made.options,
        [
            "clustering order",
            "id",
            "comment",
            "compression",
            "compact storage"
        ]
    );
    assert_eq!(
        made.id.as_deref(),
        Some("5a1c395e-b41f-11e5-9f22-ba0be0483c18")
    );
}

fn change(text: &str) -> Change {
    match act(text) {
        Act::Alter { change, .. } => change,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn changes() {
    assert_eq!(
        change("ALTER TABLE t ADD IF NOT EXISTS (a int, b list<int> static)"),
        Change::Add {
            columns: vec![column("a", "int", false), column("b", "list<int>", true)],
            guarded: true
        }
    );
    assert_eq!(
        change("ALTER TABLE t ADD type text"),
        Change::Add {
            columns: vec![column("type", "text", false)],
            guarded: false
        }
    );
    assert_eq!(
        change("ALTER TABLE t DROP IF EXISTS (a, \"B\") USING TIMESTAMP 12"),
        Change::Drop {
            columns: vec!["a".into(), "B".into()],
            guarded: true,
            timestamp: true
        }
    );
    assert_eq!(
        change("ALTER TYPE t RENAME a TO B AND c TO d"),
        Change::Rename {
            names: vec![("a".into(), "b".into()), ("c".into(), "d".into())],
            guarded: false
        }
    );
    assert_eq!(
        change("ALTER TABLE t DROP COMPACT STORAGE"),
        Change::Compact
    );
    assert_eq!(
        change("ALTER TABLE t WITH gc_grace_seconds = 1 AND comment = 'and'"),
        Change::Options(vec!["gc_grace_seconds".into(), "comment".into()])
    );
    assert_eq!(
        change("ALTER TABLE t ALTER a TYPE blob"),
        Change::Retype { column: "a".into() }
    );
    for text in [
        "ALTER TABLE t ALTER a MASKED WITH mask_inner(1, null)",
        "ALTER TABLE t ALTER IF EXISTS a DROP MASKED",
    ] {
        assert_eq!(change(text), Change::Mask { column: "a".into() });
    }
}

/// Verb, then the marks c, t and l for conditional, timed and with a TTL, then why a repeat differs.
fn writes(text: &str) -> Vec<String> {
    let act = act(text);
    assert_ne!(act, Act::Other, "{text}");
    let shown = act.writes().iter().map(|write| {
        let mut shown = match write.verb {
            WriteVerb::Insert => "insert".to_string(),
            WriteVerb::Update => "update".to_string(),
            WriteVerb::Delete => "delete".to_string(),
        };
        for (mark, is) in [
            ("c", write.conditional),
            ("t", write.timestamp),
            ("l", write.ttl),
        ] {
            if is {
                shown = format!("{shown} {mark}");
            }
        }
        for found in &write.unrepeatable {
            shown = format!("{shown} <{}>", found.span.of(text));
        }
        shown
    });
    shown.collect()
}

#[test]
fn writing() {
    for (text, expected) in [
        ("INSERT INTO k.t (a, now) VALUES (1, 'x')", "insert"),
        (
            "INSERT INTO t (a) VALUES (1) IF NOT EXISTS USING TTL 5 AND TIMESTAMP 7",
            "insert c t l",
        ),
        (
            "INSERT INTO t JSON '{}' DEFAULT UNSET USING TIMESTAMP -7",
            "insert t",
        ),
        (
            "INSERT INTO t (a, b) VALUES (UUID(), toTimestamp(Now()))",
            "insert <UUID> <Now>",
        ),
        ("INSERT INTO t (a) VALUES (k.f(1))", "insert <f>"),
        (
            "INSERT INTO t (a) VALUES ((int) cast(textAsBlob('x') as text))",
            "insert",
        ),
        (
            "UPDATE t SET a = 1, b[2] = 3, c.d = 4 WHERE k = 1 AND token(k) > 5 AND x IN (1)",
            "update",
        ),
        (
            "UPDATE t USING TTL 9 SET a = 1 WHERE k = 1 IF a = 2 AND b IN (1)",
            "update c l",
        ),
        ("UPDATE t SET a = 1 WHERE k = 1 IF EXISTS", "update c"),
        ("UPDATE t SET c = c + 1 WHERE k = 1", "update <c = c + 1>"),
        (
            "UPDATE t SET c = c - 1, d = 2 WHERE k = 1",
            "update <c = c - 1>",
        ),
        ("UPDATE t SET c = c -1 WHERE k = 1", "update <c = c -1>"),
        ("UPDATE t SET c += 1 WHERE k = 1", "update <c += 1>"),
        (
            "UPDATE t SET l = l + ['x'] WHERE k = 1",
            "update <l = l + ['x']>",
        ),
        (
            "UPDATE t SET l = ['x'] + \"l\" WHERE k = 1",
            "update <l = ['x'] + \"l\">",
        ),
        (
            "UPDATE t SET l = l - ['x'], m -= {'a'}, s = s + {1, 2}, n += {'a': 1} WHERE k = 1",
            "update",
        ),
        (
            "UPDATE t SET d = currentDate() WHERE k = 1",
            "update <currentDate>",
        ),
        ("DELETE FROM t USING TIMESTAMP 3 WHERE k = 1", "delete t"),
        ("DELETE a, m['k'] FROM t WHERE k = 1 IF a = 1", "delete c"),
        ("DELETE l[0] FROM t WHERE k = 1", "delete <l[0]>"),
    ] {
        assert_eq!(writes(text), [expected], "{text}");
    }
    assert_eq!(
        writes(
            "BEGIN UNLOGGED BATCH USING TIMESTAMP 4 INSERT INTO t (a) VALUES (1) UPDATE t SET a = now() WHERE k = 1; DELETE FROM t WHERE k = 1 IF EXISTS; APPLY BATCH"
        ),
        ["insert", "update <now>", "delete c"]
    );
    let batch = act("BEGIN BATCH USING TIMESTAMP 4 APPLY BATCH");
    assert!(batch.timed() && !batch.conditional());
    assert!(act("UPDATE t USING TIMESTAMP 4 SET a = 1 WHERE k = 1").timed());
}

/// What an INSERT or UPDATE takes away, as DELETE would.
#[test]
fn removals() {
    for (text, removed) in [
        ("INSERT INTO t (a, b) VALUES (1, 'null')", ""),
        ("INSERT INTO t (a, b) VALUES (1, NULL)", "NULL"),
        (
            "INSERT INTO t (a, b, c) VALUES (null, {}, [ ])",
            "null {} [ ]",
        ),
        ("INSERT INTO t (a, b) VALUES (f(null), [null])", ""),
        ("INSERT INTO t JSON '{\"a\": 1}'", "'{\"a\": 1}'"),
        (
            "INSERT INTO t JSON '{\"a\": 1}' DEFAULT NULL",
            "'{\"a\": 1}'",
        ),
        ("INSERT INTO t JSON '{\"a\": 1}' DEFAULT UNSET", ""),
        (
            "INSERT INTO t JSON $${\"a\": null}$$ DEFAULT UNSET",
            "$${\"a\": null}$$",
        ),
        (
            "INSERT INTO t JSON '{\"a\": []}' DEFAULT UNSET",
            "'{\"a\": []}'",
        ),
        (
            "UPDATE t SET a = 1, b = Null WHERE k = 1 IF c = null",
            "b = Null",
        ),
        (
            "UPDATE t SET m['x'] = /* */ null, u.f = null WHERE k = 1",
            "m['x'] = /* */ null u.f = null",
        ),
        ("UPDATE t SET m = {}, n = [] WHERE k = 1", "m = {} n = []"),
        (
            "UPDATE t SET m = m - {'a'}, n -= ['b'] WHERE k = 1",
            "m = m - {'a'} n -= ['b']",
        ),
        (
            "UPDATE t SET m = m + {'a'}, n += ['b'], c = c - 1, d = -1 WHERE k = 1",
            "",
        ),
        ("UPDATE t SET \"null\" = 1 WHERE k = 1", ""),
        ("DELETE a FROM t WHERE k = 1", ""),
    ] {
        let found = act(text);
        let [write] = found.writes() else {
            panic!("{text}");
        };
        let removes: Vec<&str> = write.removes.iter().map(|span| span.of(text)).collect();
        assert_eq!(removes.join(" "), removed, "{text}");
        assert_eq!(write.span.of(text), text);
    }
    let batch = "BEGIN BATCH INSERT INTO t (a) VALUES (1); DELETE FROM t WHERE a = 1 APPLY BATCH";
    let found = act(batch);
    let each: Vec<&str> = found
        .writes()
        .iter()
        .map(|write| write.span.of(batch))
        .collect();
    assert_eq!(
        each,
        ["INSERT INTO t (a) VALUES (1)", "DELETE FROM t WHERE a = 1"]
    );
}

#[test]
fn others() {
    let table = |name: &str| Name {
        keyspace: None,
        name: name.into(),
    };
    assert_eq!(
        act("SELECT a, count(*) FROM T WHERE b = 1 ALLOW FILTERING"),
        Act::Select { table: table("t") }
    );
    assert_eq!(act("TRUNCATE TABLE T"), Act::Truncate { table: table("t") });
    assert_eq!(act("TRUNCATE \"T\""), Act::Truncate { table: table("T") });
    assert_eq!(
        act("USE \"K\""),
        Act::Use {
            keyspace: "K".into()
        }
    );
    assert_eq!(
        act("GRANT SELECT ON KEYSPACE k TO Bob"),
        Act::Grant { to: "bob".into() }
    );
    assert_eq!(act("GRANT a TO 'B'"), Act::Grant { to: "B".into() });
    assert_eq!(
        act("REVOKE ALL ON ALL ROLES FROM b"),
        Act::Revoke { from: "b".into() }
    );
    assert_eq!(act("LIST ROLES"), Act::List);
}

/// A statement of any size costs no more than its size.
#[test]
fn linear() {
    let deep = format!(
        "UPDATE t SET a = {}1{} WHERE k = 1",
        "(".repeat(200_000),
        ")".repeat(200_000)
    );
    assert_ne!(act(&deep), Act::Other);
    let kind = format!(
        "CREATE TABLE t (a {}int{} PRIMARY KEY)",
        "list<".repeat(100_000),
        ">".repeat(100_000)
    );
    assert_ne!(act(&kind), Act::Other);
    let batch = format!(
        "BEGIN BATCH {} APPLY BATCH",
        "INSERT INTO t (a) VALUES (1);".repeat(20_000)
    );
    assert_eq!(act(&batch).writes().len(), 20_000);
}
