//! The rows of one side as rows of the keyspace's table, in the order of tokens: those of a file, or of the pages of a range.

use super::{First, Work};
use crate::backend::cassandra::cells::{Page, token};
use crate::backup::compare::{Clock, Line};
use crate::backup::convert::{Converted, Converter};
use crate::backup::group::Cell;
use crate::backup::mapping::TableMap;
use crate::backup::read::Reader;
use crate::backup::row::Row;
use crate::backup::table::{Part, Role};
use crate::error::{Error, Result, reason};
use std::collections::VecDeque;
use std::fs::File;
use tokio::sync::mpsc;

/// The values of a key.
pub type Key = Vec<Vec<u8>>;

/// A row.
pub struct Taken {
    /// As a row of the keyspace's table.
    pub line: Line,
    /// Its key in its own table, where that was asked for.
    pub key: Key,
}

/// The first side's rows.
pub enum Lines<'w> {
    /// Of a file.
    File(Box<FileLines<'w>>),
    /// Of a keyspace.
    Live(LiveLines<'w>),
}

impl<'w> Lines<'w> {
    /// The rows of a piece's first side; `pages` are those of its range, where it is a keyspace. `keys` asks for the keys
    /// that rows have there.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn first(work: &'w Work, pages: Option<mpsc::Receiver<Page>>, keys: bool) -> Result<Self> {
        let Some(pages) = pages else {
            return Ok(Lines::File(Box::new(FileLines::open(work)?)));
        };
        let (map, part) = (&work.from, work.piece.part);
        Ok(Lines::Live(LiveLines {
            pages,
            taker: Taker::new(map, part, work.cut_off),
            keys: match keys {
                true => key_of(map, part),
                false => 0,
            },
            all_fit: false,
            now: work.judge.now.clone(),
            ready: VecDeque::new(),
            unfit: 0,
        }))
    }

    /// The next row that fits the mapping.
    pub fn next(&mut self) -> Result<Option<Taken>> {
        match self {
            Lines::File(lines) => lines.next(),
            Lines::Live(lines) => lines.next(),
        }
    }

    /// How many rows did not fit so far: an import has rejected them, so they are none of the keyspace's.
    pub fn unfit(&self) -> u64 {
        match self {
            Lines::File(lines) => lines.unfit,
            Lines::Live(lines) => lines.unfit,
        }
    }
}

/// The key of a row of the keyspace's table.
pub fn own_key(line: &Line) -> Key {
    line.key.iter().map(|part| part.to_vec()).collect()
}

/// How many columns the key of a part of the first side's table has: they come first.
fn key_of(map: &TableMap, part: Part) -> usize {
    let columns = map.source.part(part).into_iter();
    columns.take_while(|column| column.role.is_key()).count()
}

/// Makes lines of rows.
pub struct Taker<'w> {
    converter: Converter<'w>,
    /// How many columns the partition key has.
    partition: usize,
}

impl<'w> Taker<'w> {
    /// Of a part of a table.
    pub fn new(map: &'w TableMap, part: Part, cut_off: i64) -> Self {
        Taker {
            converter: Converter::new(map, part, cut_off),
            partition: map.target.of(Role::Partition).count(),
        }
    }

    /// A row as a line: owned, with its token.
    ///
    /// # Errors
    /// Why it does not fit.
    pub fn line(&self, row: &Row<'_>) -> Result<Line, crate::backup::convert::Reject> {
        let Converted { key, cells } = self.converter.row(row)?;
        let parts = key[..self.partition].iter().map(AsRef::as_ref);
        Ok(Line {
            token: token(parts),
            key: key
                .into_iter()
                .map(|part| part.into_owned().into())
                .collect(),
            cells: cells.into_iter().map(Cell::into_owned).collect(),
        })
    }

    /// The same of a table that is compared as it is.
    ///
    /// # Errors
    /// The row is not what its table says.
    pub fn line_as_it_is(&self, row: &Row<'_>) -> Result<Line> {
        self.line(row).map_err(|reject| {
            Error::failed(format!(
                "the keyspace has a value of {} that cannot be read: {}",
                reject.column, reject.reason
            ))
        })
    }
}

/// The rows of a file, block by block.
pub struct FileLines<'w> {
    reader: Reader<File>,
    taker: Taker<'w>,
    ready: VecDeque<Line>,
    unfit: u64,
}

impl<'w> FileLines<'w> {
    fn open(work: &'w Work) -> Result<Self> {
        let First::File { layout, path, .. } = &work.piece.first else {
            return Err(Error::failed("a range of a keyspace has no pages"));
        };
        let shown = path.display().to_string();
        let file = File::open(path).map_err(|error| {
            Error::failed(format!("{shown} cannot be read: {}", reason(&error)))
        })?;
        Ok(FileLines {
            reader: Reader::open(file, layout, &shown)?,
            taker: Taker::new(&work.from, work.piece.part, work.cut_off),
            ready: VecDeque::new(),
            unfit: 0,
        })
    }

    fn next(&mut self) -> Result<Option<Taken>> {
        while self.ready.is_empty() {
            let Some(block) = self.reader.next()? else {
                return Ok(None);
            };
            let mut cells = Vec::new();
            for at in 0..block.len() {
                block.row(at, &mut cells);
                match self.taker.line(&cells) {
                    Ok(line) => self.ready.push_back(line),
                    Err(_) => self.unfit += 1,
                }
            }
        }
        let line = self.ready.pop_front();
        Ok(line.map(|line| Taken {
            line,
            key: Key::new(),
        }))
    }
}

/// The rows of a range of a keyspace, page by page.
pub struct LiveLines<'w> {
    pages: mpsc::Receiver<Page>,
    taker: Taker<'w>,
    /// How many columns of its own key are told with each row.
    keys: usize,
    /// Whether a row that does not fit is an error.
    all_fit: bool,
    now: Clock,
    ready: VecDeque<Taken>,
    unfit: u64,
}

impl<'w> LiveLines<'w> {
    /// The rows of a piece's second side.
    pub fn second(work: &'w Work, pages: mpsc::Receiver<Page>) -> Self {
        LiveLines {
            pages,
            taker: Taker::new(&work.own, work.piece.part, work.cut_off),
            keys: 0,
            all_fit: true,
            now: work.judge.now.clone(),
            ready: VecDeque::new(),
            unfit: 0,
        }
    }

    /// The next row.
    pub fn next(&mut self) -> Result<Option<Taken>> {
        while self.ready.is_empty() {
            let Some(page) = self.pages.blocking_recv() else {
                return Ok(None);
            };
            if let Some(now) = page.now {
                self.now.saw(now.div_euclid(1_000));
            }
            page.each(|row| {
                let line = match self.all_fit {
                    true => Some(self.taker.line_as_it_is(row)?),
                    false => self.taker.line(row).ok(),
                };
                let Some(line) = line else {
                    self.unfit += 1;
                    return Ok(());
                };
                let key = row[..self.keys].iter();
                let key = key.map(|cell| cell.value.unwrap_or_default().to_vec());
                let key = key.collect();
                self.ready.push_back(Taken { line, key });
                Ok(())
            })?;
        }
        Ok(self.ready.pop_front())
    }
}
