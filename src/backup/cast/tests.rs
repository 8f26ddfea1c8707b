use super::*;
use crate::backup::kind::{Types, parse};

fn types() -> Types {
    let fields = |all: &[(&str, &str)]| {
        let pairs = all.iter();
        pairs
            .map(|(name, kind)| ((*name).to_string(), (*kind).to_string()))
            .collect()
    };
    Types::from([
        ("old".into(), fields(&[("a", "int"), ("b", "text")])),
        (
            "more".into(),
            fields(&[("a", "int"), ("b", "text"), ("c", "int")]),
        ),
        (
            "wide".into(),
            fields(&[("b", "text"), ("x", "int"), ("a", "bigint")]),
        ),
        ("less".into(), fields(&[("a", "int")])),
    ])
}

fn cast(from: &str, to: &str) -> Result<Cast, String> {
    let kind = |text| parse(text, &types()).expect(text).0;
    between(&kind(from), &kind(to))
}

fn int(number: i32) -> Option<Cow<'static, [u8]>> {
    Some(Cow::Owned(number.to_be_bytes().to_vec()))
}

fn bigint(number: i64) -> Option<Cow<'static, [u8]>> {
    Some(Cow::Owned(number.to_be_bytes().to_vec()))
}

fn text(text: &'static str) -> Option<Cow<'static, [u8]>> {
    Some(Cow::Borrowed(text.as_bytes()))
}

#[test]
fn what_has_the_same_bytes_passes() {
    for (from, to) in [
        ("int", "int"),
        ("frozen<list<int>>", "list<int>"),
        ("set<text>", "list<text>"),
        ("set<text>", "set<blob>"),
        ("map<int, timestamp>", "map<int, bigint>"),
        ("text", "blob"),
        ("list<int>", "blob"),
        ("timeuuid", "uuid"),
        ("frozen<old>", "more"),
        ("tuple<int>", "tuple<int, text>"),
        ("vector<float, 3>", "vector<float, 3>"),
    ] {
        assert_eq!(cast(from, to), Ok(Cast::Same), "{from} to {to}");
    }
}

#[test]
fn what_cannot_become_the_other_is_refused() {
    for (from, to) in [
        ("text", "duration"),
        ("uuid", "int"),
        ("old", "less"),
        ("tuple<int, int>", "tuple<int>"),
        ("list<int>", "map<int, int>"),
        ("vector<float, 3>", "vector<float, 4>"),
        ("vector<float, 3>", "vector<double, 3>"),
        ("'a.B'", "int"),
        // Inside another type nobody puts them in order.
        ("list<frozen<set<int>>>", "list<frozen<set<text>>>"),
        (
            "list<frozen<map<int, int>>>",
            "list<frozen<map<text, int>>>",
        ),
        ("list<frozen<list<int>>>", "list<frozen<set<int>>>"),
    ] {
        assert!(cast(from, to).is_err(), "{from} to {to}");
    }
}

#[test]
fn elements_convert_one_by_one() {
    let list = cast("list<int>", "list<bigint>").expect("a cast");
    let value = wire::write_list(&[int(1), None, int(-2)]);
    let expected = wire::write_list(&[bigint(1), None, bigint(-2)]);
    assert_eq!(list.apply(&value).as_deref(), Ok(&expected[..]));
    let map = cast("map<int, text>", "map<bigint, text>").expect("a cast");
    let value = wire::write_map(&[(int(1), text("a"))]);
    let expected = wire::write_map(&[(bigint(1), text("a"))]);
    assert_eq!(map.apply(&value).as_deref(), Ok(&expected[..]));
}

#[test]
fn elements_that_would_become_one_are_told() {
    let set = cast("list<int>", "set<int>").expect("a cast");
    let twice = wire::write_list(&[int(1), int(1)]);
    assert!(set.apply(&twice).is_err());
    let once = wire::write_list(&[int(2), int(1)]);
    assert_eq!(set.apply(&once).as_deref(), Ok(&once[..]));
    let numbers = cast("set<text>", "set<int>").expect("a cast");
    let alike = wire::write_list(&[text("1"), text("01")]);
    assert!(numbers.apply(&alike).is_err());
}

#[test]
fn fields_go_by_their_names() {
    let udt = cast("old", "wide").expect("a cast");
    let value = wire::write_fields(&[int(7), text("x")]);
    let expected = wire::write_fields(&[text("x"), None, bigint(7)]);
    assert_eq!(udt.apply(&value).as_deref(), Ok(&expected[..]));
    // A value that was written before its type grew is shorter.
    let short = wire::write_fields(&[int(7)]);
    let expected = wire::write_fields(&[None, None, bigint(7)]);
    assert_eq!(udt.apply(&short).as_deref(), Ok(&expected[..]));
}

#[test]
fn a_value_that_does_not_convert_says_why() {
    let list = cast("list<text>", "list<int>").expect("a cast");
    let value = wire::write_list(&[text("1"), text("x")]);
    assert_eq!(list.apply(&value), Err("it is no whole number".to_string()));
}
