//! Rows out of a Parquet file, whoever wrote it. Pure: the file is whatever gives bytes.
//!
//! Columns are found by their names. Those that tell what differs from the usual, `c__wt`, `c__exp` and `c__cql`, may be
//! missing, and so may the write time of the row: then its cells have none.

use super::codec::assemble::{self, Cursor};
use super::codec::elements;
use super::codec::node::{LeafSpec, Node};
use super::codec::scalar::ReadValues;
use super::codec::tree::Tree;
use super::layout::Layout;
use super::row::{Cell, Time, Times};
use super::table::Column;
use super::write::NEVER;
use crate::error::Error;
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};

/// Rows of a block, at most: few enough that a hundred columns of some hundred bytes are no burden, several files at once.
const BLOCK: usize = 512;

/// Bytes of a block, about, where rows are long.
const BLOCK_BYTES: usize = 512 << 10;

/// What stands for the columns of the row's times where a column is named.
pub const OF_ROW: &str = "of the row";

/// Why rows cannot be read.
#[derive(Debug)]
pub enum Trouble {
    /// A column holds what its column of CQL cannot: the first such row, from 1, and the column, nothing for a column of the
    /// row's times.
    Value {
        /// The row, from 1.
        row: u64,
        /// The column of CQL.
        column: Option<String>,
        /// Why it does not fit; the value is in it.
        why: String,
    },
    /// The file is damaged.
    File(ParquetError),
}

impl Trouble {
    /// As what ends a command. `what` names the file.
    pub fn error(self, what: &str) -> Error {
        match self {
            Trouble::File(error) => unreadable(what, &error),
            Trouble::Value { row, column, why } => {
                let column = column.as_deref().unwrap_or(OF_ROW);
                Error::failed(format!("{what}, row {row}, column {column}: {why}"))
            }
        }
    }
}

/// What a file has of columns, before its first row is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// How many rows it has.
    pub rows: u64,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Columns of the layout that are there and cannot hold what they should, each with the reason.
    pub misfits: Vec<(String, String)>,
}

/// Looks at the columns of a file.
///
/// # Errors
/// It is no Parquet file, or not a whole one.
pub fn survey<R: ChunkReader + 'static>(input: R, layout: &Layout) -> Result<Survey, ParquetError> {
    let file = SerializedFileReader::new(input)?;
    let told = file.metadata().file_metadata();
    let schema = told.schema();
    let alone = layout.fields.iter().map(|field| Layout {
        fields: vec![field.clone()],
        row: None,
    });
    let times = Layout {
        fields: Vec::new(),
        row: layout.row.clone(),
    };
    let mut misfits = Vec::new();
    for part in alone.chain([times]) {
        if let Err(why) = Tree::of(&part, schema) {
            let field = part.fields.first();
            let name = field.map_or(OF_ROW, |field| field.column.name.as_str());
            misfits.push((name.to_string(), why));
        }
    }
    let columns = schema.get_fields().iter();
    Ok(Survey {
        rows: told.num_rows().unsigned_abs(),
        columns: columns.map(|column| column.name().to_string()).collect(),
        misfits,
    })
}

/// Reads one file.
pub struct Reader<R: ChunkReader + 'static> {
    file: SerializedFileReader<R>,
    what: String,
    columns: Vec<Column>,
    tree: Tree,
    group: usize,
    left: usize,
    /// Rows of a block of this group.
    block: usize,
    open: Vec<ColumnReader>,
    /// The row that comes next, from 0.
    row: u64,
}

