//! Statements that the server refuses in a transaction: an intent before, an outcome after, and after a crash the
//! catalogue decides, against the picture that was taken with the intent (traps P10).

use super::Postgres;
use super::bare_step::Step;
use super::catalogue::Verdict;
use super::explain::absent;
use super::preflight::Ahead;
use super::script::{Failure, Role, Script};
use crate::backend::Event;
use crate::error::{Error, Exit};
use crate::gate::Demand;
use crate::plan::schedule::Unit;
use crate::source::checksum;
use crate::sql::Bare;
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;

impl Postgres {
    /// Runs one bare unit.
    pub(super) async fn bare(
        &mut self,
        unit: &Unit<'_>,
        index: usize,
        batch: i64,
        gate: Option<&Demand>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        let Some(step) = Step::of(unit, index, batch) else {
            return Ok(());
        };
        self.left_invalid = None;
        // The journal is read under kmig's own role, the picture taken as the part's own settings resolve its names.
        let doubt = self.doubt(&step).await.map_err(refused)?;
        self.replay(&step).await?;
        let ahead = Ahead::bare(&step).filter(|_| self.watch.is_none());
        if let (None, Some(ahead)) = (&doubt, &ahead) {
            self.preflight(ahead, tell).await?;
        }
        let mut now = self.picture(step.kind).await.map_err(refused)?;
        now["text"] = json!(checksum(step.text()));
        let verdict = match &doubt {
            Some(before) => self.settled(&step, before, &now, tell).await?,
            None => match self.unusable(&step, &now).await.map_err(refused)? {
                Some(error) => return Err(Failure::Refused(error.at(step.place()))),
                None => Verdict::fresh(step.kind, &now),
            },
        };
        if let (Some(_), Verdict::Run { .. }, Some(ahead)) = (&doubt, &verdict, &ahead) {
            self.preflight(ahead, tell).await?;
        }
        self.settle().await?;
        if let Verdict::Run { cleanup, instead } = verdict {
            if let Some(demand) = gate {
                self.look_before(demand).await?;
            }
            let before = doubt.unwrap_or(now);
            let intent = self.recorder.intent(unit, batch, before.clone());
            self.record(&intent).await?;
            match self
                .attempt(&step, &cleanup, instead.as_deref(), tell)
                .await
            {
                // After a half-run up, what is not there counts as undone.
                Err(Failure::Stopped(stopped)) if unit.lenient && absent(&stopped.fault) => {}
                Err(failure) => {
                    self.give_up(&step, &before, &failure).await;
                    return Err(failure);
                }
                Ok(()) if instead.is_some() => {}
                Ok(()) => self.proved(&step).await?,
            }
            self.settle().await?;
        }
        self.record(&[self.recorder.unit(unit, batch)]).await?;
        Ok(())
    }

    /// Says the part's session settings again (traps P5).
    async fn replay(&mut self, step: &Step<'_>) -> Result<(), Failure> {
        for line in &step.settings {
            let mut script = Script::default();
            script.push(step.index, Role::User(step.unit.range.start), line);
            self.send(&mut script, &mut |_| {}).await?;
        }
        Ok(())
    }

    /// The picture of before, where an earlier run of this batch was stopped in this statement.
    async fn doubt(&self, step: &Step<'_>) -> Result<Option<Value>, Error> {
        let row = self
            .query(&self.recorder.open_intent(step.unit, step.batch))
            .await?;
        Ok(row.and_then(|row| match row.as_slice() {
            [Some(kind), Some(detail)] if kind == "intent" => serde_json::from_str(detail).ok(),
            _ => None,
        }))
    }

