//! Where in a file the parts of a column stand. Pure.
//!
//! A column of CQL becomes one column of Parquet, or a group of them where its type has parts; the columns at the tips are
//! its leaves. The tree is made of the file's own schema, whoever wrote it: a folder may have passed through DuckDB or Spark.

use crate::backup::kind::{CqlType, Native};
use crate::backup::manifest::UuidForm;
use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};
use std::ops::Range;
use std::sync::Arc;

/// A column, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The definition level of a value that is there.
    pub def: i16,
    /// Whether it can be null.
    pub optional: bool,
    /// Its leaves, by their place in the list that [`Node::of`] was given.
    pub leaves: Range<usize>,
    /// What it is made of.
    pub form: Form,
}

/// What a column is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// One leaf.
    Scalar(Native),
    /// Three leaves: months, days, nanoseconds.
    Duration,
    /// Elements, whose second and further ones have this repetition level.
    List {
        /// That level.
        rep: i16,
        /// An element.
        element: Box<Node>,
        /// How the protocol carries them.
        wire: ListWire,
    },
    /// Entries.
    Map {
        /// The repetition level of the second and further ones.
        rep: i16,
        /// A key.
        key: Box<Node>,
        /// A value.
        value: Box<Node>,
    },
    /// The fields of a user-defined type or tuple. One that the file has no column for is null.
    Fields(Vec<Option<Node>>),
}

/// How the protocol carries elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListWire {
    /// Their number, then each with its length.
    Counted,
    /// As many as the type says, each of so many bytes.
    Fixed(usize, usize),
    /// As many as the type says, each behind its length as a vint.
    Prefixed(usize),
}

/// A leaf of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct LeafSpec {
    /// Its place among all leaves of the file.
    pub index: usize,
    /// Highest definition level: a value is there.
    pub max_def: i16,
    /// Highest repetition level.
    pub max_rep: i16,
    /// How Parquet stores it.
    pub physical: Physical,
    /// What its numbers count, where they are times.
    pub unit: Option<TimeUnit>,
}

/// Levels above a column.
#[derive(Debug, Clone, Copy, Default)]
pub struct Levels {
    def: i16,
    rep: i16,
}

impl Node {
    /// The tree of a column of this type, which stands in the file as `schema`, its first leaf at `index` of the file's.
    /// Its leaves are appended to `leaves`.
    ///
    /// # Errors
    /// The file's column is of a type that cannot hold this one.
    pub fn of(
        kind: &CqlType,
        schema: &Type,
        index: usize,
        above: Levels,
        leaves: &mut Vec<LeafSpec>,
    ) -> Result<Node, String> {
        let first = leaves.len();
        let repetition = repetition(schema);
        let optional = repetition == Repetition::OPTIONAL;
        let here = Levels {
            def: above.def + i16::from(optional),
            rep: above.rep,
        };
        let misfit = || format!("{} cannot hold {kind}", described(schema));
        let form = match kind {
            CqlType::Native(Native::Duration) => {
                let fields = group(schema).ok_or_else(misfit)?;
                for name in DURATION {
                    let (at, field) = field(fields, name, index).ok_or_else(misfit)?;
                    leaf(field, at, here, leaves).ok_or_else(misfit)?;
                }
                Form::Duration
            }
            CqlType::Native(native) => {
                leaf_of(schema, index, here, leaves).ok_or_else(misfit)?;
                Form::Scalar(*native)
            }
            CqlType::List(element) | CqlType::Set(element) | CqlType::Vector(element, _) => {
                let (repeated, inner) = repeated(schema, here).ok_or_else(misfit)?;
                // Three levels by the rules of the format; two as older writers have it.
                let (schema, inner) = match group(repeated) {
                    Some([only]) => (only.as_ref(), inner),
                    _ => (repeated, inner),
                };
                let element_node = Node::of(element, schema, index, inner, leaves)?;
                let wire = match kind {
                    CqlType::Vector(element, length) => match element.fixed_in_vector() {
                        Some(size) => ListWire::Fixed(*length, size),
                        None => ListWire::Prefixed(*length),
                    },
                    _ => ListWire::Counted,
                };
                Form::List {
                    rep: inner.rep,
                    element: Box::new(element_node),
                    wire,
                }
            }
            CqlType::Map(key, value) => {
                let (repeated, inner) = repeated(schema, here).ok_or_else(misfit)?;
                let [key_schema, value_schema] = group(repeated).ok_or_else(misfit)? else {
                    return Err(misfit());
                };
                let after = index + leaf_count(key_schema);
                Form::Map {
                    rep: inner.rep,
                    key: Box::new(Node::of(key, key_schema, index, inner, leaves)?),
                    value: Box::new(Node::of(value, value_schema, after, inner, leaves)?),
                }
            }
            CqlType::Udt(_, fields) => {
                let schema = group(schema).ok_or_else(misfit)?;
                let nodes = fields.iter().map(|(name, kind)| {
                    let found = field(schema, name, index);
                    let node = found.map(|(at, schema)| Node::of(kind, schema, at, here, leaves));
                    node.transpose()
                });
                Form::Fields(nodes.collect::<Result<_, _>>()?)
            }
            CqlType::Tuple(fields) => {
                let schema = group(schema).ok_or_else(misfit)?;
                let nodes = fields.iter().enumerate().map(|(at, kind)| {
                    let found = field(schema, &tuple_field(at), index);
                    let node = found.map(|(at, schema)| Node::of(kind, schema, at, here, leaves));
                    node.transpose()
                });
                Form::Fields(nodes.collect::<Result<_, _>>()?)
            }
            CqlType::Custom(_) => return Err(misfit()),
        };
        if leaves.len() == first {
            return Err(misfit());
        }
        Ok(Node {
            def: here.def,
            optional,
            leaves: first..leaves.len(),
            form,
        })
    }
}

