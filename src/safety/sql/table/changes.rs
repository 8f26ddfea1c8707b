//! What is called otherwise, or means something else, under the old version.

use crate::safety::rule::{
    Example, Goes, Harm,
    Lock::{AccessExclusive, Share, ShareRowExclusive, ShareUpdateExclusive},
    Rule, table,
};
use crate::source::{
    Dialect,
    PartKind::{Backfill, Finish, Up},
};

table! {
    Dialect::Postgres;

    RENAME_TABLE = "rename-table", Breaks, Finish,
        "Statements of the old version name the table, view or sequence as it was, and fail at once.",
        "Make the new one beside it (a table with a trigger that keeps both alike, or a view under the new name), and drop the old one in the finish part.",
        [Example::up("create table t (id bigint primary key);", "alter table t rename to u;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Up, "create view u as select id from t;")])];

    RENAME_COLUMN = "rename-column", Breaks, Finish,
        "Statements of the old version name the column as it was, and fail at once.",
        "Add the new column, let a trigger keep both alike, fill it in the backfill part, and drop the old one in the finish part.",
        [Example::up("create table t (id bigint primary key, a text);", "alter table t rename column a to b;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Up, "alter table t add column b text;"), (Backfill, "update t set b = a where b is distinct from a;"), (Finish, "alter table t drop column a;")])];

    RENAME_CONSTRAINT = "rename-constraint", Breaks, Finish,
        "INSERT … ON CONFLICT ON CONSTRAINT and error handling of the old version name the constraint as it was.",
        "Rename it in the finish part.",
        [Example::up("create table t (id bigint constraint a primary key);", "alter table t rename constraint a to b;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t rename constraint a to b;")])];

    RENAME_ENUM_VALUE = "rename-enum-value", Breaks, Finish,
        "The old version writes the label as it was and fails, and does not know the one that it reads.",
        "Add the new label with ALTER TYPE … ADD VALUE, move the rows in a later migration, and leave the old label.",
        [Example::up("create type mood as enum ('sad', 'ok');", "alter type mood rename value 'ok' to 'fine';")
            .locks(&[])
            .instead(&[(Up, "alter type mood add value 'fine';")])];

    RENAME_OBJECT = "rename-object", Breaks, Finish,
        "Statements of the old version name the schema, function, type, role or other object as it was, and fail at once.",
        "Make the new one beside it in the up part, and drop or rename the old one in the finish part.",
        [Example::up("create type mood as enum ('sad', 'ok');", "alter type mood rename to feeling;")
            .locks(&[])
            .instead(&[(Up, "create type feeling as enum ('sad', 'ok');")])];

    SET_SCHEMA = "set-schema", Breaks, Finish,
        "The old version looks for the object in its schema, and fails at once.",
        "Leave a view under the old name, or move it in the finish part.",
        [Example::up("create table t (id bigint primary key); create schema app;", "alter table t set schema app;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Up, "create view app.t as select id from public.t;")])];

    CHANGE_COLUMN_TYPE = "change-column-type", Breaks, Finish,
        "Most changes of a type rewrite the table and its indexes while reading and writing wait; values that the old version writes may not fit; and statements that it has prepared fail because their result type changed.",
        "Add a new column of the new type, let a trigger keep both alike, fill it in the backfill part, and drop the old one in the finish part. A varchar that only grows, or becomes text, is known not to rewrite where a database is at hand.",
        [Example::up("create table t (id bigint primary key, a int);", "alter table t alter column a type bigint;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t"])
            .instead(&[(Up, "alter table t add column a_big bigint;"), (Backfill, "update t set a_big = a where a_big is distinct from a;"), (Finish, "alter table t drop column a;")]),
         Example::up("create table t (id bigint primary key, a varchar(10));", "alter table t alter column a type varchar(5);")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t"])];

    SET_NOT_NULL = "set-not-null", Breaks, Finish,
        "The old version may still write NULL there, and fails; and the whole table is read while reading and writing wait.",
        "Check for NULL in a ready part, add CHECK (column IS NOT NULL) NOT VALID in the finish part, validate it in the next migration, and only then SET NOT NULL, which then reads nothing.",
        [Example::up("create table t (id bigint primary key, c text);", "alter table t alter column c set not null;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .instead(&[(Finish, "alter table t add constraint t_c_not_null check (c is not null) not valid;"), (Finish, "alter table t validate constraint t_c_not_null;"), (Finish, "alter table t alter column c set not null;")])];

    ADD_COLUMN_NOT_NULL = "add-column-not-null", Breaks, Finish,
        "Without a default the statement fails as soon as the table has a row, and the old version, which does not know the column, can insert nothing any more.",
        "Give it a constant default, or add it nullable, and SET NOT NULL in the finish part.",
        [Example::up("create table t (id bigint primary key);", "alter table t add column c text not null;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .instead(&[(Up, "alter table t add column c text not null default '';")])];

    DROP_DEFAULT = "drop-default", Breaks, Finish,
        "The old version that leaves the column out of its INSERT relies on the default.",
        "Drop it in the finish part.",
        [Example::up("create table t (id bigint primary key, c text not null default '');", "alter table t alter column c drop default;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t alter column c drop default;")])];

    SET_DEFAULT = "set-default", Breaks, Finish,
        "The old version that leaves the column out of its INSERT gets another value than it was written for.",
        "Let the new version write the value itself, or change the default in the finish part. A column that is new to the old version may get any default.",
        [Example::up("create table t (id bigint primary key, c text default 'a');", "alter table t alter column c set default 'b';")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t alter column c set default 'b';")])];

    DROP_NOT_NULL = "drop-not-null", Breaks, Finish,
        "The old version may not expect NULL where there never was one. Nothing breaks before the new version writes the first.",
        "Let the new version write no NULL there before the finish, or drop it in the finish part. This is only shown, not refused.",
        [Example::up("create table t (id bigint primary key, c text not null);", "alter table t alter column c drop not null;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t alter column c drop not null;")])];

    CHANGE_IDENTITY = "change-identity", Breaks, Finish,
        "The old version relies on how the column gets its values: as an identity, by a sequence, by a generation expression. SET EXPRESSION rewrites the table besides.",
        "Change it in the finish part, or add a new column in the up part.",
        [Example::up("create table t (id bigint generated by default as identity);", "alter table t alter column id drop identity;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t alter column id drop identity;")])];

    ALTER_SEQUENCE = "alter-sequence", Breaks, Finish,
        "The old version takes numbers from the sequence: another start, step, limit, type or owner gives it numbers that are taken, or none.",
        "Make a new sequence in the up part, or change it in the finish part.",
        [Example::up("create sequence s;", "alter sequence s restart;")
            .locks(&[("s", ShareRowExclusive)])
            .instead(&[(Finish, "alter sequence s restart;")])];

    CONSTRAINT_ON_OLD_COLUMN = "constraint-on-old-column", Breaks, Finish,
        "A CHECK or a foreign key binds what the old version writes from that moment, NOT VALID or not: NOT VALID only spares the rows that are there.",
        "Put it into the finish part unless every version writes what it demands; and add it NOT VALID. This is only shown, not refused: kmig cannot know what the old version writes.",
        [Example::up("create table t (id bigint primary key, c int);", "alter table t add constraint positive check (c > 0) not valid;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t add constraint positive check (c > 0) not valid;"), (Finish, "alter table t validate constraint positive;")])];

    UNIQUE_INDEX = "unique-index", Breaks, Finish,
        "While it is built, and afterwards, the old version's writes fail wherever they repeat a value. One whose build is killed goes on rejecting them until somebody drops it.",
        "Where no version can write a duplicate by design, say so with an allowance; else build it in the finish part.",
        [Example::up("create table t (id bigint primary key, c text);", "create unique index concurrently t_c_key on t (c);")
            .locks(&[("t", ShareUpdateExclusive)])
            .scans(&["t"])
            .instead(&[(Finish, "create unique index concurrently t_c_key on t (c);")])];

    ROW_SECURITY = "row-security", Breaks, Finish,
        "Queries of the old version silently see fewer rows, or its writes are refused.",
        "Change row level security and its policies in the finish part. Policies of a table without row level security change nothing yet: where a database shows that, they pass.",
        [Example::up("create table t (id bigint primary key);", "alter table t enable row level security;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t enable row level security;")])];

    REWRITE_RULE = "rewrite-rule", Breaks, Finish,
        "A rule changes what statements of the old version mean, and so does one that is gone.",
        "Use a trigger or a view, or change the rule in the finish part.",
        [Example::up("create table t (id bigint primary key);", "create rule r as on delete to t do instead nothing;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "create rule r as on delete to t do instead nothing;")])];

    CREATE_TRIGGER = "create-trigger", Breaks, Declared,
        "A trigger runs inside every write of the old version: one that raises stops it, one that changes values changes what it wrote.",
        "A trigger that only copies an old column to a new one and back is the usual way to keep both versions alike: say that it does no more with an allowance.",
        [Example::up("create table t (id bigint primary key); create function f() returns trigger language plpgsql as 'begin return new; end';", "create trigger t_f before insert on t for each row execute function f();")
            .locks(&[("t", ShareRowExclusive)])
            .instead(&[(Up, "-- kmig:allow create-trigger because it returns the row as it is\ncreate trigger t_f before insert on t for each row execute function f();")])];

    CHANGE_TRIGGER = "change-trigger", Breaks, Finish,
        "The old version relies on what the trigger does with its writes; without it, or with another one under its name, its data goes wrong silently.",
        "Drop, disable or change it in the finish part.",
        [Example::up("create table t (id bigint primary key); create function f() returns trigger language plpgsql as 'begin return new; end'; create trigger t_f before insert on t for each row execute function f();", "drop trigger t_f on t;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "drop trigger t_f on t;")])];

    REPLACE_FUNCTION = "replace-function", Breaks, Declared,
        "The old version calls the function, or a trigger or a view does so for it, and gets the new body, volatility, rights or defaults at once.",
        "Make it under a new name or with other arguments. Where nothing of that name is there yet, leave OR REPLACE out; where the behaviour stays what it was, say so with an allowance.",
        [Example::up("create function f() returns int language sql as 'select 1';", "create or replace function f() returns int language sql as 'select 2';")
            .locks(&[])
            .instead(&[(Up, "create function f2() returns int language sql as 'select 2';")])];

    REPLACE_VIEW = "replace-view", Breaks, Declared,
        "The old version reads the view and gets the rows of the new query at once. The server only sees to it that its columns stay.",
        "Make it under a new name. Where the new query only adds columns at the end, say so with an allowance.",
        [Example::up("create view v as select 1 as one;", "create or replace view v as select 1 as one, 2 as two;")
            .locks(&[("v", AccessExclusive)])
            .instead(&[(Up, "create view v2 as select 1 as one, 2 as two;")])];

    ADD_ENUM_VALUE = "add-enum-value", Breaks, Up,
        "Once the new version writes the label, the old one reads a label that it does not know.",
        "Let the new version write it only after the finish, or behind a switch. This is only shown, not refused.",
        [Example::up("create type mood as enum ('sad', 'ok');", "alter type mood add value 'fine';")
            .locks(&[])
            .instead(&[(Up, "alter type mood add value 'fine';")])];

    CONSTRAIN_DOMAIN = "constrain-domain", Breaks, Finish,
        "The old version may write what the domain no longer takes; and unless it is NOT VALID, every table that uses the domain is read while writing waits.",
        "ADD CONSTRAINT … NOT VALID in the finish part, VALIDATE CONSTRAINT in a later one.",
        [Example::up("create domain d as int; create table t (id bigint primary key, c d);", "alter domain d add constraint positive check (value > 0);")
            .locks(&[("t", Share)])
            .scans(&["t"])
            .instead(&[(Finish, "alter domain d add constraint positive check (value > 0) not valid;"), (Finish, "alter domain d validate constraint positive;")])];

    CHANGE_TYPE = "change-type", Breaks, Finish,
        "The old version reads and writes values of the type as it was: with other attributes, a default or none, it fails or gets others.",
        "Make a new type in the up part, or change it in the finish part.",
        [Example::up("create type pair as (a int, b int);", "alter type pair drop attribute b;")
            .locks(&[])
            .instead(&[(Up, "create type single as (a int);")])];

    DETACH_PARTITION = "detach-partition", Breaks, Finish,
        "The rows of the partition vanish from what the old version reads. Without CONCURRENTLY reading and writing wait.",
        "DETACH PARTITION … CONCURRENTLY in the finish part, in a migration of its own.",
        [Example::up("create table p (id bigint) partition by range (id); create table c partition of p for values from (0) to (10);", "alter table p detach partition c;")
            .locks(&[("p", AccessExclusive), ("c", AccessExclusive)])
            .since(14)
            .instead(&[(Finish, "alter table p detach partition c concurrently;")]),
         Example::up("create table p (id bigint) partition by range (id); create table c partition of p for values from (0) to (10);", "alter table p detach partition c;")
            .locks(&[("p", AccessExclusive), ("c", ShareUpdateExclusive)])
            .until(13)
            .instead(&[(Finish, "alter table p detach partition c;")])];

    CHANGE_INHERITANCE = "change-inheritance", Breaks, Finish,
        "Rows appear in, or vanish from, what the old version reads of the parent.",
        "Change it in the finish part.",
        [Example::up("create table p (id bigint); create table c (id bigint);", "alter table c inherit p;")
            .locks(&[("c", AccessExclusive), ("p", ShareUpdateExclusive)])
            .instead(&[(Finish, "alter table c inherit p;")])];

    REVOKE = "revoke", Breaks, Finish,
        "The old version may need the right.",
        "Revoke it in the finish part.",
        [Example::up("create table t (id bigint primary key);", "revoke select on t from public;")
            .locks(&[])
            .instead(&[(Finish, "revoke select on t from public;")])];

    ALTER_ROLE = "alter-role", Breaks, Finish,
        "The old version that connects as the role, or has its rights from it, may be shut out, or work under other settings.",
        "Make a role for the new version in the up part, and change the old one in the finish part.",
        [Example::up("create role kmig_example_c;", "alter role kmig_example_c nologin;")
            .locks(&[])
            .instead(&[(Finish, "alter role kmig_example_c nologin;")])];

    CHANGE_OWNER = "change-owner", Breaks, Finish,
        "The old version loses what it may do as the owner; and reading and writing of a table wait for the lock.",
        "Change it in the finish part.",
        [Example::up("create table t (id bigint primary key);", "alter table t owner to current_user;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t owner to current_user;")])];

    REPLICATION = "replication", Breaks, Declared,
        "Those who read the stream of changes (replicas by subscription, other systems) get other changes, or none, and slots without a reader fill the disk.",
        "Say with an allowance that the readers are ready for it, or do it in the finish part.",
        [Example::up("create table t (id bigint primary key);", "alter table t replica identity full;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Finish, "alter table t replica identity full;")])];

    ALTER_OBJECT = "alter-object", Breaks, Finish,
        "The object is used by the old version, which gets the changed one at once.",
        "Make a new one beside it in the up part, or change it in the finish part.",
        [Example::up("create collation c (locale = 'C');", "alter collation c refresh version;")
            .locks(&[])
            .instead(&[(Finish, "alter collation c refresh version;")])];

    PREPARED_SELECT_STAR = "prepared-select-star", Breaks, Finish,
        "A client that has prepared SELECT * (many drivers prepare by themselves) fails on each execution with \"cached plan must not change result type\" once the table has another column, until it prepares anew.",
        "Let the old version name its columns. Where no such query was seen this is only shown; where pg_stat_statements shows one, an allowance must say why it is fine.",
        [Example::up("create table t (id bigint primary key);", "alter table t add column c text;")
            .locks(&[("t", AccessExclusive)])
            .instead(&[(Up, "alter table t add column c text;")])];
}
