use super::*;
use crate::backup::kind::Types;
use crate::backup::row::Cell;
use std::borrow::Cow;

const NOW: i64 = 1_000;
const BEGAN: i64 = 77;

fn columns() -> Vec<Column> {
    let field = |name: &str| (name.to_string(), "int".to_string());
    let types = Types::from([("u".to_string(), vec![field("a"), field("b")])]);
    let column = |name, role, kind| Column::read(name, role, kind, &types).expect("a column");
    vec![
        column("p", Role::Partition, "text"),
        column("v", Role::Regular, "text"),
        column("m", Role::Regular, "map<text, text>"),
        column("l", Role::Regular, "list<text>"),
    ]
}

fn first_letter(key: &[&[u8]]) -> i64 {
    i64::from(key[0][0])
}

fn time(write: i64) -> Time {
    Time {
        write,
        expiry: None,
    }
}

/// A row as a test writes it: key, value, entries of the map, elements of the list, each with its write time.
#[derive(Clone, Default)]
struct Made {
    key: &'static str,
    value: Option<(&'static str, Time)>,
    map: Vec<(&'static str, &'static str, i64)>,
    list: Vec<(&'static str, i64)>,
}

fn with<T>(made: &Made, take: impl FnOnce(&Row<'_>) -> T) -> T {
    let part = |text: &'static str| Some(Cow::Borrowed(text.as_bytes()));
    let map: Vec<_> = made
        .map
        .iter()
        .map(|(key, value, _)| (part(key), part(value)))
        .collect();
    let map = wire::write_map(&map);
    let map_times: Vec<_> = made
        .map
        .iter()
        .map(|(.., write)| Some(time(*write)))
        .collect();
    let list: Vec<_> = made.list.iter().map(|(value, _)| part(value)).collect();
    let list = wire::write_list(&list);
    let list_times: Vec<_> = made
        .list
        .iter()
        .map(|(_, write)| Some(time(*write)))
        .collect();
    let each = |value, times: &'_ [Option<Time>]| match times.is_empty() {
        true => Cell::NULL,
        false => Cell {
            value: Some(value),
            times: Times::Each(kept_alive(times)),
        },
    };
    fn kept_alive(times: &[Option<Time>]) -> &'static [Option<Time>] {
        times.to_vec().leak()
    }
    let value = made.value.map_or(Cell::NULL, |(text, time)| Cell {
        value: Some(text.as_bytes()),
        times: Times::One(time),
    });
    take(&[
        Cell::timeless(Some(made.key.as_bytes())),
        value,
        each(&map[..], &map_times),
        each(&list[..], &list_times),
    ])
}

/// The keys of rows that are new or other, and what is gone.
fn merged(base: &[Made], live: &[Made]) -> (Vec<&'static str>, Vec<String>) {
    let olds: Vec<Old> = base
        .iter()
        .map(|made| with(made, |row| old(&columns(), row, first_letter, BEGAN)))
        .collect();
    let mut olds = olds.into_iter();
    let base: Base = Box::new(move || Ok(olds.next()));
    let mut merge = Merge::new(columns(), Part::Rows, first_letter, base).expect("a base");
    let mut gone = Vec::new();
    let mut changed = Vec::new();
    for made in live {
        let other = with(made, |row| merge.step(row, NOW, &mut gone)).expect("a step");
        if other {
            changed.push(made.key);
        }
    }
    merge.finish(NOW, &mut gone).expect("the end");
    let told = gone.iter().map(|gone| {
        let bytes = |text: &String| {
            let pairs = text.as_bytes().chunks(2);
            let letters = pairs.map(|pair| {
                let pair = std::str::from_utf8(pair).expect("hexadecimal");
                char::from(u8::from_str_radix(pair, 16).expect("hexadecimal"))
            });
            letters.collect::<String>()
        };
        let mut line = bytes(&gone.key[0]);
        if let Some(column) = &gone.column {
            line += &format!(".{column}");
        }
        if let Some(element) = &gone.element {
            line += &format!("[{}]", bytes(element));
        }
        format!("{line}@{}", gone.at)
    });
    (changed, told.collect())
}

fn row(key: &'static str, value: &'static str, write: i64) -> Made {
    Made {
        key,
        value: Some((value, time(write))),
        ..Made::default()
    }
}

#[test]
fn what_is_the_same_is_left_out() {
    let rows = [row("a", "x", 5), row("b", "y", 6)];
    assert_eq!(merged(&rows, &rows), (vec![], vec![]));
}

#[test]
fn rows_that_are_new_or_other_come_again_and_what_is_gone_is_deleted_at_its_own_time() {
    let base = [
        row("a", "x", 5),
        row("b", "y", 6),
        row("d", "z", 7),
        Made {
            key: "e",
            ..Made::default()
        },
    ];
    let live = [row("a", "x", 5), row("b", "w", 9), row("c", "n", 9)];
    let (changed, gone) = merged(&base, &live);
    assert_eq!(changed, ["b", "c"]);
    assert_eq!(gone, ["d@7", "e@77"]);
}

#[test]
fn cells_and_elements_that_are_gone_are_deleted_by_themselves() {
    let base = Made {
        map: vec![("k", "1", 4), ("l", "2", 5)],
        ..row("a", "x", 6)
    };
    let live = Made {
        key: "a",
        map: vec![("l", "2", 5)],
        ..Made::default()
    };
    let (changed, gone) = merged(std::slice::from_ref(&base), &[live]);
    assert_eq!(
        (changed, gone),
        (vec!["a"], vec!["a.v@6".to_string(), "a.m[k]@4".to_string()])
    );
}

#[test]
fn what_has_expired_needs_no_deletion() {
    let expired = Made {
        key: "a",
        value: Some((
            "x",
            Time {
                write: 5,
                expiry: Some(NOW),
            },
        )),
        ..Made::default()
    };
    assert_eq!(merged(&[expired], &[]), (vec![], vec![]));
}

#[test]
fn of_a_list_the_new_end_is_enough_and_one_written_anew_loses_its_old_elements() {
    let list = |list| Made {
        key: "a",
        list,
        ..Made::default()
    };
    let base = [list(vec![("x", 5), ("y", 6)])];
    let grown = [list(vec![("x", 5), ("y", 6), ("z", 9)])];
    assert_eq!(merged(&base, &grown), (vec!["a"], vec![]));
    let anew = [list(vec![("z", 9)])];
    assert_eq!(merged(&base, &anew), (vec!["a"], vec!["a.l@6".to_string()]));
    // The first element went: nothing that CQL can say takes it alone.
    let middle = [list(vec![("y", 6)])];
    assert_eq!(merged(&base, &middle), (vec!["a"], vec![]));
    let emptied = [Made {
        key: "a",
        value: Some(("v", time(3))),
        ..Made::default()
    }];
    assert_eq!(
        merged(&base, &emptied),
        (vec!["a"], vec!["a.l@6".to_string()])
    );
}
