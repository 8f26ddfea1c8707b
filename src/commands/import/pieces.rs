//! The files of an import, in the order in which they are written. Pure.

use super::decide::{Decided, Decision};
use crate::backup::archive::Archive;
use crate::backup::manifest::{Deletions, File, Table};
use crate::backup::table::Part;

/// One file, and the table that it belongs to.
pub struct Piece<'a> {
    /// What becomes of the table.
    pub decided: &'a Decided,
    /// The table as the export has it.
    pub table: &'a Table,
    /// Which rows the file has.
    pub part: Part,
    /// The file.
    pub file: &'a File,
    /// What is gone since the export before, beside it.
    pub deleted: Option<&'a Deletions>,
}

/// Every file of the tables that are imported, in the order of the manifest: static columns of a range after its rows.
pub fn pieces<'a>(archive: &'a Archive, decision: &'a Decision) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    for decided in &decision.tables {
        let tables = archive.manifest.tables.iter();
        let named = tables.filter(|table| table.outline.name == decided.map.source.name);
        for table in named {
            for range in &table.ranges {
                for part in [Part::Rows, Part::Statics] {
                    if let Some(of_part) = range.file(part) {
                        pieces.push(Piece {
                            decided,
                            table,
                            part,
                            file: &of_part.file,
                            deleted: of_part.deleted.as_ref(),
                        });
                    }
                }
            }
        }
    }
    pieces
}

/// How many rows a file has; static values are told of with the rows of their partition.
pub fn rows_of(piece: &Piece<'_>) -> u64 {
    if piece.part == Part::Statics {
        return 0;
    }
    let mut ranges = piece.table.ranges.iter();
    let found = ranges.find_map(|range| {
        let file = range.file(piece.part)?;
        (file.file.path == piece.file.path).then_some(file.sum.rows)
    });
    found.unwrap_or_default()
}