impl<R: ChunkReader + 'static> Reader<R> {
    /// Opens a file that holds the columns of a layout. `what` names it in messages.
    ///
    /// # Errors
    /// It is no Parquet file, or lacks a column, or has one that cannot hold what the layout says.
    pub fn open(input: R, layout: &Layout, what: &str) -> Result<Self, Error> {
        let file = SerializedFileReader::new(input).map_err(|error| unreadable(what, &error))?;
        let schema = file.metadata().file_metadata().schema();
        let tree = Tree::of(layout, schema)
            .map_err(|why| Error::failed(format!("{what} cannot be read: {why}")))?;
        if let [first, ..] = tree.missing(layout).as_slice() {
            return Err(Error::failed(format!("{what} has no column {first}")));
        }
        Ok(Reader {
            columns: layout
                .fields
                .iter()
                .map(|field| field.column.clone())
                .collect(),
            file,
            what: what.to_string(),
            tree,
            group: 0,
            left: 0,
            block: BLOCK,
            open: Vec::new(),
            row: 0,
        })
    }

    /// How many rows there are in all.
    pub fn rows(&self) -> u64 {
        self.file
            .metadata()
            .file_metadata()
            .num_rows()
            .unsigned_abs()
    }

    /// The next rows; nothing at the end.
    ///
    /// # Errors
    /// The file is damaged, or holds what its column of CQL cannot.
    #[expect(clippy::should_implement_trait, reason = "it can fail")]
    pub fn next(&mut self) -> Result<Option<Block>, Error> {
        let block = self.rows_that_come();
        block.map_err(|trouble| trouble.error(&self.what))
    }

    /// As [`Reader::next`], for who goes on with the other columns.
    ///
    /// # Errors
    /// The file is damaged, or holds what its column of CQL cannot.
    pub fn rows_that_come(&mut self) -> Result<Option<Block>, Trouble> {
        while self.left == 0 {
            if self.group == self.file.num_row_groups() {
                return Ok(None);
            }
            self.begin_group().map_err(Trouble::File)?;
        }
        let wanted = self.block.min(self.left);
        let mut cursors = Vec::with_capacity(self.open.len());
        for (reader, spec) in self.open.iter_mut().zip(&self.tree.leaves) {
            let read = records(reader, spec, wanted).map_err(Trouble::File)?;
            cursors.push(read);
        }
        self.left -= wanted;
        let block = self.block(&mut cursors, wanted)?;
        self.row += wanted as u64;
        Ok(Some(block))
    }

    fn begin_group(&mut self) -> Result<(), ParquetError> {
        let group = self.file.get_row_group(self.group)?;
        self.left = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        let bytes = usize::try_from(group.metadata().total_byte_size()).unwrap_or_default();
        let each = bytes.checked_div(self.left).unwrap_or_default();
        self.block = (BLOCK_BYTES / each.max(1)).clamp(1, BLOCK);
        let leaves = self.tree.leaves.iter();
        self.open = leaves
            .map(|leaf| group.get_column_reader(leaf.index))
            .collect::<Result<_, _>>()?;
        self.group += 1;
        Ok(())
    }

    fn block(&self, cursors: &mut [Cursor], rows: usize) -> Result<Block, Trouble> {
        let filled = |_| Filled {
            values: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            ..Filled::default()
        };
        let mut fields: Vec<Filled> = self.columns.iter().map(filled).collect();
        let (mut writes, mut expiries) = (Vec::new(), Vec::new());
        for at in 0..rows {
            let wrong = |column: Option<&str>, why: String| Trouble::Value {
                row: self.row + at as u64 + 1,
                column: column.map(str::to_string),
                why,
            };
            let mut number = |node: &Option<Node>| match node {
                Some(node) => cursors[node.leaves.start]
                    .long()
                    .map_err(|why| wrong(None, why)),
                None => Ok(None),
            };
            let write = number(&self.tree.row.0)?;
            let expiry = number(&self.tree.row.1)?.filter(|expiry| *expiry != NEVER);
            let pairs = self.columns.iter().zip(&self.tree.fields).zip(&mut fields);
            for ((column, nodes), filled) in pairs {
                let wrong = |why: String| wrong(Some(&column.name), why);
                let start = filled.bytes.len();
                let mut there = false;
                if let Some(node) = &nodes.value {
                    there = assemble::take(node, cursors, &mut filled.bytes).map_err(wrong)?;
                }
                if let Some(node) = &nodes.cql
                    && let Some(bytes) = cursors[node.leaves.start].bytes()
                {
                    // The truth, whatever is shown beside it.
                    filled.bytes.truncate(start);
                    filled.bytes.extend_from_slice(bytes);
                    there = true;
                }
                filled
                    .values
                    .push(there.then_some((start, filled.bytes.len())));
                let mut list = |node: &Option<Node>, out: &mut Vec<Option<i64>>| {
                    out.clear();
                    match node {
                        None => Ok(false),
                        Some(node) if column.composed => {
                            cursors[node.leaves.start].longs(node, out).map_err(wrong)
                        }
                        Some(node) => {
                            let number = cursors[node.leaves.start].long().map_err(wrong)?;
                            out.push(number);
                            Ok(number.is_some())
                        }
                    }
                };
                let told = (
                    list(&nodes.write, &mut writes)?,
                    list(&nodes.expiry, &mut expiries)?,
                );
                let told = Told {
                    writes: told.0.then_some(&writes),
                    expiries: told.1.then_some(&expiries),
                    write,
                    expiry,
                };
                let value = &filled.bytes[start..];
                let times = match (there && column.is_timed(), column.composed) {
                    (false, _) => Kind::None,
                    (true, false) => {
                        let time = told.time(0).map_err(wrong)?;
                        time.map_or(Kind::None, Kind::One)
                    }
                    (true, true) => {
                        let begin = filled.each.len();
                        for (at, element) in elements(&column.kind, value).enumerate() {
                            let time = match element {
                                Some(_) => told.time(at).map_err(wrong)?,
                                None => None,
                            };
                            filled.each.push(time);
                        }
                        let count = filled.each.len() - begin;
                        told.check(count).map_err(wrong)?;
                        match filled.each[begin..].iter().any(Option::is_some) {
                            true => Kind::Each(begin, begin + count),
                            false => Kind::None,
                        }
                    }
                };
                filled.times.push(times);
            }
        }
        Ok(Block { rows, fields })
    }
}

/// What a row tells of the times of one column.
struct Told<'a> {
    writes: Option<&'a Vec<Option<i64>>>,
    expiries: Option<&'a Vec<Option<i64>>>,
    /// The row's.
    write: Option<i64>,
    /// The row's.
    expiry: Option<i64>,
}

