//! Rows of the export as rows of the keyspace. Pure.

use super::cast::{Cast, wire};
use super::group::{Cell, Element, Raw, Shape as Form};
use super::kind::CqlType;
use super::mapping::TableMap;
use super::marker::widest;
use super::row::{self, Row, Time, Times};
use super::table::{Column, Part, Role};

/// Converts the rows of one part of a table.
#[derive(Debug)]
pub struct Converter<'m> {
    /// For each column of the target's key, where its value comes from.
    keys: Vec<Source<'m>>,
    /// For each column that is written, likewise.
    cells: Vec<Source<'m>>,
    /// What those are.
    forms: Vec<Form>,
    /// How many columns a row of the part has.
    width: usize,
    /// The write time of a value that none is told of, in microseconds.
    cut_off: i64,
}

#[derive(Debug)]
struct Source<'m> {
    column: &'m Column,
    from: From<'m>,
}

#[derive(Debug)]
enum From<'m> {
    /// A cell of the row, by its place.
    Cell(usize, &'m Cast),
    Constant(&'m [u8]),
}

/// A row of the keyspace.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted<'a> {
    /// The values of its key, in order.
    pub key: Vec<Raw<'a>>,
    /// Its cells, in the order of [`Converter::columns`].
    pub cells: Vec<Cell<'a>>,
}

impl Converted<'_> {
    /// The same with bytes of its own.
    pub fn into_owned(self) -> Converted<'static> {
        let key = self.key.into_iter();
        Converted {
            key: key.map(|part| Raw::Owned(part.into_owned())).collect(),
            cells: self.cells.into_iter().map(Cell::into_owned).collect(),
        }
    }

    /// The values of its key, with bytes of their own.
    pub fn key_values(&self) -> Vec<Vec<u8>> {
        self.key.iter().map(|part| part.to_vec()).collect()
    }
}

/// Why a row is not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The column of the keyspace.
    pub column: String,
    /// Why, in a few words.
    pub reason: String,
    /// The value as the export has it.
    pub value: Vec<u8>,
}