    /// Settles a doubt by the catalogue, and says so.
    async fn settled(
        &self,
        step: &Step<'_>,
        before: &Value,
        now: &Value,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Verdict, Failure> {
        if before["text"] != now["text"] {
            return Err(Failure::Refused(
                Error::new(
                    Exit::Disagree,
                    "an earlier run was stopped in this statement, and its text was changed since: whether the old text has taken effect cannot be told",
                )
                .at(step.place())
                .now("this statement was not run")
                .next("bring the old text back and run the same command; then change it"),
            ));
        }
        let verdict = self.verdict(step, before, now).await.map_err(refused)?;
        tell(Event::Reconciled(format!(
            "{}: an earlier run was stopped in this statement; the catalogue says that it {}",
            step.place().label(),
            match verdict {
                Verdict::Done => "has taken effect",
                Verdict::Run { .. } => "has not taken effect, so it is run again",
            }
        )));
        Ok(verdict)
    }

    /// Sends the statement under the part's settings and its own limits.
    async fn attempt(
        &mut self,
        step: &Step<'_>,
        cleanup: &[String],
        instead: Option<&str>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        self.replay(step).await?;
        let mut lines = Vec::new();
        if step.waits_without_blocking() {
            lines.push("SET lock_timeout TO 0".to_string());
            self.watch_patiently(step.place().label());
        }
        if let Some(timeout) = step.statement.directives.timeout_ms {
            lines.push(format!("SET statement_timeout TO {timeout}"));
        }
        if instead.is_some() {
            // A FINALIZE first locks the partition, then waits for one old snapshot after the other, with the lock timeout
            // anew for each; an application that queues for the partition has such a snapshot.
            let limit = self.session.lock_timeout.as_millis();
            lines.push(format!("SET statement_timeout TO {limit}"));
        }
        lines.extend(cleanup.iter().cloned());
        for line in lines {
            let mut script = Script::default();
            script.push(step.index, Role::Own, &line);
            self.send(&mut script, tell).await?;
        }
        let mut script = Script::default();
        let text = instead.unwrap_or(step.text());
        script.push(step.index, Role::User(step.unit.range.start), text);
        match self.send(&mut script, tell).await {
            Err(Failure::Stopped(mut stopped))
                if instead.is_some() && stopped.fault.is(&SqlState::QUERY_CANCELED) =>
            {
                // Worth another try, as every wait for a lock; a signal is looked at before that.
                stopped.fault.code = Some(SqlState::LOCK_NOT_AVAILABLE);
                Err(Failure::Stopped(stopped))
            }
            result => result,
        }
    }

    /// After the server refused a statement: clears what it left, and journals that it has failed, so that its text
    /// may be mended. Where the clearing fails too, the next run finds the intent open and looks for itself.
    async fn give_up(&mut self, step: &Step<'_>, before: &Value, failure: &Failure) {
        let Failure::Stopped(stopped) = failure else {
            return;
        };
        if stopped.fault.session_gone() {
            return;
        }
        self.left_invalid = None;
        if let Err(left) = self.clear(step, before).await {
            // In doubt: the next run drops it, and builds it again.
            self.left_invalid = left;
            return;
        }
        if self.settle().await.is_ok() {
            let message = &stopped.fault.message;
            let failed = [self.recorder.failed(step.unit, step.batch, message)];
            let _ = self.record(&failed).await;
        }
    }

    /// Back to kmig's own settings and role, before kmig's own tables are written.
    async fn settle(&mut self) -> Result<(), Failure> {
        let mut script = Script::default();
        for line in self.session.reset() {
            script.push(0, Role::Own, &line);
        }
        self.send(&mut script, &mut |_| {}).await
    }

    /// After success: an index that is not valid, or a condition that does not hold, is no success.
    async fn proved(&self, step: &Step<'_>) -> Result<(), Failure> {
        let error = if let Some(query) = &step.statement.directives.done_when
            && !self.holds(query).await.map_err(refused)?
        {
            Error::failed("the statement ran, but its done-when query does not hold")
                .next("correct the query, or find out why the statement had no effect")
        } else if let Bare::CreateIndex { index, .. } = step.kind
            && self.picture(step.kind).await.map_err(refused)?["valid"] != json!(true)
        {
            Error::failed(format!(
                "the index {} is not valid after its build",
                index.name
            ))
            .next("drop it, find out why, then run the same command again")
        } else {
            return Ok(());
        };
        Err(Failure::Refused(error.at(step.place())))
    }
}

fn refused(error: Error) -> Failure {
    Failure::Refused(error)
}
