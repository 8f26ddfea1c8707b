//! `kmig import`.

pub(super) mod decide;
mod files;
mod lacking;
mod markers;
mod noted;
mod pieces;
mod rejects;
mod try_out;

use super::context::Context;
use super::engine::lock_wait;
use crate::backend::cassandra::Cassandra;
use crate::backend::cassandra::cells::Hitches;
use crate::backup::archive::Archive;
use crate::backup::mapping::{File, read};
use crate::cli::ImportArgs;
use crate::error::{Error, Exit, Result, reason};
use crate::place::SourceFile;
use crate::report::{Answer, count};
use decide::Decision;
use files::Run;
use serde_json::{Value, json};
use std::path::Path;

/// Imports a folder into a keyspace that `kmig bootstrap` made.
pub async fn run(context: &Context, args: &ImportArgs) -> Result<Answer> {
    let shard = args
        .shard
        .as_deref()
        .map(shard)
        .transpose()?
        .unwrap_or((0, 1));
    let wait = lock_wait(&args.lock_wait)?;
    let archive = Archive::open(&args.directory)?;
    let mapping = args.mapping.as_deref().map(mapping).transpose()?;
    let mut cassandra = context.keyspace().await?;
    cassandra.needs_own_tables().await?;
    let mut decision = Decision::make(&cassandra, &archive, mapping.as_ref(), args).await?;
    if let Some(reshaped) = &archive.manifest.reshaped {
        context.progress.say(&format!(
            "{} was reshaped from {}: what has no write time of its own gets {}, when that export began",
            archive.folder.display(),
            reshaped.from,
            archive.manifest.began
        ));
    }
    for line in decision.lines() {
        context.progress.say(&line);
    }
    if args.dry_run.is_some() {
        return try_out::try_out(&cassandra, &archive, &decision, args).await;
    }
    decision.ask(context, &cassandra).await?;
    cassandra.may_claim().await?;
    let tell = |line: String| context.progress.say(&line);
    let hitches = Hitches::new(&tell);
    decision.agree(&cassandra, &hitches).await?;
    let run = Run {
        context,
        hitches: &hitches,
        cassandra: &cassandra,
        archive: &archive,
        decision: &decision,
        args,
        shard,
        wait,
    };
    let done = run.all().await.map_err(stopped)?;
    let grants = lacking::grants(context, &cassandra, &archive, args.grants).await?;
    Ok(told(&archive, &cassandra, &decision, done, grants))
}

/// What a run that stopped says of the keyspace.
fn stopped(mut error: Error) -> Error {
    error.now.get_or_insert_with(|| {
        "what was imported stays; the files that were being imported are gone on with by the next run".to_string()
    });
    error.next.get_or_insert_with(|| {
        "the same command, which goes on where this one stopped".to_string()
    });
    error
}

/// Reads mapping.toml.
///
/// # Errors
/// It is not there, or everything that is wrong in it.
pub fn mapping(path: &Path) -> Result<(SourceFile, File)> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("{shown} cannot be read: {}", reason(&error)))
            .next("--mapping names the file")
    })?;
    let source = SourceFile {
        path: shown,
        text: text.trim_start_matches('\u{feff}').to_string(),
    };
    let file = read(&source).map_err(Error::files)?;
    Ok((source, file))
}

/// `3/16`: which shard, from 0, and of how many.
pub(super) fn shard(text: &str) -> Result<(usize, usize)> {
    let numbers = text.split_once('/');
    let numbers = numbers.and_then(|(at, of)| Some((at.parse().ok()?, of.parse().ok()?)));
    match numbers {
        Some((at, of)) if at < of => Ok((at, of)),
        _ => Err(Error::usage(format!("--shard {text}: no shard of several"))
            .next("--shard 0/4 to --shard 3/4 are the four shards of four")),
    }
}

fn told(
    archive: &Archive,
    cassandra: &Cassandra,
    decision: &Decision,
    done: files::Done,
    grants: Vec<String>,
) -> Answer {
    let folder = archive.folder.display();
    let mut text = format!(
        "Imported {} of {folder} into {}: {}",
        count(done.files, "file"),
        cassandra.keyspace(),
        count(usize::try_from(done.rows).unwrap_or(usize::MAX), "row")
    );
    if done.skipped > 0 {
        text += &format!("; {} had been imported before", count(done.skipped, "file"));
    }
    if done.expired > 0 {
        text += &format!(
            "; {} had expired",
            count(usize::try_from(done.expired).unwrap_or(usize::MAX), "cell")
        );
    }
    if done.deleted > 0 {
        text += &format!(
            "; {} since",
            count(
                usize::try_from(done.deleted).unwrap_or(usize::MAX),
                "deletion"
            )
        );
    }
    text.push('.');
    let unknown = decision.unknown_objects();
    if !unknown.is_empty() {
        text += "\nThe old keyspace has what this one has not, and no file of rows holds it:";
        for object in &unknown {
            text += &format!("\n  {object}");
        }
    }
    if !grants.is_empty() {
        text += match done.granted {
            true => "\nGranted:",
            false => {
                "\nRights on the old keyspace that nobody has on this one yet (--grants gives them):"
            }
        };
        for grant in &grants {
            text += &format!("\n  {grant};");
        }
    }
    let failed = done.rejected > 0 || !done.broken.is_empty();
    for broken in &done.broken {
        text += &format!("\nNot imported: {broken}");
    }
    if done.rejected > 0 {
        text += &format!(
            "\nRejected {}: see {}. The same command tries their files again.",
            count(usize::try_from(done.rejected).unwrap_or(usize::MAX), "row"),
            done.rejects.display()
        );
    }
    text += &match failed {
        true => "\nNext: mend what is named above, then the same command".to_string(),
        false => format!("\nNext: kmig verify {folder}"),
    };
    let mut answer = Answer::line(text.lines().next().unwrap_or_default())
        .with("keyspace", json!(cassandra.keyspace()))
        .with("files", json!(done.files))
        .with("skipped", json!(done.skipped))
        .with("rows", json!(done.rows))
        .with("expired", json!(done.expired))
        .with("deleted", json!(done.deleted))
        .with("rejected", json!(done.rejected))
        .with("broken", json!(done.broken))
        .with("objects", json!(unknown))
        .with("grants", json!(grants))
        .with("markers", decision.markers_json());
    if done.rejected > 0 {
        answer = answer.with("rejects", Value::from(done.rejects.display().to_string()));
    }
    answer.text = text;
    answer.exit = match failed {
        true => Exit::Failed,
        false => Exit::Done,
    };
    answer
}
