use super::*;
use crate::backup::group::{Cell, Element};
use crate::backup::row::{self, Time};

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

/// A row of a partition that has this token, which its key begins with.
fn row(token: i64, key: &'static str, cell: Cell<'static>) -> Converted<'static> {
    Converted {
        key: vec![Raw::Owned(token.to_be_bytes().to_vec()), raw(key)],
        cells: vec![cell],
    }
}

fn token(key: &[Raw<'_>]) -> i64 {
    let bytes = key[0].as_ref().try_into();
    i64::from_be_bytes(bytes.expect("eight bytes"))
}

/// Rows from memory; nothing is one that fits no row of the keyspace.
struct Given<'a> {
    rows: &'a [Option<Converted<'static>>],
    came: usize,
}

impl Side for Given<'_> {
    fn advance(&mut self) -> Result<bool> {
        self.came += 1;
        Ok(self.came <= self.rows.len())
    }

    fn row(&mut self) -> Result<Option<Converted<'_>>> {
        Ok(self.rows[self.came - 1].clone())
    }

    fn as_it_is<'a>(&'a self, _: &mut Vec<row::Cell<'a>>) -> bool {
        false
    }
}

/// Rows of a key and a value that the keyspace has as they are, each with the second at which it expires; which of them
/// were converted.
struct AsTheyAre {
    rows: Vec<(&'static str, &'static str, i64)>,
    came: usize,
    converted: Vec<&'static str>,
}

impl AsTheyAre {
    fn of(rows: &[(&'static str, &'static str, i64)]) -> Self {
        AsTheyAre {
            rows: rows.to_vec(),
            came: 0,
            converted: Vec::new(),
        }
    }
}

impl Side for AsTheyAre {
    fn advance(&mut self) -> Result<bool> {
        self.came += 1;
        Ok(self.came <= self.rows.len())
    }

    fn row(&mut self) -> Result<Option<Converted<'_>>> {
        let (key, value, expiry) = self.rows[self.came - 1];
        self.converted.push(key);
        Ok(Some(row(1, key, whole(value, 1, Some(expiry)))))
    }

    fn as_it_is<'a>(&'a self, cells: &mut Vec<row::Cell<'a>>) -> bool {
        let (key, value, expiry) = self.rows[self.came - 1];
        cells.push(row::Cell::timeless(Some(key.as_bytes())));
        cells.push(row::Cell {
            value: Some(value.as_bytes()),
            times: row::Times::One(time(1, Some(expiry))),
        });
        true
    }
}

#[test]
fn rows_that_are_alike_are_not_converted() {
    let later = 5_000;
    let mut first = AsTheyAre::of(&[
        ("a", "same", later),
        ("b", "one", later),
        ("c", "same", later),
        ("d", "same", later),
        ("e", "same", later),
        ("f", "same", later),
    ]);
    let mut second = AsTheyAre::of(&[
        ("a", "same", later),
        ("b", "other", later),
        ("c", "same", later + 1),
        ("e", "same", later),
        ("d", "same", later),
        ("f", "same", later),
    ]);
    let mut told = Vec::new();
    let (tally, unfit) = compare(&judge(), &token, &mut first, &mut second, &mut |differs| {
        told.push(differs.how);
    })
    .expect("no error");
    assert_eq!((tally.same, tally.different, unfit), (5, 1, 0), "{told:?}");
    // The one that differs, the one whose expiry is nearly the same, and those that wait for their like.
    for side in [first, second] {
        let mut converted = side.converted;
        converted.sort_unstable();
        converted.dedup();
        assert_eq!(converted, ["b", "c", "d", "e"]);
    }
}

/// An export and a keyspace, of a table with one column.
fn judge() -> Judge {
    Judge {
        columns: vec!["c".to_string()],
        untold: vec![false],
        now: Clock::at(NOW),
        read_at: (AT_REST, READ_AT),
        sides: ("the export".to_string(), "the keyspace".to_string()),
    }
}

fn compared(first: &[Converted<'static>], second: &[Converted<'static>]) -> (Tally, Vec<String>) {
    let [first, second] = [first, second].map(|rows| rows.iter().cloned().map(Some).collect());
    let (tally, unfit, told) = compared_with_unfit(first, second);
    assert_eq!(unfit, 0);
    (tally, told)
}

