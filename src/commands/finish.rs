//! `kmig finish`.

use super::context::Context;
use super::engine::{Consent, Job, Override, lock_wait, run as engine};
use crate::cli::{GateArgs, RunArgs};
use crate::error::{Error, Exit, Result};
use crate::plan::{Command, Plan};
use crate::report::{Answer, count};
use std::time::Duration;

/// Contracts what is pending.
pub async fn run(
    context: &Context,
    gate: &GateArgs,
    reason: Option<&str>,
    run: &RunArgs,
) -> Result<Answer> {
    let finish = job(context, gate, reason, run, true)?;
    engine(context, &finish.job()).await
}

/// A finish with its gate decided.
pub struct Finish<'a> {
    consent: Box<Consent<'a>>,
    reason: Option<String>,
    dry_run: bool,
    wait: Duration,
}

impl Finish<'_> {
    /// The job for the engine.
    pub fn job(&self) -> Job<'_> {
        Job {
            verb: "finish",
            command: Command::Finish,
            dry_run: self.dry_run,
            wait: self.wait,
            overrides: self
                .reason
                .iter()
                .map(|reason| Override {
                    kind: "assume-gone",
                    reason: reason.clone(),
                })
                .collect(),
            only_before: None,
            consent: &self.consent,
        }
    }
}

/// Checks what was typed, and prepares the question; `up --finish-first` runs in pods and asks none.
pub fn job<'a>(
    context: &'a Context,
    gate: &GateArgs,
    reason: Option<&str>,
    run: &RunArgs,
    asks: bool,
) -> Result<Finish<'a>> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    if gate.assume_gone && reason.is_none() {
        return Err(
            Error::usage("--assume-gone needs a reason that is not empty").next(
                "kmig finish --assume-gone --reason \"who took the old version down, and when\"",
            ),
        );
    }
    let open = gate.assume_gone;
    let asked = std::cell::Cell::new(false);
    let consent = move |plan: &Plan| {
        if !open {
            return Err(Error::new(
                Exit::Refused,
                "the gate is closed: nothing proves that the old version of the application is gone",
            )
            .now("nothing was run; the migrations are pending as before")
            .next("make sure that no old client is left, then kmig finish --assume-gone --reason TEXT"));
        }
        if asks && !asked.replace(true) {
            context.confirm(&format!(
                "Run {} that may destroy data of the old version?",
                count(
                    plan.steps.iter().map(|step| step.to - step.from).sum(),
                    "statement"
                )
            ))?;
        }
        Ok(())
    };
    Ok(Finish {
        consent: Box::new(consent),
        reason: reason.filter(|_| open).map(str::to_string),
        dry_run: run.dry_run,
        wait: lock_wait(&run.lock_wait)?,
    })
}
