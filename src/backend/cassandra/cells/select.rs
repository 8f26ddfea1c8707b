//! What is asked of a table, and where in the answer its columns stand. Pure.

use super::super::names::identifier;
use crate::backup::manifest::ElementTimes;
use crate::backup::table::{Column, Part, Role, Shape};

/// A query for the rows of a range of tokens, both ends bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The columns of a row, in order.
    pub columns: Vec<Column>,
    /// What of the answer belongs to each.
    pub slots: Vec<Slot>,
    /// What stands for times that the server does not tell.
    pub element_times: Option<ElementTimes>,
    /// Which rows it is about.
    pub part: Part,
    /// Whether a row without a clustering key stands for a partition that has static values only.
    pub skips_bare: bool,
    /// Of which table, as people write it: `keyspace.table`.
    pub table: String,
    /// The statement.
    pub text: String,
}

/// The columns of the answer that belong to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The value.
    Value,
    /// Value, write time, TTL.
    Timed,
    /// Value, list of write times, list of TTLs.
    Each,
    /// The value of something whose elements have times that the server does not tell.
    Untold,
}

impl Selection {
    /// Asks for a part of a table. `tells_elements` says whether the server tells the times of elements (5.0 does);
    /// `element_times` is what else stands for them.
    pub fn new(
        keyspace: &str,
        shape: &Shape,
        part: Part,
        tells_elements: bool,
        element_times: Option<ElementTimes>,
    ) -> Self {
        let columns: Vec<Column> = shape.part(part).into_iter().cloned().collect();
        let slots: Vec<Slot> = columns
            .iter()
            .map(|column| match (column.is_timed(), column.composed) {
                (false, _) => Slot::Value,
                (true, false) => Slot::Timed,
                (true, true) if tells_elements => Slot::Each,
                (true, true) => Slot::Untold,
            })
            .collect();
        let mut wanted = Vec::new();
        for (column, slot) in columns.iter().zip(&slots) {
            let name = identifier(&column.name);
            match slot {
                Slot::Value | Slot::Untold => wanted.push(name),
                Slot::Timed | Slot::Each => {
                    wanted.push(format!("{name}, writetime({name}), ttl({name})"));
                }
            }
        }
        // The coordinator's clock, by which it counts the TTLs of this very page (traps C15). It is asked for every row, and
        // cheaper than a time of now(), which makes a UUID; there since 4.0 (CASSANDRA-13132).
        wanted.push("currentTimestamp()".to_string());
        let key: Vec<String> = shape
            .of(Role::Partition)
            .map(|column| identifier(&column.name))
            .collect();
        let key = key.join(", ");
        let distinct = match part {
            Part::Rows => "",
            Part::Statics => "DISTINCT ",
        };
        let text = format!(
            "SELECT {distinct}{} FROM {}.{} WHERE token({key}) > ? AND token({key}) <= ?",
            wanted.join(", "),
            identifier(keyspace),
            identifier(&shape.name),
        );
        Selection {
            columns,
            slots,
            element_times,
            part,
            skips_bare: part == Part::Rows && shape.has_statics(),
            table: format!("{keyspace}.{}", shape.name),
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::kind::Types;

    #[test]
    fn what_has_times_is_asked_for_them() {
        let columns = [
            ("p", Role::Partition, "int"),
            ("c", Role::Clustering, "int"),
            ("S", Role::Static, "text"),
            ("m", Role::Regular, "map<int, int>"),
            ("f", Role::Regular, "frozen<map<int, int>>"),
        ];
        let read = |(name, role, text): &(&str, Role, &str)| {
            Column::read(name, *role, text, &Types::new()).expect("a column")
        };
        let shape = Shape {
            name: "t".into(),
            id: String::new(),
            columns: columns.iter().map(read).collect(),
        };
        let text = |part, tells| Selection::new("k", &shape, part, tells, None).text;
        assert_eq!(
            text(Part::Rows, true),
            "SELECT \"p\", \"c\", \"m\", writetime(\"m\"), ttl(\"m\"), \"f\", writetime(\"f\"), ttl(\"f\"), \
             currentTimestamp() FROM \"k\".\"t\" WHERE token(\"p\") > ? AND token(\"p\") <= ?"
        );
        assert_eq!(
            text(Part::Rows, false),
            "SELECT \"p\", \"c\", \"m\", \"f\", writetime(\"f\"), ttl(\"f\"), \
             currentTimestamp() FROM \"k\".\"t\" WHERE token(\"p\") > ? AND token(\"p\") <= ?"
        );
        assert_eq!(
            text(Part::Statics, true),
            "SELECT DISTINCT \"p\", \"S\", writetime(\"S\"), ttl(\"S\"), \
             currentTimestamp() FROM \"k\".\"t\" WHERE token(\"p\") > ? AND token(\"p\") <= ?"
        );
    }
}
