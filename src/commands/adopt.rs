//! `kmig adopt`.

use super::context::Context;
use super::engine::{in_motion, lock_wait};
use crate::backend::{Backend, Database, Entry};
use crate::cli::AdoptArgs;
use crate::error::{Error, Exit, Result};
use crate::place::Place;
use crate::plan::adopt::{Adoption, plan};
use crate::plan::history::History;
use crate::plan::refusal::Refusal;
use crate::plan::state::SchemaState;
use crate::plan::there::Wanted;
use crate::plan::version::Version;
use crate::report::status::next;
use crate::report::{Answer, count, object};
use crate::source::names::identity;
use crate::source::{MigrationId, MigrationSet};
use crate::sql::made::Kind;
use serde_json::json;

/// Missing objects that are shown one by one.
const SHOWN: usize = 20;

/// What was asked for, checked.
struct Wish<'a> {
    baselines: Vec<MigrationId>,
    args: &'a AdoptArgs,
}

/// Marks what is already there as executed, after a look at it.
pub async fn run(context: &Context, args: &AdoptArgs) -> Result<Answer> {
    let wait = lock_wait(&args.lock_wait)?;
    let set = context.migrations()?;
    let named = args.baseline.iter().map(|name| identity(name));
    let baselines = named
        .map(|found| found.map(|(id, _)| id))
        .collect::<std::result::Result<_, _>>()
        .map_err(Error::usage)?;
    let wish = Wish { baselines, args };
    if args
        .reason
        .as_ref()
        .is_some_and(|why| why.trim().is_empty())
    {
        return Err(Error::usage("--reason is empty").next("say why, or leave it out"));
    }
    if let Some(version) = &args.from_version
        && Version::read(version).is_none()
    {
        return Err(Error::usage(format!(
            "--from-version {version:?} is no version: dotted numbers are, 2.8 for example"
        )));
    }
    let mut database = context.open().await?;
    let history = database.history().await?;
    match wish.decide(context, &set, history.as_ref()) {
        Ok(adoption) if adoption.batch.take.is_empty() => {
            return Ok(nothing(context, &set, history.as_ref()));
        }
        Ok(adoption) if args.dry_run => {
            let missing = wish.look(&mut database, &adoption).await?;
            return Ok(told(
                context,
                "Would adopt",
                &set,
                history,
                &adoption,
                &missing,
            ));
        }
        Err(error) if args.dry_run => return Err(error),
        Err(_) if in_motion(&mut database, history.as_ref()).await? => {}
        Err(error) => return Err(error),
        // A refusal leaves nothing behind, and the lock needs kmig's tables on Cassandra.
        Ok(adoption) => match wish.look(&mut database, &adoption).await {
            Err(error) if !in_motion(&mut database, history.as_ref()).await? => return Err(error),
            _ => {}
        },
    }
    database
        .lock(wait, &mut |event| context.progress.event(event))
        .await?;
    let result = wish.locked(context, &set, &mut database).await;
    let unlocked = database.unlock().await;
    let answer = result?;
    unlocked?;
    Ok(answer)
}

