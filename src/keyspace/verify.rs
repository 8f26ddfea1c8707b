//! A keyspace compared with a folder or with another keyspace, range by range, each in the order of its tokens.

mod again;
mod gone;
mod lines;
mod live;

pub use live::Live;

use crate::backend::Stop;
use crate::backend::cassandra::cells::{Hitches, Page, token};
use crate::backup::TokenRange;
use crate::backup::cast::Cast;
use crate::backup::compare::{
    AT_REST, Clock, Difference, Differs, Judge, Side, Tally, UNTOLD, Verdict, compare,
};
use crate::backup::convert::{Converted, Converter};
use crate::backup::layout::Layout;
use crate::backup::mapping::{Move, TableMap};
use crate::backup::table::{Part, Role, Shape};
use crate::error::{Error, Result};
use again::Again;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lines::Lines;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Pages that were read and wait to be compared.
const READY: usize = 4;

/// Rows that are looked up by their keys at once.
const LOOKED_UP: usize = 64;

/// Differences that are kept of one range; all are counted.
const KEPT: usize = 1_000;

/// What is compared, and how.
pub struct Verify<'a> {
    /// The keyspace of the url.
    pub target: Live<'a>,
    /// The keyspace that it is compared with; nothing where that is a folder.
    pub source: Option<Live<'a>>,
    /// Whether the servers of every side tell the times of elements.
    pub tells: bool,
    /// Whether the folder holds what changed since another one, so that other rows are none of it, or was reshaped, so that its
    /// rows are in no order.
    pub partial: bool,
    /// Whether a signal wants the run to end.
    pub stop: &'a Stop,
    /// Told of what makes a request be sent again.
    pub hitches: &'a Hitches<'a>,
}

/// One range of a part of a table.
#[derive(Debug, Clone)]
pub struct Piece {
    /// What becomes of its columns.
    pub map: Arc<TableMap>,
    /// Which rows it has.
    pub part: Part,
    /// Its tokens.
    pub range: TokenRange,
    /// Where the first side's rows are.
    pub first: First,
}

/// The first side of a comparison.
#[derive(Debug, Clone)]
pub enum First {
    /// A file of an export.
    File {
        /// Its columns.
        layout: Layout,
        /// Where it is.
        path: PathBuf,
        /// What it was when it was written.
        file: crate::backup::manifest::File,
        /// Where it says what is gone, and what that was when it was written.
        deleted: Option<Box<(PathBuf, crate::backup::manifest::File)>>,
        /// When its range was read, in microseconds since 1970.
        read_at: i64,
        /// The write time of what has none of its own.
        cut_off: i64,
    },
    /// The source, as it is now.
    Keyspace,
}

/// What a range comes to.
#[derive(Debug, Default)]
pub struct Compared {
    /// Its rows.
    pub tally: Tally,
    /// Rows of the first side that do not fit the mapping, and are none of the second for that reason.
    pub unfit: u64,
    /// What the first side says is gone.
    pub deleted: u64,
    /// The first that differ.
    pub differences: Vec<Difference>,
}

/// What is said of a row.
struct Said {
    key: Vec<Vec<u8>>,
    verdict: Verdict,
}

/// A piece, and both of its sides as tables of what is compared.
struct Work {
    piece: Piece,
    /// What becomes of the columns that are read of the first side.
    from: TableMap,
    /// The columns of the second side that the mapping fills, as a table of their own.
    own: TableMap,
    judge: Judge,
    /// The write time of what has none of its own.
    cut_off: i64,
}

/// The columns of a table that a mapping fills, as a table of their own.
pub fn filled(map: &TableMap) -> TableMap {
    let moved = map.moves.iter().map(|moved| moved.to);
    let constant = map.constants.iter().map(|(to, _)| *to);
    let mut places: Vec<usize> = moved.chain(constant).collect();
    places.sort_unstable();
    let columns = places.iter().map(|at| map.target.columns[*at].clone());
    let shape = Shape {
        name: map.target.name.clone(),
        id: map.target.id.clone(),
        columns: columns.collect(),
    };
    let moves = (0..shape.columns.len()).map(|at| Move {
        from: at,
        to: at,
        cast: Cast::Same,
    });
    TableMap {
        moves: moves.collect(),
        source: shape.clone(),
        target: shape,
        constants: Vec::new(),
        dropped: Vec::new(),
        marker: None,
    }
}