impl Told<'_> {
    /// The time of an element; nothing where none is told.
    fn time(&self, at: usize) -> Result<Option<Time>, String> {
        let own =
            |list: Option<&Vec<Option<i64>>>| list.and_then(|list| list.get(at).copied().flatten());
        let expiry = match own(self.expiries) {
            Some(NEVER) => None,
            Some(expiry) => Some(expiry),
            None => self.expiry,
        };
        match (own(self.writes).or(self.write), expiry) {
            (Some(write), expiry) => Ok(Some(Time { write, expiry })),
            (None, None) => Ok(None),
            (None, Some(expiry)) => Err(format!("it expires at {expiry} and has no write time")),
        }
    }

    /// Whether there is one for each element.
    fn check(&self, count: usize) -> Result<(), String> {
        for list in [self.writes, self.expiries].into_iter().flatten() {
            if list.len() != count {
                return Err(format!("{} times for {count} elements", list.len()));
            }
        }
        Ok(())
    }
}

/// Rows of a file, with their bytes.
#[derive(Debug)]
pub struct Block {
    rows: usize,
    fields: Vec<Filled>,
}

/// A column of a block.
#[derive(Debug, Default)]
struct Filled {
    bytes: Vec<u8>,
    values: Vec<Option<(usize, usize)>>,
    times: Vec<Kind>,
    each: Vec<Option<Time>>,
}

/// Times of a column of a row.
#[derive(Debug)]
enum Kind {
    None,
    One(Time),
    Each(usize, usize),
}

impl Block {
    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Puts the cells of a row, from 0, into `cells`, in the layout's order.
    pub fn row<'a>(&'a self, at: usize, cells: &mut Vec<Cell<'a>>) {
        cells.clear();
        cells.extend(self.fields.iter().map(|field| Cell {
            value: field.values[at].map(|(start, end)| &field.bytes[start..end]),
            times: match field.times[at] {
                Kind::None => Times::None,
                Kind::One(time) => Times::One(time),
                Kind::Each(start, end) => Times::Each(&field.each[start..end]),
            },
        }));
    }
}

/// The rows of a file one by one, one of which it stands at.
pub struct Rows<R: ChunkReader + 'static> {
    reader: Reader<R>,
    block: Option<Block>,
    /// How many rows of the block it has come to.
    came: usize,
}

impl<R: ChunkReader + 'static> Rows<R> {
    /// Of a file; it stands before the first.
    pub fn of(reader: Reader<R>) -> Self {
        Rows {
            reader,
            block: None,
            came: 0,
        }
    }

    /// Goes on to the next row; whether there is one.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn advance(&mut self) -> Result<bool, Error> {
        while self
            .block
            .as_ref()
            .is_none_or(|block| self.came == block.len())
        {
            // Before the next one is made: one may have a value of many megabytes.
            self.block = None;
            self.came = 0;
            self.block = self.reader.next()?;
            if self.block.is_none() {
                return Ok(false);
            }
        }
        self.came += 1;
        Ok(true)
    }

    /// Puts the cells of the row that it stands at into `cells`, in the layout's order.
    pub fn row<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        if let (Some(block), Some(at)) = (&self.block, self.came.checked_sub(1)) {
            block.row(at, cells);
        }
    }
}

/// So many rows of a leaf.
fn records(
    reader: &mut ColumnReader,
    spec: &LeafSpec,
    rows: usize,
) -> Result<Cursor, ParquetError> {
    let (mut defs, mut reps) = (Vec::new(), Vec::new());
    /// Reads until all are there: a call may end with a page.
    macro_rules! read {
        ($reader:ident, $of:path) => {{
            let mut values = Vec::new();
            let mut read = 0;
            while read < rows {
                let (records, _, _) = $reader.read_records(
                    rows - read,
                    (spec.max_def > 0).then_some(&mut defs),
                    (spec.max_rep > 0).then_some(&mut reps),
                    &mut values,
                )?;
                if records == 0 {
                    return Err(ParquetError::EOF(
                        "a column ends before its rows".to_string(),
                    ));
                }
                read += records;
            }
            $of(values)
        }};
    }
    let values = match reader {
        ColumnReader::BoolColumnReader(reader) => read!(reader, ReadValues::Bool),
        ColumnReader::Int32ColumnReader(reader) => read!(reader, ReadValues::Int),
        ColumnReader::Int64ColumnReader(reader) => read!(reader, ReadValues::Long),
        ColumnReader::Int96ColumnReader(reader) => read!(reader, ReadValues::Int96),
        ColumnReader::FloatColumnReader(reader) => read!(reader, ReadValues::Float),
        ColumnReader::DoubleColumnReader(reader) => read!(reader, ReadValues::Double),
        ColumnReader::ByteArrayColumnReader(reader) => read!(reader, ReadValues::Bytes),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => read!(reader, ReadValues::Fixed),
    };
    Ok(Cursor::new(spec.clone(), defs, reps, values))
}

fn unreadable(what: &str, error: &ParquetError) -> Error {
    Error::failed(format!("{what} cannot be read as Parquet: {error}"))
}
