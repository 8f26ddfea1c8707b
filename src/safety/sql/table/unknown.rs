//! What kmig cannot see into, and what does not belong into a migration.

use crate::safety::rule::{
    Example, Goes, Harm,
    Lock::{AccessExclusive, RowExclusive},
    Rule, table,
};
use crate::source::{
    Dialect,
    PartKind::{Backfill, Up},
};

table! {
    Dialect::Postgres;

    NOT_UNDERSTOOD = "not-understood", NotUnderstood, Declared,
        "The grammar that kmig judges by does not know this statement, or kmig has no verdict about it. It may be harmless: kmig does not know, so it does not call it safe.",
        "Look for a mistake; else write it in the plain form, or say with an allowance why it is fine.",
        [Example::up("create procedure p() language plpgsql as 'begin null; end';", "do language plperl $$ return; $$;")];

    DYNAMIC_SQL = "dynamic-sql", NotUnderstood, Declared,
        "EXECUTE runs a text that exists only when the statement runs, so nobody can judge it beforehand.",
        "Write the statements out. Where the text cannot be known, say with an allowance what it does.",
        [Example::up("create table t (id bigint primary key);", "do $$ begin execute 'drop table t'; end $$;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Up, "-- kmig:allow dynamic-sql because it grants nothing and drops nothing\ndo $$ begin execute 'comment on table t is ''x'''; end $$;")])];

    UNKNOWN_CALL = "unknown-call", NotUnderstood, Declared,
        "The function, procedure or operator is not one of the server's own that are known to change nothing, and this batch does not make it: its body may do anything.",
        "Write what it does as statements, or say with an allowance what it does. A function that the same batch makes is judged by its body.",
        [Example::up("create function f() returns int language sql as 'select 1';", "select f();")
            .locks(&[])
            .instead(&[(Up, "create function g() returns int language sql as 'select 1';\nselect g();")])];

    DENIED_CALL = "denied-call", NotForMigration, Nowhere,
        "This function of the server works outside of what a migration is: on other sessions, locks, files, settings, large objects, sequences that others use, or by running a text as SQL.",
        "Remove it, or say with an allowance why this migration needs it.",
        [Example::up("", "select pg_terminate_backend(0);")
            .locks(&[])];

    UNGUARDED_BACKFILL = "unguarded-backfill", Destructive, Backfill,
        "finish runs each backfill again until it changes no row, since the old version writes rows that the first run did not see. One without a guard writes over what is newer each time, and never comes to an end.",
        "Let the WHERE of an UPDATE ask for what it sets (`where new is null`), give an INSERT ON CONFLICT DO NOTHING or WHERE NOT EXISTS, and each WHEN MATCHED of a MERGE a condition.",
        [Example::up("create table t (id bigint primary key, a int, b int);", "update t set b = a;")
            .locks(&[("t", RowExclusive)])
            .scans(&["t"])
            .part(Backfill)
            .instead(&[(Backfill, "update t set b = a where b is null;")])];

    TRANSACTION_CONTROL = "transaction-control", NotForMigration, Nowhere,
        "COMMIT and ROLLBACK inside a procedure or block end the transaction that kmig records the part in: half of it would stay without its record.",
        "Remove it: kmig puts the part into a transaction. Work that must commit in steps goes into several migrations.",
        [Example::up("", "do $$ begin commit; end $$;")];

    SESSION_ROLE = "session-role", NotForMigration, Declared,
        "Under another session user, without foreign keys and triggers, or with other settings of that rank, the statements that follow are not what they look like.",
        "Connect as the role that is meant. Where SET ROLE is, say with an allowance why.",
        [Example::up("", "set session_replication_role = replica;")
            .locks(&[])];

    SERVER_SETTINGS = "server-settings", NotForMigration, Nowhere,
        "ALTER SYSTEM, and settings of a database or role, change the server for everybody, outlive the migration and are taken back by nobody.",
        "Let those who run the server set it.",
        [Example::up("", "-- kmig:done-when select true\nalter system set work_mem = '64MB';")];

    DATABASES = "databases", NotForMigration, Nowhere,
        "Databases and tablespaces are made and dropped outside of transactions, for the whole server.",
        "Let those who run the server do it.",
        [Example::up("", "-- kmig:done-when select true\ncreate database kmig_example_d;")];

    LOAD_LIBRARY = "load-library", NotForMigration, Nowhere,
        "LOAD runs code from a file of the server in this session.",
        "Remove it; a library that is needed belongs in the server's settings.",
        [Example::up("", "load 'auto_explain';")
            .locks(&[])];

    SERVER_FILE = "server-file", NotForMigration, Nowhere,
        "COPY from or to a program or a file works on the server's machine with the rights of the server.",
        "COPY … FROM stdin, with the data in the file of the part.",
        [Example::up("create table t (id bigint);", "copy t from program 'echo 1';")
            .locks(&[("t", RowExclusive)])];

    VACUUM_FULL = "vacuum-full", NotForMigration, Nowhere,
        "VACUUM FULL writes the table anew while reading and writing wait; a plain VACUUM is the server's own business.",
        "Leave it to autovacuum.",
        [Example::up("create table t (id bigint);", "vacuum full t;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t"])];

    NAME_TOO_LONG = "name-too-long", NotForMigration, Nowhere,
        "The server cuts names behind 63 bytes without an error, so that two long names become one.",
        "Use a shorter name.",
        [Example::up("", "create table a123456789b123456789c123456789d123456789e123456789f123456789abcd (id bigint);")
            .locks(&[])];
}