/// The same mapping from a table that has only the columns that are taken over: the others need not be read.
pub fn needed(map: &TableMap) -> TableMap {
    let mut places: Vec<usize> = map.moves.iter().map(|moved| moved.from).collect();
    places.sort_unstable();
    places.dedup();
    let mut needed = map.clone();
    for moved in &mut needed.moves {
        // Every place stands among those of the moves.
        moved.from = places.partition_point(|place| *place < moved.from);
    }
    let columns = places.iter().map(|at| map.source.columns[*at].clone());
    needed.source.columns = columns.collect();
    needed
}

/// The parts of a table of which anything is taken over.
pub fn parts(map: &TableMap) -> Vec<Part> {
    let statics = map.source.has_statics() && filled(map).source.has_statics();
    match statics {
        true => vec![Part::Rows, Part::Statics],
        false => vec![Part::Rows],
    }
}

impl Verify<'_> {
    /// Compares one range.
    ///
    /// # Errors
    /// A side cannot be read, or a signal wants the run to end.
    pub async fn piece(&self, piece: Piece) -> Result<Compared> {
        self.stop.check()?;
        let work = Arc::new(self.work(piece).await?);
        let compared = match work.piece.map.keeps_keys() && !self.partial {
            true => self.side_by_side(work).await,
            false => self.one_by_one(work).await,
        };
        compared.map_err(|mut error| {
            if error.place.is_none() {
                error.now = Some("nothing was written".to_string());
            }
            error
        })
    }

    /// Both clocks are asked before the first row of either side: what is written from then on is newer.
    async fn work(&self, piece: Piece) -> Result<Work> {
        let own = filled(&piece.map);
        let (from, cut_off, read_at) = match (&piece.first, &self.source) {
            (
                First::File {
                    read_at, cut_off, ..
                },
                _,
            ) => ((*piece.map).clone(), *cut_off, (AT_REST, *read_at)),
            (First::Keyspace, Some(source)) => {
                let (one, other) = tokio::try_join!(source.clock(), self.target.clock())?;
                (needed(&piece.map), UNTOLD, (one, other))
            }
            (First::Keyspace, None) => {
                return Err(Error::failed("there is no source to compare with"));
            }
        };
        let converter = Converter::new(&own, piece.part, cut_off);
        let clocks = self.source.iter().chain([&self.target]);
        let now = clocks.map(|live| live.look.now.div_euclid(1_000)).max();
        let judge = Judge {
            columns: converter
                .columns()
                .map(|column| column.name.clone())
                .collect(),
            untold: converter
                .columns()
                .map(|column| column.composed && !self.tells)
                .collect(),
            now: Clock::at(now.unwrap_or_default()),
            read_at,
            sides: match &self.source {
                Some(source) => (source.name.clone(), self.target.name.clone()),
                None => ("the export".to_string(), "the keyspace".to_string()),
            },
        };
        Ok(Work {
            piece,
            from,
            own,
            judge,
            cut_off,
        })
    }

    /// Reads the first side's pages of a range into a channel, where it is a keyspace.
    async fn first_pages(&self, work: &Work) -> Result<(Pages<'_>, Option<mpsc::Receiver<Page>>)> {
        let Some(source) = &self.source else {
            return Ok((Pages(None), None));
        };
        let piece = &work.piece;
        let selection =
            source.selection(&work.from.source, &piece.map.source, piece.part, self.tells);
        let scan = source.scan(selection).await?;
        let (send, pages) = mpsc::channel(READY);
        Ok((Pages(Some((source, scan, send))), Some(pages)))
    }

    /// Keys are the same on both sides: so is the order of the rows.
    async fn side_by_side(&self, work: Arc<Work>) -> Result<Compared> {
        let (source, first) = self.first_pages(&work).await?;
        let piece = &work.piece;
        let target = &self.target;
        let selection =
            target.selection(&work.own.source, &piece.map.target, piece.part, self.tells);
        let scan = target.scan(selection).await?;
        let (send, second) = mpsc::channel(READY);
        let target = Pages(Some((target, scan, send)));
        let (differ, differing) = mpsc::channel(LOOKED_UP);
        let comparing = {
            let work = work.clone();
            tokio::task::spawn_blocking(move || merged(&work, first, second, &differ))
        };
        let again = Again::new(self, &work);
        let read = tokio::try_join!(
            source.read(self, &work),
            target.read(self, &work),
            each(differing, |(differs, key)| again.settle(differs, key)),
        );
        let compared = comparing.await.map_err(|error| {
            Error::failed(format!("a range was not compared to its end: {error}"))
        })?;
        let ((), (), settled) = read?;
        let mut compared = compared?;
        compared.tally.join(&settled.tally);
        compared.differences = settled.differences;
        Ok(compared)
    }

    /// Looks each row of the first side up by its key: the mapping makes other keys, so both sides have other orders.
    async fn one_by_one(&self, work: Arc<Work>) -> Result<Compared> {
        let (source, first) = self.first_pages(&work).await?;
        let (send, rows) = mpsc::channel(LOOKED_UP);
        let reading = {
            let work = work.clone();
            tokio::task::spawn_blocking(move || -> Result<u64> {
                let mut lines = Lines::first(&work, first)?;
                let mut unfit = 0;
                while lines.advance()? {
                    let Some(row) = lines.row()?.map(Converted::into_owned) else {
                        unfit += 1;
                        continue;
                    };
                    if send.blocking_send((row, lines.key())).is_err() {
                        break;
                    }
                }
                Ok(unfit)
            })
        };
        let again = Again::new(self, &work);
        let finding = again.target().await?;
        let (again, judge) = (&again, &work.judge);
        let looked_up = each(
            rows,
            |(row, key): (Converted<'static>, lines::Key)| async move {
                self.stop.check()?;
                let own = row.key_values();
                let other = finding.row(&own).await?;
                match judge.row(Some(&row), other.as_ref()) {
                    Verdict::Different(how) => {
                        let one = Some(row);
                        again.settle(Differs { one, other, how }, key).await
                    }
                    verdict => Ok(Said { key: own, verdict }),
                }
            },
        );
        let read = tokio::try_join!(source.read(self, &work), looked_up);
        let unfit = reading
            .await
            .map_err(|error| Error::failed(format!("a side was not read to its end: {error}")))?;
        let ((), mut compared) = read?;
        compared.unfit = unfit?;
        if let First::File {
            deleted: Some(deleted),
            ..
        } = &work.piece.first
        {
            let path = deleted.0.clone();
            self.gone(&work, again, path, &mut compared).await?;
        }
        Ok(compared)
    }
}

