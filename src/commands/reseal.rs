//! `kmig reseal`.

use super::context::Context;
use super::export::now;
use super::import::decide::targets;
use crate::backup::archive::{self, Archive, EXPORT, MANIFEST};
use crate::backup::keys::AT_ONCE;
use crate::backup::manifest::Manifest;
use crate::cli::ResealArgs;
use crate::error::{Error, Result};
use crate::keyspace::plan::types;
use crate::keyspace::reseal::Reseal;
use crate::report::Answer;
use crate::report::progress::{Copying, Moved};
use crate::report::reseal as report;

/// Proves a folder of files that another engine wrote, and seals it.
pub async fn run(context: &Context, args: &ResealArgs) -> Result<Answer> {
    let folder = &args.directory;
    let shown = folder.display().to_string();
    let from = Archive::open(&args.from)?;
    let before = match folder.join(MANIFEST).exists() {
        true => Some(Archive::open(folder)?.manifest),
        false => None,
    };
    if let Some(manifest) = before.as_ref().filter(|_| !args.again) {
        return Err(sealed(&shown, manifest));
    }
    let cassandra = context.keyspace().await?;
    let (schema, shapes) = targets(&cassandra).await?;
    let copying = Copying::new(&context.progress, "checked", "files");
    let reseal = Reseal {
        folder,
        from: &from,
        keyspace: cassandra.keyspace(),
        shapes: &shapes,
        types: types(&schema),
        now: cassandra.now().await?,
        keys_at_once: AT_ONCE,
        stop: &context.stop,
        progress: &|rows, bytes, done, of| {
            copying.moved(Moved {
                rows,
                bytes,
                done,
                of,
            });
        },
    };
    let made = reseal.run().await;
    copying.end();
    let mut made = made?;
    for line in report::notes(&made) {
        context.progress.say(&line);
    }
    if args.dry_run {
        return Ok(report::dry_run(&shown, &made));
    }
    if let Some(before) = &before {
        made.manifest.sealed.clone_from(&before.sealed);
        if made.manifest == *before {
            return Ok(report::unchanged(&shown, &made));
        }
        if before.reshaped.is_none() {
            context.progress.say(&format!(
                "{shown} is an export: its own manifest stays in it as {EXPORT}, and its ranges of tokens are not held to any more"
            ));
        }
    }
    made.manifest.sealed = now();
    archive::reseal(folder, &from, &made.manifest)?;
    Ok(report::sealed(&shown, &made))
}

/// What is sealed is not sealed anew by mistake.
fn sealed(shown: &str, manifest: &Manifest) -> Error {
    let error = match manifest.reshaped {
        Some(_) => Error::usage(format!("{shown} is sealed already, at {}", manifest.sealed)),
        None => Error::usage(format!(
            "{shown} is an export: what it says of its keyspace would be written over"
        )),
    };
    error.now("nothing was written").next(match manifest.reshaped {
        Some(_) => "kmig import takes it as it is; --again seals it anew, where its files were changed",
        None => "write the files into another folder; --again seals this one all the same, as one that was reshaped",
    })
}
