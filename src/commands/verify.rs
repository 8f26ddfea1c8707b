//! `kmig verify`.

mod folder;
mod source;

use super::context::Context;
use super::import::{mapping, shard};
use crate::backup::compare::Tally;
use crate::backup::table::Part;
use crate::cli::VerifyArgs;
use crate::error::{Error, Result};
use crate::keyspace::verify::{Compared, Piece, Verify};
use crate::report::Answer;
use crate::report::progress::{Copying, Moved};
use crate::report::verify::Found;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// Compares a folder, or another keyspace, with the keyspace of the url.
pub async fn run(context: &Context, args: &VerifyArgs) -> Result<Answer> {
    let shard = args.shard.as_deref().map_or(Ok((0, 1)), shard)?;
    let rules = || args.mapping.as_deref().map(mapping).transpose();
    match (&args.directory, &args.source) {
        (Some(directory), None) => folder::run(context, args, directory, rules()?, shard).await,
        (None, Some(url)) => source::run(context, args, url, rules()?, shard).await,
        (named, _) => {
            let what = match named {
                Some(_) => {
                    "a folder and --source are two things to compare with, and one is wanted"
                }
                None => "nothing is named to compare the keyspace with",
            };
            Err(Error::usage(what)
                .now("nothing was read")
                .next("kmig verify DIRECTORY compares a folder of kmig export, kmig verify --source cassandra://host/old another keyspace"))
        }
    }
}

/// Compares pieces, several at once. What `prove` says no to is none of the comparison.
async fn all(
    verify: &Verify<'_>,
    pieces: Vec<Piece>,
    prove: impl AsyncFn(&Piece) -> Result<()>,
    copying: &Copying<'_>,
    at_once: u16,
) -> Result<Found> {
    let of = pieces.len();
    let mut left = pieces.into_iter();
    let mut running = FuturesUnordered::new();
    let mut found = Found::default();
    let mut done = 0;
    loop {
        while running.len() < usize::from(at_once.max(1))
            && let Some(piece) = left.next()
        {
            let prove = &prove;
            running.push(async move {
                let (map, part) = (piece.map.clone(), piece.part);
                match prove(&piece).await {
                    Ok(()) => (map, part, verify.piece(piece).await),
                    Err(error) => (map, part, Err(error)),
                }
            });
        }
        let Some((map, part, compared)) = running.next().await else {
            return Ok(found);
        };
        done += 1;
        match compared {
            Ok(Compared {
                mut tally,
                unfit,
                deleted,
                differences,
            }) => {
                if part == Part::Statics {
                    // They are told of with the rows of their partition.
                    (tally.same, tally.gone) = (0, 0);
                }
                found.deleted += deleted;
                found.tally.join(&tally);
                found.unfit += unfit;
                found.add(&map, differences);
            }
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