impl Wish<'_> {
    fn decide<'a>(
        &self,
        context: &Context,
        set: &'a MigrationSet,
        history: Option<&History>,
    ) -> Result<Adoption<'a>> {
        let depends_on = &context.settings()?.depends_on;
        let version = self.args.from_version.as_deref();
        plan(set, history, depends_on, &self.baselines, version).map_err(Refusal::error)
    }

    async fn locked(
        &self,
        context: &Context,
        set: &MigrationSet,
        database: &mut Database,
    ) -> Result<Answer> {
        let history = database.history().await?;
        let adoption = self.decide(context, set, history.as_ref())?;
        if adoption.batch.take.is_empty() {
            return Ok(nothing(context, set, history.as_ref()));
        }
        let missing = self.look(database, &adoption).await?;
        database.set_up().await?;
        let mut words = format!(
            "{} looked for, {} missing",
            count(adoption.wanted.len(), "object"),
            missing.len()
        );
        if !missing.is_empty() {
            words += &format!(": {}", names(&missing).join(", "));
        }
        if let Some(reason) = &self.args.reason {
            words = format!("{reason} ({words})");
        }
        let named = self.baselines.iter().filter_map(|id| set.get(id));
        let entries: Vec<Entry<'_>> = named
            .map(|migration| Entry {
                kind: "adopt",
                migration: Some(migration),
                app_version: adoption.batch.app_version.as_deref(),
                reason: Some(&words),
            })
            .collect();
        database.adopt(&adoption.batch, set, &entries).await?;
        let after = database.history().await?;
        Ok(told(context, "Adopted", set, after, &adoption, &missing))
    }

    /// What is missing, where the user accepts that it is.
    async fn look<'a, 'b>(
        &self,
        database: &mut Database,
        adoption: &'b Adoption<'a>,
    ) -> Result<Vec<&'b Wanted<'a>>> {
        let missing = database.look(&adoption.wanted).await?;
        let all = missing.len() == adoption.wanted.len();
        let missing: Vec<&Wanted<'_>> = missing
            .into_iter()
            .filter_map(|at| adoption.wanted.get(at))
            .collect();
        if missing.is_empty() || self.args.accept_missing {
            return Ok(missing);
        }
        // That a table has no columns where it is not there goes without saying.
        let of_itself = |wanted: &&&Wanted<'_>| {
            wanted.object.kind != Kind::Column
                || !missing.iter().any(|other| {
                    other.object.kind == Kind::Table && wanted.object.goes_with(&other.object.name)
                })
        };
        let shown: Vec<&&Wanted<'_>> = missing.iter().filter(of_itself).collect();
        let lines = shown.iter().take(SHOWN).map(|wanted| {
            let place = Place::span(&wanted.part.file, wanted.span);
            format!("\n  {}, made at {}", wanted.object, place.label())
        });
        let mut message = format!(
            "{} of {} that these migrations made are not in the database:{}",
            missing.len(),
            count(adoption.wanted.len(), "object"),
            lines.collect::<String>()
        );
        if shown.len() > SHOWN {
            message += &format!("\n  … and {} more", shown.len() - SHOWN);
        }
        let next = if all {
            "kmig bootstrap where this database is fresh; else look whether it is the right one, and its search_path"
        } else {
            "an earlier --baseline, or the same command with --accept-missing --reason TEXT where it is right that they are not there"
        };
        Err(Error::new(Exit::Disagree, message)
            .now("nothing was recorded")
            .next(next))
    }
}

fn names(missing: &[&Wanted<'_>]) -> Vec<String> {
    let names = missing.iter().map(|wanted| wanted.object.to_string());
    names.collect()
}

fn nothing(context: &Context, set: &MigrationSet, history: Option<&History>) -> Answer {
    let empty = Adoption::default();
    answer(
        context,
        "Nothing to adopt: these migrations are recorded as executed.",
        set,
        history,
        (&empty, &[]),
    )
}

/// What was adopted, or would be.
fn told(
    context: &Context,
    what: &str,
    set: &MigrationSet,
    history: Option<History>,
    adoption: &Adoption<'_>,
    missing: &[&Wanted<'_>],
) -> Answer {
    let labels: Vec<String> = labels(set, adoption);
    let (wanted, found) = (adoption.wanted.len(), adoption.wanted.len() - missing.len());
    let look = match wanted {
        0 => "their files make no object by name, so nothing was looked for".to_string(),
        _ => format!(
            "{found} of {} that they made are there",
            count(wanted, "object")
        ),
    };
    let what = format!(
        "{what} {}: {look}.\n  {}",
        count(labels.len(), "migration"),
        labels.join("\n  ")
    );
    answer(context, &what, set, history.as_ref(), (adoption, missing))
}

fn labels(set: &MigrationSet, adoption: &Adoption<'_>) -> Vec<String> {
    let found = adoption.batch.take.iter().filter_map(|id| set.get(id));
    found.map(|migration| migration.label()).collect()
}

fn answer(
    context: &Context,
    what: &str,
    set: &MigrationSet,
    history: Option<&History>,
    (adoption, missing): (&Adoption<'_>, &[&Wanted<'_>]),
) -> Answer {
    let due = SchemaState::compare(set, history).due();
    let text = match due.command() {
        None => what.to_string(),
        // A dry run has nothing recorded, so nothing else is due than what was asked for.
        Some(_) if history.is_none() => what.to_string(),
        Some(_) => format!("{what}\n{}", next(due, context.terminal.style)),
    };
    let objects = adoption.wanted.iter().map(|wanted| &wanted.object);
    Answer {
        exit: Exit::Done,
        text,
        document: object(json!({
            "message": what.lines().next().unwrap_or_default(),
            "adopted": labels(set, adoption),
            "objects": objects.map(ToString::to_string).collect::<Vec<_>>(),
            "missing": names(missing),
            "due": { "code": due.exit() as u8, "command": due.command() },
        })),
    }
}
