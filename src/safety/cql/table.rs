//! The one table of rules for CQL, as data. The facts are of Cassandra's documentation and of servers 4.1 and 5.0.

use crate::safety::rule::{Example, Goes, Harm, Rule, table};
use crate::source::{
    Dialect,
    PartKind::{Backfill, Finish, Up},
};

/// The files of rules, in the order in which they are listed.
pub static TABLE: &[&[&Rule]] = &[RULES];

table! {
    Dialect::Cassandra;

    DROP_TABLE = "drop-table", Destructive, Finish,
        "The data is gone, and every statement of the old version that names the table fails. It cannot be taken back: a table made anew has another id and none of the rows.",
        "Release a version that does not use the table, then drop it in the finish part.",
        [Example::up("create table t (id int primary key);", "drop table t;")
            .instead(&[(Finish, "drop table t;")])];

    DROP_COLUMN = "drop-column", Destructive, Finish,
        "The old version still reads and writes the column: its statements fail at once, and the data is gone. It cannot be taken back: a column that is added again under the name does not show what was written before, and must have the same type.",
        "Release a version that does not use the column, then drop it in the finish part.",
        [Example::up("create table t (id int primary key, a text);", "alter table t drop a;")
            .instead(&[(Finish, "alter table t drop a;")])];

    DROP_VIEW = "drop-view", Destructive, Finish,
        "The old version that reads the materialized view fails, and to make it again reads the whole table.",
        "Make the new view under a new name in the up part, and drop the old one in the finish part.",
        [Example::up("create table t (id int primary key, a text); create materialized view v as select id, a from t where a is not null and id is not null primary key (a, id);", "drop materialized view v;")
            .instead(&[(Finish, "drop materialized view v;")])];

    DROP_INDEX = "drop-index", Destructive, Finish,
        "Queries of the old version that need the index are refused by the server, and to make it again reads the whole table.",
        "Make the new index in the up part, and drop the old one in the finish part.",
        [Example::up("create table t (id int primary key, a text); create index t_a on t (a);", "drop index t_a;")
            .instead(&[(Finish, "drop index t_a;")])];

    DROP_TYPE = "drop-type", Destructive, Finish,
        "Statements of the old version that name the type fail.",
        "Drop it in the finish part, once no column and no function uses it.",
        [Example::up("create type pair (a int, b int);", "drop type pair;")
            .instead(&[(Finish, "drop type pair;")])];

    DROP_FUNCTION = "drop-function", Destructive, Finish,
        "Statements of the old version that call the function or aggregate fail.",
        "Make the new one under a new name or with other arguments in the up part, and drop the old one in the finish part.",
        [Example::up("create function f (a int) called on null input returns int language java as 'return a;';", "drop function f;")
            .instead(&[(Finish, "drop function f;")])];

    DROP_TRIGGER = "drop-trigger", Destructive, Finish,
        "What the trigger does with the writes of the old version is not done any more, silently.",
        "Drop it in the finish part.",
        [Example::up("create table t (id int primary key); create trigger audit on t using 'org.example.Audit';", "drop trigger audit on t;")
            .instead(&[(Finish, "drop trigger audit on t;")])];

    DROP_ROLE = "drop-role", Destructive, Finish,
        "The old version that connects as the role, or whose rights come from it, is shut out.",
        "Drop it in the finish part.",
        [Example::up("create role reader;", "drop role reader;")
            .instead(&[(Finish, "drop role reader;")])];

    TRUNCATE = "truncate", Destructive, Finish,
        "Every row is gone. It cannot be taken back.",
        "Empty it in the finish part.",
        [Example::up("create table t (id int primary key);", "-- kmig:done-when select id from emptied where id = 1\ntruncate t;")
            .instead(&[(Finish, "-- kmig:done-when select id from emptied where id = 1\ntruncate t;")])];

    DELETE_ROWS = "delete-rows", Destructive, Finish,
        "Rows or values that the old version still reads are gone.",
        "Delete them in the finish part.",
        [Example::up("create table t (id int primary key);", "delete from t where id = 1;")
            .instead(&[(Finish, "delete from t where id = 1;")]),
         Example::up("create table t (id int primary key);", "begin batch insert into t (id) values (2); delete from t where id = 1; apply batch;")];

    REMOVES_VALUES = "removes-values", Destructive, Finish,
        "null, an empty collection, elements taken away with -, and JSON that leaves columns out delete as DELETE does: values that the old version still reads are gone.",
        "Leave columns without a value out of an INSERT, add DEFAULT UNSET behind JSON, and take values away in the finish part.",
        [Example::up("create table t (id int primary key, a text);", "update t set a = null where id = 1;")
            .instead(&[(Finish, "update t set a = null where id = 1;")]),
         Example::up("create table t (id int primary key, a text, b text);", "insert into t (id, a, b) values (1, 'x', null);")
            .instead(&[(Up, "insert into t (id, a) values (1, 'x');")]),
         Example::up("create table t (id int primary key, a text, b text);", "insert into t json '{\"id\": 1, \"a\": \"x\"}';")
            .instead(&[(Up, "insert into t json '{\"id\": 1, \"a\": \"x\"}' default unset;")]),
         Example::up("create table t (id int primary key, s set<text>);", "update t set s = s - {'a'} where id = 1;"),
         Example::up("create table t (id int primary key, s set<text>);", "update t set s = {} where id = 1;").part(Backfill)];

    RENAME_COLUMN = "rename-column", Breaks, Finish,
        "Statements of the old version name the key column as it was, and fail at once.",
        "Rename it in the finish part; any other column cannot be renamed, so add the new one beside it.",
        [Example::up("create table t (id int primary key);", "alter table t rename id to key;")
            .instead(&[(Finish, "alter table t rename id to key;")])];

    RENAME_FIELD = "rename-field", Breaks, Finish,
        "The old version names the field as it was, in its statements and where its driver reads values of the type.",
        "Rename it in the finish part, or make a new type for a new column.",
        [Example::up("create type pair (a int, b int);", "alter type pair rename a to c;")
            .instead(&[(Finish, "alter type pair rename a to c;")])];

    CHANGE_COLUMN_TYPE = "change-column-type", Breaks, Finish,
        "Current servers refuse to change the type of a column or field; older ones read the bytes that are there as the other type.",
        "Add a new column of the new type, fill it in the backfill part, and drop the old one in the finish part.",
        [Example::up("create table t (id int primary key, a int);", "alter table t alter a type bigint;")
            .instead(&[(Up, "alter table t add a_big bigint;"), (Finish, "alter table t drop a;")])];

    MASK_COLUMN = "mask-column", Breaks, Finish,
        "Roles without UNMASK read obscured values from that moment, and an export of them would lose the data.",
        "Mask it in the finish part, or grant UNMASK to the old version's role first and say so with an allowance.",
        [Example::up("create table t (id int primary key, a text);", "alter table t alter a masked with default;")
            .instead(&[(Finish, "alter table t alter a masked with default;")])];

    DROP_COMPACT_STORAGE = "drop-compact-storage", Breaks, Finish,
        "The table shows columns that the old version does not expect, and it cannot be taken back.",
        "Do it in the finish part.",
        [Example::up("create table t (id int primary key, a text) with compact storage;", "alter table t drop compact storage;")
            .instead(&[(Finish, "alter table t drop compact storage;")])];

    CHANGE_OPTIONS = "change-options", Breaks, Finish,
        "The options of a table or view hold for what the old version writes: a default time to live lets it vanish, gc_grace_seconds lets deleted rows come back, another compaction writes every file anew.",
        "Set them when the table is made, or change them in the finish part.",
        [Example::up("create table t (id int primary key);", "alter table t with default_time_to_live = 3600;")
            .instead(&[(Up, "create table u (id int primary key) with default_time_to_live = 3600;"), (Finish, "alter table t with default_time_to_live = 3600;")])];

    CHANGE_KEYSPACE = "change-keyspace", Breaks, Finish,
        "Another replication moves the data of every table and view, kmig's own included: until a repair is done, reads miss rows.",
        "Let those who run the cluster change it, with the repair that it needs; or change it in the finish part.",
        [Example::up("create table t (id int primary key);", "alter keyspace app with durable_writes = true;")
            .instead(&[(Finish, "alter keyspace app with durable_writes = true;")])];

    REPLACE_FUNCTION = "replace-function", Breaks, Declared,
        "The old version calls the function or aggregate and gets the new body at once.",
        "Make it under a new name or with other arguments. Where nothing of that name is there yet, leave OR REPLACE out; where the behaviour stays what it was, say so with an allowance.",
        [Example::up("create function f (a int) called on null input returns int language java as 'return a;';", "create or replace function f (a int) called on null input returns int language java as 'return 2 * a;';")
            .instead(&[(Up, "create function f2 (a int) called on null input returns int language java as 'return 2 * a;';")])];

    CREATE_TRIGGER = "create-trigger", Breaks, Declared,
        "A trigger runs inside every write of the old version: one that fails stops it, one that adds writes changes what it wrote. Each node needs its jar beforehand.",
        "Say with an allowance what the trigger does to the old version's writes.",
        [Example::up("create table t (id int primary key);", "create trigger audit on t using 'org.example.Audit';")
            .instead(&[(Up, "-- kmig:allow create-trigger because it only counts\ncreate trigger audit on t using 'org.example.Audit';")])];

    REVOKE = "revoke", Breaks, Finish,
        "The old version may need the right.",
        "Revoke it in the finish part.",
        [Example::up("create table t (id int primary key); create role reader; grant select on t to reader;", "revoke select on t from reader;")
            .instead(&[(Finish, "revoke select on t from reader;")])];

    ALTER_ROLE = "alter-role", Breaks, Finish,
        "The old version that connects as the role, or has its rights from it, may be shut out.",
        "Make a role for the new version in the up part, and change the old one in the finish part.",
        [Example::up("create role reader;", "alter role reader with login = false;")
            .instead(&[(Finish, "alter role reader with login = false;")])];

    PREPARED_SELECT_STAR = "prepared-select-star", Breaks, Up,
        "A client that has prepared SELECT * gets rows with a column that it does not know; drivers before protocol 5 then read values under the wrong names, until they prepare anew. And the column stays a name of that type for ever: once dropped, it can only be added with the same type.",
        "Let the old version name its columns. Where no such query was seen this is only shown; where one is prepared on a server, an allowance must say why it is fine.",
        [Example::up("create table t (id int primary key);", "alter table t add a text;")];

    TYPE_GROWS = "type-grows", Breaks, Up,
        "Drivers of the old version that know the type by heart meet a field more, and values that it writes lack the field; a frozen value without the field is another key than one with null. It cannot be taken back: a field is never dropped.",
        "Let the new version read values with and without the field. In a key, or where a field may have to go again, make a new type for a new column. This is only shown, not refused.",
        [Example::up("create type pair (a int, b int);", "alter type pair add c int;")];

    INDEX_BUILD = "index-build", Lock, Up,
        "The index of a table that is there reads all of it, on each node at once, beside the traffic; queries that need it fail until it is built.",
        "Make it in a quiet hour, and let the new version use it once it is built. This is only shown, not refused.",
        [Example::up("create table t (id int primary key, a text);", "create index t_a on t (a);")];

    VIEW_BUILD = "view-build", Lock, Up,
        "The view of a table that is there reads all of it, beside the traffic; and from then on each write of the old version reads the row first and writes the view too.",
        "Make a table of its own that the new version writes, and fill it in the backfill part; or the view in a quiet hour. This is only shown, not refused.",
        [Example::up("create table t (id int primary key, a text);", "create materialized view v as select id, a from t where a is not null and id is not null primary key (a, id);")];

    UNGUARDED_BACKFILL = "unguarded-backfill", Breaks, Backfill,
        "finish runs each backfill again for the rows that the old version wrote meanwhile, but only conditional writes can find them: any other is sent once, and writes over what is older whatever it is.",
        "Add a condition that holds only where nothing is filled: IF new = null behind an UPDATE, IF NOT EXISTS behind an INSERT. This is only shown, not refused.",
        [Example::up("create table t (id int primary key, a text);", "update t set a = 'x' where id = 1;")
            .part(Backfill)
            .instead(&[(Backfill, "-- kmig:done-when select a from t where id = 1\nupdate t set a = 'x' where id = 1 if a = null;")])];

    NOT_UNDERSTOOD = "not-understood", NotUnderstood, Declared,
        "kmig's grammar does not know this statement. It may be harmless: kmig does not know, so it does not call it safe.",
        "Look for a mistake; else say with an allowance why it is fine.",
        [Example::up("create table t (id int primary key);", "-- kmig:done-when select id from t where id = 1\nalter table t add constraint c check id > 0;")];
}
