//! All that a database holds, as lines of text: two databases are the same where their lines are.
//!
//! pg_dump tells of the objects of every kind, with owners, rights and comments. What it leaves out is asked of the catalogue: what is
//! not valid, not validated, half detached or temporary. Then come the rows of every table, what kmig recorded, and its
//! steps in order. Left out is what a transaction that is rolled back does not take back either: how far sequences are.

use std::collections::BTreeMap;

use super::server::Server;

/// Queries that each give lines; psql runs what the last two give.
const FACTS: &str = r"
select format('index %s.%s %s on %s: valid %s, ready %s, live %s, clustered %s', n.nspname, c.relname, c.relkind,
              i.indrelid::regclass, i.indisvalid, i.indisready, i.indislive, i.indisclustered)
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname not in ('pg_catalog', 'information_schema') and (n.nspname <> 'pg_toast' or not i.indisvalid) order by 1;
select format('constraint %s on %s: %s, validated %s', conname, conrelid::regclass, contype, convalidated)
from pg_constraint where connamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) order by 1;
select format('%s inherits %s: %s', inhrelid::regclass, inhparent::regclass,
              coalesce(to_jsonb(h) ->> 'inhdetachpending', 'false')) from pg_inherits h order by 1;
select format('enum %s: %s', enumtypid::regtype, string_agg(enumlabel, ', ' order by enumsortorder))
from pg_enum group by enumtypid order by 1;
select format('temporary: %s', oid::regclass) from pg_class where relpersistence = 't' order by 1;
select format('prepared: %s', gid) from pg_prepared_xacts where database = current_database();
select format('select %L || t::text from %s t order by 1', 'row of ' || c.oid::regclass || ': ', c.oid::regclass)
from pg_class c
where c.relkind in ('r', 'm') and c.relpersistence <> 't' and c.relname !~ '^schema_meta'
  and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) order by 1 \gexec
select format('select %L || concat_ws('' '', subsystem, number, name, state, part, statements_done, batch, origin, app_version, checksums) '
              'from %s order by subsystem, number', 'migration ', c)
from to_regclass('schema_meta') c where c is not null \gexec
select format('select %L || concat_ws('' '', batch, subsystem, number, part, first_statement, state) from %s where kind = %L order by seq',
              'step ', c, 'step')
from to_regclass('schema_meta_journal') c where c is not null \gexec
";

/// The lines of a database.
pub fn fingerprint(server: &Server, database: &str) -> Vec<String> {
    let schema = server.dump(database);
    let facts = server.psql(database, FACTS);
    let lines = schema.lines().chain(facts.lines());
    lines.map(str::to_owned).collect()
}

/// What is in one and not in the other; nothing where they are the same.
pub fn difference(expected: &[String], found: &[String]) -> Option<String> {
    if expected == found {
        return None;
    }
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for line in expected {
        *counts.entry(line).or_default() -= 1;
    }
    for line in found {
        *counts.entry(line).or_default() += 1;
    }
    let lines: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count != 0)
        .map(|(line, count)| match count {
            ..0 => format!("missing: {line}"),
            _ => format!("too much: {line}"),
        })
        .collect();
    Some(match lines.is_empty() {
        true => "the same lines in another order".to_owned(),
        false => lines.join("\n"),
    })
}
