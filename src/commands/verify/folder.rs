//! A folder of an export beside the keyspace of the url.

use super::all;
use crate::backend::cassandra::cells::Hitches;
use crate::backup::archive::Archive;
use crate::backup::mapping::{File, TableMap};
use crate::cli::VerifyArgs;
use crate::commands::context::Context;
use crate::commands::import::decide::{mapped, targets};
use crate::error::{Error, Result};
use crate::keyspace::plan::tells_elements;
use crate::keyspace::verify::{First, Live, Piece, Verify, parts};
use crate::place::{Place, SourceFile};
use crate::report::Answer;
use crate::report::progress::Copying;
use crate::report::verify::{Sides, told};
use std::path::Path;
use std::sync::Arc;

/// Compares them.
pub async fn run(
    context: &Context,
    args: &VerifyArgs,
    directory: &Path,
    rules: Option<(SourceFile, File)>,
    (at, of): (usize, usize),
) -> Result<Answer> {
    let archive = Archive::open(directory)?;
    let cassandra = context.keyspace().await?;
    let (schema, shapes) = targets(&cassandra).await?;
    let maps = mapped(&archive, rules.as_ref(), &schema, &shapes)?;
    let source = cassandra.source();
    let look = source.look().await?;
    let level = cassandra.level();
    let name = cassandra.keyspace().to_string();
    let ranges = args.parallel.into();
    let changes = archive.manifest.since.is_some();
    let reshaped = archive.manifest.reshaped.is_some();
    let tell = |text: String| context.progress.say(&text);
    let hitches = Hitches::new(&tell);
    let verify = Verify {
        target: Live::new(&source, &look, &level, name, ranges, args.max_rows),
        source: None,
        tells: tells_elements(look.oldest),
        partial: changes || reshaped,
        stop: &context.stop,
        hitches: &hitches,
    };
    let pieces = pieces(&archive, &maps.tables)?.into_iter().enumerate();
    let pieces: Vec<_> = pieces
        .filter(|(place, _)| place % of == at)
        .map(|(_, piece)| piece)
        .collect();
    let copying = Copying::new(&context.progress, "compared", "files");
    let prove = async |piece: &Piece| proved(&archive, piece).await;
    let found = all(&verify, pieces, prove, &copying, args.parallel).await;
    copying.end();
    let looked_up = maps
        .tables
        .iter()
        .filter(|map| reshaped || !map.keeps_keys());
    let sides = Sides {
        first: archive.folder.display().to_string(),
        second: verify.target.name.clone(),
        live: false,
        tells: verify.tells,
        changes,
        looked_up: match changes {
            true => Vec::new(),
            false => looked_up.map(|map| map.target.name.clone()).collect(),
        },
        only: Vec::new(),
    };
    Ok(told(&sides, &found?))
}

/// Each file with its range.
fn pieces(archive: &Archive, maps: &[TableMap]) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let began = archive.manifest.began_micros()?;
    for map in maps {
        let map = Arc::new(map.clone());
        let mut tables = archive.manifest.tables.iter();
        let Some(table) = tables.find(|table| table.outline.name == map.source.name) else {
            continue;
        };
        for range in &table.ranges {
            for part in parts(&map) {
                let Some(of_part) = range.file(part) else {
                    continue;
                };
                pieces.push(Piece {
                    map: map.clone(),
                    part,
                    range: range.tokens,
                    first: First::File {
                        layout: archive.layout(table, part)?,
                        path: archive.path(&of_part.file),
                        file: of_part.file.clone(),
                        deleted: of_part.deleted.as_ref().map(|deleted| {
                            let file = deleted.file.clone();
                            Box::new((archive.path(&file), file))
                        }),
                        read_at: range.read_from.saturating_mul(1_000),
                        cut_off: began,
                    },
                });
            }
        }
    }
    Ok(pieces)
}

/// Whether the files of a piece are as they were written.
async fn proved(archive: &Archive, piece: &Piece) -> Result<()> {
    let First::File { file, deleted, .. } = &piece.first else {
        return Ok(());
    };
    let deleted = deleted.iter().map(|deleted| &deleted.1);
    let files: Vec<_> = [file].into_iter().chain(deleted).cloned().collect();
    let archive = archive.clone();
    let proved = tokio::task::spawn_blocking(move || {
        files.into_iter().try_for_each(|file| {
            let checked = archive.check(&file);
            checked.map_err(|broken| broken.at(Place::file(file.path)))
        })
    });
    proved
        .await
        .map_err(|error| Error::failed(error.to_string()))?
}
