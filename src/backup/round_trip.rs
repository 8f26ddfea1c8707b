//! Tests: whatever rows are written come back as they were.

use super::codec::elements;
use super::codec::wire::{put_bytes, put_vint};
use super::digest::{Digester, Sum};
use super::kind::{CqlType, Native};
use super::layout::{Layout, name};
use super::manifest::UuidForm;
use super::read::Reader;
use super::row::{Cell, Time, Times};
use super::table::{Column, Part, Role, Shape};
use super::write::Writer;
use bytes::Bytes;
use fastrand::Rng;
use proptest::prelude::*;

/// A cell that owns its bytes.
#[derive(Debug, Clone, PartialEq)]
struct Owned {
    value: Option<Vec<u8>>,
    one: Option<Time>,
    each: Option<Vec<Option<Time>>>,
}

impl Owned {
    fn cell(&self) -> Cell<'_> {
        Cell {
            value: self.value.as_deref(),
            times: match (&self.one, &self.each) {
                (Some(time), _) => Times::One(*time),
                (None, Some(each)) => Times::Each(each),
                (None, None) => Times::None,
            },
        }
    }

    fn of(cell: &Cell<'_>) -> Self {
        let (one, each) = match cell.times {
            Times::None => (None, None),
            Times::One(time) => (Some(time), None),
            Times::Each(each) => (None, Some(each.to_vec())),
        };
        Owned {
            value: cell.value.map(<[u8]>::to_vec),
            one,
            each,
        }
    }
}

const NATIVE: [Native; 19] = [
    Native::Ascii,
    Native::Bigint,
    Native::Blob,
    Native::Boolean,
    Native::Date,
    Native::Decimal,
    Native::Double,
    Native::Duration,
    Native::Float,
    Native::Inet,
    Native::Int,
    Native::Smallint,
    Native::Text,
    Native::Time,
    Native::Timestamp,
    Native::Timeuuid,
    Native::Tinyint,
    Native::Uuid,
    Native::Varint,
];

fn kind(rng: &mut Rng, depth: usize) -> CqlType {
    let inner = |rng: &mut Rng| Box::new(kind(rng, depth - 1));
    match rng.usize(..if depth == 0 { 4 } else { 11 }) {
        0..=4 => CqlType::Native(NATIVE[rng.usize(..NATIVE.len())]),
        5 => CqlType::List(inner(rng)),
        6 => CqlType::Set(inner(rng)),
        7 => CqlType::Map(inner(rng), inner(rng)),
        8 => CqlType::Tuple((0..rng.usize(1..4)).map(|_| kind(rng, depth - 1)).collect()),
        9 => CqlType::Vector(inner(rng), rng.usize(1..4)),
        _ => {
            let fields = (0..rng.usize(1..4)).map(|at| (format!("f{at}"), kind(rng, depth - 1)));
            CqlType::Udt("u".into(), fields.collect())
        }
    }
}

fn some(rng: &mut Rng, length: usize) -> Vec<u8> {
    // Often the ends of ranges: all zeros, all ones.
    let mut bytes: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
    match rng.usize(..8) {
        0 => bytes.fill(0),
        1 => bytes.fill(0xff),
        _ => {}
    }
    bytes
}

fn native(kind: Native, rng: &mut Rng) -> Vec<u8> {
    let any = rng.usize(..12);
    match kind {
        Native::Text | Native::Ascii => {
            let length = rng.usize(..6);
            (0..length).map(|_| rng.alphanumeric() as u8).collect()
        }
        Native::Blob => {
            let length = rng.usize(..9);
            some(rng, length)
        }
        // An empty value, which every type without parts can have.
        _ if any == 0 => Vec::new(),
        Native::Boolean => vec![rng.u8(..3)],
        Native::Tinyint => some(rng, 1),
        Native::Smallint => some(rng, 2),
        Native::Date if any < 6 => (rng.u32(..40_000) + (1 << 31)).to_be_bytes().to_vec(),
        Native::Int | Native::Float | Native::Date => some(rng, 4),
        Native::Timestamp if any < 6 => rng.i64(-100_000..1 << 40).to_be_bytes().to_vec(),
        Native::Bigint | Native::Counter | Native::Double | Native::Time | Native::Timestamp => {
            some(rng, 8)
        }
        Native::Uuid | Native::Timeuuid => some(rng, 16),
        Native::Inet => {
            let length = if rng.bool() { 4 } else { 16 };
            some(rng, length)
        }
        Native::Varint => {
            let length = if any == 1 { 300 } else { rng.usize(1..20) };
            some(rng, length)
        }
        Native::Decimal => {
            let length = rng.usize(..20);
            let scale = rng.i32(-20..20).to_be_bytes();
            [scale.to_vec(), some(rng, length)].concat()
        }
        Native::Duration => {
            let mut bytes = Vec::new();
            for _ in 0..3 {
                let bits = rng.u32(..31);
                put_vint(rng.u64(..) >> (63 - bits), &mut bytes);
            }
            bytes
        }
    }
}

