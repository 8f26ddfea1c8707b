//! What a run is judged by before its first effect: the rules of the language, what the batch made, and what the database
//! shows.

use super::context::Context;
use crate::backend::{Backend, Database, Entry};
use crate::error::{Diagnostic, Result};
use crate::plan::history::History;
use crate::plan::{Command, Plan};
use crate::report::error::problem;
use crate::safety::{Against, Judgement, Known, Scope, judge};
use crate::source::{Migration, MigrationSet};

/// An allowance that is in use, to be journaled.
pub struct Allowed<'a> {
    migration: &'a Migration,
    reason: String,
}

impl Allowed<'_> {
    /// Its line of the journal.
    pub fn entry(&self) -> Entry<'_> {
        Entry {
            kind: "allow",
            migration: Some(self.migration),
            app_version: None,
            reason: Some(&self.reason),
        }
    }
}

/// Judges what a plan is about to run. Bootstrap runs without rules: no application is there.
pub async fn judged<'a>(
    context: &Context,
    set: &'a MigrationSet,
    database: &mut Database,
    history: Option<&History>,
    (command, plan): (&Command, &Plan),
) -> Result<Judgement<'a>> {
    if *command == Command::Bootstrap || plan.steps.is_empty() {
        return Ok(Judgement::default());
    }
    let scope = Scope::of_plan(set, history, plan);
    let known = match command {
        Command::Up(_) => database.known(&scope.words()).await?,
        _ => Known::default(),
    };
    let dialect = context.settings()?.dialect()?;
    Ok(judge(dialect, &[scope], &known, Against::Database))
}

/// Refuses a plan for what was found, or gives the allowances that are in use.
pub fn passed<'a>(judgement: &Judgement<'a>) -> Result<Vec<Allowed<'a>>> {
    match judgement.error("nothing was run") {
        Some(error) => Err(error),
        None => Ok(judgement
            .allowed()
            .map(|(found, reason)| Allowed {
                migration: found.migration,
                reason: format!("{}: {reason}", found.finding.rule.name),
            })
            .collect()),
    }
}

/// Shows what stops nothing, each with its place.
pub fn show(context: &Context, found: &[Diagnostic]) {
    for diagnostic in found {
        let style = context.progress.style();
        context.progress.tell(problem(diagnostic, style).trim_end());
    }
}
