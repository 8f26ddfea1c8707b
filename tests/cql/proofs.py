"""Makes tests/cql/proofs-VERSION.json: statements that a real Cassandra was given one after the other, whether it took each, and
what each changed in system_schema.

    python3 tests/cql/proofs.py HOST PORT VERSION    # with the package cassandra-driver; the server is broken afterwards

The last statement is one that Cassandra fails at after it has changed its schema.
"""

import json
import sys
from cassandra.cluster import Cluster

SOURCES = {
    "tables": "table_name, id, flags, comment",
    "views": "view_name, id, base_table_name",
    "columns": "table_name, column_name, kind, position, type",
    "dropped_columns": "table_name, column_name, kind, type, toUnixTimestamp(dropped_time) AS dropped_time",
    "types": "type_name, field_names, field_types",
    "indexes": "table_name, index_name, options",
    "functions": "function_name, argument_types, body",
    "aggregates": "aggregate_name, argument_types",
    "triggers": "table_name, trigger_name, options",
}

ID = "11111111-2222-3333-4444-0000000000"
VIEW = "as select * from t where a is not null and b is not null primary key (b, a)"
STATEMENTS = f"""
create type addr (street text, f frozen<list<int>>, tup tuple<int, varchar>)
create type addr (street text, f frozen<list<int>>, tup tuple<int, varchar>)
create type if not exists k.addr (street varchar, f frozen<list<int>>, tup frozen<tuple<int, text>>)
create type if not exists addr (street int)
create type "Odd-T" (x int)
create table t (a int, b int, c text, primary key (a, b)) with /* x */ id = {ID}01 AND clustering order by (b desc)
create table if not exists t (a int, b int, c text, primary key (a, b)) WITH id = {ID}02
create table if not exists t (a int, b int, d text, primary key (a, b)) WITH id = {ID}02
create table if not exists t (a int, b int, c text, primary key (b, a)) WITH id = {ID}02
create table t (a int primary key) WITH id = {ID}02
create table compact (a int, b int, primary key (a, b)) WITH id = {ID}03 AND COMPACT STORAGE
create table counters (a int primary key, c counter) WITH id = {ID}04
create table many (a int, "C-x" frozen<tuple<int, varchar>>, k1 frozen<list<int>>, x frozen<map<varchar, list<int>>>, y list<frozen<addr>>, z addr, w k.addr, tp tuple<int, list<text>>, st text static, o "Odd-T", j 'org.apache.cassandra.db.marshal.Int32Type', ff frozen<frozen<list<int>>>, lt list<tuple<int, int>>, d duration, primary key ((a), "C-x", k1)) WITH id = {ID}05
create table vectors (a int primary key, v vector<float, 3>, l list<frozen<vector<float, 2>>>) WITH id = {ID}06
create table trailing (a int primary key,) WITH id = {ID}07
create table commented (a int primary key) with id = {ID}08 AND--
 comment='with'
create materialized view v {VIEW} WITH id = {ID}11
create materialized view v {VIEW} WITH id = {ID}12
create materialized view if not exists v {VIEW} WITH id = {ID}12
create materialized view w {VIEW} with id = {ID}13 AND clustering order by (a desc)
create materialized view t {VIEW} WITH id = {ID}14
drop table t
create table tw (a int primary key, b int, c text, mm map<text, int>, "Q-r" int, fl frozen<list<int>>, l list<int>) WITH id = {ID}20
create index on tw (b)
create index on tw (b)
create index if not exists on tw (b)
create index if not exists other on tw (b)
create index tw_c_idx on tw (mm)
create index on tw (c)
create index on tw (keys(mm))
create index on tw (mm)
create index on tw (entries(mm))
create index on tw ("Q-r")
create index on tw (full(fl))
create index on tw (l)
create index on tw (c) using 'sai'
create custom index sasi on tw (c) using 'org.apache.cassandra.index.sasi.SASIIndex'
create index if not exists sasi on tw (b)
create index if not exists sasi on k.tw (l)
drop index sasi
drop index sasi
drop index if exists k.sasi
create function f (x int, y list<int>, z tuple<int, varchar>, u addr) called on null input returns int language java as 'return 1;'
create function f (x int, y list<int>, z tuple<int, varchar>, u addr) called on null input returns int language java as 'return 2;'
create function if not exists f (x int, y list<int>, z tuple<int, varchar>, u addr) called on null input returns int language java as 'return 2;'
create or replace function f (x int, y list<int>, z tuple<int, varchar>, u addr) called on null input returns int language java as $$return 2;$$
create function s (s int, v int) called on null input returns int language java as 'return 1;'
create aggregate ag (int) sfunc s stype int initcond 0
create aggregate ag (int) sfunc s stype int initcond 0
create or replace aggregate ag (int) sfunc s stype int initcond 1
drop aggregate ag (int)
drop aggregate ag (int)
drop function f (int, list<int>, tuple<int, text>, addr)
drop function if exists f
drop function s
alter table tw add x1 int
alter table tw add x1 int
alter table tw add if not exists x1 int
alter table tw add if not exists x1 text
alter table tw drop x1
alter table tw drop x1
alter table tw drop if exists x1
alter table tw add (u1 frozen<addr>, x2 tuple<int, int>)
alter table tw drop (u1, x2)
alter table tw add u1 frozen<addr>
alter table tw add x2 text
alter table tw add x1 bigint
alter table tw add x1 int
alter table tw drop x1 using timestamp 99999999999999999
alter table tw add x1 int
alter table many add other text static
alter table tw with comment = 'x'
alter table if exists absent add x int
alter table absent add x int
alter type addr add q int
alter type addr add q int
alter type addr add if not exists q int
alter type addr rename q to r
alter type addr rename q to r
alter table tw rename a to aa
alter table tw rename a to aa
alter table counters drop c
alter table counters add c counter
drop materialized view w
drop materialized view w
drop materialized view if exists w
drop materialized view v
drop table t
drop table t
drop table if exists t
create table t (a int primary key) WITH id = {ID}30
drop table many
drop table tw
drop type addr
drop type addr
drop type if exists addr
create table base (a int, b int, primary key (a, b)) WITH id = {ID}40
create materialized view v as select * from base where a is not null and b is not null primary key (b, a)
create table v (a int primary key) WITH id = {ID}41
""".strip().replace("AND--\n", "AND--\\n").split("\n")


def rows(session):
    found = set()
    for source, columns in SOURCES.items():
        answer = session.execute(f"SELECT JSON {columns} FROM system_schema.{source} WHERE keyspace_name = 'k'")
        found |= {(source, row[0]) for row in answer}
    return found


def main(host, port, version):
    cluster = Cluster([host], port=int(port))
    session = cluster.connect()
    session.default_timeout = 60
    session.execute("DROP KEYSPACE IF EXISTS k")
    session.execute("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
    session.set_keyspace("k")
    steps = []
    before = rows(session)
    for text in STATEMENTS:
        text = text.replace("\\n", "\n")
        try:
            session.execute(text)
            error = None
        except Exception as refused:
            error = type(refused).__name__
        after = rows(session)
        steps.append(
            {"text": text, "error": error, "gone": sorted(before - after), "new": sorted(after - before)}
        )
        before = after
    with open(f"{sys.path[0]}/proofs-{version}.json", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(step) for step in steps) + "\n]\n")
    cluster.shutdown()


main(*sys.argv[1:])
