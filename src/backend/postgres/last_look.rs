//! The last questions before a destructive transaction is committed: after its locks are granted the ready part is asked
//! again, and who is connected (traps P1, P4).

use super::Postgres;
use super::fault::Fault;
use super::query::rows;
use super::script::{Failure, Role, Script};
use crate::backend::{Event, Violation};
use crate::gate::{Demand, Evidence, Looks, closed, judge};
use crate::plan::effects::effects;
use crate::plan::schedule::Unit;
use crate::source::PartKind;
use crate::sql::Class;
use crate::sql::made::{Effect, Kind};
use std::collections::BTreeSet;
use tokio_postgres::error::SqlState;

impl Postgres {
    /// Looks inside the transaction, and rolls it back where somebody is in the way.
    pub(super) async fn last_look(
        &mut self,
        demand: &Demand,
        outside: &Evidence,
    ) -> Result<(), Failure> {
        let evidence = match self.look_inside(outside).await {
            Ok(evidence) => evidence,
            Err(fault) => return Err(Failure::Stopped(Script::default().stopped_at(0, fault))),
        };
        self.passes(demand, &evidence, true).await
    }

    /// Looks before a statement that no transaction takes back.
    pub(super) async fn look_before(&mut self, demand: &Demand) -> Result<(), Failure> {
        let evidence = self.look_around().await.map_err(Failure::Refused)?;
        self.passes(demand, &evidence, false).await
    }

    async fn passes(
        &mut self,
        demand: &Demand,
        evidence: &Evidence,
        inside: bool,
    ) -> Result<(), Failure> {
        let looks = Looks {
            samples: 1,
            ..Looks::default()
        };
        let verdict = judge(demand, evidence, None, looks);
        if verdict.open {
            return Ok(());
        }
        if inside {
            self.roll_back().await.map_err(Failure::Refused)?;
        }
        Err(Failure::Refused(closed(demand.side, verdict)))
    }

    /// Locks what the unit drops or alters away, and asks the ready part again behind the locks: what an old client had
    /// written before it left, and before the first answer, is seen now. A question that would keep the application waiting
    /// for longer than the lock timeout is given up: it was asked just before.
    pub(super) async fn ready_behind_locks(
        &mut self,
        unit: &Unit<'_>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        let ready = unit.migration.part(PartKind::Ready);
        let first = unit.kind == PartKind::Finish && unit.range.start == 0;
        let Some(ready) = ready.filter(|_| first) else {
            return Ok(());
        };
        self.lock_dropped(unit).await?;
        let limit = self.session.lock_timeout.as_millis().max(1);
        for (at, statement) in ready.statements.iter().enumerate() {
            let text = statement.span.of(&ready.file.text);
            let before = format!(
                "SAVEPOINT kmig_ready; SET LOCAL transaction_read_only TO on; SET LOCAL statement_timeout TO {limit}"
            );
            let client = &self.connection.client;
            let asked = async {
                client.batch_execute(&before).await?;
                client.simple_query(text).await
            };
            let asked = asked.await.map_err(Fault::from);
            if asked.as_ref().is_err_and(Fault::session_gone) {
                return asked.map(|_| ()).map_err(stopped);
            }
            let back = "ROLLBACK TO SAVEPOINT kmig_ready; RELEASE SAVEPOINT kmig_ready";
            let back = client.batch_execute(back).await;
            back.map_err(|error| stopped(Fault::from(error)))?;
            let messages = match asked {
                Ok(messages) => messages,
                Err(fault) if fault.is(&SqlState::QUERY_CANCELED) => {
                    tell(Event::Notice {
                        severity: "NOTE".to_string(),
                        message: format!(
                            "{}: asked just before, and not again under the lock: it takes longer than the lock timeout",
                            ready.place(at).label()
                        ),
                    });
                    continue;
                }
                Err(fault) => {
                    self.roll_back().await.map_err(Failure::Refused)?;
                    return Err(Failure::Refused(fault.error().at(ready.place(at))));
                }
            };
            let first = rows(&messages).first().map(|row| {
                let columns = row.columns().iter().enumerate();
                columns
                    .map(|(at, column)| {
                        (column.name().to_string(), row.get(at).map(str::to_string))
                    })
                    .collect()
            });
            if let Some(row) = first {
                self.roll_back().await.map_err(Failure::Refused)?;
                let violation = Violation { statement: at, row };
                return Err(Failure::Refused(violation.error(
                    unit.migration,
                    ready,
                    PartKind::Ready,
                )));
            }
        }
        Ok(())
    }

    /// Locks the tables that the unit's statements drop, or drop a column of. One that is not there, or is no table, is left
    /// to the statement itself.
    async fn lock_dropped(&mut self, unit: &Unit<'_>) -> Result<(), Failure> {
        let Some(part) = unit.part else {
            return Ok(());
        };
        // Under settings of its own a name may mean another table.
        if part.statements[..unit.range.end]
            .iter()
            .any(|statement| statement.class == Class::Session)
        {
            return Ok(());
        }
        let mut tables = BTreeSet::new();
        for at in unit.range.clone() {
            for effect in effects(part, at) {
                if let Effect::Drops(object, _) = effect {
                    let table = match object.kind {
                        Kind::Table => Some(&object.name),
                        _ => object.of.as_ref(),
                    };
                    tables.extend(table.map(super::names::quoted));
                }
            }
        }
        // All of them wait for no longer than one lock timeout together (traps P7).
        let share = self.session.lock_timeout.as_millis() / tables.len().max(1) as u128;
        for table in tables {
            let mut script = Script::default();
            script.push(0, Role::Own, "SAVEPOINT kmig_lock");
            script.push(
                0,
                Role::Own,
                &format!("SET LOCAL lock_timeout TO {}", share.max(1)),
            );
            let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
            script.push(0, Role::User(unit.range.start), &lock);
            let limit = self.session.lock_timeout.as_millis();
            script.push(0, Role::Own, &format!("SET LOCAL lock_timeout TO {limit}"));
            script.push(0, Role::Own, "RELEASE SAVEPOINT kmig_lock");
            match self.send(&mut script, &mut |_| {}).await {
                Err(Failure::Stopped(stopped)) if left_to_it(&stopped.fault) => {
                    let mut script = Script::default();
                    script.push(0, Role::Own, "ROLLBACK TO SAVEPOINT kmig_lock");
                    self.send(&mut script, &mut |_| {}).await?;
                }
                other => other?,
            }
        }
        Ok(())
    }
}

fn stopped(fault: Fault) -> Failure {
    Failure::Stopped(Script::default().stopped_at(0, fault))
}

/// What the statement itself has to say: nothing of the name, no table, no right.
fn left_to_it(fault: &Fault) -> bool {
    [
        SqlState::UNDEFINED_TABLE,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::WRONG_OBJECT_TYPE,
        SqlState::INSUFFICIENT_PRIVILEGE,
    ]
    .iter()
    .any(|code| fault.is(code))
}
