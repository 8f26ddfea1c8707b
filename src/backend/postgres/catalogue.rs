//! What the catalogue says of the object of a bare statement, and what follows from it (traps P10).

use super::Postgres;
use super::bare_step::Step;
use super::fault::Fault;
use super::names::{literal, quoted};
use super::query::rows;
use super::reindex;
use crate::error::Error;
use crate::place::Span;
use crate::sql::{Bare, Name};
use serde_json::{Value, json};
use std::time::Duration;

/// What is to be done with a statement.
pub(super) enum Verdict {
    /// It has taken effect.
    Done,
    /// It has not.
    Run {
        /// Statements that clear what a killed run left.
        cleanup: Vec<String>,
        /// The statement that completes what was begun, in place of the part's own.
        instead: Option<String>,
    },
}

impl Verdict {
    /// Run it as it stands.
    pub(super) fn run() -> Self {
        Verdict::Run {
            cleanup: Vec::new(),
            instead: None,
        }
    }

    /// For a statement that no earlier run left in doubt. A DETACH that had to make way leaves its partition half
    /// detached, and the server refuses to begin it again.
    pub(super) fn fresh(kind: &Bare, now: &Value) -> Self {
        match kind {
            Bare::Detach { table, partition } if now["in_progress"] == json!(true) => {
                Verdict::finalize(table, partition)
            }
            _ => Verdict::run(),
        }
    }

    fn finalize(table: &Name, partition: &Name) -> Self {
        Verdict::Run {
            cleanup: Vec::new(),
            instead: Some(format!(
                "ALTER TABLE {} DETACH PARTITION {} FINALIZE",
                quoted(table),
                quoted(partition)
            )),
        }
    }
}

/// How long the index of a failed build may hold up kmig's end.
const CLEARING: Duration = Duration::from_secs(5);

impl Postgres {
    /// What the catalogue says of the object that a bare statement is about.
    pub(super) async fn picture(&self, kind: &Bare) -> Result<Value, Error> {
        let sql = match kind {
            Bare::CreateIndex { index, table, .. } => format!(
                "SELECT c.oid, i.indisvalid, i.indrelid = t.oid, \
                 EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.datname = current_database() AND p.index_relid = c.oid), t.oid \
                 FROM pg_catalog.pg_class t LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace AND c.relname = {} \
                 LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid WHERE t.oid = to_regclass({})",
                literal(&index.name),
                regclass(table)
            ),
            Bare::DropIndex { index } => format!(
                "SELECT c.oid, i.indisvalid, true, false FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid WHERE c.oid = to_regclass({})",
                regclass(index)
            ),
            Bare::Detach { table, partition } => format!(
                "SELECT h.inhrelid, true, true, COALESCE((to_jsonb(h) ->> 'inhdetachpending')::boolean, false) FROM pg_catalog.pg_inherits h \
                 WHERE h.inhparent = to_regclass({}) AND h.inhrelid = to_regclass({})",
                regclass(table),
                regclass(partition)
            ),
            Bare::Reindex(scope) => return self.copies_left(scope).await,
            Bare::Repeatable | Bare::Opaque => return Ok(json!({})),
        };
        let row = self.query(&sql).await?;
        let is = |row: &[Option<String>], at: usize| {
            row.get(at).and_then(|value| value.as_deref()) == Some("t")
        };
        let mut picture = match &row {
            Some(row) if row.first().is_some_and(Option::is_some) => json!({
                "present": true,
                "oid": row[0],
                "valid": is(row, 1),
                "same_table": is(row, 2),
                "in_progress": is(row, 3),
            }),
            _ => json!({ "present": false }),
        };
        if let Bare::CreateIndex { index, .. } = kind {
            // By these `status` finds what a killed build left, whatever the session's settings are then.
            picture["index"] = json!(index.name);
            picture["table"] = json!(row.as_ref().and_then(|row| row.get(4)));
        }
        Ok(picture)
    }

    /// Decides by the difference between before and now.
    pub(super) async fn verdict(
        &self,
        step: &Step<'_>,
        before: &Value,
        now: &Value,
    ) -> Result<Verdict, Error> {
        let condition = match &step.statement.directives.done_when {
            Some(query) => Some(self.holds(query).await?),
            None => None,
        };
        if condition == Some(true) {
            return Ok(Verdict::Done);
        }
        let is = |picture: &Value, key: &str| picture[key] == json!(true);
        let was_there = is(before, "present");
        Ok(match step.kind {
            Bare::CreateIndex { index, table, .. } if is(now, "present") && !was_there => {
                if is(now, "valid") && is(now, "same_table") && condition.is_none() {
                    Verdict::Done
                } else if is(now, "in_progress") {
                    return Err(Error::failed(format!(
                        "the index {} is being built by another session",
                        index.name
                    ))
                    .now("nothing was run")
                    .next("wait until that build has ended, then run the same command again"));
                } else {
                    Verdict::Run {
                        cleanup: vec![drop_invalid(&quoted(&beside(index, table)))],
                        instead: None,
                    }
                }
            }
            Bare::DropIndex { .. } if !is(now, "present") && was_there => Verdict::Done,
            Bare::Detach { table, partition } if was_there => {
                if !is(now, "present") {
                    Verdict::Done
                } else {
                    Verdict::fresh(step.kind, now)
                }
            }
            Bare::Reindex(_) => {
                let left = reindex::left(before, now, &step.place())?;
                Verdict::Run {
                    cleanup: left.iter().map(|index| drop_invalid(index)).collect(),
                    instead: None,
                }
            }
            _ => Verdict::run(),
        })
    }

