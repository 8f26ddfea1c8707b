//! `kmig lock show` and `kmig lock break`.

use super::context::Context;
use crate::backend::{Backend, Database, Ending, Holder};
use crate::error::{Error, Exit, Result};
use crate::report::Answer;
use crate::report::lock::{facts, show as page};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long the end of the holder's session is waited for.
const END_MAX: Duration = Duration::from_secs(10);

/// How often it is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Shows who holds the lock.
pub async fn show(context: &Context) -> Result<Answer> {
    let mut database = context.open().await?;
    database.history().await?;
    let scene = database.scene().await?;
    Ok(page(scene.as_ref(), context.terminal.style))
}

/// Ends the lock's holder, once a person said so.
pub async fn end(context: &Context, reason: Option<&str>) -> Result<Answer> {
    let reason = reason.map(str::trim);
    if reason == Some("") {
        return Err(Error::usage("--reason is empty").next("say why the lock is broken"));
    }
    let mut database = context.open().await?;
    database.history().await?;
    let Some(scene) = database.scene().await? else {
        return Ok(answer(
            "Nobody holds the lock: there is nothing to break.",
            None,
            None,
        ));
    };
    let holder = &scene.holder;
    context.progress.say(&format!("{holder} holds the lock"));
    for (name, fact) in facts(&scene) {
        context.progress.say(&format!("{name}: {fact}"));
    }
    context.confirm(&match holder.leases {
        true => format!("Take the lease of process {} away?", holder.pid),
        false => format!("End server process {}?", holder.pid),
    })?;
    match database.end(holder).await? {
        Ending::Told => {}
        Ending::Changed => return changed(&mut database, holder).await,
        Ending::Denied(why) => return Err(denied(holder, scene.user.as_deref(), &why)),
    }
    let deadline = Instant::now() + END_MAX;
    let now = loop {
        let now = database.holder().await?;
        if !now.as_ref().is_some_and(|now| same(now, holder)) {
            break now;
        }
        if Instant::now() >= deadline {
            return Err(Error::failed(format!(
                "{holder} was told to end, and has not ended for {} s",
                END_MAX.as_secs()
            ))
            .now("it still holds the lock; what it is in cannot be interrupted yet")
            .next("kmig lock show, until nobody holds the lock"));
        }
        context.stop.pause(POLL).await?;
    };
    if let Err(error) = database.note_broken(holder, reason).await {
        context.progress.say(&format!(
            "the lock is broken, but the journal could not be told: {}",
            error.message
        ));
    }
    let now_text = match &now {
        Some(now) => format!("{now} has it now."),
        None => "Nobody holds it now.".to_string(),
    };
    let what = match holder.leases {
        true => {
            "can record nothing more; what it had sent may still take effect, and is settled by the next run, which waits for as long as a lease lasts"
        }
        false => "was ended, and what it had not committed is rolled back",
    };
    let text = format!(
        "Broke the lock: {holder} {what}. {now_text}\n\
         Next: kmig status tells where that left things; the command that ran continues where it stopped"
    );
    Ok(answer(&text, Some(holder), now.as_ref()))
}

/// The one that was seen is gone by itself.
async fn changed(database: &mut Database, seen: &Holder) -> Result<Answer> {
    match database.holder().await? {
        None => Ok(answer(
            &format!("Nobody holds the lock: {seen} has given it back by itself."),
            None,
            None,
        )),
        Some(now) => Err(Error::new(
            Exit::Locked,
            format!("{seen} has given the lock back by itself, and {now} has it now"),
        )
        .now("nobody was ended")
        .next("kmig lock show, and again kmig lock break where that one is meant too")),
    }
}

fn denied(holder: &Holder, role: Option<&str>, why: &str) -> Error {
    let role = role.unwrap_or("its role");
    Error::failed(format!("{holder} cannot be ended by this role: {why}"))
        .now("it still holds the lock; nobody was ended")
        .next(format!(
            "kmig lock break as {role}, or GRANT pg_signal_backend TO this role (a superuser's session is ended by superusers only)"
        ))
}

/// Whether both are one session: a server process id may come again.
fn same(one: &Holder, other: &Holder) -> bool {
    one.pid == other.pid && one.began == other.began
}

fn answer(text: &str, broken: Option<&Holder>, now: Option<&Holder>) -> Answer {
    let mut answer = Answer::line(text.lines().next().unwrap_or_default())
        .with("broken", json!(broken))
        .with("lock", json!(now));
    answer.text = text.to_string();
    answer
}
