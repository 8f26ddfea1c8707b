//! `kmig reset`.

use super::context::Context;
use super::engine::{in_motion, lock_wait};
use crate::backend::{Backend, Database, Thing};
use crate::cli::ResetArgs;
use crate::error::{Error, Result};
use crate::place::Place;
use crate::plan::history::History;
use crate::plan::refusal::Refusal;
use crate::plan::reset::{Reset, Unseen, Why, plan};
use crate::plan::there::Wanted;
use crate::report::{Answer, count};
use crate::source::MigrationSet;
use crate::sql::made::Kind;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is left, one by one, at most; JSON has all.
const SHOWN: usize = 40;

/// What a reset drops and leaves in a database, as it was looked up there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Picture {
    drop: Vec<Thing>,
    left: Vec<Left>,
}

/// What stays.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    what: String,
    why: &'static str,
    place: String,
}

/// Removes what kmig's migrations own, once somebody has said the database's name.
pub async fn run(context: &Context, args: &ResetArgs) -> Result<Answer> {
    let wait = lock_wait(&args.lock_wait)?;
    let set = context.migrations()?;
    let mut database = context.open().await?;
    database.for_reset();
    let history = database.history().await?;
    if let Some(name) = &args.database {
        right_name(name, database.name())?;
    }
    let seen = match decide(&set, history.as_ref()) {
        Ok(Some(reset)) => Some(look(&mut database, &reset).await?),
        Err(error) if args.dry_run => return Err(error),
        // What looks refused or empty may be the middle of somebody else's run.
        decided if !in_motion(&mut database, history.as_ref()).await? => {
            return decided.map(|_| nothing(&database));
        }
        _ => None,
    };
    if args.dry_run {
        return Ok(match seen {
            Some(picture) => told(&database, &picture, true),
            None => nothing(&database),
        });
    }
    let agreed = match seen {
        Some(picture) if args.database.is_none() => {
            ask(context, &database, &picture)?;
            Some(picture)
        }
        _ => None,
    };
    database
        .lock(wait, &mut |event| context.progress.event(event))
        .await?;
    let result = locked(context, args, &set, &mut database, agreed).await;
    let unlocked = match &result {
        Err(error) if error.lost => Ok(()),
        _ => database.unlock().await,
    };
    let answer = result?;
    unlocked?;
    Ok(answer)
}

async fn locked(
    context: &Context,
    args: &ResetArgs,
    set: &MigrationSet,
    database: &mut Database,
    agreed: Option<Picture>,
) -> Result<Answer> {
    let history = database.history().await?;
    let Some(reset) = decide(set, history.as_ref())? else {
        return Ok(nothing(database));
    };
    let picture = look(database, &reset).await?;
    match agreed {
        // Rows come and go.
        Some(agreed) if names(&agreed) == names(&picture) => {}
        Some(_) => {
            return Err(
                Error::failed("what this reset would drop has changed since it was shown")
                    .now("nothing was dropped")
                    .next("kmig reset, which shows it anew"),
            );
        }
        None if args.database.is_none() => ask(context, database, &picture)?,
        None => {}
    }
    database
        .remove(&picture.drop, &mut |event| context.progress.event(event))
        .await?;
    Ok(told(database, &picture, false))
}

fn names(picture: &Picture) -> BTreeSet<(u32, u32, String, String)> {
    picture.drop.iter().map(Thing::key).collect()
}

fn decide<'a>(set: &'a MigrationSet, history: Option<&History>) -> Result<Option<Reset<'a>>> {
    let planned = history.map(|history| plan(set, history)).transpose();
    planned.map_err(Refusal::error)
}

fn right_name(given: &str, database: &str) -> Result<()> {
    if given == database {
        return Ok(());
    }
    Err(Error::usage(format!(
        "this database is called {database:?}, not {given:?}"
    ))
    .now("nothing was dropped")
    .next("the --url of the database that is meant, or its right name; kmig config shows where the url comes from"))
}

fn ask(context: &Context, database: &Database, picture: &Picture) -> Result<()> {
    let name = database.name();
    let question = format!(
        "{}\nThis cannot be taken back. Type the database's name to go on",
        page(picture, name, true)
    );
    let typed = context
        .typed(
            &question,
            "the same command with --database NAME, the name of the database",
        )
        .map_err(|error| error.now("nothing was dropped"))?;
    right_name(typed.trim(), name)
}

