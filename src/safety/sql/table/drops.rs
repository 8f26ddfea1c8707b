//! What is gone afterwards.

use crate::safety::rule::{
    Example, Goes, Harm,
    Lock::{AccessExclusive, RowExclusive},
    Rule, table,
};
use crate::source::{
    Dialect,
    PartKind::{Backfill, Finish, Up},
};

table! {
    Dialect::Postgres;

    DROP_TABLE = "drop-table", Destructive, Finish,
        "The data is gone, and every statement of the old version that names the table fails.",
        "Release a version that does not use the table, then drop it in the finish part, one table per part, children first.",
        [Example::up("create table t (id bigint primary key);", "drop table t;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "drop table t;")])];

    DROP_COLUMN = "drop-column", Destructive, Finish,
        "The old version still reads and writes the column: its statements fail at once, and the data is gone. Indexes and constraints over the column go with it.",
        "Release a version that does not use the column, then drop it in the finish part.",
        [Example::up("create table t (id bigint primary key, c text);", "alter table t drop column c;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t drop column c;")])];

    DROP_VIEW = "drop-view", Destructive, Finish,
        "The old version that reads the view fails; of a materialized view the rows are gone as well.",
        "Make the new view under a new name in the up part, and drop the old one in the finish part.",
        [Example::up("create view v as select 1 as one;", "drop view v;")
            .locks(&[("v", AccessExclusive)])
            .instead(&[(Up, "create view v2 as select 1 as one, 2 as two;"), (Finish, "drop view v;")])];

    DROP_SEQUENCE = "drop-sequence", Destructive, Finish,
        "The old version that asks the sequence for a number fails, and where the count stood is lost.",
        "Drop it in the finish part.",
        [Example::up("create sequence s;", "drop sequence s;")
            .locks(&[("s", AccessExclusive)])
            .instead(&[(Finish, "drop sequence s;")])];

    DROP_TYPE = "drop-type", Destructive, Finish,
        "Statements of the old version that name the type or domain fail.",
        "Drop it in the finish part, once no column and no function uses it.",
        [Example::up("create type mood as enum ('sad', 'ok');", "drop type mood;")
            .locks(&[])
            .instead(&[(Finish, "drop type mood;")])];

    DROP_FUNCTION = "drop-function", Destructive, Finish,
        "The old version that calls the function, procedure or aggregate fails, and so do defaults, triggers and policies that use it.",
        "Make the new one under a new name or with other arguments in the up part, and drop the old one in the finish part.",
        [Example::up("create function f() returns int language sql as 'select 1';", "drop function f();")
            .locks(&[])
            .instead(&[(Up, "create function f2() returns int language sql as 'select 2';"), (Finish, "drop function f();")])];

    DROP_SCHEMA = "drop-schema", Destructive, Finish,
        "Everything that the old version finds in the schema is gone.",
        "Drop what is in it, object by object, in finish parts, and the empty schema last.",
        [Example::up("create schema app;", "drop schema app;")
            .locks(&[])
            .instead(&[(Finish, "drop schema app;")])];

    DROP_EXTENSION = "drop-extension", Destructive, Finish,
        "The types, functions and operators of the extension are gone under the old version.",
        "Drop it in the finish part.",
        [Example::up("", "drop extension if exists hstore;")
            .locks(&[])
            .instead(&[(Finish, "drop extension if exists hstore;")])];

    DROP_ROLE = "drop-role", Destructive, Finish,
        "The old version that connects as the role, or whose rights come from it, is shut out.",
        "Drop it in the finish part.",
        [Example::up("create role kmig_example_a;", "drop role kmig_example_a;")
            .locks(&[])
            .instead(&[(Finish, "drop role kmig_example_a;")])];

    DROP_OWNED = "drop-owned", Destructive, Finish,
        "Everything that the role owns in this database is dropped, and its rights are revoked, whatever the list is by now.",
        "Name each object and drop it in a finish part.",
        [Example::up("create role kmig_example_b;", "drop owned by kmig_example_b;")
            .locks(&[])
            .instead(&[(Finish, "drop owned by kmig_example_b;")])];

    DROP_OBJECT = "drop-object", Destructive, Finish,
        "Statements of the old version that use the object fail, or mean something else.",
        "Drop it in the finish part.",
        [Example::up("create collation c (locale = 'C');", "drop collation c;")
            .locks(&[])
            .instead(&[(Finish, "drop collation c;")])];

    DROP_CASCADE = "drop-cascade", Destructive, Finish,
        "CASCADE drops whatever depends on the object when the statement runs: views, keys, columns of other tables. Nobody sees the list beforehand, so it is not exempt either where the object is of the same batch.",
        "Name each object that is to go, and drop them one by one, those that depend on others first, in finish parts.",
        [Example::up("create table p (id bigint primary key); create table c (p bigint references p);", "drop table p cascade;")
            .locks(&[("p", AccessExclusive), ("c", AccessExclusive)])
            .instead(&[(Finish, "alter table c drop constraint c_p_fkey;"), (Finish, "drop table p;")])];

    DROP_CONSTRAINT = "drop-constraint", Destructive, Finish,
        "Rows come in that the old version does not expect; its INSERT … ON CONFLICT fails without the constraint that it names; and the index of a key is gone.",
        "Drop it in the finish part.",
        [Example::up("create table t (id bigint primary key, c int constraint positive check (c > 0));", "alter table t drop constraint positive;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t drop constraint positive;")])];

    DROP_INDEX = "drop-index", Destructive, Finish,
        "Queries of the old version that use the index read whole tables, and its INSERT … ON CONFLICT fails without a unique one. Without CONCURRENTLY reading and writing wait.",
        "DROP INDEX CONCURRENTLY in the finish part.",
        [Example::up("create table t (id bigint primary key, c int); create index t_c on t (c);", "drop index t_c;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "drop index concurrently t_c;")])];

    TRUNCATE = "truncate", Destructive, Finish,
        "Every row is gone, and reading and writing wait for the lock.",
        "Empty it in the finish part.",
        [Example::up("create table t (id bigint primary key);", "truncate t;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t"])
            .instead(&[(Finish, "truncate t;")])];

    DELETE_ROWS = "delete-rows", Destructive, Finish,
        "Rows that the old version still reads are gone.",
        "Delete them in the finish part.",
        [Example::up("create table t (id bigint primary key); insert into t values (1);", "delete from t where id = 1;")
            .locks(&[("t", RowExclusive)])
            .instead(&[(Finish, "delete from t where id = 1;")])];

    UPDATE_ROWS = "update-rows", Destructive, Backfill,
        "It changes values that the old version reads and writes, holds the rows until the part commits, and is not run again for the rows that the old version writes afterwards.",
        "Fill new columns in the backfill part, guarded by WHERE so that a repeat changes nothing; change old values in the finish part.",
        [Example::up("create table t (id bigint primary key, a int, b int);", "update t set b = a where b is null;")
            .locks(&[("t", RowExclusive)])
            .scans(&["t"])
            .instead(&[(Backfill, "update t set b = a where b is null;")])];
}
