//! `kmig finish`.

use super::context::Context;
use super::engine::{Consent, Job, Override, lock_wait, run as engine};
use super::gate::Gate;
use crate::cli::{GateArgs, RunArgs};
use crate::error::Result;
use crate::gate::Side;
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

/// A finish with its gate.
pub struct Finish<'a> {
    consent: Box<Consent<'a>>,
    gate: Gate,
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
            overrides: assumed(&self.gate),
            only_before: None,
            gate: Some(&self.gate),
            consent: &self.consent,
        }
    }
}

/// Somebody's word, to be journaled.
pub fn assumed(gate: &Gate) -> Vec<Override> {
    gate.assumed
        .iter()
        .map(|reason| Override {
            kind: "assume-gone",
            reason: reason.clone(),
        })
        .collect()
}

/// Checks what was typed, and prepares the question; `up --finish-first` runs in pods and asks none.
pub fn job<'a>(
    context: &'a Context,
    gate: &GateArgs,
    reason: Option<&str>,
    run: &RunArgs,
    asks: bool,
) -> Result<Finish<'a>> {
    let asked = std::cell::Cell::new(false);
    let consent = move |plan: &Plan| {
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
        gate: Gate::typed(Side::Old, gate, reason)?,
        dry_run: run.dry_run,
        wait: lock_wait(&run.lock_wait)?,
    })
}
