//! `kmig undo`.

use super::context::Context;
use super::engine::{Job, lock_wait, run as engine};
use super::finish::assumed;
use super::gate::Gate;
use crate::cli::{GateArgs, RunArgs};
use crate::error::Result;
use crate::gate::Side;
use crate::plan::{Command, Plan};
use crate::report::{Answer, count};

/// Takes back the pending batch.
pub async fn run(
    context: &Context,
    gate: &GateArgs,
    reason: Option<&str>,
    run: &RunArgs,
) -> Result<Answer> {
    let gate = Gate::typed(Side::New, gate, reason)?;
    let asked = std::cell::Cell::new(false);
    let consent = |plan: &Plan| {
        if asked.replace(true) {
            return Ok(());
        }
        context.confirm(&format!(
            "Take back {} of the pending batch?",
            count(plan.steps.len(), "migration")
        ))
    };
    let job = Job {
        verb: "undo",
        command: Command::Undo,
        dry_run: run.dry_run,
        wait: lock_wait(&run.lock_wait)?,
        overrides: assumed(&gate),
        only_before: None,
        gate: Some(&gate),
        consent: &consent,
    };
    engine(context, &job).await
}