fn value(kind: &CqlType, rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    match kind {
        CqlType::Native(kind) => return native(*kind, rng),
        CqlType::List(inner) | CqlType::Set(inner) => {
            let count = rng.usize(..4);
            out.extend_from_slice(&(count as i32).to_be_bytes());
            for _ in 0..count {
                put_bytes(Some(&value(inner, rng)), &mut out);
            }
        }
        CqlType::Map(key, inner) => {
            let count = rng.usize(..4);
            out.extend_from_slice(&(count as i32).to_be_bytes());
            for _ in 0..count {
                put_bytes(Some(&value(key, rng)), &mut out);
                put_bytes(Some(&value(inner, rng)), &mut out);
            }
        }
        CqlType::Tuple(fields) => fields_of(fields.iter(), rng, &mut out),
        CqlType::Udt(_, fields) => fields_of(fields.iter().map(|(_, kind)| kind), rng, &mut out),
        CqlType::Vector(inner, length) => {
            for _ in 0..*length {
                let element = loop {
                    let element = value(inner, rng);
                    if inner
                        .fixed_in_vector()
                        .is_none_or(|size| size == element.len())
                    {
                        break element;
                    }
                };
                match inner.fixed_in_vector() {
                    Some(_) => out.extend_from_slice(&element),
                    None => {
                        put_vint(element.len() as u64, &mut out);
                        out.extend_from_slice(&element);
                    }
                }
            }
        }
        CqlType::Custom(_) => {}
    }
    out
}

/// Some null, some missing at the end.
fn fields_of<'a>(kinds: impl Iterator<Item = &'a CqlType>, rng: &mut Rng, out: &mut Vec<u8>) {
    for kind in kinds {
        match rng.usize(..8) {
            0 => put_bytes(None, out),
            1 => return,
            _ => put_bytes(Some(&value(kind, rng)), out),
        }
    }
}

fn time(rng: &mut Rng) -> Time {
    Time {
        write: [7, 8, -5, i64::MAX][rng.usize(..4)],
        expiry: [None, None, Some(1_800_000_000), Some(1_900_000_000)][rng.usize(..4)],
    }
}

fn shape(rng: &mut Rng) -> Shape {
    let roles = [
        Role::Partition,
        Role::Clustering,
        Role::Static,
        Role::Regular,
        Role::Regular,
        Role::Regular,
    ];
    let columns = roles.iter().enumerate().map(|(at, role)| {
        let kind = kind(rng, 3);
        Column {
            name: format!("c{at}"),
            role: *role,
            composed: !role.is_key() && kind.is_composed() && rng.bool(),
            text: kind.to_string(),
            kind,
        }
    });
    Shape {
        name: "t".into(),
        id: "i".into(),
        columns: columns.collect(),
    }
}

fn row(columns: &[&Column], rng: &mut Rng) -> Vec<Owned> {
    // Most cells of most rows are of one write.
    let usual = time(rng);
    let cells = columns.iter().map(|column| {
        let absent = !column.role.is_key() && rng.usize(..4) == 0;
        let value = (!absent).then(|| value(&column.kind, rng));
        let timed = value.is_some() && column.is_timed();
        let when = |rng: &mut Rng| match rng.usize(..3) {
            0 => time(rng),
            _ => usual,
        };
        let each = (timed && column.composed).then(|| {
            let value = value.as_deref().unwrap_or_default();
            let elements = elements(&column.kind, value);
            let times: Vec<_> = elements.map(|part| part.map(|_| when(rng))).collect();
            times
        });
        // What is composed of no cell that is there has no times.
        let each = each.filter(|each| each.iter().any(Option::is_some));
        Owned {
            one: (timed && !column.composed).then(|| when(rng)),
            value,
            each,
        }
    });
    cells.collect()
}

