//! `kmig verify`.

use super::context::Context;
use super::import::decide::{mapped, targets};
use super::import::{mapping, shard};
use crate::backend::cassandra::cells::{Limits, Throttle};
use crate::backup::archive::Archive;
use crate::backup::cast::show;
use crate::backup::compare::{Difference, Tally};
use crate::backup::mapping::TableMap;
use crate::backup::table::Part;
use crate::cli::VerifyArgs;
use crate::error::{Exit, Result};
use crate::keyspace::plan::tells_elements;
use crate::keyspace::verify::{Compared, Piece, Verify};
use crate::report::progress::{Copying, Moved};
use crate::report::{Answer, count};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use std::sync::Arc;

/// Differences that are shown; JSON has the first thousand.
const SHOWN: usize = 20;

/// Differences that JSON has.
const LISTED: usize = 1_000;

/// What a verification came to.
#[derive(Default)]
struct Found {
    tally: Tally,
    differences: Vec<(String, String, String)>,
    broken: Vec<String>,
}

/// Compares a folder with the keyspace of the url.
pub async fn run(context: &Context, args: &VerifyArgs) -> Result<Answer> {
    let (at, of) = args.shard.as_deref().map_or(Ok((0, 1)), shard)?;
    let archive = Archive::open(&args.directory)?;
    let rules = args.mapping.as_deref().map(mapping).transpose()?;
    let cassandra = context.keyspace().await?;
    let (schema, shapes) = targets(&cassandra).await?;
    let maps = mapped(&archive, rules.as_ref(), &schema, &shapes)?;
    let source = cassandra.source();
    let look = source.look().await?;
    let throttle = Throttle::new(Limits {
        at_once: args.parallel.into(),
        rows: args.max_rows,
        bytes: None,
    });
    let verify = Verify {
        source: &source,
        look: &look,
        tells: tells_elements(look.oldest),
        partial: archive.manifest.since.is_some(),
        level: &cassandra.level(),
        throttle: &throttle,
        stop: &context.stop,
        tell: &|text: String| context.progress.say(&text),
    };
    let pieces = pieces(&archive, &maps.tables)?.into_iter().enumerate();
    let pieces: Vec<_> = pieces
        .filter(|(place, _)| place % of == at)
        .map(|(_, piece)| piece)
        .collect();
    let copying = Copying::new(&context.progress, "compared", "files");
    let found = all(&verify, &archive, pieces, &copying, args).await;
    copying.end();
    Ok(told(&archive, cassandra.keyspace(), &verify, found?))
}

/// Each file with its range.
fn pieces(
    archive: &Archive,
    maps: &[TableMap],
) -> Result<Vec<(Piece, crate::backup::manifest::File)>> {
    let mut pieces = Vec::new();
    let began = archive.manifest.began_micros()?;
    for map in maps {
        let map = Arc::new(map.clone());
        let mut tables = archive.manifest.tables.iter();
        let Some(table) = tables.find(|table| table.outline.name == map.source.name) else {
            continue;
        };
        for range in &table.ranges {
            for part in [Part::Rows, Part::Statics] {
                let Some(of_part) = range.file(part) else {
                    continue;
                };
                let piece = Piece {
                    map: map.clone(),
                    part,
                    layout: archive.layout(table, part)?,
                    path: archive.path(&of_part.file),
                    range: range.tokens,
                    read_at: range.read_from.saturating_mul(1_000),
                    cut_off: began,
                };
                pieces.push((piece, of_part.file.clone()));
            }
        }
    }
    Ok(pieces)
}