/// Asks the catalogue what is there.
async fn look(database: &mut Database, reset: &Reset<'_>) -> Result<Picture> {
    let left = reset.left.iter().map(|(wanted, _)| wanted);
    let wanted: Vec<&Wanted<'_>> = reset.own.iter().chain(left).collect();
    let mut found = database.find(&wanted).await?;
    let others = found.split_off(reset.own.len());
    let mut picture = Picture::default();
    let mut taken = BTreeSet::new();
    for (wanted, things) in reset.own.iter().zip(found) {
        if overloaded(reset, wanted, things.len()) {
            picture
                .left
                .extend(left_things(wanted, Why::Overloaded, &things));
            continue;
        }
        let new = things.into_iter().filter(|thing| taken.insert(thing.key()));
        picture.drop.extend(new);
    }
    for ((wanted, why), things) in reset.left.iter().zip(others) {
        let things: Vec<Thing> = things
            .into_iter()
            .filter(|thing| !taken.contains(&thing.key()))
            .collect();
        picture.left.extend(left_things(wanted, *why, &things));
    }
    picture.left.extend(reset.unseen.iter().map(left_statement));
    let mut known = BTreeSet::new();
    picture
        .left
        .retain(|left| known.insert((left.what.clone(), left.place.clone())));
    Ok(picture)
}

/// Whether functions of one name are not just those that migrations made: then it is not known which are.
fn overloaded(reset: &Reset<'_>, wanted: &Wanted<'_>, found: usize) -> bool {
    let alike = |own: &&Wanted<'_>| {
        own.object.kind == wanted.object.kind
            && own.object.name == wanted.object.name
            && own.settings == wanted.settings
    };
    matches!(wanted.object.kind, Kind::Function | Kind::Aggregate)
        && reset.own.iter().filter(alike).count() != found
}

fn left_things(wanted: &Wanted<'_>, why: Why, things: &[Thing]) -> Vec<Left> {
    let place = Place::span(&wanted.part.file, wanted.span).label();
    let left = |what: String| Left {
        what,
        why: why.words(),
        place: place.clone(),
    };
    match wanted.object.kind {
        // The server named its table.
        Kind::Column | Kind::Trigger => {
            let there = things.iter().take(1);
            there.map(|_| left(wanted.object.to_string())).collect()
        }
        _ => things.iter().map(|thing| left(called(thing))).collect(),
    }
}

fn left_statement(unseen: &Unseen<'_>) -> Left {
    Left {
        what: format!("what this did: {}", unseen.words),
        why: unseen.why,
        place: Place::span(&unseen.part.file, unseen.span).label(),
    }
}

fn called(thing: &Thing) -> String {
    format!("{} {}", thing.kind, thing.name)
}

fn nothing(database: &Database) -> Answer {
    let name = database.name();
    Answer::line(format!(
        "Nothing to reset: kmig has no record in the database {name}."
    ))
    .with("database", json!(name))
    .with("dropped", json!([]))
    .with("left", json!([]))
}

/// What is dropped and what is left, line by line.
fn page(picture: &Picture, database: &str, before: bool) -> String {
    let what = if before { "Would drop" } else { "Dropped" };
    let objects = count(picture.drop.len(), "object");
    let mut text =
        format!("{what} {objects} of the database {database}, and what kmig has recorded");
    text += if picture.drop.is_empty() { "." } else { ":" };
    for thing in &picture.drop {
        text += &format!("\n  {}", called(thing));
        if let Some(rows) = thing.rows {
            text += &format!(
                " (about {})",
                count(usize::try_from(rows).unwrap_or_default(), "row")
            );
        }
    }
    if !picture.left.is_empty() {
        text += &format!(
            "\n{}, look yourself:",
            if before { "Would leave" } else { "Left" }
        );
    }
    for left in picture.left.iter().take(SHOWN) {
        text += &format!("\n  {}, {}: {}", left.what, left.place, left.why);
    }
    if picture.left.len() > SHOWN {
        text += &format!(
            "\n  … and {} more; --json has all",
            picture.left.len() - SHOWN
        );
    }
    text
}

fn told(database: &Database, picture: &Picture, before: bool) -> Answer {
    let name = database.name();
    let page = page(picture, name, before);
    let first = page.lines().next().unwrap_or_default();
    let dropped: Vec<Value> = picture
        .drop
        .iter()
        .map(|thing| json!({ "kind": thing.kind, "name": thing.name, "rows": thing.rows }))
        .collect();
    let left: Vec<Value> = picture
        .left
        .iter()
        .map(|left| json!({ "what": left.what, "why": left.why, "place": left.place }))
        .collect();
    let next = if before {
        String::new()
    } else {
        "\nNext: kmig bootstrap makes it all anew".to_string()
    };
    let mut answer = Answer::line(first.trim_end_matches(':'))
        .with("database", json!(name))
        .with("dropped", dropped)
        .with("left", left);
    answer.text = page + &next;
    answer
}
