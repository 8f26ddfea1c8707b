use super::*;
use crate::backup::kind::Types;
use crate::backup::mapping::{plan, read};
use crate::backup::table::Shape;
use crate::place::SourceFile;
use std::borrow::Cow;

fn types() -> Types {
    let field = |name: &str, kind: &str| (name.to_string(), kind.to_string());
    Types::from([
        (
            "old".to_string(),
            vec![field("a", "int"), field("b", "int")],
        ),
        (
            "new".to_string(),
            vec![field("b", "int"), field("a", "bigint")],
        ),
    ])
}

fn table(columns: &[(Role, &str, &str)]) -> Shape {
    let columns = columns
        .iter()
        .map(|(role, name, kind)| Column::read(name, *role, kind, &types()).expect("a column"));
    Shape {
        name: "t".to_string(),
        id: String::new(),
        columns: columns.collect(),
    }
}

fn map(mapping: &str, source: &Shape, target: &Shape) -> TableMap {
    let text = SourceFile {
        path: "mapping.toml".to_string(),
        text: mapping.to_string(),
    };
    let file = read(&text).expect("a file");
    let mapping = plan(
        Some((&text, &file)),
        std::slice::from_ref(source),
        std::slice::from_ref(target),
        &types(),
    );
    mapping.expect("a mapping").tables.remove(0)
}

fn time(write: i64, expiry: Option<i64>) -> Time {
    Time { write, expiry }
}

fn ints(numbers: &[i32]) -> Vec<u8> {
    let parts: Vec<_> = numbers
        .iter()
        .map(|number| Some(Cow::Owned(number.to_be_bytes().to_vec())))
        .collect();
    wire::write_list(&parts)
}

const P: Role = Role::Partition;
const C: Role = Role::Clustering;
const S: Role = Role::Static;
const R: Role = Role::Regular;

fn cell<'a>(value: &'a [u8], times: Times<'static>) -> row::Cell<'a> {
    row::Cell {
        value: Some(value),
        times,
    }
}

#[test]
fn rows_follow_the_target() {
    let source = table(&[
        (P, "a", "int"),
        (C, "b", "int"),
        (S, "s", "int"),
        (R, "v", "int"),
        (R, "w", "text"),
    ]);
    let target = table(&[
        (P, "b", "int"),
        (P, "tenant", "text"),
        (C, "a", "int"),
        (R, "v", "bigint"),
        (R, "x", "text"),
        (R, "z", "text"),
    ]);
    let text = "[t]\nrename = { w = \"x\" }\ncast = { v = \"bigint\" }\nconstant = { tenant = \"acme\", z = \"new\" }\n\
        drop = { s = \"unused\" }\n";
    let map = map(text, &source, &target);
    let converter = Converter::new(&map, Part::Rows, 99);
    let written: Vec<&str> = converter
        .columns()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(written, ["v", "x", "z"]);
    let row = [
        row::Cell::timeless(Some(&[0, 0, 0, 1])),
        row::Cell::timeless(Some(&[0, 0, 0, 2])),
        cell(&[0, 0, 0, 3], Times::One(time(5, Some(50)))),
        cell(b"w", Times::One(time(4, Some(70)))),
    ];
    let converted = converter.row(&row).expect("a row");
    let key: Vec<&[u8]> = converted.key.iter().map(AsRef::as_ref).collect();
    assert_eq!(key, [&[0, 0, 0, 2][..], b"acme", &[0, 0, 0, 1]]);
    let whole = |value: &[u8], time| Cell::Whole {
        value: Cow::Owned(value.to_vec()),
        time,
    };
    assert_eq!(
        converted.cells,
        [
            whole(&3_i64.to_be_bytes(), time(5, Some(50))),
            whole(b"w", time(4, Some(70))),
            whole(b"new", time(4, Some(70))),
        ]
    );
    // A row without cells: its constant is as old as the export.
    let bare = [row[0], row[1], row::Cell::NULL, row::Cell::NULL];
    let converted = converter.row(&bare).expect("a row");
    assert_eq!(converted.cells[2], whole(b"new", time(99, None)));
}