fn written(rows: &[Vec<Owned>], layout: &Layout, uuid: UuidForm, group: usize) -> (Bytes, Sum) {
    let mut writer = Writer::new(Vec::new(), layout, uuid, group).expect("a writer");
    for row in rows {
        let cells: Vec<Cell<'_>> = row.iter().map(Owned::cell).collect();
        writer.push(&cells).expect("a row");
    }
    let (bytes, sum) = writer.finish().expect("a file");
    (bytes.into(), sum)
}

fn read(file: Bytes, layout: &Layout) -> (Vec<Vec<Owned>>, Sum) {
    let mut reader = Reader::open(file, layout, "f").expect("a file");
    let columns: Vec<Column> = layout
        .fields
        .iter()
        .map(|field| field.column.clone())
        .collect();
    let (mut rows, mut sum, mut digester) = (Vec::new(), Sum::default(), Digester::default());
    while let Some(block) = reader.next().expect("a block") {
        let mut cells = Vec::new();
        for at in 0..block.len() {
            block.row(at, &mut cells);
            sum.add(&digester.row(&columns, &cells, i64::MIN));
            rows.push(cells.iter().map(Owned::of).collect());
        }
    }
    (rows, sum)
}

fn check(seed: u64, part: Part, uuid: UuidForm) {
    let mut rng = Rng::with_seed(seed);
    let shape = shape(&mut rng);
    let (names, of_row) = name(&shape);
    let layout = Layout::of(&shape, part, &names, &of_row);
    let columns = shape.part(part);
    let count = rng.usize(..40);
    let rows: Vec<_> = (0..count).map(|_| row(&columns, &mut rng)).collect();
    let group = if rng.bool() { 200 } else { 1 << 20 };
    let (file, sum) = written(&rows, &layout, uuid, group);
    let (back, again) = read(file, &layout);
    for (row, back) in rows.iter().zip(&back) {
        for (at, (cell, back)) in row.iter().zip(back).enumerate() {
            assert_eq!(back, cell, "{}", columns[at].text);
        }
    }
    assert_eq!(back.len(), rows.len());
    assert_eq!(again, sum);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn rows_come_back(seed: u64) {
        check(seed, Part::Rows, UuidForm::Text);
    }

    #[test]
    fn static_rows_come_back(seed: u64) {
        check(seed, Part::Statics, UuidForm::Logical);
    }
}

#[test]
fn more_rows_than_a_block_or_a_batch_come_back() {
    let mut rng = Rng::with_seed(3);
    let shape = shape(&mut rng);
    let (names, of_row) = name(&shape);
    let layout = Layout::of(&shape, Part::Rows, &names, &of_row);
    let columns = shape.part(Part::Rows);
    let rows: Vec<_> = (0..9_000).map(|_| row(&columns, &mut rng)).collect();
    let (file, sum) = written(&rows, &layout, UuidForm::Bytes, 1 << 30);
    let (back, again) = read(file, &layout);
    assert!(back == rows);
    assert_eq!(again, sum);
}

#[test]
fn the_order_of_rows_does_not_count_and_everything_else_does() {
    let mut rng = Rng::with_seed(5);
    let shape = shape(&mut rng);
    let (names, of_row) = name(&shape);
    let layout = Layout::of(&shape, Part::Rows, &names, &of_row);
    let columns = shape.part(Part::Rows);
    let mut rows: Vec<_> = (0..50).map(|_| row(&columns, &mut rng)).collect();
    let sum = |rows: &[Vec<Owned>]| written(rows, &layout, UuidForm::Text, 1 << 20).1;
    let before = sum(&rows);
    rows.reverse();
    assert_eq!(sum(&rows), before);
    for at in 0..rows.len() {
        let mut changed = rows.clone();
        let Some(cell) = changed[at].iter_mut().find(|cell| cell.one.is_some()) else {
            continue;
        };
        let time = cell.one.as_mut().expect("a time");
        time.write = time.write.wrapping_add(1);
        assert_ne!(sum(&changed).digest, before.digest);
        let mut later = rows.clone();
        let time = later[at].iter_mut().find_map(|cell| cell.one.as_mut());
        if let Some(Time {
            expiry: Some(expiry),
            ..
        }) = time
        {
            *expiry += 1;
            let after = sum(&later);
            assert!(after != before && after.agrees(&before, 2));
        }
        let mut gone = rows.clone();
        gone.remove(at);
        assert_ne!(sum(&gone).digest, before.digest);
    }
}
