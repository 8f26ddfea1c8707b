//! Values as bytes, in requests and in answers.

use crate::backend::cassandra::fault::{Fault, Kind};
use scylla::deserialize::row::ColumnIterator;
use scylla::response::query_result::QueryResult;
use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;

/// The key of a row, for the driver.
pub struct Key<'a>(pub &'a [Vec<u8>]);

impl SerializeRow for Key<'_> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        for value in self.0 {
            let cell = writer.make_cell_writer();
            cell.set_value(value).map_err(SerializationError::new)?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The cells of the first row; nothing where there is none.
///
/// # Errors
/// The answer cannot be read.
pub fn first_row(answer: QueryResult) -> Result<Option<Vec<Option<Vec<u8>>>>, Fault> {
    let answer = answer.into_rows_result().map_err(unreadable)?;
    let mut rows = answer
        .rows::<ColumnIterator<'_, '_>>()
        .map_err(unreadable)?;
    let Some(row) = rows.next() else {
        return Ok(None);
    };
    let cells = row.map_err(unreadable)?.map(|cell| {
        let cell = cell.map_err(unreadable)?;
        Ok(cell.slice.map(|slice| slice.as_slice().to_vec()))
    });
    cells.collect::<Result<_, Fault>>().map(Some)
}

/// An answer that came and cannot be read.
fn unreadable(error: impl std::fmt::Display) -> Fault {
    Fault {
        kind: Kind::Refused,
        code: None,
        message: format!("the answer cannot be read: {error}"),
        position: None,
        lost: false,
    }
}
