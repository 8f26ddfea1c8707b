//! `kmig check`.

use super::context::Context;
use super::safety::show;
use crate::backend::Backend;
use crate::cli::{CheckArgs, CheckFormat};
use crate::error::{Diagnostic, Error, Result};
use crate::plan::history::History;
use crate::plan::refusal::Refusal;
use crate::plan::state::SchemaState;
use crate::report::error::{document, problems};
use crate::report::{Answer, count, github, object};
use crate::safety::{self, Against, Known, Rule, Scope, judge, tell};
use crate::source::{Dialect, MigrationSet, Part};
use serde_json::{Value, json};

/// Parses every file and judges what it holds; with `--db` also compares the files with what is recorded.
pub async fn run(context: &Context, args: &CheckArgs) -> Result<Answer> {
    if let Some(name) = &args.explain {
        return explain(context, name);
    }
    let checked = checked(context, args.db).await;
    match (args.format, checked) {
        (CheckFormat::Text, Ok((answer, warnings))) => {
            show(context, &warnings);
            Ok(answer)
        }
        (CheckFormat::Github, Ok((answer, warnings))) => Ok(Answer {
            text: annotated(context, &warnings),
            ..answer
        }),
        (CheckFormat::Github, Err(error)) if !error.diagnostics.is_empty() => Ok(Answer {
            exit: error.exit,
            text: annotated(context, &error.diagnostics),
            document: object(document(&error)),
        }),
        (_, Err(error)) => Err(error),
    }
}

/// What was found, as annotations with paths that start where kmig was called.
fn annotated(context: &Context, found: &[Diagnostic]) -> String {
    let root = context.settings().ok().map(|settings| &settings.root);
    let root = root.map_or_else(String::new, |root| root.display().to_string());
    github::annotations(found, &root)
}

/// The answer where nothing stands in the way, with what is only to be known.
async fn checked(context: &Context, db: bool) -> Result<(Answer, Vec<Diagnostic>)> {
    let set = context.files()?;
    for warning in &set.warnings {
        context.progress.say(warning);
    }
    let statements: usize = set
        .migrations
        .iter()
        .flat_map(|migration| migration.parts.values())
        .map(Part::len)
        .sum();
    let files = format!(
        "{}, {}",
        count(set.migrations.len(), "migration"),
        count(statements, "statement")
    );
    let warnings = match db {
        true => against_database(context, &set).await?,
        false => {
            let scopes = Scope::each(&set.migrations);
            judged(context, &scopes, &Known::default(), Against::Files)?
        }
    };
    let text = match db {
        true => format!("The files are in order and agree with the database: {files}."),
        false => format!("The files are in order: {files}."),
    };
    let answer = Answer::line(text)
        .with("migrations", set.migrations.len())
        .with("statements", statements)
        .with("warnings", json!(set.warnings))
        .with("findings", json!(problems(&warnings)));
    Ok((answer, warnings))
}

/// Compares with what is recorded, and judges what is new as `up` would.
async fn against_database(context: &Context, set: &MigrationSet) -> Result<Vec<Diagnostic>> {
    let mut database = context.open().await?;
    let history: Option<History> = database.history().await?;
    let state = SchemaState::compare(set, history.as_ref());
    if let Some(refusal) = Refusal::of_disagreements(state.disagreements()) {
        return Err(refusal.error());
    }
    if state.ahead().next().is_some() {
        return Err(Refusal::ahead(&state).error());
    }
    let scope = Scope::of_new(set, history.as_ref());
    let known = database.known(&scope.words()).await?;
    judged(context, &[scope], &known, Against::Database)
}

/// What is only to be known of the parts of some scopes.
///
/// # Errors
/// All that is refused, and beside it what is only to be known.
fn judged(
    context: &Context,
    scopes: &[Scope<'_>],
    known: &Known,
    against: Against,
) -> Result<Vec<Diagnostic>> {
    let dialect = context.settings()?.dialect()?;
    let judgement = judge(dialect, scopes, known, against);
    let warnings = judgement.warnings();
    match judgement.error("nothing was run: this only looked") {
        Some(mut error) => {
            let found = std::mem::take(&mut error.diagnostics).into_iter();
            error.diagnostics = found.chain(warnings).collect();
            Err(error)
        }
        None => Ok(warnings),
    }
}

/// A rule, or the list of them; of the language in use, or of both where there is no project.
fn explain(context: &Context, name: &str) -> Result<Answer> {
    let in_use = context.settings().ok().map(|settings| settings.dialect());
    let dialects = match in_use {
        Some(Ok(dialect)) => vec![dialect],
        _ => Dialect::ALL.to_vec(),
    };
    if name.is_empty() {
        let lists = dialects.iter().map(|&dialect| tell::list(dialect));
        let lists: Vec<String> = lists.filter(|list| !list.is_empty()).collect();
        let rules = dialects.iter().flat_map(|&dialect| safety::rules(dialect));
        let rules: Vec<Value> = rules.map(as_json).collect();
        return Ok(Answer::line(lists.join("\n\n")).with("rules", rules));
    }
    let every = dialects.iter().chain(&Dialect::ALL);
    let found = every
        .clone()
        .find_map(|&dialect| safety::find(dialect, name));
    match found {
        Some(rule) => Ok(Answer {
            document: object(json!({ "rules": [as_json(rule)] })),
            ..Answer::line(tell::explain(rule))
        }),
        None => {
            let near = every
                .clone()
                .find_map(|&dialect| safety::near(dialect, name));
            let error = Error::usage(format!("there is no safety rule {name}"));
            Err(match near {
                Some(near) => error.next(format!(
                    "kmig check --explain {near}, if you meant that; kmig check --explain lists all"
                )),
                None => error.next("kmig check --explain, which lists all rules"),
            })
        }
    }
}

fn as_json(rule: &Rule) -> Value {
    json!({
        "name": rule.name,
        "dialect": rule.dialect.extension(),
        "harm": rule.harm.word(),
        "why": rule.why,
        "instead": rule.instead,
        "goes": rule.goes.words(),
    })
}
