//! A folder and a keyspace compared, range by range, each in the order of its tokens.

use crate::backend::Stop;
use crate::backend::cassandra::cells::{
    Finder, Look, Page, Scan, Selection, Source, Throttle, Trouble, Way, token,
};
use crate::backup::TokenRange;
use crate::backup::cast::Cast;
use crate::backup::compare::{Cell64, Difference, Judge, Line, Tally, compare};
use crate::backup::convert::{Converted, Converter};
use crate::backup::layout::Layout;
use crate::backup::mapping::{Move, TableMap};
use crate::backup::read::Reader;
use crate::backup::row::Row;
use crate::backup::table::{Part, Role, Shape};
use crate::error::{Error, Result, reason};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Pages that were read and wait to be compared.
const READY: usize = 4;

/// How many pieces a range is cut into where the servers cannot read it in one go.
const CUT: usize = 8;

/// Rows that are looked up by their keys at once.
const LOOKED_UP: usize = 64;

/// The keyspace, while it is compared.
pub struct Verify<'a> {
    /// Where its rows come from.
    pub source: &'a Source,
    /// What was seen of it.
    pub look: &'a Look,
    /// Whether the servers tell the times of elements.
    pub tells: bool,
    /// Whether the folder holds what changed since another one, so that other rows are none of it.
    pub partial: bool,
    /// The level at which rows are read.
    pub level: &'a str,
    /// How much is asked.
    pub throttle: &'a Throttle,
    /// Whether a signal wants the run to end.
    pub stop: &'a Stop,
    /// Told of trouble that passed.
    pub tell: &'a dyn Fn(String),
}

/// One file and the range that it holds.
#[derive(Debug, Clone)]
pub struct Piece {
    /// What becomes of its columns.
    pub map: Arc<TableMap>,
    /// Which rows it has.
    pub part: Part,
    /// Its columns.
    pub layout: Layout,
    /// Where it is.
    pub path: PathBuf,
    /// Its tokens.
    pub range: TokenRange,
    /// When its range was read, in microseconds since 1970.
    pub read_at: i64,
    /// The write time of what has none of its own.
    pub cut_off: i64,
}

/// What a file comes to.
#[derive(Debug, Default)]
pub struct Compared {
    /// Its rows.
    pub tally: Tally,
    /// The first that differ.
    pub differences: Vec<Difference>,
}

/// Differences that are kept of one file; all are counted.
const KEPT: usize = 1_000;

/// The columns of a table that a mapping fills, as a table of their own.
fn filled(map: &TableMap) -> TableMap {
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

/// A row as a line: owned, with its token.
fn line(converted: Converted<'_>, partition: usize) -> Line {
    let parts = converted.key[..partition].iter().map(AsRef::as_ref);
    Line {
        token: token(parts),
        key: converted
            .key
            .into_iter()
            .map(|part| part.into_owned().into())
            .collect(),
        cells: converted
            .cells
            .into_iter()
            .map(crate::backup::group::Cell::into_owned)
            .collect(),
    }
}

fn partition(shape: &Shape) -> usize {
    shape.of(Role::Partition).count()
}

/// The rows of a file, block by block.
struct FileLines<'m> {
    reader: Reader<File>,
    converter: Converter<'m>,
    partition: usize,
    ready: VecDeque<Line>,
}

impl<'m> FileLines<'m> {
    fn open(piece: &'m Piece) -> Result<Self> {
        let shown = piece.path.display().to_string();
        let file = File::open(&piece.path).map_err(|error| {
            Error::failed(format!("{shown} cannot be read: {}", reason(&error)))
        })?;
        Ok(FileLines {
            reader: Reader::open(file, &piece.layout, &shown)?,
            converter: Converter::new(&piece.map, piece.part, piece.cut_off),
            partition: partition(&piece.map.target),
            ready: VecDeque::new(),
        })
    }

    /// The next row. One that does not convert was rejected by the import, and is none of the keyspace's.
    fn next(&mut self) -> Result<Option<Line>> {
        while self.ready.is_empty() {
            let Some(block) = self.reader.next()? else {
                return Ok(None);
            };
            let mut cells = Vec::new();
            for at in 0..block.len() {
                block.row(at, &mut cells);
                if let Ok(converted) = self.converter.row(&cells) {
                    self.ready.push_back(line(converted, self.partition));
                }
            }
        }
        Ok(self.ready.pop_front())
    }
}

