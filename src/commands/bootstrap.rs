//! `kmig bootstrap`.

use super::context::Context;
use super::engine::{Job, lock_wait, run as engine};
use crate::cli::RunArgs;
use crate::error::Result;
use crate::plan::Command;
use crate::report::Answer;

/// Brings a fresh database to the complete state.
pub async fn run(context: &Context, run: &RunArgs) -> Result<Answer> {
    engine(context, &job(run)?).await
}

/// The job that `up --bootstrap` runs too.
pub fn job(run: &RunArgs) -> Result<Job<'static>> {
    Ok(Job {
        verb: "bootstrap",
        command: Command::Bootstrap,
        dry_run: run.dry_run,
        wait: lock_wait(&run.lock_wait)?,
        overrides: Vec::new(),
        only_before: None,
        gate: None,
        consent: &|_| Ok(()),
    })
}