/// The fields of a duration.
const DURATION: [&str; 3] = ["months", "days", "nanos"];

/// The name of a tuple's field.
fn tuple_field(at: usize) -> String {
    format!("_{}", at + 1)
}

fn repetition(schema: &Type) -> Repetition {
    let info = schema.get_basic_info();
    match info.has_repetition() {
        true => info.repetition(),
        false => Repetition::REQUIRED,
    }
}

fn group(schema: &Type) -> Option<&[TypePtr]> {
    schema.is_group().then(|| schema.get_fields())
}

/// How many leaves a column has.
pub fn leaf_count(schema: &Type) -> usize {
    group(schema).map_or(1, |fields| {
        fields.iter().map(|field| leaf_count(field)).sum()
    })
}

/// A field by its name, with the place of its first leaf.
pub fn field<'a>(fields: &'a [TypePtr], name: &str, index: usize) -> Option<(usize, &'a Type)> {
    let at = fields.iter().position(|field| field.name() == name)?;
    let before: usize = fields[..at].iter().map(|field| leaf_count(field)).sum();
    Some((index + before, &fields[at]))
}

/// The repeated column of a list or map, and the levels inside it.
fn repeated(schema: &Type, here: Levels) -> Option<(&Type, Levels)> {
    let [only] = group(schema)? else {
        return None;
    };
    let inner = Levels {
        def: here.def + 1,
        rep: here.rep + 1,
    };
    (repetition(only) == Repetition::REPEATED).then_some((only.as_ref(), inner))
}

/// A leaf that stands below the levels.
fn leaf(schema: &Type, index: usize, above: Levels, leaves: &mut Vec<LeafSpec>) -> Option<()> {
    let here = Levels {
        def: above.def + i16::from(repetition(schema) == Repetition::OPTIONAL),
        ..above
    };
    leaf_of(schema, index, here, leaves)
}

/// A leaf of which the levels are known.
fn leaf_of(schema: &Type, index: usize, here: Levels, leaves: &mut Vec<LeafSpec>) -> Option<()> {
    if !schema.is_primitive() {
        return None;
    }
    let info = schema.get_basic_info();
    let unit = match info.logical_type_ref() {
        Some(LogicalType::Timestamp(counted) | LogicalType::Time(counted)) => Some(counted.unit),
        _ => match info.converted_type() {
            ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIME_MILLIS => Some(TimeUnit::MILLIS),
            ConvertedType::TIMESTAMP_MICROS | ConvertedType::TIME_MICROS => Some(TimeUnit::MICROS),
            _ => None,
        },
    };
    leaves.push(LeafSpec {
        index,
        max_def: here.def,
        max_rep: here.rep,
        physical: schema.get_physical_type(),
        unit,
    });
    Some(())
}

fn described(schema: &Type) -> String {
    match schema.is_primitive() {
        true => format!(
            "the column {} of {}",
            schema.name(),
            schema.get_physical_type()
        ),
        false => format!("the column {}, which has parts,", schema.name()),
    }
}