async fn all(
    verify: &Verify<'_>,
    archive: &Archive,
    pieces: Vec<(Piece, crate::backup::manifest::File)>,
    copying: &Copying<'_>,
    args: &VerifyArgs,
) -> Result<Found> {
    let of = pieces.len();
    let mut left = pieces.into_iter();
    let mut running = FuturesUnordered::new();
    let mut found = Found::default();
    let mut done = 0;
    loop {
        while running.len() < usize::from(args.parallel.max(1))
            && let Some((piece, file)) = left.next()
        {
            running.push(async move {
                let map = piece.map.clone();
                let (proving, of_proof) = (archive.clone(), file.clone());
                let proved = tokio::task::spawn_blocking(move || proving.check(&of_proof)).await;
                match proved {
                    Ok(Ok(())) => (map, verify.piece(piece).await),
                    Ok(Err(broken)) => (map, Err(broken.at(crate::place::Place::file(file.path)))),
                    Err(error) => (map, Err(crate::error::Error::failed(error.to_string()))),
                }
            });
        }
        let Some((map, compared)) = running.next().await else {
            return Ok(found);
        };
        done += 1;
        match compared {
            Ok(compared) => found.add(&map, compared),
            // A file that is not as it was written: the others are compared all the same.
            Err(error) if error.place.is_some() => found.broken.push(error.message),
            Err(error) => return Err(error),
        }
        let Tally {
            same,
            newer,
            gone,
            different,
        } = found.tally;
        copying.moved(Moved {
            rows: same + newer + gone + different,
            bytes: 0,
            done,
            of,
        });
    }
}

impl Found {
    fn add(&mut self, map: &TableMap, compared: Compared) {
        self.tally.join(&compared.tally);
        for Difference { key, how } in compared.differences {
            if self.differences.len() == LISTED {
                break;
            }
            let columns = map.target.columns.iter().zip(&key);
            let parts = columns
                .map(|(column, value)| format!("{} = {}", column.name, show(&column.kind, value)));
            let key = parts.collect::<Vec<_>>().join(", ");
            self.differences.push((map.target.name.clone(), key, how));
        }
    }
}

fn told(archive: &Archive, keyspace: &str, verify: &Verify<'_>, found: Found) -> Answer {
    let folder = archive.folder.display();
    let Tally {
        same,
        newer,
        gone,
        different,
    } = found.tally;
    let rows = |number: u64| count(usize::try_from(number).unwrap_or(usize::MAX), "row");
    let verdict = match (different, newer, found.broken.is_empty()) {
        (0, 0, true) => "equal",
        (0, _, true) => "no difference",
        _ => "different",
    };
    let mut text = match verdict {
        "equal" => format!("{folder} and {keyspace} are equal: {}", rows(same)),
        "no difference" => format!(
            "{folder} and {keyspace}: no difference in {}; {} newer than the export, of which nothing is said",
            rows(same),
            match newer {
                1 => "1 row is".to_string(),
                many => format!("{many} rows are"),
            }
        ),
        _ => format!(
            "{folder} and {keyspace} differ in {} of {}",
            rows(different),
            same + newer + different
        ),
    };
    if gone > 0 {
        text += &format!("; {} expired", rows(gone));
    }
    text.push('.');
    if !verify.tells {
        text += "\nThe servers do not tell the write times of elements of collections: those were not compared.";
    }
    for (table, key, how) in found.differences.iter().take(SHOWN) {
        text += &format!("\n  {table} ({key}): {how}");
    }
    let more = different.saturating_sub(SHOWN as u64);
    if more > 0 {
        text += &format!("\n  … and {more} more; --json has the first {LISTED}");
    }
    for broken in &found.broken {
        text += &format!("\nNot compared: {broken}");
    }
    if newer > 0 {
        text += "\nRows that changed since the export: kmig export --since brings them, or stop the writers and export again.";
    }
    let differences: Vec<Value> = found
        .differences
        .iter()
        .map(|(table, key, how)| json!({ "table": table, "key": key, "how": how }))
        .collect();
    let mut answer = Answer::line(text.lines().next().unwrap_or_default())
        .with("verdict", json!(verdict))
        .with("keyspace", json!(keyspace))
        .with("same", json!(same))
        .with("newer", json!(newer))
        .with("expired", json!(gone))
        .with("different", json!(different))
        .with("broken", json!(found.broken))
        .with("differences", differences);
    answer.text = text;
    if verdict == "different" {
        answer.exit = Exit::Failed;
    }
    answer
}