impl<'m> Converter<'m> {
    /// Of one part of a table; its rows are those of that part's files.
    pub fn new(map: &'m TableMap, part: Part, cut_off: i64) -> Self {
        let of_part = map.source.part(part);
        let source = |to: usize, column: &'m Column| {
            let constant = map.constants.iter().find(|(at, _)| *at == to);
            let moved = map.moves.iter().find(|moved| moved.to == to);
            let from = match (constant, moved) {
                (Some((_, value)), _) => From::Constant(value),
                (None, Some(moved)) => {
                    let name = &map.source.columns[moved.from].name;
                    let place = of_part.iter().position(|column| column.name == *name)?;
                    From::Cell(place, &moved.cast)
                }
                (None, None) => return None,
            };
            Some(Source { column, from })
        };
        let written = match part {
            Part::Rows => Role::Regular,
            Part::Statics => Role::Static,
        };
        let all = || map.target.columns.iter().enumerate();
        let keys = all().filter(|(_, column)| match part {
            Part::Rows => column.role.is_key(),
            Part::Statics => column.role == Role::Partition,
        });
        let cells = all().filter(|(_, column)| column.role == written);
        let cells: Vec<_> = cells
            .filter_map(|(to, column)| source(to, column))
            .collect();
        Converter {
            keys: keys.filter_map(|(to, column)| source(to, column)).collect(),
            forms: cells.iter().map(|cell| form(cell.column)).collect(),
            cells,
            width: of_part.len(),
            cut_off,
        }
    }

    /// The target's key columns of a row of this part, in order.
    pub fn keys(&self) -> impl Iterator<Item = &'m Column> {
        self.keys.iter().map(|key| key.column)
    }

    /// The target's columns that are written, in order.
    pub fn columns(&self) -> impl Iterator<Item = &'m Column> {
        self.cells.iter().map(|cell| cell.column)
    }

    /// What these columns are.
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// Whether a row of the keyspace is the row itself, cell by cell.
    pub fn changes_nothing(&self) -> bool {
        let all = self.keys.iter().chain(&self.cells).enumerate();
        let mut same = all.map(|(at, source)| match source.from {
            From::Cell(place, cast) => place == at && *cast == Cast::Same,
            From::Constant(_) => false,
        });
        self.width == self.keys.len() + self.cells.len() && same.all(|same| same)
    }

    /// Converts a row.
    ///
    /// # Errors
    /// The first value that does not convert.
    pub fn row<'a>(&'a self, row: &Row<'a>) -> Result<Converted<'a>, Reject> {
        // Room is made at once: a collected Result grows step by step, and this is done for every row.
        let mut key = Vec::with_capacity(self.keys.len());
        for source in &self.keys {
            key.push(self.key(source, row)?);
        }
        let mut cells = Vec::with_capacity(self.cells.len());
        for source in &self.cells {
            cells.push(match &source.from {
                From::Constant(_) => Cell::Absent,
                From::Cell(place, cast) => self.cell(source.column, cast, &row[*place])?,
            });
        }
        let mut of_row = None;
        for (at, source) in self.cells.iter().enumerate() {
            if let From::Constant(value) = source.from {
                // A constant is as old as its row, and lives as long.
                let time = *of_row.get_or_insert_with(|| {
                    let times = cells.iter().flat_map(Cell::times);
                    times.reduce(widest).unwrap_or(self.no_time())
                });
                cells[at] = Cell::Whole {
                    value: Raw::Borrowed(value),
                    time,
                };
            }
        }
        Ok(Converted { key, cells })
    }

    fn no_time(&self) -> Time {
        Time {
            write: self.cut_off,
            expiry: None,
        }
    }

    fn key<'a>(&'a self, source: &'a Source<'m>, row: &Row<'a>) -> Result<Raw<'a>, Reject> {
        match &source.from {
            From::Constant(value) => Ok(Raw::Borrowed(value)),
            From::Cell(place, cast) => {
                let value = row[*place].value;
                let value = value.ok_or("it is null, and part of the key".to_string());
                let converted = value.and_then(|value| cast.apply(value));
                converted.map_err(|reason| reject(source.column, reason, &row[*place]))
            }
        }
    }

    fn cell<'a>(
        &'a self,
        column: &Column,
        cast: &'a Cast,
        cell: &row::Cell<'a>,
    ) -> Result<Cell<'a>, Reject> {
        let Some(value) = cell.value else {
            return Ok(Cell::Absent);
        };
        let converted = match column.composed {
            true => self.elements(&column.kind, cast, value, &cell.times),
            false => cast.apply(value).map(|value| Cell::Whole {
                value,
                time: latest(&cell.times).unwrap_or(self.no_time()),
            }),
        };
        converted.map_err(|reason| reject(column, reason, cell))
    }

    /// The elements of a value, each with its own time where the export knows it.
    fn elements<'a>(
        &'a self,
        kind: &CqlType,
        cast: &'a Cast,
        value: &'a [u8],
        times: &Times<'a>,
    ) -> Result<Cell<'a>, String> {
        let time = |at: usize| match times {
            Times::None => Some(self.no_time()),
            Times::One(time) => Some(*time),
            Times::Each(each) => each.get(at).copied().flatten(),
        };
        let mut elements = Vec::new();
        let mut push = |key: Option<Raw<'a>>, value: Option<Raw<'a>>, field, at| {
            if let Some(time) = time(at) {
                elements.push(Element {
                    key,
                    value,
                    field,
                    time,
                });
            }
        };
        match kind {
            CqlType::Map(..) => {
                for (at, (key, value)) in wire::map(value)?.into_iter().enumerate() {
                    let (key, value) = cast.pair(key, value)?;
                    push(key, value, 0, at);
                }
            }
            CqlType::Udt(_, fields) => {
                let parts = wire::fields(value)?;
                for field in 0..fields.len() {
                    let (place, cast) = match cast {
                        Cast::Fields(fields) => match &fields[field] {
                            Some((place, cast)) => (*place, cast),
                            None => continue,
                        },
                        whole => (field, whole),
                    };
                    if let Some(part) = parts.get(place).copied().flatten() {
                        push(None, Some(cast.apply(part)?), field, place);
                    }
                }
            }
            other => {
                let set = matches!(other, CqlType::Set(_));
                for (at, part) in wire::list(value)?.into_iter().enumerate() {
                    match (set, cast.element(part)?) {
                        (true, part) => push(part, None, 0, at),
                        (false, part) => push(None, part, 0, at),
                    }
                }
                cast.check(value)?;
            }
        }
        Ok(match elements.is_empty() {
            true => Cell::Absent,
            false => Cell::Elements(elements),
        })
    }
}

/// One time for all of a value: its latest, and the last second at which any of it is there.
fn latest(times: &Times<'_>) -> Option<Time> {
    times.each().reduce(|one, other| Time {
        write: one.write.max(other.write),
        expiry: widest(one, other).expiry,
    })
}

fn reject(column: &Column, reason: String, cell: &row::Cell<'_>) -> Reject {
    Reject {
        column: column.name.clone(),
        reason,
        value: cell.value.unwrap_or_default().to_vec(),
    }
}

/// What a column is, as far as statements differ by it.
fn form(column: &Column) -> Form {
    match &column.kind {
        _ if !column.composed => Form::Single,
        CqlType::Set(_) => Form::Set,
        CqlType::Map(..) => Form::Map,
        CqlType::List(_) => Form::List,
        CqlType::Udt(_, fields) => Form::Fields(fields.len()),
        _ => Form::Single,
    }
}

#[cfg(test)]
mod tests;
