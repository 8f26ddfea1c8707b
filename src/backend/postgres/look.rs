//! Whether objects are there that a migration made: asked of the catalogue by name, in a transaction that cannot write.

use super::Postgres;
use super::fault::Fault;
use super::names::literal;
use super::query::rows;
use crate::error::{Error, Result};
use crate::place::Place;
use crate::plan::adopt::Wanted;
use crate::sql::Name;
use crate::sql::made::Kind;

/// Objects in one query.
const OBJECTS_MAX: usize = 500;

impl Postgres {
    /// Which objects are not there, by index.
    pub(super) async fn missing(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<usize>> {
        let client = &self.connection.client;
        let mut missing = Vec::new();
        let mut from = 0;
        while from < wanted.len() {
            self.options.stop.check()?;
            // The names of a run of objects mean the same where the settings above their statements are the same.
            let first = &wanted[from];
            let alike = wanted[from..]
                .iter()
                .take(OBJECTS_MAX)
                .take_while(|next| next.settings == first.settings);
            let tests: Vec<String> = alike
                .enumerate()
                .map(|(at, next)| format!("({}, {})", from + at, test(next)))
                .collect();
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
                let query = format!(
                    "SELECT i FROM (VALUES {}) AS wanted (i, there) WHERE there IS NOT TRUE",
                    tests.join(",\n")
                );
                answer = client.simple_query(&query).await;
            }
            let messages = answer.map_err(|error| {
                let place = Place::span(&first.part.file, first.span);
                Error::from(Fault::from(error))
                    .at(place)
                    .now("nothing was recorded; the settings above this statement were set, to look for what it makes")
            })?;
            client
                .batch_execute("ROLLBACK")
                .await
                .map_err(Fault::from)?;
            let found = rows(&messages).into_iter();
            missing.extend(found.filter_map(|row| row.get(0)?.parse::<usize>().ok()));
            from += tests.len();
        }
        missing.sort_unstable();
        Ok(missing)
    }
}

/// The condition that an object is there.
fn test(wanted: &Wanted<'_>) -> String {
    let object = &wanted.object;
    let name = literal(&object.name.name);
    let relation = |kinds: &str| format!("{} AND c.relkind IN ({kinds})", relation(&object.name));
    // A column and a trigger are asked for with their table.
    let table = object.of.as_ref().map_or_else(String::new, self::relation);
    let rest = match object.kind {
        Kind::Table => relation("'r', 'p', 'f'"),
        Kind::View => relation("'v'"),
        Kind::MaterializedView => relation("'m'"),
        Kind::Sequence => relation("'S'"),
        Kind::Index => relation("'i', 'I'"),
        Kind::Type => format!(
            "pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = {name} AND {}",
            seen(&object.name, "pg_type_is_visible(t.oid)")
        ),
        Kind::Function => format!(
            "pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE p.proname = {name} AND {}",
            seen(&object.name, "pg_function_is_visible(p.oid)")
        ),
        Kind::Schema => format!("pg_catalog.pg_namespace WHERE nspname = {name}"),
        Kind::Extension => format!("pg_catalog.pg_extension WHERE extname = {name}"),
        Kind::Trigger => format!(
            "{table} AND EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = {name})"
        ),
        Kind::Column => format!(
            "{table} AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = {name} AND NOT a.attisdropped)"
        ),
    };
    format!("EXISTS (SELECT FROM {rest})")
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
