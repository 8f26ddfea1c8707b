//! The statements that write a table's rows: one INSERT and one UPDATE that name every column serve all of them. Pure.

use crate::backend::cassandra::names::identifier;
use crate::backup::codec::wire::put_bytes;
use crate::backup::group::{Given, Raw, Shape as Form, Verb, Write};
use crate::backup::kind::CqlType;
use crate::backup::table::Column;

/// What a marker of a statement stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// A column of the key, by its place.
    Key(usize),
    /// The write time.
    Time,
    /// The time to live.
    Ttl,
    /// A cell, by its place among those that are written.
    Cell(usize),
    /// A field of one.
    Field(usize, usize),
}

/// A text to prepare, and what its markers stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// CQL.
    pub text: String,
    /// In their order.
    pub markers: Vec<Marker>,
}

/// The columns of a table that are written.
#[derive(Debug, Clone)]
pub struct Columns<'a> {
    /// Keyspace and table, quoted.
    pub table: &'a str,
    /// The key, of which static columns have the partition's part.
    pub keys: Vec<&'a Column>,
    /// What is written beside it.
    pub cells: Vec<&'a Column>,
    /// What those are.
    pub forms: &'a [Form],
}

impl Columns<'_> {
    /// INSERT of the key and of single cells. Collections are not in it: they would be set, and set is deleted first.
    pub fn insert(&self) -> Text {
        let mut names: Vec<String> = self.keys.iter().map(|key| identifier(&key.name)).collect();
        let mut markers: Vec<Marker> = (0..self.keys.len()).map(Marker::Key).collect();
        for (at, (column, form)) in self.cells.iter().zip(self.forms).enumerate() {
            if *form == Form::Single {
                names.push(identifier(&column.name));
                markers.push(Marker::Cell(at));
            }
        }
        let text = format!(
            "INSERT INTO {} ({}) VALUES ({}) USING TIMESTAMP ? AND TTL ?",
            self.table,
            names.join(", "),
            vec!["?"; names.len()].join(", ")
        );
        markers.extend([Marker::Time, Marker::Ttl]);
        Text { text, markers }
    }

    /// UPDATE of every cell; nothing where there is none.
    pub fn update(&self) -> Option<Text> {
        let mut sets = Vec::new();
        let mut markers = vec![Marker::Time, Marker::Ttl];
        for (at, (column, form)) in self.cells.iter().zip(self.forms).enumerate() {
            let name = identifier(&column.name);
            match (form, &column.kind) {
                (Form::Fields(_), CqlType::Udt(_, fields)) => {
                    for (field, (of, _)) in fields.iter().enumerate() {
                        sets.push(format!("{name}.{} = ?", identifier(of)));
                        markers.push(Marker::Field(at, field));
                    }
                    continue;
                }
                (Form::Set | Form::Map | Form::List, _) => {
                    sets.push(format!("{name} = {name} + ?"))
                }
                _ => sets.push(format!("{name} = ?")),
            }
            markers.push(Marker::Cell(at));
        }
        if sets.is_empty() {
            return None;
        }
        markers.extend((0..self.keys.len()).map(Marker::Key));
        Some(Text {
            text: format!(
                "UPDATE {} USING TIMESTAMP ? AND TTL ? SET {} WHERE {}",
                self.table,
                sets.join(", "),
                self.key()
            ),
            markers,
        })
    }

    /// UPDATE that adds to every counter.
    pub fn count(&self) -> Text {
        let sets = self.cells.iter().map(|column| {
            let name = identifier(&column.name);
            format!("{name} = {name} + ?")
        });
        let sets: Vec<String> = sets.collect();
        let mut markers: Vec<Marker> = (0..self.cells.len()).map(Marker::Cell).collect();
        markers.extend((0..self.keys.len()).map(Marker::Key));
        Text {
            text: format!(
                "UPDATE {} SET {} WHERE {}",
                self.table,
                sets.join(", "),
                self.key()
            ),
            markers,
        }
    }

    /// SELECT of some cells of one row, or of one partition's static ones.
    pub fn look(&self, cells: &[usize]) -> Text {
        let names = cells.iter().map(|at| identifier(&self.cells[*at].name));
        let names: Vec<String> = names.collect();
        Text {
            text: format!(
                "SELECT {} FROM {} WHERE {} LIMIT 1",
                names.join(", "),
                self.table,
                self.key()
            ),
            markers: (0..self.keys.len()).map(Marker::Key).collect(),
        }
    }

    fn key(&self) -> String {
        let keys = self.keys.iter();
        let keys = keys.map(|key| format!("{} = ?", identifier(&key.name)));
        keys.collect::<Vec<_>>().join(" AND ")
    }
}