/// Pages that are to be read into a channel; nothing where there are none to read.
struct Pages<'a>(
    Option<(
        &'a Live<'a>,
        crate::backend::cassandra::cells::Scan,
        mpsc::Sender<Page>,
    )>,
);

impl Pages<'_> {
    async fn read(self, verify: &Verify<'_>, work: &Work) -> Result<()> {
        match self.0 {
            None => Ok(()),
            Some((live, scan, send)) => {
                let range = work.piece.range;
                live.pages(&scan, range, &send, verify.stop, verify.hitches)
                    .await
            }
        }
    }
}

/// Does something for all that comes, many at once, and counts what is said.
async fn each<T, F: Future<Output = Result<Said>>>(
    mut rows: mpsc::Receiver<T>,
    work: impl Fn(T) -> F,
) -> Result<Compared> {
    let mut compared = Compared::default();
    let mut flying = FuturesUnordered::new();
    let mut open = true;
    while open || !flying.is_empty() {
        tokio::select! {
            row = rows.recv(), if open && flying.len() < LOOKED_UP => match row {
                None => open = false,
                Some(row) => flying.push(work(row)),
            },
            Some(said) = flying.next() => {
                let Said { key, verdict } = said?;
                compared.tally.count(&verdict);
                compared.keep(key, verdict);
            }
        }
    }
    Ok(compared)
}

/// Compares both sides of a range. Rows that differ are handed over, and not counted.
fn merged(
    work: &Work,
    first: Option<mpsc::Receiver<Page>>,
    second: mpsc::Receiver<Page>,
    differ: &mpsc::Sender<(Differs, lines::Key)>,
) -> Result<Compared> {
    let mut first = Lines::first(work, first)?;
    let mut second = Lines::second(work, second);
    let partition = work.own.target.of(Role::Partition).count();
    let (mut tally, unfit) = compare(
        &work.judge,
        &|key| token(key[..partition].iter().map(AsRef::as_ref)),
        &mut first,
        &mut second,
        &mut |differs| {
            let key = differs.key();
            // Nobody takes it where the run has ended with an error.
            let _ = differ.blocking_send((differs, key));
        },
    )?;
    tally.different = 0;
    Ok(Compared {
        tally,
        unfit,
        ..Compared::default()
    })
}

#[cfg(test)]
mod tests;
