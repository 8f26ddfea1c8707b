//! Which objects are there that a migration made: asked of the catalogue by name, in a transaction that cannot write.

use super::Postgres;
use super::fault::Fault;
use super::names::literal;
use super::query::rows;
use crate::backend::Thing;
use crate::error::{Error, Result};
use crate::place::Place;
use crate::plan::there::Wanted;
use crate::sql::Name;
use crate::sql::made::Kind;
use tokio_postgres::SimpleQueryRow;

/// Objects in one query.
const OBJECTS_MAX: usize = 500;

impl Postgres {
    /// Which objects are not there, by index.
    pub(super) async fn missing(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<usize>> {
        let mut missing = Vec::new();
        let wanted: Vec<&Wanted<'_>> = wanted.iter().collect();
        let query = |from: usize, alike: &[&Wanted<'_>]| {
            let tests = alike.iter().enumerate().map(|(at, next)| {
                let Sought { from: rest, .. } = sought(next);
                format!("({}, EXISTS (SELECT FROM {rest}))", from + at)
            });
            format!(
                "SELECT i FROM (VALUES {}) AS wanted (i, there) WHERE there IS NOT TRUE",
                tests.collect::<Vec<_>>().join(",\n")
            )
        };
        let now = "nothing was recorded";
        self.asked(&wanted, now, query, |row| {
            missing.extend(row.get(0).and_then(|at| at.parse::<usize>().ok()));
        })
        .await?;
        missing.sort_unstable();
        Ok(missing)
    }

    /// What is there under each of these names. Of a column, a trigger and an index it is the table or the index.
    pub(super) async fn things(&mut self, wanted: &[&Wanted<'_>]) -> Result<Vec<Vec<Thing>>> {
        let mut found = vec![Vec::new(); wanted.len()];
        let query = |from: usize, alike: &[&Wanted<'_>]| {
            let each = alike.iter().enumerate().map(|(at, next)| {
                let Sought { class, oid, rows, from: rest } = sought(next);
                format!(
                    "SELECT {}, 'pg_catalog.{class}'::regclass::oid AS class, {oid} AS oid, {rows} AS rows FROM {rest}",
                    from + at
                )
            });
            format!(
                "WITH found (i, class, oid, rows) AS MATERIALIZED ({}) \
                 SELECT f.i, f.class, f.oid, f.rows, named.type, named.identity \
                 FROM found f, LATERAL pg_catalog.pg_identify_object(f.class, f.oid, 0) named ORDER BY f.i, named.identity",
                each.collect::<Vec<_>>().join("\nUNION ALL ")
            )
        };
        let now = "nothing was dropped";
        self.asked(wanted, now, query, |row| {
            let number = |at| row.get(at).and_then(|text| text.parse::<u32>().ok());
            let at = row.get(0).and_then(|at| at.parse::<usize>().ok());
            let (Some(at), Some(class), Some(oid)) = (at, number(1), number(2)) else {
                return;
            };
            let text = |at| row.get(at).unwrap_or_default().to_string();
            found[at].push(Thing {
                class,
                oid,
                kind: text(4),
                name: text(5),
                rows: row.get(3).and_then(|rows| rows.parse().ok()),
            });
        })
        .await?;
        Ok(found)
    }

    /// Asks a query for each run of objects whose names mean the same, since the settings above their statements are
    /// the same, in a transaction that has these settings and cannot write.
    async fn asked(
        &mut self,
        wanted: &[&Wanted<'_>],
        now: &str,
        query: impl Fn(usize, &[&Wanted<'_>]) -> String,
        mut take: impl FnMut(&SimpleQueryRow),
    ) -> Result<()> {
        let client = &self.connection.client;
        let mut from = 0;
        while from < wanted.len() {
            self.options.stop.check()?;
            let first = wanted[from];
            let alike = wanted[from..]
                .iter()
                .take(OBJECTS_MAX)
                .take_while(|next| next.settings == first.settings);
            let alike = &wanted[from..from + alike.count()];
            // What a setting changes ends with the transaction.
            client
                .batch_execute("BEGIN READ ONLY; SET LOCAL statement_timeout TO 0")
                .await
                .map_err(Fault::from)?;
            let mut answer = Ok(Vec::new());
            for setting in &first.settings {
                answer = client.simple_query(setting).await;
                if answer.is_err() {
                    break;
                }
            }
            if answer.is_ok() {
                answer = client.simple_query(&query(from, alike)).await;
            }
            let messages = answer.map_err(|error| {
                let place = Place::span(&first.part.file, first.span);
                Error::from(Fault::from(error)).at(place).now(format!(
                    "{now}; the settings above this statement were set, to look for what it makes"
                ))
            })?;
            client
                .batch_execute("ROLLBACK")
                .await
                .map_err(Fault::from)?;
            rows(&messages).into_iter().for_each(&mut take);
            from += alike.len();
        }
        Ok(())
    }
}

/// Where an object is to be found.
struct Sought {
    /// Its catalogue.
    class: &'static str,
    /// Its oid.
    oid: &'static str,
    /// An estimate of its rows.
    rows: &'static str,
    /// What stands behind FROM.
    from: String,
}

fn sought(wanted: &Wanted<'_>) -> Sought {
    let object = &wanted.object;
    let name = literal(&object.name.name);
    let relation = |kinds: &str| format!("{} AND c.relkind IN ({kinds})", relation(&object.name));
    // A column and a trigger are asked for with their table.
    let table = object.of.as_ref().map_or_else(String::new, self::relation);
    let from = match object.kind {
        Kind::Table => relation("'r', 'p', 'f'"),
        Kind::View => relation("'v'"),
        Kind::MaterializedView => relation("'m'"),
        Kind::Sequence => relation("'S'"),
        Kind::Index => relation("'i', 'I'"),
        // A table has a type of its name.
        Kind::Type => format!(
            "pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = {name} AND {} AND NOT EXISTS (SELECT FROM pg_catalog.pg_class k WHERE k.oid = t.typrelid AND k.relkind <> 'c')",
            seen(&object.name, "pg_type_is_visible(t.oid)")
        ),
        Kind::Function | Kind::Aggregate => format!(
            "pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE p.proname = {name} AND {}",
            seen(&object.name, "pg_function_is_visible(p.oid)")
        ),
        Kind::Schema => format!("pg_catalog.pg_namespace n WHERE n.nspname = {name}"),
        Kind::Extension => format!("pg_catalog.pg_extension e WHERE e.extname = {name}"),
        Kind::Trigger => format!(
            "{table} AND EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = {name})"
        ),
        Kind::Column => format!(
            "{table} AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = {name} AND NOT a.attisdropped)"
        ),
    };
    let (class, oid) = match object.kind {
        Kind::Type => ("pg_type", "t.oid"),
        Kind::Function | Kind::Aggregate => ("pg_proc", "p.oid"),
        Kind::Schema => ("pg_namespace", "n.oid"),
        Kind::Extension => ("pg_extension", "e.oid"),
        _ => ("pg_class", "c.oid"),
    };
    // A table that was never analysed has none: -1, and before 14 no difference from an empty one.
    let rows = match object.kind {
        Kind::Table | Kind::MaterializedView => {
            "CASE WHEN c.reltuples >= 0 AND c.relpages > 0 OR c.reltuples > 0 THEN c.reltuples::bigint END"
        }
        _ => "NULL::bigint",
    };
    Sought {
        class,
        oid,
        rows,
        from,
    }
}

fn relation(name: &Name) -> String {
    format!(
        "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = {} AND {}",
        literal(&name.name),
        seen(name, "pg_table_is_visible(c.oid)")
    )
}

/// In the schema that was written, or where the search path finds it. Asked without to_regclass, which fails where the
/// role may not use a schema.
fn seen(name: &Name, visible: &str) -> String {
    match &name.schema {
        Some(schema) => format!("n.nspname = {}", literal(schema)),
        None => format!("pg_catalog.{visible}"),
    }
}
