//! `kmig undo`.

use super::context::Context;
use super::engine::{Job, lock_wait, run as engine};
use crate::cli::RunArgs;
use crate::error::Result;
use crate::plan::{Command, Plan};
use crate::report::{Answer, count};

/// Takes back the pending batch.
pub async fn run(context: &Context, run: &RunArgs) -> Result<Answer> {
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
        overrides: Vec::new(),
        only_before: None,
        consent: &consent,
    };
    engine(context, &job).await
}
