use super::*;

const NOW: i64 = 1_000;
const READ_AT: i64 = 5_000;

fn raw(text: &'static str) -> Raw<'static> {
    Raw::Borrowed(text.as_bytes())
}

fn time(write: i64, expiry: Option<i64>) -> Time {
    Time { write, expiry }
}

fn whole(value: &'static str, write: i64, expiry: Option<i64>) -> Cell<'static> {
    Cell::Whole {
        value: raw(value),
        time: time(write, expiry),
    }
}

fn line(token: i64, key: &'static str, cell: Cell<'static>) -> Line {
    Line {
        token,
        key: vec![raw(key)],
        cells: vec![cell],
    }
}

fn compared(first: &[Line], second: &[Line]) -> (Tally, Vec<String>) {
    let judge = Judge {
        columns: vec!["c".to_string()],
        untold: vec![false],
        now: Cell64::new(NOW),
        read_at: READ_AT,
        sides: ("the export", "the keyspace"),
    };
    let (mut first, mut second) = (first.iter().cloned(), second.iter().cloned());
    let mut told = Vec::new();
    let tally = compare(
        &judge,
        &mut || Ok(first.next()),
        &mut || Ok(second.next()),
        &mut |difference| {
            let key = String::from_utf8_lossy(&difference.key[0]).into_owned();
            told.push(format!("{key}: {}", difference.how));
        },
    );
    (tally.expect("both sides"), told)
}

fn tally(same: u64, newer: u64, gone: u64, different: u64) -> Tally {
    Tally {
        same,
        newer,
        gone,
        different,
    }
}

#[test]
fn equal_sides_are_the_same_whatever_the_order_inside_a_partition() {
    let a = line(1, "a", whole("x", 5, None));
    let b = line(1, "b", whole("x", 5, None));
    let c = line(1, "c", whole("x", 5, None));
    let d = line(7, "d", whole("x", 5, None));
    let turned = [c.clone(), b.clone(), a.clone(), d.clone()];
    assert_eq!(
        compared(&[a, b, c, d], &turned),
        (tally(4, 0, 0, 0), vec![])
    );
}

#[test]
fn rows_of_one_side_are_named() {
    let row = |token, key| line(token, key, whole("x", 5, None));
    let first = [row(1, "a"), row(2, "b"), row(3, "c")];
    let second = [row(1, "a"), row(3, "c"), row(3, "e"), row(9, "f")];
    let (tally_of, told) = compared(&first, &second);
    assert_eq!(tally_of, tally(2, 0, 0, 3));
    assert_eq!(
        told,
        [
            "b: it is not in the keyspace",
            "e: it is not in the export",
            "f: it is not in the export"
        ]
    );
}

#[test]
fn values_and_write_times_are_exact_and_expiries_nearly() {
    let differs = |one: Cell<'static>, other: Cell<'static>| {
        let (_, told) = compared(&[line(1, "a", one)], &[line(1, "a", other)]);
        told.first().cloned()
    };
    let soon = Some(NOW + 100);
    assert_eq!(
        differs(whole("x", 5, soon), whole("x", 5, Some(NOW + 102))),
        None
    );
    for (one, other, how) in [
        (whole("x", 5, None), whole("y", 5, None), "values differ"),
        (
            whole("x", 5, None),
            whole("x", 6, None),
            "written at 5 and at 6",
        ),
        (
            whole("x", 5, soon),
            whole("x", 5, Some(NOW + 103)),
            "expires at",
        ),
        (whole("x", 5, soon), whole("x", 5, None), "expires at"),
        (whole("x", 5, None), Cell::Absent, "in the export only"),
        (Cell::Absent, whole("x", 5, None), "in the keyspace only"),
        (whole("", 5, None), Cell::Absent, "in the export only"),
    ] {
        let told = differs(one, other).unwrap_or_default();
        assert!(told.contains(how), "{told}: {how}");
    }
}

#[test]
fn what_is_gone_by_either_clock_is_gone_on_both() {
    let gone = |key| line(1, key, whole("x", 5, Some(NOW + 1)));
    assert_eq!(compared(&[gone("a")], &[]).0, tally(0, 0, 1, 0));
    assert_eq!(compared(&[], &[gone("a")]).0, tally(0, 0, 1, 0));
    let bare = line(1, "a", Cell::Absent);
    assert_eq!(
        compared(&[gone("a")], std::slice::from_ref(&bare)).0,
        tally(1, 0, 0, 0)
    );
    // A row without cells is its marker, which does not go.
    assert_eq!(compared(&[bare], &[]).0, tally(0, 0, 0, 1));
}

#[test]
fn newer_rows_are_counted_and_not_judged() {
    let old = line(1, "a", whole("x", 5, None));
    let new = line(1, "a", whole("y", READ_AT + 1, None));
    assert_eq!(
        compared(std::slice::from_ref(&old), std::slice::from_ref(&new)).0,
        tally(0, 1, 0, 0)
    );
    assert_eq!(
        compared(&[], std::slice::from_ref(&new)).0,
        tally(0, 1, 0, 0)
    );
    // A cell from the future that the export has too is none of the application's.
    assert_eq!(compared(&[new], &[old]).0, tally(0, 0, 0, 1));
}

#[test]
fn elements_are_compared_one_by_one() {
    let element = |key: Option<&'static str>, value: &'static str, write| Element {
        key: key.map(raw),
        value: Some(raw(value)),
        field: 0,
        time: time(write, None),
    };
    let of = |elements: Vec<Element<'static>>| vec![line(1, "a", Cell::Elements(elements))];
    let a = element(Some("a"), "1", 5);
    let b = element(Some("b"), "2", 5);
    let same = compared(
        &of(vec![a.clone(), b.clone()]),
        &of(vec![b.clone(), a.clone()]),
    );
    assert_eq!(same.0, tally(1, 0, 0, 0));
    let (x, y) = (element(None, "x", 5), element(None, "y", 5));
    let turned = compared(&of(vec![x.clone(), y.clone()]), &of(vec![y, x.clone()]));
    assert_eq!(turned.0, tally(0, 0, 0, 1));
    let fewer = compared(&of(vec![a.clone(), b]), &of(vec![a.clone()]));
    assert_eq!(fewer.1, ["a: c: 2 elements and 1"]);
    let later = compared(&of(vec![a]), &of(vec![element(Some("a"), "1", 6)]));
    assert_eq!(later.1, ["a: c: written at 5 and at 6"]);
}