    /// Clears what a statement that the server ended has left: a unique build that failed goes on rejecting writes until it
    /// is dropped (traps P11), and so does the copy that a REINDEX makes.
    ///
    /// # Errors
    /// The index that is still there, where it could be seen: those who held up the build may hold up its end.
    pub(super) async fn clear(
        &mut self,
        step: &Step<'_>,
        before: &Value,
    ) -> Result<(), Option<String>> {
        if !matches!(step.kind, Bare::CreateIndex { .. } | Bare::Reindex(_)) {
            return Ok(());
        }
        // The part's own timeouts are still in force; kmig is to end before whoever sent a signal loses patience.
        let limits = format!(
            "SET lock_timeout TO 0; SET statement_timeout TO {}",
            CLEARING.as_millis()
        );
        let client = &self.connection.client;
        client.batch_execute(&limits).await.map_err(|_| None)?;
        let now = self.picture(step.kind).await.map_err(|_| None)?;
        let left = match step.kind {
            Bare::CreateIndex { index, table, .. }
                if before["present"] == json!(false)
                    && now["present"] == json!(true)
                    && now["valid"] == json!(false) =>
            {
                vec![quoted(&beside(index, table))]
            }
            Bare::Reindex(_) => reindex::left(before, &now, &step.place()).map_err(|_| None)?,
            _ => Vec::new(),
        };
        for index in left {
            let client = &self.connection.client;
            let dropped = client.batch_execute(&drop_invalid(&index)).await;
            dropped.map_err(|_| Some(index))?;
        }
        Ok(())
    }

    /// Refused before the intent: IF NOT EXISTS over an index that is not the one that was asked for (traps P10).
    pub(super) async fn unusable(
        &mut self,
        step: &Step<'_>,
        now: &Value,
    ) -> Result<Option<Error>, Error> {
        let Bare::CreateIndex {
            index,
            table,
            concurrently,
            definition,
        } = step.kind
        else {
            return Ok(None);
        };
        let words = step.text().to_ascii_lowercase();
        let lenient = words.split_whitespace().any(|word| word == "exists");
        let is = |key: &str| now[key] == json!(true);
        if !lenient || !is("present") {
            return Ok(None);
        }
        let what = if !is("same_table") {
            "another relation"
        } else if !is("valid") {
            "an INVALID index"
        } else {
            let Span { start, end } = step.statement.span;
            let text = &step.part.file.text;
            let create = &text[start..concurrently.start];
            let definition = &text[(*definition).min(end)..end];
            let there = quoted(&beside(index, table));
            if self
                .is_same_index(create, definition, &quoted(table), &there)
                .await?
            {
                return Ok(None);
            }
            "an index of another definition"
        };
        let name = &index.name;
        Ok(Some(
            Error::failed(format!(
                "there is {what} called {name} already, and IF NOT EXISTS would keep it"
            ))
            .now("this statement was not run")
            .next("drop it, or choose another name, then run the same command again"),
        ))
    }

    /// Whether the first column of the first row is neither false nor null.
    pub(super) async fn holds(&self, query: &str) -> Result<bool, Error> {
        let row = self.query(query).await?;
        let first = row.and_then(|row| row.into_iter().next()).flatten();
        Ok(first.is_some_and(|value| value != "f"))
    }

    /// The first row of a query.
    pub(super) async fn query(&self, sql: &str) -> Result<Option<Vec<Option<String>>>, Error> {
        let client = &self.connection.client;
        let messages = client.simple_query(sql).await.map_err(Fault::from)?;
        Ok(rows(&messages).first().map(|row| {
            (0..row.len())
                .map(|at| row.get(at).map(str::to_string))
                .collect()
        }))
    }
}

/// `index` as SQL names it.
fn drop_invalid(index: &str) -> String {
    format!("DROP INDEX CONCURRENTLY IF EXISTS {index}")
}

/// An index is made in the schema of its table.
fn beside(index: &Name, table: &Name) -> Name {
    Name {
        schema: index.schema.as_ref().or(table.schema.as_ref()).cloned(),
        name: index.name.clone(),
    }
}

pub(super) fn regclass(name: &Name) -> String {
    literal(&quoted(name))
}
