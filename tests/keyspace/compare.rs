//! Compares what stands in a folder with what the server shows, asked past kmig and its driver.

use crate::space::Space;
use kmig::backup::archive::Archive;
use kmig::backup::digest::{Digester, Sum};
use kmig::backup::manifest::Table;
use kmig::backup::read::Reader;
use kmig::backup::row::{Cell, Time, Times};
use kmig::backup::table::{Column, Part, Role, Shape};
use std::collections::BTreeMap;
use std::fs;

/// A cell of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub value: Option<Vec<u8>>,
    pub times: Vec<Option<Time>>,
}

/// Rows by their key: the bytes of its columns.
pub type Rows = BTreeMap<Vec<Option<Vec<u8>>>, Vec<Held>>;

/// Seconds by which two clocks may count an expiry differently.
const TOLERANCE: u64 = 2;

/// Every row of a part of a table, the files proved and their sums with them.
pub fn held(archive: &Archive, table: &Table, part: Part) -> Rows {
    let layout = archive.layout(table, part).expect("a layout");
    let columns: Vec<Column> = layout
        .fields
        .iter()
        .map(|field| field.column.clone())
        .collect();
    let mut rows = Rows::new();
    for range in &table.ranges {
        let Some(file) = range.file(part) else {
            continue;
        };
        archive
            .check(&file.file)
            .expect("the file as it was written");
        let input = fs::File::open(archive.path(&file.file)).expect("a file");
        let mut reader = Reader::open(input, &layout, &file.file.path).expect("a file of rows");
        let (mut sum, mut digester) = (Sum::default(), Digester::default());
        while let Some(block) = reader.next().expect("a block") {
            let mut cells = Vec::new();
            for at in 0..block.len() {
                block.row(at, &mut cells);
                sum.add(&digester.row(&columns, &cells, i64::MIN));
                let key = columns
                    .iter()
                    .zip(&cells)
                    .filter(|(column, _)| column.role.is_key());
                let key = key
                    .map(|(_, cell)| cell.value.map(<[u8]>::to_vec))
                    .collect();
                let before = rows.insert(key, cells.iter().map(kept).collect());
                assert!(before.is_none(), "{} has a row twice", file.file.path);
            }
        }
        assert_eq!(sum, file.sum, "{}", file.file.path);
    }
    rows
}

