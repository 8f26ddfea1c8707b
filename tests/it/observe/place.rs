//! A database in which examples are tried one after the other, each from nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::watch::{Facts, Waits, Watch};
use crate::support::server::Server;
use kmig::sql::{self, Class};
use tokio_postgres::Client;

/// How long the counts of another session may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sessions on one database.
pub struct Place<'a> {
    server: &'a Server,
    database: String,
    /// Runs the examples.
    worker: Arc<Client>,
    /// Its process id.
    pid: i32,
    /// Looks on.
    other: Client,
}

/// A statement of an example.
pub struct Statement {
    /// Its text.
    pub text: String,
    /// Whether it runs outside of transactions only.
    pub bare: bool,
}

/// The statements of a text.
pub fn split(text: &str) -> Vec<Statement> {
    let script = sql::split(text);
    let each = script.statements.iter();
    each.map(|found| Statement {
        text: found.span.of(text).to_owned(),
        bare: matches!(found.class, Class::Bare(_)),
    })
    .collect()
}

/// Removes what an example has left: schemas, roles and what stands in no schema.
const CLEAR: &str = r"
do $$
declare
    it record;
begin
    for it in select pubname as name from pg_publication loop
        execute format('drop publication %I', it.name);
    end loop;
    for it in select evtname as name from pg_event_trigger loop
        execute format('drop event trigger %I', it.name);
    end loop;
    for it in select extname as name from pg_extension where extname <> 'plpgsql' loop
        execute format('drop extension %I cascade', it.name);
    end loop;
    for it in select nspname as name from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
        execute format('drop schema %I cascade', it.name);
    end loop;
    for it in select rolname as name from pg_roles where oid >= 16384 loop
        execute format('drop owned by %I cascade', it.name);
        execute format('drop role %I', it.name);
    end loop;
end $$;
create schema public;
";

impl<'a> Place<'a> {
    /// On a database of its own.
    pub async fn new(server: &'a Server) -> Self {
        let database = server.database();
        let worker = server.client(&database).await;
        let pid = worker.query_one("select pg_backend_pid()", &[]).await;
        let pid = pid.expect("the session's process").get(0);
        Self {
            server,
            worker: Arc::new(worker),
            pid,
            other: server.client(&database).await,
            database,
        }
    }

    /// An empty database, and then this.
    pub async fn set_up(&self, setup: &str) -> Result<(), String> {
        self.send("reset all; set client_min_messages = error")
            .await?;
        self.send(CLEAR).await?;
        self.send(setup).await
    }

    /// What the last of some statements does in their transaction, which is rolled back.
    pub async fn rolled_back(
        &self,
        before: &[Statement],
        last: &str,
        claimed: &Facts,
    ) -> Result<Facts, String> {
        let known = Watch::before(&self.worker).await;
        self.send("begin").await?;
        let seen = self.watched(before, last, &known).await;
        self.send("rollback").await?;
        Ok(seen?.but_minor(claimed, &known))
    }

    async fn watched(
        &self,
        before: &[Statement],
        last: &str,
        known: &Watch,
    ) -> Result<Facts, String> {
        for statement in before {
            self.send(&statement.text).await?;
        }
        let known = known.again(&self.worker).await;
        self.send(last).await?;
        Ok(known.after(&self.worker, self.pid).await)
    }

    /// What is there.
    pub async fn relations(&self) -> Watch {
        Watch::before(&self.worker).await
    }

    /// Runs each statement of a text for good, and tells what it did to the relations that were there before.
    pub async fn run(&self, text: &str, old: &Watch) -> Result<Vec<Facts>, String> {
        let mut all = Vec::new();
        for statement in split(text) {
            if statement.bare {
                self.send(&statement.text).await?;
                continue;
            }
            self.send("begin").await?;
            let seen = self.watched(&[], &statement.text, old).await;
            self.send(if seen.is_ok() { "commit" } else { "rollback" })
                .await?;
            all.push(seen?);
        }
        Ok(all)
    }

    /// What a statement asks for that runs outside of transactions. Somebody holds each relation against all until the
    /// statement waits for it, and then against those who would shut out reading.
    pub async fn blocked(&self, statement: &str, claimed: &Facts) -> Result<Facts, String> {
        let known = Watch::before(&self.other).await;
        let mut holders = BTreeMap::new();
        for relation in known.tables() {
            let holder = self.server.client(&self.database).await;
            let hold = format!(
                "begin; lock table only {relation} in access share mode;
                 savepoint strong; lock table only {relation} in access exclusive mode"
            );
            holder.batch_execute(&hold).await.map_err(told)?;
            holders.insert(relation.to_owned(), (holder, true));
        }
        let running = {
            let worker = Arc::clone(&self.worker);
            let text = statement.to_owned();
            tokio::spawn(async move { worker.batch_execute(&text).await })
        };
        let mut facts = Facts::default();
        while !running.is_finished() {
            match known.asked(&self.other, self.pid, &mut facts).await {
                Waits::For(relation) => match holders.get_mut(&relation) {
                    Some((holder, strong)) if *strong => {
                        *strong = false;
                        let weaken = holder.batch_execute("rollback to strong");
                        weaken.await.map_err(told)?;
                    }
                    _ => drop(holders.remove(&relation)),
                },
                Waits::ForSessions => holders.clear(),
                Waits::Not => {}
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        running.await.expect("the statement's task").map_err(told)?;
        let begun = Instant::now();
        loop {
            known.compare(&self.other, &mut facts).await;
            if facts.scans_all_of(claimed) || begun.elapsed() > PATIENCE {
                break;
            }
            // A session tells its counts when it next becomes idle, though not more often than twice a second.
            self.send("select 1").await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(facts.but_minor(claimed, &known))
    }

    async fn send(&self, text: &str) -> Result<(), String> {
        self.worker.batch_execute(text).await.map_err(told)
    }
}

fn told(error: tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("the server refuses: {}", error.message()),
        None => error.to_string(),
    }
}
