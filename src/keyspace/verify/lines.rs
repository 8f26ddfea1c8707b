//! The rows of one side as rows of the keyspace's table, in the order of tokens: those of a file, or of the pages of a range.

use super::{First, Work};
use crate::backend::cassandra::cells::Page;
use crate::backup::archive;
use crate::backup::compare::{Clock, Side};
use crate::backup::convert::{Converted, Converter, Reject};
use crate::backup::mapping::TableMap;
use crate::backup::read::Rows;
use crate::backup::row::{Cell, emptied};
use crate::backup::table::Part;
use crate::error::{Error, Result};
use std::fs::File;
use tokio::sync::mpsc;

/// The values of a key.
pub type Key = Vec<Vec<u8>>;

/// A side's rows.
pub struct Lines<'w> {
    source: Source<'w>,
    converter: Converter<'w>,
    /// How many columns of its own key it has.
    keys: usize,
    /// Whether a row that does not fit is an error.
    all_fit: bool,
    /// Whether its rows are those of the keyspace as they are.
    as_they_are: bool,
    /// Room for the cells of a row.
    cells: Vec<Cell<'static>>,
}

/// Where a side's rows come from.
enum Source<'w> {
    File(Box<Rows<File>>),
    Keyspace {
        pages: mpsc::Receiver<Page>,
        page: Option<Page>,
        now: &'w Clock,
    },
}

impl<'w> Lines<'w> {
    /// The rows of a piece's first side; `pages` are those of its range, where it is a keyspace.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn first(work: &'w Work, pages: Option<mpsc::Receiver<Page>>) -> Result<Self> {
        let source = match (&work.piece.first, pages) {
            (_, Some(pages)) => Source::of(pages, work),
            (First::File { layout, path, .. }, None) => {
                Source::File(Box::new(Rows::of(archive::rows(path, layout)?)))
            }
            (First::Keyspace, None) => {
                return Err(Error::failed("a range of a keyspace has no pages"));
            }
        };
        Ok(Lines::of(source, &work.from, work, false))
    }

    /// The rows of a piece's second side.
    pub fn second(work: &'w Work, pages: mpsc::Receiver<Page>) -> Self {
        Lines::of(Source::of(pages, work), &work.own, work, true)
    }

    fn of(source: Source<'w>, map: &'w TableMap, work: &Work, all_fit: bool) -> Self {
        let part = work.piece.part;
        let converter = Converter::new(map, part, work.cut_off);
        Lines {
            source,
            as_they_are: converter.changes_nothing(),
            converter,
            keys: key_of(map, part),
            all_fit,
            cells: Vec::new(),
        }
    }

    /// The key that the row that it stands at has in its own table.
    pub fn key(&self) -> Key {
        let mut cells = Vec::new();
        self.source.row(&mut cells);
        let key = cells.iter().take(self.keys);
        key.map(|cell| cell.value.unwrap_or_default().to_vec())
            .collect()
    }
}

impl Side for Lines<'_> {
    fn advance(&mut self) -> Result<bool> {
        self.source.advance()
    }

    fn row(&mut self) -> Result<Option<Converted<'_>>> {
        let mut cells = emptied(std::mem::take(&mut self.cells));
        self.source.row(&mut cells);
        let row = self.converter.row(&cells);
        self.cells = emptied(cells);
        row_of(row, self.all_fit)
    }

    fn as_it_is<'a>(&'a self, cells: &mut Vec<Cell<'a>>) -> bool {
        if self.as_they_are {
            self.source.row(cells);
        }
        self.as_they_are
    }
}

impl<'w> Source<'w> {
    fn of(pages: mpsc::Receiver<Page>, work: &'w Work) -> Self {
        Source::Keyspace {
            pages,
            page: None,
            now: &work.judge.now,
        }
    }

    fn advance(&mut self) -> Result<bool> {
        let (pages, page, now) = match self {
            Source::File(rows) => return rows.advance(),
            Source::Keyspace { pages, page, now } => (pages, page, now),
        };
        loop {
            if let Some(page) = page
                && page.advance()?
            {
                return Ok(true);
            }
            // Before the next one comes: one may have a value of many megabytes.
            *page = None;
            *page = pages.blocking_recv();
            match page {
                None => return Ok(false),
                Some(page) => saw(now, page),
            }
        }
    }

    fn row<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        match self {
            Source::File(rows) => rows.row(cells),
            Source::Keyspace { page, .. } => {
                if let Some(page) = page {
                    page.row(cells);
                }
            }
        }
    }
}

/// What a row comes to; nothing where it does not fit, which is an error of a table that is compared as it is.
///
/// # Errors
/// The row is not what its table says.
pub fn row_of<'a>(
    row: Result<Converted<'a>, Reject>,
    all_fit: bool,
) -> Result<Option<Converted<'a>>> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(_) if !all_fit => Ok(None),
        Err(Reject { column, reason, .. }) => Err(Error::failed(format!(
            "the keyspace has a value of {column} that cannot be read: {reason}"
        ))),
    }
}

/// A page shows a side's clock.
pub fn saw(clock: &Clock, page: &Page) {
    if let Some(now) = page.now {
        clock.saw(now.div_euclid(1_000));
    }
}

/// How many columns the key of a part of the first side's table has: they come first.
fn key_of(map: &TableMap, part: Part) -> usize {
    let columns = map.source.part(part).into_iter();
    columns.take_while(|column| column.role.is_key()).count()
}
