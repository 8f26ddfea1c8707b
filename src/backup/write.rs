//! Rows into a Parquet file. Pure: the file is whatever takes bytes.

use super::codec::column::{Leaf, Mark};
use super::codec::shred::{self, Fit};
use super::codec::tree::{self, FieldNodes, Tree};
use super::digest::{Digester, Sum};
use super::layout::Layout;
use super::manifest::UuidForm;
use super::row::{Row, Time, Times};
use super::table::Column;
use crate::error::{Error, reason};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;
use std::io::Write;
use std::sync::Arc;

/// Stands for "it does not expire" in a column that tells what differs from the row: null says that it does as the row.
pub const NEVER: i64 = 0;

/// What a cell costs beside its bytes, about: levels, a length, its times.
const CELL: usize = 12;

/// Writes one file.
pub struct Writer<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Column>,
    tree: Tree,
    leaves: Vec<Leaf>,
    marks: Vec<Mark>,
    digester: Digester,
    sum: Sum,
    /// Bytes that are held for the open row group, about.
    held: usize,
    /// How many of them end it.
    group: usize,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file whose row groups are made of about so many bytes of values: that much is held in memory.
    ///
    /// # Errors
    /// A column that no file can hold, or `out` takes nothing.
    pub fn new(out: W, layout: &Layout, uuid: UuidForm, group: usize) -> Result<Self, Error> {
        let schema = tree::schema(layout, uuid).map_err(|error| failed(&error))?;
        let tree = Tree::of(layout, &schema).map_err(Error::failed)?;
        let level = ZstdLevel::try_new(1).map_err(|error| failed(&error))?;
        let mut properties = WriterProperties::builder()
            .set_created_by(format!("kmig version {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::ZSTD(level))
            // zstd finds what repeats; a dictionary costs more time than it saves room.
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_offset_index_disabled(true);
        // Times are near each other, and most cells have those of their row: their differences take less room than what zstd
        // makes of them, and a compressor for each of so many columns costs more time than their bytes.
        let columns = SchemaDescriptor::new(schema.clone());
        for leaf in tree.times() {
            let path = columns.column(leaf).path().clone();
            properties = properties
                .set_column_compression(path.clone(), Compression::UNCOMPRESSED)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        let properties = properties.build();
        Ok(Writer {
            file: SerializedFileWriter::new(out, schema, Arc::new(properties))
                .map_err(|error| failed(&error))?,
            columns: layout
                .fields
                .iter()
                .map(|field| field.column.clone())
                .collect(),
            leaves: tree.leaves.iter().map(Leaf::new).collect(),
            tree,
            marks: Vec::new(),
            digester: Digester::default(),
            sum: Sum::default(),
            held: 0,
            group,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The file takes no more, or a text is none.
    pub fn push(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let usual = row.iter().find_map(|cell| cell.times.each().next());
        for (at, cell) in row.iter().enumerate() {
            let nodes = &self.tree.fields[at];
            let Some(node) = &nodes.value else {
                continue;
            };
            let fit = shred::column(node, &mut self.leaves, &mut self.marks, cell.value);
            match &nodes.cql {
                Some(cql) => {
                    let leaf = &mut self.leaves[cql.leaves.start];
                    match cell.value.filter(|_| fit != Fit::Exact) {
                        Some(value) => leaf.bytes(0, value),
                        None => leaf.null(0, 0),
                    }
                }
                None if fit == Fit::Exact => {}
                None => {
                    return Err(Error::failed(format!(
                        "a {} of the column {} is not UTF-8",
                        self.columns[at].text, self.columns[at].name
                    )));
                }
            }
            times(nodes, &mut self.leaves, cell.times, usual);
            self.held += CELL + cell.value.map_or(0, <[u8]>::len);
        }
        if let (Some(write), Some(expiry)) = &self.tree.row {
            let expires = usual.and_then(|time| time.expiry);
            self.leaves[write.leaves.start].long(0, usual.map(|time| time.write), 0);
            self.leaves[expiry.leaves.start].long(0, expires, 0);
        }
        let digest = self.digester.row(&self.columns, row, i64::MIN);
        self.sum.add(&digest);
        if self.held >= self.group {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the open row group.
    fn flush(&mut self) -> Result<(), Error> {
        if self.held == 0 {
            return Ok(());
        }
        self.held = 0;
        let mut write = || {
            let mut group = self.file.next_row_group()?;
            for leaf in &mut self.leaves {
                let Some(mut column) = group.next_column()? else {
                    break;
                };
                leaf.flush(&mut column)?;
                column.close()?;
            }
            group.close().map(drop)
        };
        write().map_err(|error: ParquetError| failed(&error))
    }

    /// Ends the file: what it was written to, and what its rows come to.
    ///
    /// # Errors
    /// The file takes no more.
    pub fn finish(mut self) -> Result<(W, Sum), Error> {
        self.flush()?;
        // This writes the footer.
        let out = self.file.into_inner().map_err(|error| failed(&error))?;
        Ok((out, self.sum))
    }

    /// What the rows so far come to.
    pub fn sum(&self) -> &Sum {
        &self.sum
    }
}

/// Adds the times of a column, as far as they differ from the row's.
fn times(nodes: &FieldNodes, leaves: &mut [Leaf], times: Times<'_>, usual: Option<Time>) {
    let (Some(write), Some(expiry)) = (&nodes.write, &nodes.expiry) else {
        return;
    };
    let differs = |time: &Time| {
        let usual_expiry = usual.and_then(|usual| usual.expiry);
        (
            usual.is_none_or(|usual| usual.write != time.write),
            usual_expiry != time.expiry,
        )
    };
    match times {
        Times::None => {
            leaves[write.leaves.start].null(0, 0);
            leaves[expiry.leaves.start].null(0, 0);
        }
        Times::One(time) => {
            let (other_write, other_expiry) = differs(&time);
            let until = time.expiry.unwrap_or(NEVER);
            leaves[write.leaves.start].long(0, other_write.then_some(time.write), 0);
            leaves[expiry.leaves.start].long(0, other_expiry.then_some(until), 0);
        }
        Times::Each(each) => {
            let any =
                |of: fn((bool, bool)) -> bool| each.iter().flatten().any(|time| of(differs(time)));
            let (other_write, other_expiry) = (any(|(write, _)| write), any(|(_, expiry)| expiry));
            let mut list = |node: &super::codec::node::Node, told: bool, of: fn(&Time) -> i64| {
                let leaf = &mut leaves[node.leaves.start];
                match (told, each) {
                    (false, _) => leaf.null(0, 0),
                    (true, []) => leaf.null(0, node.def),
                    (true, each) => {
                        for (at, time) in each.iter().enumerate() {
                            // An element that is null is one level below its value.
                            leaf.long(i16::from(at > 0), time.as_ref().map(of), node.def + 1);
                        }
                    }
                }
            };
            list(write, other_write, |time| time.write);
            list(expiry, other_expiry, |time| time.expiry.unwrap_or(NEVER));
        }
    }
}

/// What the crate reports, in the words of the system where it was the file that failed.
fn failed(error: &ParquetError) -> Error {
    let io = match error {
        ParquetError::External(inner) => inner.downcast_ref::<std::io::Error>(),
        _ => None,
    };
    Error::failed(match io {
        Some(io) => format!("the file cannot be written: {}", reason(io)),
        None => format!("the file cannot be written: {error}"),
    })
}