/// What a marker is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Bytes of the statement's own, from and to.
    Value(usize, usize),
    /// The seconds that are left until the statement's expiry, when it is sent; 0, for ever, where it has none.
    Ttl,
    /// Nothing is written.
    Unset,
    /// Null. Adding null to a list is nothing, and unset is no list (`Lists.Appender` of 4.1 and 5.0).
    Null,
}

/// A statement with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Which statement.
    pub verb: Verb,
    /// When its cells expire, in seconds since 1970.
    pub expiry: Option<i64>,
    /// Its values, in the order of its markers.
    pub slots: Vec<Slot>,
    /// What they are made of.
    pub bytes: Vec<u8>,
    /// Where it adds one element to a list alone: which cell, and which of its elements from 0.
    pub element: Option<(usize, usize)>,
}

/// Binds what a row writes.
pub fn bind(text: &Text, forms: &[Form], key: &[Raw<'_>], write: &Write<'_>) -> Bound {
    let mut bytes = Vec::with_capacity(size(key, write));
    let mut slots = Vec::with_capacity(text.markers.len());
    for marker in &text.markers {
        let start = bytes.len();
        let given = |cell: usize| {
            let found = write.given.iter().find(|(at, _)| *at == cell);
            found.map(|(_, given)| given)
        };
        let there = match *marker {
            Marker::Key(at) => {
                bytes.extend_from_slice(&key[at]);
                true
            }
            Marker::Time => {
                bytes.extend_from_slice(&write.time.write.to_be_bytes());
                true
            }
            Marker::Ttl => {
                slots.push(Slot::Ttl);
                continue;
            }
            Marker::Cell(cell) => match given(cell) {
                Some(Given::Set(value)) => {
                    bytes.extend_from_slice(value);
                    true
                }
                Some(Given::Add(elements)) => {
                    // The protocol has no longer collections than a signed int says.
                    let count = i32::try_from(elements.len()).unwrap_or(i32::MAX);
                    bytes.extend_from_slice(&count.to_be_bytes());
                    for element in elements {
                        match forms[cell] {
                            Form::Map => {
                                put_bytes(element.key.as_deref(), &mut bytes);
                                put_bytes(element.value.as_deref(), &mut bytes);
                            }
                            Form::Set => put_bytes(element.key.as_deref(), &mut bytes),
                            _ => put_bytes(element.value.as_deref(), &mut bytes),
                        }
                    }
                    true
                }
                None if forms[cell] == Form::List => {
                    slots.push(Slot::Null);
                    continue;
                }
                None => false,
            },
            Marker::Field(cell, field) => match given(cell) {
                Some(Given::Add(elements)) => {
                    let element = elements.iter().find(|element| element.field == field);
                    let value = element.and_then(|element| element.value.as_deref());
                    bytes.extend_from_slice(value.unwrap_or_default());
                    value.is_some()
                }
                _ => false,
            },
        };
        slots.push(match there {
            true => Slot::Value(start, bytes.len()),
            false => Slot::Unset,
        });
    }
    Bound {
        verb: write.verb,
        expiry: write.time.expiry,
        slots,
        bytes,
        element: None,
    }
}

/// Bytes of a statement's values: its write time, its key, and what it gives, each part of a collection with its length.
fn size(key: &[Raw<'_>], write: &Write<'_>) -> usize {
    let given = write.given.iter().map(|(_, given)| match given {
        Given::Set(value) => value.len(),
        Given::Add(elements) => {
            let part = |part: &Option<Raw<'_>>| part.as_ref().map_or(0, |part| 4 + part.len());
            let each = elements.iter();
            4 + each
                .map(|element| part(&element.key) + part(&element.value))
                .sum::<usize>()
        }
    });
    8 + key.iter().map(|part| part.len()).sum::<usize>() + given.sum::<usize>()
}

impl Bound {
    /// The value of a slot; nothing where it is none of the statement's own.
    pub fn value(&self, slot: Slot) -> Option<&[u8]> {
        match slot {
            Slot::Value(start, end) => Some(&self.bytes[start..end]),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::group::Element;
    use crate::backup::kind::Types;
    use crate::backup::row::Time;
    use crate::backup::table::Role;

    fn column(name: &str, role: Role, kind: &str) -> Column {
        let field = |name: &str| (name.to_string(), "int".to_string());
        let types = Types::from([("addr".to_string(), vec![field("a"), field("B")])]);
        Column::read(name, role, kind, &types).expect("a column")
    }

    fn with(check: impl FnOnce(&Columns<'_>)) {
        let keys = [
            column("p", Role::Partition, "int"),
            column("c", Role::Clustering, "int"),
        ];
        let cells = [
            column("l", Role::Regular, "list<int>"),
            column("m", Role::Regular, "map<int, int>"),
            column("u", Role::Regular, "addr"),
            column("v", Role::Regular, "text"),
        ];
        check(&Columns {
            table: "k.t",
            keys: keys.iter().collect(),
            cells: cells.iter().collect(),
            forms: &[Form::List, Form::Map, Form::Fields(2), Form::Single],
        });
    }

    #[test]
    fn two_texts_name_every_column() {
        with(|columns| {
            assert_eq!(
                columns.insert().text,
                "INSERT INTO k.t (\"p\", \"c\", \"v\") VALUES (?, ?, ?) USING TIMESTAMP ? AND TTL ?"
            );
            assert_eq!(
                columns.update().expect("cells").text,
                "UPDATE k.t USING TIMESTAMP ? AND TTL ? SET \"l\" = \"l\" + ?, \"m\" = \"m\" + ?, \"u\".\"a\" = ?, \
                 \"u\".\"B\" = ?, \"v\" = ? WHERE \"p\" = ? AND \"c\" = ?"
            );
            assert_eq!(
                columns.look(&[0]).text,
                "SELECT \"l\" FROM k.t WHERE \"p\" = ? AND \"c\" = ? LIMIT 1"
            );
        });
    }

    #[test]
    fn what_is_not_given_stays_unset() {
        with(|columns| {
            let text = columns.update().expect("cells");
            let element = |field, value: &'static [u8]| Element {
                key: None,
                value: Some(Raw::Borrowed(value)),
                field,
                time: Time {
                    write: 7,
                    expiry: Some(9),
                },
            };
            let write = Write {
                verb: Verb::Update,
                time: element(0, b"").time,
                given: vec![(2, Given::Add(vec![element(1, b"x")]))],
            };
            let key = [Raw::Borrowed(&b"P"[..]), Raw::Borrowed(&b"C"[..])];
            let bound = bind(&text, columns.forms, &key, &write);
            assert_eq!(
                bound.slots,
                [
                    Slot::Value(0, 8),
                    Slot::Ttl,
                    Slot::Null,
                    Slot::Unset,
                    Slot::Unset,
                    Slot::Value(8, 9),
                    Slot::Unset,
                    Slot::Value(9, 10),
                    Slot::Value(10, 11),
                ]
            );
            assert_eq!(bound.expiry, Some(9));
            assert_eq!(bound.value(bound.slots[5]), Some(&b"x"[..]));
        });
    }
}