#[test]
fn elements_keep_their_times() {
    let source = table(&[
        (P, "a", "int"),
        (R, "l", "list<int>"),
        (R, "m", "map<int, int>"),
        (R, "s", "frozen<set<int>>"),
        (R, "u", "old"),
    ]);
    let target = table(&[
        (P, "a", "int"),
        (R, "l", "list<bigint>"),
        (R, "m", "frozen<map<int, int>>"),
        (R, "s", "set<int>"),
        (R, "u", "new"),
    ]);
    let text = "[t]\ncast = { l = \"list<bigint>\", u = \"new\" }\n";
    let map = map(text, &source, &target);
    let converter = Converter::new(&map, Part::Rows, 99);
    assert_eq!(
        converter.forms(),
        [Form::List, Form::Single, Form::Set, Form::Fields(2)]
    );
    static TWO: [Option<Time>; 2] = [
        Some(Time {
            write: 5,
            expiry: None,
        }),
        Some(Time {
            write: 6,
            expiry: Some(60),
        }),
    ];
    static FIELDS: [Option<Time>; 2] = [
        Some(Time {
            write: 7,
            expiry: None,
        }),
        None,
    ];
    let (list, set) = (ints(&[1, 2]), ints(&[3]));
    let map_value = wire::write_map(&[
        (
            Some(Cow::Borrowed(&[0, 0, 0, 1])),
            Some(Cow::Borrowed(&[0, 0, 0, 2])),
        ),
        (
            Some(Cow::Borrowed(&[0, 0, 0, 3])),
            Some(Cow::Borrowed(&[0, 0, 0, 4])),
        ),
    ]);
    let udt = wire::write_fields(&[Some(Cow::Borrowed(&[0, 0, 0, 9])), None]);
    let row = [
        row::Cell::timeless(Some(&[0, 0, 0, 1])),
        cell(&list, Times::Each(&TWO)),
        cell(&map_value, Times::Each(&TWO)),
        cell(&set, Times::One(time(8, None))),
        cell(&udt, Times::Each(&FIELDS)),
    ];
    let converted = converter.row(&row).expect("a row");
    let element = |key: Option<&[u8]>, value: Option<&[u8]>, field, time| Element {
        key: key.map(|key| Cow::Owned(key.to_vec())),
        value: value.map(|value| Cow::Owned(value.to_vec())),
        field,
        time,
    };
    assert_eq!(
        converted.cells,
        [
            Cell::Elements(vec![
                element(None, Some(&1_i64.to_be_bytes()), 0, time(5, None)),
                element(None, Some(&2_i64.to_be_bytes()), 0, time(6, Some(60))),
            ]),
            // Frozen there: one time, the latest, and as long as any of it lived.
            Cell::Whole {
                value: Cow::Borrowed(&map_value),
                time: time(6, None)
            },
            Cell::Elements(vec![element(Some(&[0, 0, 0, 3]), None, 0, time(8, None))]),
            Cell::Elements(vec![element(
                None,
                Some(&9_i64.to_be_bytes()),
                1,
                time(7, None)
            )]),
        ]
    );
}

#[test]
fn static_rows_have_the_partition_key_alone() {
    let shape = table(&[
        (P, "a", "int"),
        (C, "b", "int"),
        (S, "s", "int"),
        (R, "v", "int"),
    ]);
    let map = map("", &shape, &shape);
    let converter = Converter::new(&map, Part::Statics, 99);
    let row = [
        row::Cell::timeless(Some(&[0, 0, 0, 1])),
        cell(&[0, 0, 0, 2], Times::One(time(5, None))),
    ];
    let converted = converter.row(&row).expect("a row");
    assert_eq!((converted.key.len(), converted.cells.len()), (1, 1));
    assert_eq!(converter.keys().count(), 1);
}

#[test]
fn what_does_not_convert_is_rejected_with_its_bytes() {
    let source = table(&[(P, "a", "int"), (R, "v", "text"), (R, "l", "list<int>")]);
    let target = table(&[(P, "a", "int"), (R, "v", "int"), (R, "l", "set<int>")]);
    let map = map(
        "[t]\ncast = { v = \"int\", l = \"set<int>\" }\n",
        &source,
        &target,
    );
    let converter = Converter::new(&map, Part::Rows, 99);
    let key = row::Cell::timeless(Some(&[0, 0, 0, 1]));
    let row = [key, cell(b"x", Times::One(time(5, None))), row::Cell::NULL];
    let rejected = converter.row(&row).expect_err("a reject");
    assert_eq!(
        (rejected.column.as_str(), rejected.value),
        ("v", b"x".to_vec())
    );
    let twice = ints(&[1, 1]);
    let row = [
        key,
        row::Cell::NULL,
        cell(&twice, Times::One(time(5, None))),
    ];
    assert_eq!(converter.row(&row).expect_err("a reject").column, "l");
    let row = [row::Cell::NULL, row::Cell::NULL, row::Cell::NULL];
    assert_eq!(converter.row(&row).expect_err("a reject").column, "a");
}
