//! `kmig export`.

use super::context::Context;
use crate::backend::cassandra::cells::{Limits, Look, Source, Throttle};
use crate::backup::archive::{self, Sealing, Shard};
use crate::backup::manifest::{App, ElementTimes, LeftOut, Options, Unfinished, UuidForm};
use crate::cli::{ExportArgs, UuidArg};
use crate::error::{Error, Result};
use crate::keyspace::export::{Done, Export};
use crate::keyspace::plan::{self, Wish};
use crate::keyspace::since::Chain;
use crate::report::Answer;
use crate::report::export as report;
use crate::report::progress::{Copying, Moved};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// Exports a keyspace, or goes on with it.
pub async fn run(context: &Context, args: &ExportArgs) -> Result<Answer> {
    let wish = wish(context, args)?;
    if let (true, Some(folder)) = (args.seal, &args.to) {
        return sealed(folder);
    }
    let source = context.keyspace().await?.source();
    let look = source.look().await?;
    let began = moment(look.now);
    let backups = context.settings()?.backups_folder();
    let folder = match &args.to {
        Some(folder) => folder.clone(),
        None => archive::newest_unsealed(&backups, &source.keyspace, &look.cluster)?
            .unwrap_or_else(|| backups.join(folder_name(&source.keyspace, look.now))),
    };
    let shown = folder.display().to_string();
    let mut wanted = plan::plan(&source.keyspace, &look, &wish, &began)?;
    let chain = args.since.as_deref().map(Chain::open).transpose()?;
    if let Some(chain) = &chain {
        chain.plan(&mut wanted)?;
    }
    if args.dry_run {
        return Ok(report::dry_run(&shown, &wanted));
    }
    let shard = open(context, &folder, wanted, &source, &look, args)?;
    for line in report::not_kept(&shard.plan) {
        context.progress.say(&line);
    }
    let throttle = Throttle::new(limits(args));
    let copying = Copying::new(&context.progress, "exported", "ranges");
    let export = Export {
        source: &source,
        look: &look,
        shard: Arc::new(shard),
        throttle: &throttle,
        since: chain.map(Arc::new),
        at_once: args.parallel.into(),
        stop: &context.stop,
        progress: &|done: Done| {
            copying.moved(Moved {
                rows: done.rows,
                bytes: done.bytes,
                done: done.ranges,
                of: done.of,
            });
        },
        tell: &|text: String| context.progress.say(&text),
    };
    let done = export.run().await;
    copying.end();
    let done = done.map_err(|error| stopped(error, &shown))?;
    match wish.shard {
        (0, 1) => sealed(&folder),
        _ => Ok(report::shard(&shown, &export.shard.plan, done.rows)),
    }
}

/// What was typed.
fn wish(context: &Context, args: &ExportArgs) -> Result<Wish> {
    let settings = context.settings()?;
    let element_times = args
        .element_times
        .as_deref()
        .map(element_times)
        .transpose()?;
    let consistency = args.consistency.as_deref().unwrap_or("LOCAL_QUORUM");
    let app = App {
        name: settings.app_name.clone(),
        version: settings.app.version.clone(),
    };
    let reason = args.reason.as_deref().map(str::trim).unwrap_or_default();
    if reason.is_empty() && !args.leave_out.is_empty() {
        return Err(Error::usage("--reason is empty").next("say why it is left out"));
    }
    let left_out = args.leave_out.iter().map(|what| LeftOut {
        what: what.clone(),
        reason: reason.to_string(),
    });
    let mut left_out: Vec<LeftOut> = left_out.collect();
    left_out.sort();
    Ok(Wish {
        options: Options {
            consistency: consistency.to_ascii_uppercase().replace('-', "_"),
            uuid: match args.uuid {
                None | Some(UuidArg::Text) => UuidForm::Text,
                Some(UuidArg::Bytes) => UuidForm::Bytes,
                Some(UuidArg::Logical) => UuidForm::Logical,
            },
            element_times,
        },
        left_out,
        shard: args.shard.as_deref().map_or(Ok((0, 1)), shard)?,
        at_once: args.parallel.into(),
        app: (app.name.is_some() || app.version.is_some()).then_some(app),
    })
}

/// `3/16`.
fn shard(text: &str) -> Result<(usize, usize)> {
    let parts = text.split_once('/');
    let numbers = parts.and_then(|(at, of)| Some((at.parse().ok()?, of.parse().ok()?)));
    numbers.filter(|(at, of)| at < of).ok_or_else(|| {
        Error::usage(format!("--shard {text}: it is I/N, with I from 0 to N-1"))
            .next("--shard 0/4, --shard 1/4, --shard 2/4, --shard 3/4")
    })
}