/// The column that kmig writes for a type.
///
/// # Errors
/// A class that CQL has no name for.
pub fn schema(
    name: &str,
    kind: &CqlType,
    uuid: UuidForm,
    repetition: Repetition,
) -> Result<Type, ParquetError> {
    let optional = |name: &str, kind| schema(name, kind, uuid, Repetition::OPTIONAL).map(Arc::new);
    let repeated = |name: &str, fields| {
        Type::group_type_builder(name)
            .with_repetition(Repetition::REPEATED)
            .with_fields(fields)
            .build()
            .map(Arc::new)
    };
    let group = Type::group_type_builder(name).with_repetition(repetition);
    match kind {
        CqlType::Native(Native::Duration) => {
            let physical = [Physical::INT32, Physical::INT32, Physical::INT64];
            let fields = DURATION.iter().zip(physical).map(|(name, physical)| {
                let field = Type::primitive_type_builder(name, physical);
                field
                    .with_repetition(Repetition::REQUIRED)
                    .build()
                    .map(Arc::new)
            });
            group.with_fields(fields.collect::<Result<_, _>>()?).build()
        }
        CqlType::Native(native) => {
            let (physical, logical, length) = stored(*native, uuid);
            Type::primitive_type_builder(name, physical)
                .with_repetition(repetition)
                .with_logical_type(logical)
                .with_length(length)
                .build()
        }
        CqlType::List(element) | CqlType::Set(element) | CqlType::Vector(element, _) => group
            .with_logical_type(Some(LogicalType::List))
            .with_fields(vec![repeated("list", vec![optional("element", element)?])?])
            .build(),
        CqlType::Map(key, value) => {
            let key = schema("key", key, uuid, Repetition::REQUIRED).map(Arc::new)?;
            group
                .with_logical_type(Some(LogicalType::Map))
                .with_fields(vec![repeated(
                    "key_value",
                    vec![key, optional("value", value)?],
                )?])
                .build()
        }
        CqlType::Udt(_, fields) => {
            let fields = fields.iter().map(|(name, kind)| optional(name, kind));
            group.with_fields(fields.collect::<Result<_, _>>()?).build()
        }
        CqlType::Tuple(fields) => {
            let fields = fields.iter().enumerate();
            let fields = fields.map(|(at, kind)| optional(&tuple_field(at), kind));
            group.with_fields(fields.collect::<Result<_, _>>()?).build()
        }
        CqlType::Custom(class) => Err(ParquetError::General(format!(
            "the class {class} has no type in a file"
        ))),
    }
}

/// How a value without parts is stored. TIME(NANOS), INTERVAL and, unless it is asked for, UUID are not used: Spark refuses
/// the whole file for one of them (cassandra.md §4).
fn stored(native: Native, uuid: UuidForm) -> (Physical, Option<LogicalType>, i32) {
    let int = |bits| Some(LogicalType::integer(bits, true));
    match native {
        Native::Boolean => (Physical::BOOLEAN, None, 0),
        Native::Tinyint => (Physical::INT32, int(8), 0),
        Native::Smallint => (Physical::INT32, int(16), 0),
        Native::Int => (Physical::INT32, None, 0),
        Native::Date => (Physical::INT32, Some(LogicalType::Date), 0),
        Native::Bigint | Native::Counter | Native::Time => (Physical::INT64, None, 0),
        Native::Timestamp => {
            let millis = LogicalType::timestamp(true, TimeUnit::MILLIS);
            (Physical::INT64, Some(millis), 0)
        }
        Native::Float => (Physical::FLOAT, None, 0),
        Native::Double => (Physical::DOUBLE, None, 0),
        Native::Blob => (Physical::BYTE_ARRAY, None, 0),
        Native::Uuid | Native::Timeuuid => match uuid {
            UuidForm::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String), 0),
            UuidForm::Bytes => (Physical::FIXED_LEN_BYTE_ARRAY, None, 16),
            UuidForm::Logical => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid), 16),
        },
        Native::Text | Native::Ascii | Native::Decimal | Native::Varint | Native::Inet => {
            (Physical::BYTE_ARRAY, Some(LogicalType::String), 0)
        }
        // It has parts.
        Native::Duration => (Physical::BYTE_ARRAY, None, 0),
    }
}
