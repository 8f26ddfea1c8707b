//! Which Parquet columns a column of CQL becomes. Pure.
//!
//! | column | holds |
//! |---|---|
//! | `c` | the value |
//! | `c__wt` | the write time in µs where it is not the row's; for what is composed of cells a list, one for each element |
//! | `c__exp` | the second it expires, where that is not the row's; 0 where the row expires and this does not; likewise a list |
//! | `c__cql` | the bytes of CQL, where `c` cannot hold the value without loss; `c` is then null, or shows about the same |
//! | `__wt`, `__exp` | write time and expiry of the row: those of its first cell |

use super::kind::{CqlType, Native};
use super::table::{Column, Part, Shape};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The columns that a column of CQL became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnNames {
    /// The value.
    pub value: String,
    /// The write time, where the column has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_time: Option<String>,
    /// The expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<String>,
    /// The bytes of CQL, where its type has values that Parquet's has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cql: Option<String>,
}

/// The columns of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The write time of the row.
    pub row_write_time: String,
    /// The expiry of the row.
    pub row_expiry: String,
}

/// A file's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Each column of CQL, in the order of a row.
    pub fields: Vec<Field>,
    /// The write time and expiry of the row, where any column has them.
    pub row: Option<Names>,
}

/// A column of CQL and what it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The column.
    pub column: Column,
    /// What it became.
    pub names: ColumnNames,
}

/// The names of every column of a table's files, and of the row's.
///
/// Names are taken once, capitals or not: Spark tells `a` and `A` apart only when it is told to.
pub fn name(shape: &Shape) -> (Vec<ColumnNames>, Names) {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut free = |wanted: String| {
        let mut name = wanted;
        while !taken.insert(name.to_lowercase()) {
            name.push('_');
        }
        name
    };
    // Values first: whatever else is called alike gives way to them.
    let values: Vec<String> = shape
        .columns
        .iter()
        .map(|column| free(column.name.clone()))
        .collect();
    let names = shape.columns.iter().zip(values).map(|(column, value)| {
        let timed = column.is_timed();
        ColumnNames {
            write_time: timed.then(|| free(format!("{}__wt", column.name))),
            expiry: timed.then(|| free(format!("{}__exp", column.name))),
            cql: can_be_odd(&column.kind).then(|| free(format!("{}__cql", column.name))),
            value,
        }
    });
    let names = names.collect();
    let row = Names {
        row_write_time: free("__wt".to_string()),
        row_expiry: free("__exp".to_string()),
    };
    (names, row)
}

/// Whether a type has values that its column cannot hold: an empty one, a timestamp beyond the year 9999, a decimal that is
/// not written in the shortest way.
fn can_be_odd(kind: &CqlType) -> bool {
    !matches!(
        kind,
        CqlType::Native(Native::Text | Native::Ascii | Native::Blob)
    )
}

impl Layout {
    /// The columns of a table's files of one part, by the names that [`name`] gave them.
    pub fn of(shape: &Shape, part: Part, names: &[ColumnNames], row: &Names) -> Self {
        let wanted = shape.part(part);
        let fields: Vec<Field> = shape
            .columns
            .iter()
            .zip(names)
            .filter(|(column, _)| wanted.contains(column))
            .map(|(column, names)| Field {
                column: column.clone(),
                names: names.clone(),
            })
            .collect();
        let timed = fields.iter().any(|field| field.column.is_timed());
        Layout {
            row: timed.then(|| row.clone()),
            fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::kind::Types;
    use crate::backup::table::Role;

    fn shape(columns: &[(&str, Role, &str)]) -> Shape {
        let columns = columns.iter().map(|(name, role, kind)| {
            Column::read(name, *role, kind, &Types::new()).expect("a column")
        });
        Shape {
            name: "t".into(),
            id: String::new(),
            columns: columns.collect(),
        }
    }

    #[test]
    fn names_are_taken_once_whatever_their_capitals() {
        let shape = shape(&[
            ("id", Role::Partition, "int"),
            ("A", Role::Regular, "text"),
            ("a", Role::Regular, "int"),
            ("a__wt", Role::Regular, "counter"),
            ("__wt", Role::Regular, "text"),
        ]);
        let (names, row) = name(&shape);
        assert_eq!(names[0].value, "id");
        assert_eq!(names[0].write_time, None);
        assert_eq!(names[0].cql.as_deref(), Some("id__cql"));
        assert_eq!((names[1].value.as_str(), &names[1].cql), ("A", &None));
        assert_eq!(names[2].value, "a_");
        assert_eq!(names[3].value, "a__wt");
        let own: Vec<_> = names
            .iter()
            .filter_map(|name| name.write_time.as_deref())
            .collect();
        assert_eq!(own, ["A__wt_", "a__wt__", "__wt__wt"]);
        assert_eq!(row.row_write_time, "__wt_");
    }

    #[test]
    fn static_columns_have_a_file_of_their_own() {
        let shape = shape(&[
            ("p", Role::Partition, "int"),
            ("c", Role::Clustering, "int"),
            ("s", Role::Static, "text"),
            ("v", Role::Regular, "text"),
        ]);
        let (names, row) = name(&shape);
        let columns = |part| {
            let layout = Layout::of(&shape, part, &names, &row);
            let names = layout.fields.iter().map(|field| field.names.value.clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(columns(Part::Rows), ["p", "c", "v"]);
        assert_eq!(columns(Part::Statics), ["p", "s"]);
    }
}
