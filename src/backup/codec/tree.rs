//! The columns of a whole file, by what they hold. Pure.

use super::node::{self, LeafSpec, Levels, Node};
use crate::backup::kind::{CqlType, Native};
use crate::backup::layout::{Field, Layout};
use crate::backup::manifest::UuidForm;
use parquet::basic::{Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};
use std::sync::Arc;

/// A file's columns.
#[derive(Debug)]
pub struct Tree {
    /// Those of each column of CQL.
    pub fields: Vec<FieldNodes>,
    /// Write time and expiry of the row.
    pub row: (Option<Node>, Option<Node>),
    /// Every leaf that is used.
    pub leaves: Vec<LeafSpec>,
}

/// The columns of a column. In a file of kmig's own none is missing that the layout names.
#[derive(Debug)]
pub struct FieldNodes {
    /// The value.
    pub value: Option<Node>,
    /// The write time, or one for each element.
    pub write: Option<Node>,
    /// The expiry.
    pub expiry: Option<Node>,
    /// The bytes of CQL.
    pub cql: Option<Node>,
}

/// The type of a column of times.
fn times(field: &Field) -> CqlType {
    let one = CqlType::Native(Native::Bigint);
    match field.column.composed {
        true => CqlType::List(Box::new(one)),
        false => one,
    }
}

/// The schema of a file that kmig writes: keys and values first, since that is what people look at.
///
/// # Errors
/// A column of a class that CQL has no name for.
pub fn schema(layout: &Layout, uuid: UuidForm) -> Result<TypePtr, ParquetError> {
    let mut columns = Vec::new();
    let mut add = |name: &str, kind: &CqlType| {
        let column = node::schema(name, kind, uuid, Repetition::OPTIONAL)?;
        columns.push(Arc::new(column));
        Ok::<(), ParquetError>(())
    };
    let number = CqlType::Native(Native::Bigint);
    for field in &layout.fields {
        add(&field.names.value, &field.column.kind)?;
    }
    if let Some(row) = &layout.row {
        add(&row.row_write_time, &number)?;
        add(&row.row_expiry, &number)?;
    }
    for field in &layout.fields {
        let times = times(field);
        for name in [&field.names.write_time, &field.names.expiry]
            .into_iter()
            .flatten()
        {
            add(name, &times)?;
        }
    }
    for field in &layout.fields {
        if let Some(name) = &field.names.cql {
            add(name, &CqlType::Native(Native::Blob))?;
        }
    }
    let schema = Type::group_type_builder("row").with_fields(columns);
    schema.build().map(Arc::new)
}

impl Tree {
    /// Finds the columns of a layout in a file's schema.
    ///
    /// # Errors
    /// A column of the file cannot hold the one of the layout.
    pub fn of(layout: &Layout, schema: &Type) -> Result<Tree, String> {
        let columns = schema.get_fields();
        // In the order of the file, so that the leaves of a file of kmig's own are all of them in order.
        let mut wanted: Vec<(usize, usize, &Type, CqlType, Slot)> = Vec::new();
        let mut want = |name: &str, kind: CqlType, slot: Slot| {
            if let Some((index, column)) = node::field(columns, name, 0) {
                wanted.push((index, wanted.len(), column, kind, slot));
            }
        };
        let number = CqlType::Native(Native::Bigint);
        for (at, field) in layout.fields.iter().enumerate() {
            want(
                &field.names.value,
                field.column.kind.clone(),
                Slot::Value(at),
            );
            if let Some(name) = &field.names.write_time {
                want(name, times(field), Slot::Write(at));
            }
            if let Some(name) = &field.names.expiry {
                want(name, times(field), Slot::Expiry(at));
            }
            if let Some(name) = &field.names.cql {
                want(name, CqlType::Native(Native::Blob), Slot::Cql(at));
            }
        }
        if let Some(row) = &layout.row {
            want(&row.row_write_time, number.clone(), Slot::RowWrite);
            want(&row.row_expiry, number, Slot::RowExpiry);
        }
        wanted.sort_by_key(|(index, at, ..)| (*index, *at));
        let mut tree = Tree {
            fields: layout.fields.iter().map(|_| FieldNodes::NONE).collect(),
            row: (None, None),
            leaves: Vec::new(),
        };
        for (index, _, column, kind, slot) in wanted {
            let node = Node::of(&kind, column, index, Levels::default(), &mut tree.leaves)?;
            let place = match slot {
                Slot::Value(at) => &mut tree.fields[at].value,
                Slot::Write(at) => &mut tree.fields[at].write,
                Slot::Expiry(at) => &mut tree.fields[at].expiry,
                Slot::Cql(at) => &mut tree.fields[at].cql,
                Slot::RowWrite => &mut tree.row.0,
                Slot::RowExpiry => &mut tree.row.1,
            };
            *place = Some(node);
        }
        Ok(tree)
    }

    /// The columns that a layout names and a file has not, by their names. Those that only tell what differs from the
    /// usual may be missing.
    pub fn missing<'a>(&self, layout: &'a Layout) -> Vec<&'a str> {
        let pairs = layout.fields.iter().zip(&self.fields);
        pairs
            .filter(|(_, nodes)| nodes.value.is_none() && nodes.cql.is_none())
            .map(|(field, _)| field.names.value.as_str())
            .collect()
    }

    /// Leaves that hold write times and expiries.
    pub fn times(&self) -> impl Iterator<Item = usize> {
        let fields = self.fields.iter();
        let cells = fields.flat_map(|nodes| [&nodes.write, &nodes.expiry]);
        let nodes = cells.chain([&self.row.0, &self.row.1]);
        nodes.flatten().flat_map(|node| node.leaves.clone())
    }

    /// Leaves that hold bytes of unknown length.
    pub fn is_bytes(&self, leaf: usize) -> bool {
        self.leaves[leaf].physical == Physical::BYTE_ARRAY
    }
}

/// What a column of the file is for.
enum Slot {
    Value(usize),
    Write(usize),
    Expiry(usize),
    Cql(usize),
    RowWrite,
    RowExpiry,
}

impl FieldNodes {
    const NONE: FieldNodes = FieldNodes {
        value: None,
        write: None,
        expiry: None,
        cql: None,
    };
}
