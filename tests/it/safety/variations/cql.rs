//! Statements of CQL that destroy or break, and places where they run.

use super::spell::{Place, Spell};

/// What an older batch made.
pub const OLD: &str =
    "create table t (c int primary key, n set<text>); create table u (a int primary key);";

/// Each of these runs only once the old version is gone. `t` and `u` are old tables, `c` an old column.
pub const DESTRUCTIVE: &[&str] = &[
    "DROP TABLE <t>",
    "DROP TABLE IF EXISTS <t>",
    "DROP COLUMNFAMILY <t>",
    "DROP TYPE <k>",
    "DROP TYPE IF EXISTS <k>",
    "DROP MATERIALIZED VIEW <v>",
    "DROP INDEX IF EXISTS <i>",
    "DROP FUNCTION <f>",
    "DROP FUNCTION IF EXISTS <f> ( int , text )",
    "DROP AGGREGATE <f> ( int )",
    "DROP TRIGGER <g> ON <t>",
    "DROP ROLE IF EXISTS <r>",
    "DROP USER <r>",
    "DROP KEYSPACE <s>",
    "TRUNCATE <t>",
    "TRUNCATE TABLE <t>",
    "TRUNCATE COLUMNFAMILY <t>",
    "ALTER TABLE <t> DROP <c>",
    "ALTER TABLE IF EXISTS <t> DROP IF EXISTS <c>",
    "ALTER COLUMNFAMILY <t> DROP ( <c> , <n> )",
    "ALTER TABLE <t> DROP <c> USING TIMESTAMP 5",
    "ALTER TABLE <t> DROP COMPACT STORAGE",
    "ALTER TABLE <t> RENAME <c> TO <n>",
    "ALTER TABLE <t> RENAME IF EXISTS <c> TO <n> AND <k> TO <g>",
    "ALTER TABLE <t> ALTER <c> TYPE bigint",
    "ALTER TABLE <t> ALTER <c> MASKED WITH DEFAULT",
    "ALTER TABLE <t> WITH default_time_to_live = 1",
    "ALTER TABLE <t> WITH comment = 'x' AND gc_grace_seconds = 0",
    "ALTER TYPE <k> RENAME <c> TO <n>",
    "ALTER TYPE <k> ALTER <c> TYPE bigint",
    "ALTER MATERIALIZED VIEW <v> WITH comment = 'x'",
    "ALTER KEYSPACE <s> WITH durable_writes = false",
    "ALTER ROLE <r> WITH LOGIN = false",
    "ALTER USER <r> NOSUPERUSER",
    "REVOKE SELECT ON <t> FROM <r>",
    "REVOKE <r> FROM <n>",
    "CREATE OR REPLACE FUNCTION <f> ( a int ) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'return a;'",
    "CREATE OR REPLACE AGGREGATE <f> ( int ) SFUNC <g> STYPE int",
    "CREATE TRIGGER <g> ON <t> USING 'x.Y'",
    "DELETE FROM <t> WHERE <c> = 1",
    "DELETE <n> FROM <t> USING TIMESTAMP 3 WHERE <c> = 1 IF EXISTS",
    "DELETE <n> [ 'x' ] FROM <t> WHERE <c> IN ( 1 , 2 )",
    "UPDATE <t> SET <n> = null WHERE <c> = 1",
    "UPDATE <t> USING TTL 5 SET <n> = {} WHERE <c> = 1",
    "UPDATE <t> SET <n> = <n> - { 'x' } WHERE <c> = 1",
    "UPDATE <t> SET <n> -= [ 'x' ] WHERE <c> = 1",
    "INSERT INTO <t> ( <c> , <n> ) VALUES ( 1 , null )",
    "INSERT INTO <t> JSON '{\"c\":1}'",
    "ALTER TABLE <t> ADD CONSTRAINT x CHECK y",
    "DROP EVERYTHING <t>",
    "DROP TABLE <t> CASCADE",
];

/// Where they run.
pub const PLACES: &[Place] = &[
    Place {
        name: "alone",
        text: alone,
        transparent: true,
    },
    Place {
        name: "among others",
        text: among,
        transparent: true,
    },
    Place {
        name: "behind what only seems to make it",
        text: behind,
        transparent: true,
    },
    Place {
        name: "in a batch",
        text: batch,
        transparent: true,
    },
];

/// What is in doubt after a crash needs a query that settles it; whether it destroys is another question.
const DONE_WHEN: &str = "-- kmig:done-when select a from made where a = 1\n";

fn alone(spell: &mut Spell, words: &str) -> String {
    let end = spell.one(&[";", "", "\n;\n", " ; // done"]);
    format!("{DONE_WHEN}{}{end}", spell.statement(words))
}

fn among(spell: &mut Spell, words: &str) -> String {
    let before = spell.one(&[
        "create table made (a int primary key);",
        "insert into u (a) values ('it''s; fine');",
        "insert into u (a) values ($$;'$$);",
        "/* ; */",
    ]);
    let behind = spell.one(&[
        "",
        "\nselect a from u;",
        "\ncreate table made_too (a int primary key);",
    ]);
    format!("{before}\n{DONE_WHEN}{};{behind}", spell.statement(words))
}

/// IF NOT EXISTS makes nothing where something is there; a name in quotes and one in another keyspace is another one.
fn behind(spell: &mut Spell, words: &str) -> String {
    let before = spell.one(&[
        "create table if not exists t (c int primary key, n set<text>);",
        "create table \"T\" (c int primary key);",
        "create table elsewhere.t (c int primary key);",
        "create type if not exists k (c int);",
        "alter table t add if not exists c int;",
        "create table t_2 (c int primary key); drop table t_2;",
    ]);
    format!("{before}\n{DONE_WHEN}{};", spell.statement(words))
}

fn batch(spell: &mut Spell, words: &str) -> String {
    let writes = ["DELETE", "UPDATE", "INSERT"];
    if !writes.iter().any(|verb| words.starts_with(verb)) {
        return alone(spell, words);
    }
    let kind = spell.one(&["batch", "unlogged batch", "BATCH USING TIMESTAMP 5"]);
    let end = spell.one(&[";", ""]);
    format!(
        "{DONE_WHEN}begin {kind}\ninsert into u (a) values (1)\n{}{end} apply batch;",
        spell.statement(words)
    )
}