/// `row-max`, or a time.
fn element_times(text: &str) -> Result<ElementTimes> {
    if text == "row-max" {
        return Ok(ElementTimes::RowMax);
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        Error::usage(format!(
            "--element-times {text}: neither row-max nor a time"
        ))
        .next("--element-times row-max, or --element-times 2026-01-31T00:00:00Z")
    })?;
    let micros = time.unix_timestamp_nanos() / 1000;
    i64::try_from(micros)
        .map(ElementTimes::At)
        .map_err(|_| Error::usage(format!("--element-times {text}: out of range")))
}

fn limits(args: &ExportArgs) -> Limits {
    Limits {
        at_once: args.parallel.into(),
        rows: args.max_rows,
        bytes: args.max_megabytes.map(|megabytes| megabytes * 1_000_000),
    }
}

/// `<keyspace>-YYYYMMDDTHHMMSSZ`, by the coordinator's clock.
fn folder_name(keyspace: &str, now: i64) -> PathBuf {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = time(now).format(format).unwrap_or_default();
    PathBuf::from(format!("{keyspace}-{time}"))
}

fn moment(now: i64) -> String {
    time(now).format(&Rfc3339).unwrap_or_default()
}

fn time(millis: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .to_offset(UtcOffset::UTC)
}

/// Begins a shard, or goes on with it: as it was begun, but for tables that were changed since.
fn open(
    context: &Context,
    folder: &Path,
    wanted: Unfinished,
    source: &Source,
    look: &Look,
    args: &ExportArgs,
) -> Result<Shard> {
    let schema = plan::schema_cql(&source.keyspace, look);
    let Some(mut shard) = Shard::resume(folder, wanted.shard)? else {
        return Shard::begin(folder, wanted, &schema);
    };
    agrees(folder, &shard.plan, &wanted, args)?;
    let changed = plan::changed(&shard.plan, &look.schema)?;
    if !changed.is_empty() {
        context.progress.say(&format!(
            "the schema was changed since this export was begun: {} is read from its beginning",
            changed.join(", ")
        ));
        let plan = plan::rejoined(&shard.plan, wanted, &changed);
        shard.begin_anew(&changed, plan, &schema)?;
    }
    Ok(shard)
}

/// What is asked for now must be what was asked for when the export was begun.
fn agrees(folder: &Path, begun: &Unfinished, wanted: &Unfinished, args: &ExportArgs) -> Result<()> {
    let differs = |what: &str| {
        Err(Error::usage(format!(
            "{} was begun with another {what}",
            folder.display()
        ))
        .now("nothing was read")
        .next("the options it was begun with, or --to with another folder"))
    };
    let (then, now) = (&begun.source, &wanted.source);
    if (&begun.keyspace, &then.cluster) != (&wanted.keyspace, &now.cluster) {
        return differs("keyspace or cluster");
    }
    if begun.since != wanted.since {
        return differs("--since");
    }
    if args.uuid.is_some() && then.options.uuid != now.options.uuid {
        return differs("--uuid");
    }
    if args.consistency.is_some() && then.options.consistency != now.options.consistency {
        return differs("--consistency");
    }
    if then.options.element_times != now.options.element_times {
        return differs("--element-times");
    }
    let what = |plan: &Unfinished| -> Vec<String> {
        plan.left_out.iter().map(|left| left.what.clone()).collect()
    };
    if what(begun) != what(wanted) {
        return differs("--leave-out");
    }
    Ok(())
}

/// The second by this machine's clock, RFC 3339.
pub(super) fn now() -> String {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0);
    let now = now.ok().and_then(|now| now.format(&Rfc3339).ok());
    now.unwrap_or_default()
}

/// Seals a folder.
fn sealed(folder: &Path) -> Result<Answer> {
    let shown = folder.display().to_string();
    match archive::seal(folder, &now())? {
        Sealing::Sealed(manifest) => Ok(report::sealed(&shown, &manifest)),
        Sealing::Lacks(lacks) => Err(Error::failed(format!(
            "{shown} is not complete\n  {}",
            lacks.join("\n  ")
        ))
        .now("it is not sealed; what is exported stays")
        .next(format!(
            "kmig export --to {shown} --shard I/N for what lacks, then --seal again"
        ))),
    }
}

/// What a run that stopped says of the folder.
fn stopped(mut error: Error, folder: &str) -> Error {
    error.now.get_or_insert_with(|| {
        "what is sealed stays; the ranges that were being read are read again".to_string()
    });
    error
        .next
        .get_or_insert_with(|| format!("the same command, which goes on in {folder}"));
    error
}
