use super::*;
use crate::backup::marker::Policy;

const CUT_OFF: i64 = 1_000;
const NOW: i64 = 100;

fn time(write: i64, expiry: Option<i64>) -> Time {
    Time { write, expiry }
}

fn raw(text: &'static str) -> Raw<'static> {
    Raw::Borrowed(text.as_bytes())
}

fn whole(value: &'static str, write: i64, expiry: Option<i64>) -> Cell<'static> {
    Cell::Whole {
        value: raw(value),
        time: time(write, expiry),
    }
}

fn element(key: Option<&'static str>, value: Option<&'static str>, time: Time) -> Element<'static> {
    Element {
        key: key.map(raw),
        value: value.map(raw),
        field: 0,
        time,
    }
}

fn item(value: &'static str, write: i64) -> Element<'static> {
    element(None, Some(value), time(write, None))
}

fn grouped(policy: Policy, cells: Vec<Cell<'static>>, shapes: &[Shape]) -> Grouped<'static> {
    let marker = Marker {
        policy,
        cut_off: CUT_OFF,
    };
    row(cells, shapes, &marker, NOW)
}

/// Statements as text: `INSERT 5/90 0=a 1=b`.
fn shown(grouped: &Grouped<'_>) -> Vec<String> {
    let text = |part: &Option<Raw<'_>>| {
        let bytes = part.as_deref().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let write = |write: &Write<'_>| {
        let mut line = match write.verb {
            Verb::Insert => "INSERT".to_string(),
            Verb::Update => "UPDATE".to_string(),
        };
        line += &format!(" {}", write.time.write);
        if let Some(expiry) = write.time.expiry {
            line += &format!("/{expiry}");
        }
        for (column, given) in &write.given {
            line += &match given {
                Given::Set(value) => format!(" {column}={}", String::from_utf8_lossy(value)),
                Given::Add(elements) => elements
                    .iter()
                    .map(|element| {
                        let (key, value) = (text(&element.key), text(&element.value));
                        match element.field {
                            0 => format!(" {column}+{key}:{value}"),
                            field => format!(" {column}.{field}={value}"),
                        }
                    })
                    .collect(),
            };
        }
        line
    };
    grouped.writes.iter().map(write).collect()
}

#[test]
fn cells_of_one_time_are_one_insert() {
    let cells = vec![
        whole("a", 5, Some(200)),
        Cell::Absent,
        whole("b", 5, Some(200)),
    ];
    let shapes = [Shape::Single; 3];
    assert_eq!(
        shown(&grouped(Policy::Insert, cells.clone(), &shapes)),
        ["INSERT 5/200 0=a 2=b"]
    );
    assert_eq!(
        shown(&grouped(Policy::None, cells, &shapes)),
        ["UPDATE 5/200 0=a 2=b"]
    );
}

#[test]
fn each_time_is_a_statement_and_the_marker_lives_longest() {
    let cells = vec![
        whole("a", 5, Some(200)),
        whole("b", 7, Some(200)),
        whole("c", 5, Some(200)),
        whole("d", 5, None),
    ];
    assert_eq!(
        shown(&grouped(Policy::Insert, cells, &[Shape::Single; 4])),
        ["UPDATE 5/200 0=a 2=c", "UPDATE 7/200 1=b", "INSERT 5 3=d",]
    );
}

#[test]
fn a_marker_of_no_cells_time_is_a_statement_of_its_own() {
    let cells = vec![whole("a", 5, Some(200)), whole("b", 7, Some(300))];
    assert_eq!(
        shown(&grouped(Policy::Insert, cells, &[Shape::Single; 2])),
        ["INSERT 5/300", "UPDATE 5/200 0=a", "UPDATE 7/300 1=b"]
    );
}

#[test]
fn a_row_without_cells_is_its_marker() {
    for policy in [Policy::Insert, Policy::None] {
        let grouped = grouped(policy, vec![Cell::Absent], &[Shape::Single]);
        assert_eq!(shown(&grouped), ["INSERT 1000"]);
    }
}

#[test]
fn what_has_expired_is_left_out_and_leaves_no_marker() {
    let all = vec![whole("a", 5, Some(100)), whole("b", 7, Some(99))];
    let gone = grouped(Policy::Insert, all, &[Shape::Single; 2]);
    assert_eq!((shown(&gone).len(), gone.expired), (0, 2));
    let some = vec![whole("a", 5, Some(100)), whole("b", 7, Some(101))];
    let rest = grouped(Policy::Insert, some, &[Shape::Single; 2]);
    assert_eq!(shown(&rest), ["INSERT 5/101", "UPDATE 7/101 1=b"]);
    assert_eq!(rest.expired, 1);
}

#[test]
fn elements_are_added_by_their_times() {
    let map = Cell::Elements(vec![
        element(Some("x"), Some("1"), time(5, None)),
        element(Some("y"), Some("2"), time(6, Some(200))),
        element(Some("z"), Some("3"), time(5, None)),
        element(Some("w"), Some("4"), time(5, Some(50))),
    ]);
    let set = Cell::Elements(vec![element(Some("s"), None, time(6, Some(200)))]);
    let grouped = grouped(Policy::None, vec![map, set], &[Shape::Map, Shape::Set]);
    assert_eq!(
        shown(&grouped),
        ["UPDATE 5 0+x:1 0+z:3", "UPDATE 6/200 0+y:2 1+s:"]
    );
    assert_eq!(grouped.expired, 1);
}

#[test]
fn an_insert_never_holds_elements() {
    let set = Cell::Elements(vec![element(Some("s"), None, time(5, None))]);
    let cells = vec![set, whole("a", 5, None)];
    let grouped = grouped(Policy::Insert, cells, &[Shape::Set, Shape::Single]);
    assert_eq!(shown(&grouped), ["INSERT 5", "UPDATE 5 0+s: 1=a"]);
}

#[test]
fn lists_are_appended_in_their_order() {
    let list = Cell::Elements(vec![item("a", 5), item("b", 5), item("c", 6), item("d", 5)]);
    assert_eq!(
        shown(&grouped(Policy::None, vec![list], &[Shape::List])),
        ["UPDATE 5 0+:a 0+:b", "UPDATE 6 0+:c", "UPDATE 5 0+:d"]
    );
}

#[test]
fn two_lists_share_statements_where_their_order_allows() {
    let one = Cell::Elements(vec![item("a", 5), item("b", 6)]);
    let other = Cell::Elements(vec![item("x", 6), item("y", 5)]);
    let shapes = [Shape::List, Shape::List];
    assert_eq!(
        shown(&grouped(Policy::None, vec![one, other], &shapes)),
        ["UPDATE 5 0+:a", "UPDATE 6 0+:b 1+:x", "UPDATE 5 1+:y"]
    );
}

#[test]
fn fields_are_set_by_themselves() {
    let field = |field, value, write| Element {
        field,
        ..item(value, write)
    };
    let udt = Cell::Elements(vec![field(1, "a", 5), field(2, "c", 6), field(3, "d", 5)]);
    assert_eq!(
        shown(&grouped(Policy::None, vec![udt], &[Shape::Fields(4)])),
        ["UPDATE 5 0.1=a 0.3=d", "UPDATE 6 0.2=c"]
    );
}

#[test]
fn statics_have_no_marker() {
    let cells = vec![whole("a", 5, None), whole("b", 6, Some(100))];
    let grouped = statics(cells, &[Shape::Single; 2], NOW);
    assert_eq!(shown(&grouped), ["UPDATE 5 0=a"]);
    assert_eq!(grouped.expired, 1);
}
