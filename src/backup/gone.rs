//! A deletion as it concerns a table of the keyspace: which row, which of its cells, and what of it still stands. Pure.

use super::cast::Cast;
use super::compare::Verdict;
use super::convert::Converted;
use super::group::{Cell, Element};
use super::kind::CqlType;
use super::mapping::TableMap;
use super::since::{Deleted, unhex};
use super::table::{Column, Part, Role};
use crate::error::{Error, Result};

/// A deletion, by the names and in the types of the keyspace's table.
#[derive(Debug, Clone, PartialEq)]
pub struct Gone<'a> {
    /// The columns of the row's key, and their values.
    pub key: Vec<(&'a Column, Vec<u8>)>,
    /// The column; the whole row where there is none.
    pub column: Option<&'a Column>,
    /// A field of a user-defined type.
    pub field: Option<&'a str>,
    /// The key of an entry of a map, or the member of a set.
    pub element: Option<Vec<u8>>,
    /// The write time of the deletion, in microseconds.
    pub at: i64,
}

/// What a deletion concerns in the keyspace; nothing where the mapping drops its column.
///
/// # Errors
/// Its values do not convert.
pub fn placed<'a>(map: &'a TableMap, part: Part, gone: &'a Deleted) -> Result<Option<Gone<'a>>> {
    let wrong = |why: String| Error::failed(format!("a deletion in {}: {why}", map.source.name));
    let (mut column, mut element) = (None, None);
    if let Some(name) = &gone.column {
        let mut moves = map.moves.iter();
        let Some(moved) = moves.find(|moved| map.source.columns[moved.from].name == *name) else {
            return Ok(None);
        };
        column = Some(&map.target.columns[moved.to]);
        if let Some(told) = &gone.element {
            let told = unhex(std::slice::from_ref(told))?.remove(0);
            let converted = match &moved.cast {
                Cast::Pairs(key, _) => key.apply(&told),
                Cast::Each(each, _) => each.apply(&told),
                other => other.apply(&told),
            };
            element = Some(converted.map_err(wrong)?.into_owned());
        }
    }
    let told = unhex(&gone.key)?;
    let mut key = Vec::new();
    for (to, column) in map.target.columns.iter().enumerate() {
        let ours = match part {
            Part::Rows => column.role.is_key(),
            Part::Statics => column.role == Role::Partition,
        };
        if !ours {
            continue;
        }
        let constant = map.constants.iter().find(|(at, _)| *at == to);
        let value = match (constant, map.moves.iter().find(|moved| moved.to == to)) {
            (Some((_, value)), _) => value.clone(),
            (None, Some(moved)) => {
                let value = told
                    .get(moved.from)
                    .ok_or_else(|| wrong("its key is short".to_string()))?;
                moved.cast.apply(value).map_err(wrong)?.into_owned()
            }
            (None, None) => return Err(wrong(format!("nothing fills {}", column.name))),
        };
        key.push((column, value));
    }
    Ok(Some(Gone {
        key,
        column,
        field: gone.field.as_deref(),
        element,
        at: gone.at,
    }))
}

impl Gone<'_> {
    /// What is said of a row that the keyspace has, whose cells are those of `columns`; nothing where what was deleted is
    /// gone. What was written later than it was deleted is newer.
    pub fn left(&self, columns: &[String], row: &Converted<'_>) -> Option<Verdict> {
        const LEFT: &str = "it was deleted since, and is there";
        let Some(column) = self.column else {
            let mut times = row.cells.iter().flat_map(Cell::times).peekable();
            // Nobody tells when the marker of a row without cells was written.
            let older = times.peek().is_none() || times.any(|time| time.write <= self.at);
            return Some(match older {
                true => Verdict::Different(LEFT.to_string()),
                false => Verdict::Newer,
            });
        };
        let place = columns.iter().position(|name| *name == column.name)?;
        let older = match &row.cells[place] {
            Cell::Absent => false,
            Cell::Whole { time, .. } => time.write <= self.at,
            Cell::Elements(elements) => elements
                .iter()
                .any(|element| self.concerns(column, element) && element.time.write <= self.at),
        };
        older.then(|| Verdict::Different(format!("{}: {LEFT}", column.name)))
    }

    /// Whether it deletes an element of its column.
    fn concerns(&self, column: &Column, element: &Element<'_>) -> bool {
        match (&self.element, self.field, &column.kind) {
            (Some(key), ..) => element.key.as_deref() == Some(key),
            (None, Some(field), CqlType::Udt(_, fields)) => fields
                .get(element.field)
                .is_some_and(|(name, _)| name == field),
            _ => true,
        }
    }
}
