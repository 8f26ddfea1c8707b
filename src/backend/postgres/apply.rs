//! Running units: transactions with their record inside, many in one string where that is safe.

use super::budget::Budget;
use super::explain::{absent, place};
use super::group::{BYTES_MAX, group, shareable};
use super::script::{Failure, Role, Script};
use super::watch::Watch;
use super::{Postgres, lock, session};
use crate::backend::{Event, Halt};
use crate::error::Error;
use crate::gate::Demand;
use crate::plan::schedule::Unit;
use crate::source::PartKind;
use crate::sql::{Class, Statement};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;

impl Postgres {
    /// Runs all units in order; see [`crate::backend::Backend::apply`].
    pub(super) async fn apply_units(
        &mut self,
        units: &[Unit<'_>],
        batch: i64,
        gate: Option<&Demand>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Halt> {
        let mut done = 0;
        let mut deadline = None;
        let mut alone = false;
        let mut one_by_one = false;
        while done < units.len() {
            self.options.stop.check().map_err(|error| Halt {
                done,
                error: Box::new(error),
            })?;
            self.watch_no_more();
            let group = if alone || one_by_one || gate.is_some() {
                1
            } else {
                group(&units[done..])
            };
            let gate = gate.filter(|_| destructive(&units[done]));
            let before = done;
            let result = if units[done].bare {
                self.bare(&units[done], done, batch, gate, tell).await
            } else if !one_by_one && gate.is_none() && (group > 1 || shareable(&units[done])) {
                let piece = &units[done..done + group];
                self.shared(piece, batch, &mut done, tell).await
            } else {
                self.single(&units[done], batch, one_by_one, gate, tell)
                    .await
            };
            self.notices(tell);
            match result {
                Ok(()) => {
                    done = before + group;
                    deadline = None;
                    alone = false;
                    self.watch = None;
                    told(&units[before..done], tell);
                }
                Err(failure) => {
                    told(&units[before..done], tell);
                    if before != done {
                        deadline = None;
                    }
                    let failed = &units[done];
                    // The server could not even read the string, so no statement of it is known to be at fault.
                    if !one_by_one && !failed.bare && unreadable(&failure) {
                        self.roll_back().await.map_err(|error| Halt {
                            done,
                            error: Box::new(error),
                        })?;
                        one_by_one = true;
                        continue;
                    }
                    let until =
                        *deadline.get_or_insert_with(|| Instant::now() + self.options.ddl_deadline);
                    if let Err(error) = self.again(&failure, failed, until, tell).await {
                        let error = match error {
                            Some(error) => error,
                            None => self.explain(failure, failed),
                        };
                        return Err(Halt {
                            done,
                            error: Box::new(error),
                        });
                    }
                    alone = true;
                }
            }
        }
        Ok(())
    }

    /// Rolls back, and waits where the failure is worth another try.
    ///
    /// # Errors
    /// Nothing where the failure is final, or another error that came on top.
    pub(super) async fn again(
        &mut self,
        failure: &Failure,
        unit: &Unit<'_>,
        until: Instant,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Option<Error>> {
        let stopped = match failure {
            Failure::Stopped(stopped) => stopped,
            // What the part set for itself must not be in force for what is still to be recorded.
            Failure::Refused(error) => {
                if !error.lost {
                    let _ = self.start_over().await;
                }
                return Err(None);
            }
        };
        if stopped.fault.session_gone() {
            return Err(None);
        }
        let passing = stopped.fault.lock_not_granted();
        // Where the session does not survive this, the failure itself is what the user needs, unless it would pass.
        let back = if unit.bare {
            self.start_over().await
        } else {
            self.roll_back().await
        };
        back.map_err(|error| (passing && error.lost).then_some(error))?;
        let left = until.saturating_duration_since(Instant::now());
        if !passing || left.is_zero() {
            return Err(None);
        }
        let place = place(unit, stopped).map_or_else(String::new, |place| place.label());
        let message = stopped.fault.message.clone();
        self.make_way(place, message, left, tell)
            .await
            .map_err(Some)
    }

    /// Pauses before another try, and looks who stands in its way.
    pub(super) async fn make_way(
        &mut self,
        place: String,
        message: String,
        left: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Error> {
        tell(Event::Retry {
            place,
            message,
            left,
            blockers: self.blockers(),
        });
        // A patient watch looks too seldom to see who stands in the way of a short wait.
        if self.watch.is_none() || self.patient.take().is_some() {
            let pid = self.pid;
            let every = (self.session.lock_timeout / 5).max(Duration::from_millis(20));
            let target = self.target.clone();
            self.watch = Some(Watch::start(target, pid, every, Duration::ZERO));
        }
        // Full jitter between a quarter and one lock timeout, so that the traffic drains in between.
        let pause = self.session.lock_timeout.max(Duration::from_millis(50));
        let pause = pause.mul_f64(0.25 + fastrand::f64() * 0.75).min(left);
        self.options.stop.pause(pause).await
    }

    /// Sends units of plain statements as one string of `BEGIN … COMMIT`s.
    async fn shared(
        &mut self,
        units: &[Unit<'_>],
        batch: i64,
        done: &mut usize,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        let mut script = Script::default();
        let prepared = units.len() > 1;
        if prepared {
            script.push(0, Role::Own, &self.recorder.prepare());
        }
        for (index, unit) in units.iter().enumerate() {
            script.push(index, Role::Own, "BEGIN");
            script.push(index, Role::Guard, &lock::guard(self.key));
            let budget = Budget::of(unit, self.session.lock_timeout);
            if let Some(part) = unit.part {
                for at in unit.range.clone() {
                    if let Some(line) = budget.before(at) {
                        script.push(index, Role::Own, line);
                    }
                    let statement = part.statements[at].span.of(&part.file.text);
                    script.push(index, Role::User(at), statement);
                }
            }
            if let Some(line) = budget.before_record() {
                script.push(index, Role::Own, line);
            }
            let record = if prepared {
                self.recorder.unit_prepared(unit, batch)
            } else {
                self.recorder.unit(unit, batch)
            };
            script.push(index, Role::Record, &record);
            script.push(index, Role::Commit, "COMMIT");
        }
        if prepared {
            script.push(units.len() - 1, Role::Own, "DEALLOCATE kmig_step");
        }
        script
            .run(&self.connection.client, |line| match line.role {
                Role::User(_) => tell(Event::Statement),
                Role::Commit => {
                    *done += 1;
                    self.acknowledge();
                }
                _ => {}
            })
            .await?;
        Ok(())
    }

    /// Runs one transaction, statement by statement where they cannot share a string.
    async fn single(
        &mut self,
        unit: &Unit<'_>,
        batch: i64,
        one_by_one: bool,
        gate: Option<&Demand>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        let budget = Budget::of(unit, self.session.lock_timeout);
        if let Some(at) = budget.patient {
            self.before_validation(unit, at, tell).await?;
        }
        // Replicas and poolers may take their time: not under the locks.
        let outside = match gate {
            Some(_) => Some(self.look_outside().await),
            None => None,
        };
        let mut script = Script::default();
        script.push(0, Role::Own, "BEGIN");
        script.push(0, Role::Guard, &lock::guard(self.key));
        if gate.is_some() {
            self.send(&mut script, tell).await?;
            self.ready_behind_locks(unit, tell).await?;
        }
        if let Some(part) = unit.part {
            // Session settings of what is done already are said again (traps P5).
            let replayed =
                (0..unit.range.start).filter(|at| part.statements[*at].class == Class::Session);
            for at in replayed.chain(unit.range.clone()) {
                let statement = &part.statements[at];
                let plain = statement.class == Class::Plain && !one_by_one;
                if !plain || script.len() > BYTES_MAX {
                    self.send(&mut script, tell).await?;
                }
                if let Some(line) = budget.before(at) {
                    script.push(0, Role::Own, line);
                }
                self.statement(&mut script, unit, at, statement, tell)
                    .await?;
                if !plain {
                    self.send(&mut script, tell).await?;
                }
            }
        }
        script.push(0, Role::Deferred, "SET CONSTRAINTS ALL IMMEDIATE");
        self.send(&mut script, tell).await?;
        for line in self.session.reset().iter().chain(&lock::retake(self.key)) {
            script.push(0, Role::Own, line);
        }
        if let (Some(demand), Some(outside)) = (gate, &outside) {
            self.send(&mut script, tell).await?;
            self.last_look(demand, outside).await?;
        }
        script.push(0, Role::Record, &self.recorder.unit(unit, batch));
        script.push(0, Role::Commit, "COMMIT");
        self.send(&mut script, tell).await?;
        self.acknowledge();
        Ok(())
    }

    pub(super) async fn statement(
        &mut self,
        script: &mut Script,
        unit: &Unit<'_>,
        at: usize,
        statement: &Statement,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        let Some(part) = unit.part else {
            return Ok(());
        };
        let text = statement.span.of(&part.file.text);
        if let Some(timeout) = statement.directives.timeout_ms {
            let set = format!("SET LOCAL statement_timeout TO {timeout}");
            script.push(0, Role::Own, &set);
        }
        if unit.lenient && statement.copy_data.is_none() {
            script.push(0, Role::Own, "SAVEPOINT kmig");
            self.send(script, tell).await?;
            script.push(0, Role::User(at), text);
            match self.send(script, tell).await {
                Err(Failure::Stopped(stopped)) if absent(&stopped.fault) => {
                    *script = Script::default();
                    script.push(0, Role::Own, "ROLLBACK TO SAVEPOINT kmig");
                }
                other => other?,
            }
        } else if let Some(data) = statement.copy_data {
            self.copy(script, at, text, data.of(&part.file.text))
                .await?;
            tell(Event::Statement);
        } else {
            script.push(0, Role::User(at), text);
        }
        if statement.directives.timeout_ms.is_some() {
            script.push(0, Role::Own, "SET LOCAL statement_timeout TO 0");
        }
        Ok(())
    }
}

/// Whether a unit takes something away that a client may still use: then nothing shares its transaction's string, and it
/// is looked once more before it takes effect.
fn destructive(unit: &Unit<'_>) -> bool {
    matches!(unit.kind, PartKind::Finish | PartKind::Undo) && !unit.range.is_empty()
}

/// Whether a string failed as a whole, at its BEGIN, which by itself never fails: the server could not parse all of it, or
/// a character in it cannot be had in the database's encoding. Somebody's cancel is no such failure.
fn unreadable(failure: &Failure) -> bool {
    let Failure::Stopped(stopped) = failure else {
        return false;
    };
    let fault = &stopped.fault;
    stopped.line.is_first() && !fault.session_gone() && !fault.is(&SqlState::QUERY_CANCELED)
}

fn told(units: &[Unit<'_>], tell: &mut dyn FnMut(Event)) {
    for unit in units {
        let length = unit.part.map_or(0, |part| part.statements.len());
        tell(Event::Unit {
            statements: unit.range.len(),
            migration: unit.migration.label(),
            part: unit.kind,
            complete: unit.part.is_some() && unit.range.end >= length,
        });
    }
}

/// A durable transaction of kmig's own statements.
pub(super) fn own(statements: &[String], key: i64) -> Script {
    let mut script = Script::default();
    script.push(0, Role::Own, "BEGIN");
    script.push(0, Role::Guard, &lock::guard(key));
    script.push(0, Role::Own, session::DURABLE);
    for line in lock::retake(key) {
        script.push(0, Role::Own, &line);
    }
    for statement in statements {
        script.push(0, Role::Record, statement);
    }
    script.push(0, Role::Commit, "COMMIT");
    script
}
