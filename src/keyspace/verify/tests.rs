use super::*;
use crate::backup::kind::Types;
use crate::backup::mapping::plan;
use crate::backup::table::{Column, Role};

fn shape(name: &str, columns: &[(&str, Role, &str)]) -> Shape {
    let read = |(name, role, kind): &(&str, Role, &str)| {
        Column::read(name, *role, kind, &Types::new()).expect("a column")
    };
    Shape {
        name: name.into(),
        id: String::new(),
        columns: columns.iter().map(read).collect(),
    }
}

fn map(dropped: &[usize]) -> TableMap {
    let table = shape(
        "t",
        &[
            ("p", Role::Partition, "int"),
            ("c", Role::Clustering, "int"),
            ("s", Role::Static, "text"),
            ("v", Role::Regular, "text"),
            ("w", Role::Regular, "text"),
        ],
    );
    let tables = std::slice::from_ref(&table);
    let mut mapping = plan(None, tables, tables, &Types::new()).expect("a mapping");
    let mut map = mapping.tables.remove(0);
    map.moves.retain(|moved| !dropped.contains(&moved.from));
    map
}

#[test]
fn only_columns_that_are_taken_over_are_read() {
    let names = |shape: &Shape| -> Vec<String> {
        let columns = shape.columns.iter();
        columns.map(|column| column.name.clone()).collect()
    };
    let map = map(&[2, 3]);
    let needed = needed(&map);
    assert_eq!(names(&needed.source), ["p", "c", "w"]);
    assert_eq!(names(&filled(&map).source), ["p", "c", "w"]);
    for moved in &needed.moves {
        let (from, to) = (
            &needed.source.columns[moved.from],
            &needed.target.columns[moved.to],
        );
        assert_eq!(from.name, to.name);
    }
}

#[test]
fn static_values_are_compared_where_any_is_taken_over() {
    assert_eq!(parts(&map(&[])), [Part::Rows, Part::Statics]);
    assert_eq!(parts(&map(&[2])), [Part::Rows]);
}