fn kept(cell: &Cell<'_>) -> Held {
    Held {
        value: cell.value.map(<[u8]>::to_vec),
        times: match cell.times {
            Times::None => Vec::new(),
            Times::One(time) => vec![Some(time)],
            Times::Each(each) => each.to_vec(),
        },
    }
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// What the server shows of a part of a table. `tells` says whether it tells the times of elements.
fn shown(space: &Space<'_>, shape: &Shape, part: Part, tells: bool) -> Rows {
    let columns = shape.part(part);
    let timed = |column: &Column| column.is_timed() && (tells || !column.composed);
    let wanted = columns.iter().map(|column| {
        let name = quoted(&column.name);
        match timed(column) {
            true => format!("{name}, writetime({name}), ttl({name})"),
            false => name,
        }
    });
    let wanted: Vec<String> = wanted.collect();
    let distinct = if part == Part::Statics {
        "distinct "
    } else {
        ""
    };
    let query = format!(
        "select {distinct}{}, toUnixTimestamp(now()) from {}.{}",
        wanted.join(", "),
        quoted(&space.keyspace),
        quoted(&shape.name)
    );
    let mut rows = Rows::new();
    for row in space.cluster.raw(&query) {
        let now = number(row.last().expect("a time").as_deref().expect("a time")) / 1000;
        let mut cells = row.into_iter();
        let mut next = || cells.next().expect("a cell");
        let mut held = Vec::new();
        for column in &columns {
            let value = next();
            let times = match timed(column) {
                false => Vec::new(),
                true => {
                    let (writes, ttls) = (next(), next());
                    match (&value, column.composed) {
                        (None, _) => Vec::new(),
                        (Some(_), false) => vec![time(writes, ttls, now)],
                        (Some(_), true) => {
                            let (writes, ttls) = (list(&writes), list(&ttls));
                            let pairs = writes.into_iter().zip(ttls);
                            pairs.map(|(write, ttl)| time(write, ttl, now)).collect()
                        }
                    }
                }
            };
            held.push(Held { value, times });
        }
        let roles = columns.iter().map(|column| column.role);
        let bare = |role: Role| {
            let mut pairs = columns.iter().zip(&held);
            pairs.any(|(column, cell)| column.role == role && cell.value.is_none())
        };
        let all_null = |role: Role| {
            let mut pairs = columns.iter().zip(&held);
            pairs.all(|(column, cell)| column.role != role || cell.value.is_none())
        };
        let none = match part {
            Part::Rows => bare(Role::Clustering),
            Part::Statics => all_null(Role::Static),
        };
        if none {
            continue;
        }
        let key = roles.zip(&held).filter(|(role, _)| role.is_key());
        let key = key.map(|(_, cell)| cell.value.clone()).collect();
        rows.insert(key, held);
    }
    rows
}

fn number(bytes: &[u8]) -> i64 {
    match bytes.len() {
        4 => i32::from_be_bytes(bytes.try_into().expect("four bytes")).into(),
        _ => i64::from_be_bytes(bytes.try_into().expect("eight bytes")),
    }
}

fn time(write: Option<Vec<u8>>, ttl: Option<Vec<u8>>, now: i64) -> Option<Time> {
    Some(Time {
        write: number(&write?),
        expiry: ttl.map(|ttl| now + number(&ttl)),
    })
}

fn list(bytes: &Option<Vec<u8>>) -> Vec<Option<Vec<u8>>> {
    let bytes = bytes.as_deref().expect("a list of times");
    let (count, mut rest) = bytes.split_at(4);
    let mut items = Vec::new();
    for _ in 0..number(count) {
        let (length, after) = rest.split_at(4);
        match usize::try_from(number(length)) {
            Ok(length) => {
                let (item, after) = after.split_at(length);
                items.push(Some(item.to_vec()));
                rest = after;
            }
            Err(_) => {
                items.push(None);
                rest = after;
            }
        }
    }
    items
}

/// Fails where the folder does not hold every row of every table as the server shows it; tells how many it compared.
pub fn same(space: &Space<'_>, folder: &str, tells: bool) -> BTreeMap<String, usize> {
    let archive = space.archive(folder);
    let mut counts = BTreeMap::new();
    for table in &archive.manifest.tables {
        let shape = archive.shape(table).expect("a shape");
        let mut parts = vec![Part::Rows];
        if shape.has_statics() {
            parts.push(Part::Statics);
        }
        for part in parts {
            let (files, server) = (
                held(&archive, table, part),
                shown(space, &shape, part, tells),
            );
            let columns = shape.part(part);
            for (key, row) in &server {
                let found = files
                    .get(key)
                    .unwrap_or_else(|| panic!("{} lacks {key:?}", shape.name));
                for (column, (found, shown)) in columns.iter().zip(found.iter().zip(row)) {
                    let what = format!("{}.{} of {key:?}", shape.name, column.name);
                    assert_eq!(found.value, shown.value, "{what}");
                    if !tells && column.composed {
                        continue;
                    }
                    assert_eq!(found.times.len(), shown.times.len(), "{what}");
                    for (found, shown) in found.times.iter().zip(&shown.times) {
                        alike(*found, *shown, &what);
                    }
                }
            }
            assert_eq!(files.len(), server.len(), "{} {part:?}", shape.name);
            counts.insert(format!("{} {part:?}", shape.name), files.len());
        }
    }
    counts
}

fn alike(found: Option<Time>, shown: Option<Time>, what: &str) {
    let (Some(found), Some(shown)) = (found, shown) else {
        assert_eq!(found, shown, "{what}");
        return;
    };
    assert_eq!(found.write, shown.write, "{what}");
    match (found.expiry, shown.expiry) {
        (Some(found), Some(shown)) => {
            assert!(
                found.abs_diff(shown) <= TOLERANCE,
                "{what}: {found} {shown}"
            );
        }
        (found, shown) => assert_eq!(found, shown, "{what}"),
    }
}