impl Verify<'_> {
    /// Compares a file with its range of the keyspace.
    ///
    /// # Errors
    /// One of them cannot be read, or a signal wants the run to end.
    pub async fn piece(&self, piece: Piece) -> Result<Compared> {
        match piece.map.keeps_keys() && !self.partial {
            true => self.side_by_side(piece).await,
            false => self.one_by_one(piece).await,
        }
    }

    fn selection(&self, shape: &Shape, part: Part) -> Selection {
        Selection::new(&self.source.keyspace, shape, part, self.tells, None)
    }

    fn judge(&self, piece: &Piece, own: &TableMap) -> Judge {
        let converter = Converter::new(own, piece.part, piece.cut_off);
        Judge {
            columns: converter
                .columns()
                .map(|column| column.name.clone())
                .collect(),
            untold: converter
                .columns()
                .map(|column| column.composed && !self.tells)
                .collect(),
            now: Cell64::new(self.look.now.div_euclid(1_000)),
            read_at: piece.read_at,
            sides: ("the export", "the keyspace"),
        }
    }

    async fn side_by_side(&self, piece: Piece) -> Result<Compared> {
        let own = filled(&piece.map);
        let scan = self
            .source
            .scan(self.selection(&own.source, piece.part), self.level)
            .await?;
        let (send, pages) = mpsc::channel(READY);
        let (range, judge) = (piece.range, self.judge(&piece, &own));
        let comparing = tokio::task::spawn_blocking(move || merged(&piece, &own, &judge, pages));
        let read = self.pages(&scan, range, &send).await;
        drop(send);
        let compared = comparing.await.map_err(|error| {
            Error::failed(format!("a range was not compared to its end: {error}"))
        })?;
        read?;
        compared
    }

    /// Hands over every page of a range, in the order of tokens.
    async fn pages(&self, scan: &Scan, range: TokenRange, send: &mpsc::Sender<Page>) -> Result<()> {
        let mut members = self.look.members.clone();
        if let Some(owner) = self.look.ring.owner(&range) {
            // A replica needs to ask nobody for most of it.
            members.sort_by_key(|member: &Uuid| *member != owner);
        }
        let mut owed = vec![range];
        while let Some(range) = owed.pop() {
            let way = Way {
                range,
                members: &members,
                throttle: self.throttle,
                stop: self.stop,
                tell: self.tell,
            };
            let mut any = false;
            let mut fetched = scan.first(&way).await;
            loop {
                match fetched {
                    Ok(page) => {
                        any |= !page.page.is_empty();
                        if send.send(page.page).await.is_err() {
                            // The comparison has ended, with an error of its own.
                            return Ok(());
                        }
                        match page.next {
                            Some(next) => fetched = scan.page(&way, next).await,
                            None => break,
                        }
                    }
                    Err(Trouble::TooMuch(_)) if !any && range.cut(CUT).len() > 1 => {
                        owed.extend(range.cut(CUT).into_iter().rev());
                        break;
                    }
                    Err(
                        Trouble::TooMuch(error) | Trouble::Refused(error) | Trouble::Failed(error),
                    ) => {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks each row of a file up by its key: the mapping makes other keys, so both sides have other orders.
    async fn one_by_one(&self, piece: Piece) -> Result<Compared> {
        let own = filled(&piece.map);
        let judge = self.judge(&piece, &own);
        let selection = self.selection(&own.source, piece.part);
        let finder = self.source.finder(selection, self.stop.clone()).await?;
        let (send, mut lines) = mpsc::channel(LOOKED_UP);
        let part = piece.part;
        let reading = tokio::task::spawn_blocking(move || -> Result<()> {
            let mut file = FileLines::open(&piece)?;
            while let Some(line) = file.next()? {
                if send.blocking_send(line).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let mut compared = Compared::default();
        let mut flying = FuturesUnordered::new();
        let mut open = true;
        while open || !flying.is_empty() {
            tokio::select! {
                line = lines.recv(), if open && flying.len() < LOOKED_UP => match line {
                    None => open = false,
                    Some(line) => flying.push(found(&finder, line, &own, part)),
                },
                Some(found) = flying.next() => {
                    let (one, other, now) = found?;
                    judge.now.set(judge.now.get().max(now.unwrap_or_default()));
                    let (tally, how) = judge.looked_up(&one, other.as_ref());
                    compared.tally.join(&tally);
                    if let Some(how) = how && compared.differences.len() < KEPT {
                        let key = one.key.into_iter().map(|part| part.into_owned());
                        compared.differences.push(Difference { key: key.collect(), how });
                    }
                }
            }
        }
        reading
            .await
            .map_err(|error| Error::failed(format!("a file was not read to its end: {error}")))??;
        Ok(compared)
    }
}

/// A row of a file, the keyspace's row of that key, and the second at which it was read.
async fn found(
    finder: &Finder,
    line_of_file: Line,
    own: &TableMap,
    part: Part,
) -> Result<(Line, Option<Line>, Option<i64>)> {
    let key: Vec<Vec<u8>> = line_of_file.key.iter().map(|part| part.to_vec()).collect();
    let page = finder.find(&key).await?;
    let converter = Converter::new(own, part, 0);
    let partition = partition(&own.target);
    let mut other = None;
    page.each(|row| {
        other = Some(converted(&converter, row, partition)?);
        Ok(())
    })?;
    let now = page.now.map(|now| now.div_euclid(1_000));
    Ok((line_of_file, other, now))
}

fn converted(converter: &Converter<'_>, row: &Row<'_>, partition: usize) -> Result<Line> {
    let converted = converter.row(row).map_err(|reject| {
        Error::failed(format!(
            "the keyspace has a value of {} that cannot be read: {}",
            reject.column, reject.reason
        ))
    })?;
    Ok(line(converted, partition))
}

/// Compares a file with the pages of its range.
fn merged(
    piece: &Piece,
    own: &TableMap,
    judge: &Judge,
    mut pages: mpsc::Receiver<Page>,
) -> Result<Compared> {
    let mut file = FileLines::open(piece)?;
    let converter = Converter::new(own, piece.part, piece.cut_off);
    let partition = partition(&own.target);
    let mut ready: VecDeque<Line> = VecDeque::new();
    let mut live = || -> Result<Option<Line>> {
        while ready.is_empty() {
            let Some(page) = pages.blocking_recv() else {
                return Ok(None);
            };
            if let Some(now) = page.now {
                judge.now.set(judge.now.get().max(now.div_euclid(1_000)));
            }
            page.each(|row| {
                ready.push_back(converted(&converter, row, partition)?);
                Ok(())
            })?;
        }
        Ok(ready.pop_front())
    };
    let mut differences = Vec::new();
    let tally = compare(judge, &mut || file.next(), &mut live, &mut |difference| {
        if differences.len() < KEPT {
            differences.push(difference);
        }
    })?;
    Ok(Compared { tally, differences })
}