fn compared_with_unfit(
    first: Vec<Option<Converted<'static>>>,
    second: Vec<Option<Converted<'static>>>,
) -> (Tally, u64, Vec<String>) {
    let judge = judge();
    let [mut first, mut second] = [&first, &second].map(|rows| Given { rows, came: 0 });
    let mut told = Vec::new();
    let compared = compare(&judge, &token, &mut first, &mut second, &mut |difference| {
        let key = String::from_utf8_lossy(&difference.key()[1]).into_owned();
        told.push(format!("{key}: {}", difference.how));
    });
    let (tally, unfit) = compared.expect("both sides");
    (tally, unfit, told)
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
    let a = row(1, "a", whole("x", 5, None));
    let b = row(1, "b", whole("x", 5, None));
    let c = row(1, "c", whole("x", 5, None));
    let d = row(7, "d", whole("x", 5, None));
    let turned = [c.clone(), b.clone(), a.clone(), d.clone()];
    assert_eq!(
        compared(&[a, b, c, d], &turned),
        (tally(4, 0, 0, 0), vec![])
    );
}

#[test]
fn rows_of_one_side_are_named() {
    let row = |token, key| row(token, key, whole("x", 5, None));
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
fn what_fits_no_row_is_passed_over_and_counted() {
    let some = |token, key| Some(row(token, key, whole("x", 5, None)));
    let first = vec![None, some(1, "a"), None, None, some(2, "b"), None];
    let second = vec![some(1, "a"), some(2, "b"), some(3, "c")];
    let (tally_of, unfit, told) = compared_with_unfit(first, second);
    assert_eq!((tally_of, unfit), (tally(2, 0, 0, 1), 4));
    assert_eq!(told, ["c: it is not in the export"]);
}

#[test]
fn what_waits_has_its_like_in_its_own_partition_only() {
    let some = |token, key, value| row(token, key, whole(value, 5, None));
    let first = [some(1, "a", "x"), some(1, "b", "x"), some(2, "a", "x")];
    let second = [some(1, "b", "x"), some(2, "a", "x"), some(2, "c", "x")];
    let (tally_of, told) = compared(&first, &second);
    assert_eq!(tally_of, tally(2, 0, 0, 2));
    let alone = ["a: it is not in the keyspace", "c: it is not in the export"];
    assert_eq!(told, alone);
    // Told before the rows of the next partition.
    let second = [some(1, "b", "x"), some(2, "a", "y")];
    let (_, told) = compared(&first, &second);
    let in_order = ["a: it is not in the keyspace", "a: c: the values differ"];
    assert_eq!(told, in_order);
}

#[test]
fn values_and_write_times_are_exact_and_expiries_nearly() {
    let differs = |one: Cell<'static>, other: Cell<'static>| {
        let (_, told) = compared(&[row(1, "a", one)], &[row(1, "a", other)]);
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
            "written at 5 in the export, at 6 in the keyspace",
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
    let gone = |key| row(1, key, whole("x", 5, Some(NOW + 1)));
    assert_eq!(compared(&[gone("a")], &[]).0, tally(0, 0, 1, 0));
    assert_eq!(compared(&[], &[gone("a")]).0, tally(0, 0, 1, 0));
    let bare = row(1, "a", Cell::Absent);
    assert_eq!(
        compared(&[gone("a")], std::slice::from_ref(&bare)).0,
        tally(1, 0, 0, 0)
    );
    // A row without cells is its marker, which does not go.
    assert_eq!(compared(&[bare], &[]).0, tally(0, 0, 0, 1));
}

#[test]
fn newer_rows_are_counted_and_not_judged() {
    let old = row(1, "a", whole("x", 5, None));
    let new = row(1, "a", whole("y", READ_AT + 1, None));
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
    let of = |elements: Vec<Element<'static>>| vec![row(1, "a", Cell::Elements(elements))];
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
    assert_eq!(
        fewer.1,
        ["a: c: 2 elements in the export, 1 in the keyspace"]
    );
    let later = compared(&of(vec![a]), &of(vec![element(Some("a"), "1", 6)]));
    assert_eq!(
        later.1,
        ["a: c: written at 5 in the export, at 6 in the keyspace"]
    );
}

#[test]
fn an_element_that_goes_a_second_earlier_on_one_side_is_no_difference() {
    let element = |key: Option<&'static str>, expiry| Element {
        key: key.map(raw),
        value: Some(raw("v")),
        field: 0,
        time: time(5, expiry),
    };
    let of = |elements: Vec<Element<'static>>| vec![row(1, "a", Cell::Elements(elements))];
    for key in [None, Some("k")] {
        let stays = element(None, None);
        let sooner = of(vec![element(key, Some(NOW + 2)), stays.clone()]);
        let later = of(vec![element(key, Some(NOW + 3)), stays]);
        assert_eq!(compared(&sooner, &later), (tally(1, 0, 0, 0), vec![]));
        assert_eq!(compared(&later, &sooner), (tally(1, 0, 0, 0), vec![]));
    }
}

/// A judge of two sides that are both written to.
fn between_two() -> Judge {
    Judge {
        columns: vec!["c".to_string()],
        untold: vec![false],
        now: Clock::at(NOW),
        read_at: (READ_AT, READ_AT + 100),
        sides: ("old".to_string(), "new".to_string()),
    }
}

#[test]
fn each_side_has_its_own_moment_from_which_on_rows_are_newer() {
    let judge = between_two();
    let of = |write| row(1, "a", whole("x", write, None));
    let newer = |one: Option<i64>, other: Option<i64>| {
        let (one, other) = (one.map(of), other.map(of));
        judge.row(one.as_ref(), other.as_ref()) == Verdict::Newer
    };
    assert!(newer(Some(READ_AT + 1), None));
    assert!(newer(Some(READ_AT + 1), Some(5)));
    assert!(!newer(Some(READ_AT), Some(5)));
    assert!(newer(None, Some(READ_AT + 101)));
    assert!(newer(Some(5), Some(READ_AT + 101)));
    assert!(!newer(None, Some(READ_AT + 100)));
    let told = judge.row(Some(&of(5)), None);
    assert_eq!(told, Verdict::Different("it is not in new".to_string()));
    let told = judge.row(None, Some(&of(5)));
    assert_eq!(told, Verdict::Different("it is not in old".to_string()));
}

#[test]
fn a_row_that_differed_is_judged_by_what_stands_there_the_second_time() {
    let judge = between_two();
    let [old, new] = ["x", "y"].map(|value| row(1, "a", whole(value, 5, None)));
    let late = row(1, "a", whole("z", READ_AT + 1, None));
    let (old, new, late) = (Some(&old), Some(&new), Some(&late));
    let differs = Verdict::Different("c: the values differ".to_string());
    assert_eq!(judge.again((old, new), (old, new)), differs);
    assert_eq!(judge.again((old, new), (new, new)), Verdict::Same);
    assert_eq!(judge.again((old, new), (late, new)), Verdict::Newer);
    // A deletion has no time; that the row was there a moment ago tells of it.
    assert_eq!(judge.again((old, new), (None, new)), Verdict::Newer);
    assert_eq!(judge.again((old, new), (old, None)), Verdict::Newer);
    assert_eq!(judge.again((old, None), (None, None)), Verdict::Newer);
    let missing = Verdict::Different("it is not in new".to_string());
    assert_eq!(judge.again((old, None), (old, None)), missing);
    let going = row(1, "a", whole("x", 5, Some(NOW + 1)));
    assert_eq!(
        judge.again((Some(&going), None), (None, None)),
        Verdict::Gone
    );
}

#[test]
fn what_has_no_write_time_is_compared_by_its_value_alone() {
    let judge = between_two();
    let [untold, told] = [UNTOLD, 7].map(|write| row(1, "a", whole("x", write, None)));
    assert_eq!(judge.row(Some(&untold), Some(&told)), Verdict::Same);
    let other = row(1, "a", whole("y", 7, None));
    let differs = Verdict::Different("c: the values differ".to_string());
    assert_eq!(judge.row(Some(&untold), Some(&other)), differs);
}
