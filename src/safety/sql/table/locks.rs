//! What makes the application's traffic wait: for a scan, a build or a rewrite under a lock, or for a lock on a busy table.

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

    INDEX_NOT_CONCURRENT = "index-not-concurrent", Lock, Up,
        "CREATE INDEX lets nobody write to the table until the index is built.",
        "CREATE INDEX CONCURRENTLY, with a name; kmig runs it outside of a transaction and mends what a killed one leaves. Of a partitioned table: CREATE INDEX ON ONLY the parent, build each partition's index concurrently, then ATTACH PARTITION.",
        [Example::up("create table t (id bigint primary key, c text);", "create index t_c on t (c);")
            .locks(&[("t", Share)])
            .scans(&["t"])
            .instead(&[(Up, "create index concurrently t_c on t (c);")])];

    IF_NOT_EXISTS_CONCURRENTLY = "if-not-exists-concurrently", Lock, Up,
        "IF NOT EXISTS takes an index of that name for done whatever it is: an INVALID one that a killed build left, or one over other columns.",
        "Leave IF NOT EXISTS out: kmig knows by itself whether its index is there and whole. This is only shown, not refused.",
        [Example::up("create table t (id bigint primary key, c text);", "create index concurrently if not exists t_c on t (c);")
            .locks(&[("t", ShareUpdateExclusive)])
            .scans(&["t"])
            .instead(&[(Up, "create index concurrently t_c on t (c);")])];

    ADD_KEY_BUILDS_INDEX = "add-key-builds-index", Lock, Finish,
        "ADD UNIQUE and ADD PRIMARY KEY build their index while reading and writing wait, and the old version may write duplicates.",
        "CREATE UNIQUE INDEX CONCURRENTLY first, then ADD CONSTRAINT … USING INDEX, which takes it over at once. A primary key wants its columns NOT NULL before.",
        [Example::up("create table t (id bigint primary key, c text);", "alter table t add constraint t_c_key unique (c);")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .instead(&[(Finish, "create unique index concurrently t_c_key on t (c);"), (Up, "alter table t add constraint t_c_key unique using index t_c_key;")])];

    ADD_EXCLUDE = "add-exclude", Lock, Finish,
        "An exclusion constraint builds its index while reading and writing wait, and has no concurrent form; and the old version may write what it forbids.",
        "Make a new table with it, or add it in the finish part in a quiet hour.",
        [Example::up("create table t (id bigint primary key, r int4range);", "alter table t add constraint apart exclude using gist (r with &&);")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .instead(&[(Finish, "alter table t add constraint apart exclude using gist (r with &&);")])];

    ADD_CHECK_VALIDATED = "add-check-validated", Lock, OwnMigration,
        "ADD CHECK reads the whole table while reading and writing wait.",
        "ADD CONSTRAINT … CHECK … NOT VALID, then VALIDATE CONSTRAINT in a migration of its own, which blocks nobody.",
        [Example::up("create table t (id bigint primary key, c int);", "alter table t add constraint positive check (c > 0);")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .instead(&[(Finish, "alter table t add constraint positive check (c > 0) not valid;"), (Up, "alter table t validate constraint positive;")])];

    ADD_FOREIGN_KEY_VALIDATED = "add-foreign-key-validated", Lock, OwnMigration,
        "ADD FOREIGN KEY lets nobody write to either table while it looks up every row.",
        "ADD CONSTRAINT … FOREIGN KEY … NOT VALID, then VALIDATE CONSTRAINT in a migration of its own, which blocks nobody.",
        [Example::up("create table p (id bigint primary key); create table t (id bigint primary key, p bigint);", "alter table t add constraint t_p foreign key (p) references p;")
            .locks(&[("t", ShareRowExclusive), ("p", ShareRowExclusive)])
            .scans(&["t"])
            .instead(&[(Finish, "alter table t add constraint t_p foreign key (p) references p not valid;"), (Up, "alter table t validate constraint t_p;")])];

    REFERENCES_OLD_TABLE = "references-old-table", Lock, OwnMigration,
        "A foreign key locks the table that it points to against writing until the part commits, and that table is often the busiest. ADD COLUMN … REFERENCES holds both tables at once, its own against reading as well.",
        "Add the column plain, then ADD CONSTRAINT … FOREIGN KEY … NOT VALID in a migration of its own, then VALIDATE. In CREATE TABLE it is only shown: keep that part short.",
        [Example::up("create table p (id bigint primary key); create table t (id bigint primary key);", "alter table t add column p bigint references p;")
            .locks(&[("t", AccessExclusive), ("p", ShareRowExclusive)])
            .instead(&[(Up, "alter table t add column p bigint;\nalter table t add constraint t_p foreign key (p) references p not valid;"), (Up, "alter table t validate constraint t_p;")])];

    ADD_COLUMN_WITH_CONSTRAINT = "add-column-with-constraint", Lock, OwnMigration,
        "CHECK, UNIQUE and PRIMARY KEY behind a new column read the whole table, or build an index, while reading and writing wait.",
        "Add the column plain; then the CHECK with NOT VALID and VALIDATE, or CREATE UNIQUE INDEX CONCURRENTLY and ADD CONSTRAINT … USING INDEX.",
        [Example::up("create table t (id bigint primary key);", "alter table t add column c int check (c > 0);")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .instead(&[(Up, "alter table t add column c int;\nalter table t add constraint positive check (c > 0) not valid;"), (Up, "alter table t validate constraint positive;")])];

    SET_NOT_NULL_SCANS = "set-not-null-scans", Lock, Finish,
        "SET NOT NULL reads the whole table while reading and writing wait, unless a validated CHECK (column IS NOT NULL) shows that there is no NULL.",
        "Add the column with NOT NULL and a constant default at once; or CHECK (column IS NOT NULL) NOT VALID, then VALIDATE CONSTRAINT in a migration of its own, then SET NOT NULL.",
        [Example::up("create table t (id bigint primary key);", "alter table t add column c int default 0;\nalter table t alter column c set not null;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .instead(&[(Up, "alter table t add column c int not null default 0;")])];

    VALIDATE_WITH_ADD = "validate-with-add", Lock, OwnMigration,
        "In the transaction that added the constraint its lock is still held, so VALIDATE CONSTRAINT reads the table while writing, or all, waits.",
        "VALIDATE CONSTRAINT in a migration of its own.",
        [Example::up("create table p (id bigint primary key); create table t (id bigint primary key, c int);", "alter table t add column n int;\nalter table t add constraint positive check (n > 0) not valid;\nalter table t validate constraint positive;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .instead(&[(Up, "alter table t add column n int;\nalter table t add constraint positive check (n > 0) not valid;"), (Up, "alter table t validate constraint positive;")])];

    VOLATILE_DEFAULT = "volatile-default", Lock, Up,
        "A default that differs from row to row rewrites the table while reading and writing wait.",
        "Add the column without a default, SET DEFAULT for new rows, and fill the old ones in the backfill part.",
        [Example::up("create table t (id bigint primary key); insert into t values (1);", "alter table t add column u uuid default gen_random_uuid();")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t"])
            .instead(&[(Up, "alter table t add column u uuid;\nalter table t alter column u set default gen_random_uuid();"), (Backfill, "update t set u = gen_random_uuid() where u is null;")])];

    ADD_IDENTITY = "add-identity", Lock, Up,
        "serial and GENERATED … AS IDENTITY give every row a number of its own, which rewrites the table while reading and writing wait.",
        "CREATE SEQUENCE, add the column without a default, SET DEFAULT nextval(…) for new rows, and fill the old ones in the backfill part.",
        [Example::up("create table t (id bigint primary key); insert into t values (1);", "alter table t add column n bigserial;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t"])
            .instead(&[(Up, "create sequence t_n_seq;\nalter table t add column n bigint;\nalter table t alter column n set default nextval('t_n_seq');"), (Backfill, "update t set n = nextval('t_n_seq') where n is null;")]),
         Example::up("create table t (id bigint primary key); insert into t values (1);", "alter table t add column n bigint generated always as identity;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t"])];

    STORED_GENERATED = "stored-generated", Lock, Up,
        "A stored generated column is computed for every row, which rewrites the table while reading and writing wait.",
        "Add a plain column, let a trigger fill it, and fill the old rows in the backfill part. From Postgres 18 on a VIRTUAL one stores nothing.",
        [Example::up("create table t (id bigint primary key); insert into t values (1);", "alter table t add column n bigint generated always as (id * 2) stored;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t"])
            .instead(&[(Up, "alter table t add column n bigint;"), (Backfill, "update t set n = id * 2 where n is null;")])];

    DOMAIN_COLUMN = "domain-column", Lock, Up,
        "A column of a domain with a CHECK or NOT NULL rewrites the table while reading and writing wait, even when it is nullable and has no default.",
        "Add a column of the domain's base type, and the check as a constraint, NOT VALID and validated later.",
        [Example::up("create domain positive as int check (value > 0); create table t (id bigint primary key); insert into t values (1);", "alter table t add column n positive;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t"])
            .instead(&[(Up, "alter table t add column n int;\nalter table t add constraint n_positive check (n > 0) not valid;"), (Up, "alter table t validate constraint n_positive;")])];

    REWRITE_TABLE = "rewrite-table", Lock, Nowhere,
        "The table is written anew while reading and writing wait. An unlogged one is empty after a crash and absent on replicas.",
        "Take an offline hour or a tool that copies beside the traffic. The finish part runs it if you must.",
        [Example::up("create table t (id bigint primary key); insert into t values (1);", "alter table t set unlogged;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t"])];

    REFRESH_NOT_CONCURRENT = "refresh-not-concurrent", Lock, Up,
        "REFRESH MATERIALIZED VIEW lets nobody read the view until it is filled.",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index over whole columns.",
        [Example::up("create materialized view m as select 1 as one; create unique index m_one on m (one);", "refresh materialized view m;")
            .locks(&[("m", AccessExclusive)])
            .scans(&["m"])
            .rewrites(&["m"])
            .instead(&[(Up, "refresh materialized view concurrently m;")])];

    REINDEX_NOT_CONCURRENT = "reindex-not-concurrent", Lock, Up,
        "REINDEX lets nobody write to the table, and nobody read through the index, until it is built.",
        "REINDEX … CONCURRENTLY.",
        [Example::up("create table t (id bigint primary key, c text); create index t_c on t (c);", "reindex index t_c;")
            .locks(&[("t", Share), ("t_c", AccessExclusive)])
            .scans(&["t"])
            .rewrites(&["t_c"])
            .instead(&[(Up, "reindex index concurrently t_c;")])];

    ATTACH_PARTITION = "attach-partition", Lock, OwnMigration,
        "ATTACH PARTITION reads the table that becomes a partition, and the default partition, while they are locked; and its rows appear in what the old version reads.",
        "Put a CHECK that says the bounds on the table first, NOT VALID and validated, and the opposite one on the default partition; then say so with an allowance. A table of the same batch passes.",
        [Example::up("create table p (id bigint not null) partition by range (id); create table c (id bigint not null);", "alter table p attach partition c for values from (0) to (10);")
            .locks(&[("c", AccessExclusive), ("p", ShareUpdateExclusive)])
            .scans(&["c"])
            .instead(&[(Up, "create table c2 (id bigint not null);\nalter table p attach partition c2 for values from (10) to (20);")])];

    PARTITION_OF = "partition-of", Lock, Up,
        "CREATE TABLE … PARTITION OF locks the whole partitioned table against reading and writing, and reads its default partition.",
        "CREATE TABLE on its own, then ALTER TABLE … ATTACH PARTITION, which lets others work.",
        [Example::up("create table p (id bigint) partition by range (id);", "create table c partition of p for values from (0) to (10);")
            .locks(&[("p", AccessExclusive)])
            .instead(&[(Up, "create table c (id bigint);\nalter table p attach partition c for values from (0) to (10);")])];

    LOCKS_WITH_WORK = "locks-with-work", Lock, OwnMigration,
        "A lock is held until its transaction ends. Work on rows in the same transaction makes all who wait for that lock wait for the work.",
        "Put the work on rows into the backfill part, or the statement that locks into a migration of its own.",
        [Example::up("create table t (id bigint primary key); create table archive (id bigint);", "alter table t add column c int;\ninsert into archive select id from t;")
            .locks(&[("t", AccessExclusive)])
            .scans(&["t"])
            .instead(&[(Up, "alter table t add column c int;"), (Up, "insert into archive select id from t;")])];

    SEVERAL_LOCKS = "several-locks", Lock, OwnMigration,
        "A transaction that locks several tables holds the first while it waits for the next, and may deadlock with an application that takes them in another order.",
        "One table per migration; or the same order as the application, the busiest table last. This is only shown, not refused.",
        [Example::up("create table t (id bigint primary key); create table u (id bigint primary key);", "alter table t add column c int;\nalter table u add column c int;")
            .locks(&[("t", AccessExclusive), ("u", AccessExclusive)])
            .instead(&[(Up, "alter table t add column c int;"), (Up, "alter table u add column c int;")])];

    LOCK_TABLE = "lock-table", Lock, Nowhere,
        "An explicit lock is held until the part commits, and whoever needs the table waits.",
        "Remove it: each statement takes the lock that it needs.",
        [Example::up("create table t (id bigint primary key);", "lock table t;")
            .locks(&[("t", AccessExclusive)])];
}
