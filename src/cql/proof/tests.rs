use super::*;
use crate::cql::split;

const ID: &str = "11111111-2222-3333-4444-000000000001";
const OTHER: &str = "22222222-2222-3333-4444-000000000001";

fn act(text: &str) -> Act {
    split(text).statements[0].act.clone()
}

/// A table t with the key a, and more columns `name kind type`.
fn schema(id: &str, columns: &[&str]) -> Schema {
    let table = format!(r#"{{"table_name": "t", "id": "{id}", "flags": ["compound"]}}"#);
    let columns = columns.iter().map(|column| {
        let words: Vec<&str> = column.splitn(3, ' ').collect();
        format!(
            r#"{{"table_name": "t", "column_name": "{}", "kind": "{}", "position": 0, "type": "{}"}}"#,
            words[0], words[1], words[2]
        )
    });
    let columns: Vec<String> = columns.collect();
    let columns = columns.iter().map(|row| ("columns", row.as_str()));
    Schema::read("k", columns.chain([("tables", table.as_str())])).expect("rows")
}

const KEY: &str = "a partition_key int";

/// What is decided where there was nothing before.
fn settled(text: &str, schema: &Schema) -> Verdict {
    let claim = claim(&act(text), "k");
    let nothing = before(&claim, Some(ID), &Schema::default());
    settle(&claim, Some(ID), &nothing, schema)
}

fn why(verdict: Verdict) -> String {
    match verdict {
        Verdict::Differs(why) => why,
        other => format!("{other:?}"),
    }
}

#[test]
fn a_table_is_proved_by_its_id_and_its_columns() {
    for (text, schema, expected) in [
        (
            "create table t (a int primary key)",
            schema(ID, &[KEY]),
            "Done",
        ),
        // Two definitions with one id were merged (traps C1).
        (
            "create table t (a int primary key)",
            schema(ID, &[KEY, "b regular int"]),
            "table t is there, but has a column b besides",
        ),
        (
            "create table t (a int primary key, b int)",
            schema(ID, &[KEY]),
            "table t is there, but has no column b",
        ),
        (
            "create table t (a int primary key, b text)",
            schema(ID, &[KEY, "b regular int"]),
            "table t is there, but column b is int there, and not text",
        ),
        (
            "create table t (a int, b int, primary key (a, b))",
            schema(ID, &[KEY, "b regular int"]),
            "table t is there, but its key is ((a))",
        ),
        (
            "create table t (a int primary key)",
            schema(OTHER, &[KEY]),
            "table t is there with the id 22222222-2222-3333-4444-000000000001, and not with 11111111-2222-3333-4444-000000000001: another one made it",
        ),
        // IF NOT EXISTS takes what has all that it names, and nothing else (traps C3).
        (
            "create table if not exists t (a int primary key)",
            schema(OTHER, &[KEY, "b regular int"]),
            "Done",
        ),
        (
            "create table if not exists t (a int primary key, c int)",
            schema(OTHER, &[KEY]),
            "table t is there, but has no column c",
        ),
        // Its own id counts.
        (
            "create table t (a int primary key) with id = 22222222-2222-3333-4444-000000000001",
            schema(OTHER, &[KEY]),
            "Done",
        ),
        (
            "create table u (a int primary key)",
            schema(ID, &[KEY]),
            "Again",
        ),
    ] {
        assert_eq!(why(settled(text, &schema)), expected, "{text}");
    }
}

#[test]
fn what_was_so_before_proves_nothing() {
    for (text, before_it, now, expected) in [
        (
            "alter table t add b int",
            &[KEY][..],
            &[KEY, "b regular int"][..],
            "Done",
        ),
        ("alter table t add b int", &[KEY], &[KEY], "Again"),
        (
            "alter table t add b int",
            &[KEY, "b regular int"],
            &[KEY, "b regular int"],
            "Again",
        ),
        (
            "alter table t add b int",
            &[KEY],
            &[KEY, "b static int"],
            "b is static there",
        ),
        (
            "alter table t add (b int, c int)",
            &[KEY],
            &[KEY, "b regular int"],
            "Again",
        ),
        (
            "alter table t drop b",
            &[KEY, "b regular int"],
            &[KEY],
            "Done",
        ),
        (
            "alter table t rename a to z",
            &[KEY],
            &["z partition_key int"],
            "Done",
        ),
        ("alter table t rename a to z", &[KEY], &[KEY], "Again"),
        ("alter table t with comment = 'x'", &[KEY], &[KEY], "Again"),
        ("insert into t (a) values (1)", &[KEY], &[KEY], "Again"),
        (
            "insert into t (a) values (1) if not exists",
            &[KEY],
            &[KEY],
            "Untold",
        ),
        ("truncate t", &[KEY], &[KEY], "Untold"),
    ] {
        let claim = claim(&act(text), "k");
        let before = before(&claim, None, &schema(ID, before_it));
        let verdict = settle(&claim, None, &before, &schema(ID, now));
        assert_eq!(why(verdict), expected, "{text}");
    }
}

#[test]
fn a_table_that_came_back_is_no_dropped_one() {
    let claim = claim(&act("drop table t"), "k");
    let was = before(&claim, None, &schema(ID, &[KEY]));
    assert_eq!(
        serde_json::to_string(&was).expect("JSON"),
        format!(r#"{{"holds":"no","known":["{ID}"]}}"#)
    );
    assert_eq!(
        settle(&claim, None, &was, &Schema::default()),
        Verdict::Done
    );
    let other = schema(OTHER, &[KEY]);
    assert_eq!(
        why(settle(&claim, None, &was, &other)),
        "it was dropped, and somebody made one of that name again"
    );
    assert_eq!(
        settle(&claim, None, &was, &schema(ID, &[KEY])),
        Verdict::Again
    );
}

/// The server makes an index without a class beside one with a class, on the same column.
#[test]
fn an_index_without_a_name_is_told_from_one_that_is_like_it() {
    let index = |name: &str, class: &str| {
        format!(
            r#"{{"table_name": "t", "index_name": "{name}", "options": {{{class}"target": "a"}}}}"#
        )
    };
    let sai = index("t_a_idx", r#""class_name": "sai", "#);
    let plain = index("t_a_idx_1", "");
    let read = |rows: &[&str]| {
        let rows = rows.iter().map(|row| ("indexes", *row));
        Schema::read("k", rows).expect("rows")
    };
    let claim = claim(&act("create index on t (a)"), "k");
    let was = before(&claim, None, &read(&[&sai]));
    assert_eq!(was.holds, Holds::Yes);
    assert_eq!(
        settle(&claim, None, &was, &read(&[&sai, &plain])),
        Verdict::Done
    );
    assert_eq!(settle(&claim, None, &was, &read(&[&sai])), Verdict::Again);
}

#[test]
fn roles_are_proved_where_they_can_be_read() {
    let claim = claim(&act("create role r with password = 'x'"), "k");
    let read = |rows: &[(&str, &str)]| Schema::read("k", rows.iter().copied()).expect("rows");
    let (none, other, there) = (
        read(&[]),
        read(&[("roles", r#"{"role": "x"}"#)]),
        read(&[("roles", r#"{"role": "r"}"#)]),
    );
    assert_eq!(holds(&claim, None, &none), Holds::Untold);
    let was = before(&claim, None, &other);
    assert_eq!(settle(&claim, None, &was, &there), Verdict::Done);
    assert_eq!(settle(&claim, None, &was, &other), Verdict::Again);
}

#[test]
fn names_that_change_places_are_followed() {
    let table = |columns: &[&str]| schema(ID, columns);
    let (x, y) = ("x partition_key int", "y clustering int");
    for (text, columns, expected) in [
        ("alter table t rename b to y and a to x", [x, y], Holds::Yes),
        ("alter table t rename x to y and a to x", [x, y], Holds::Yes),
        ("alter table t rename x to y and y to x", [x, y], Holds::Yes),
        ("alter table t rename a to b and b to y", [x, y], Holds::Yes),
        ("alter table t rename x to z", [x, y], Holds::No),
    ] {
        let claim = claim(&act(text), "k");
        assert_eq!(holds(&claim, None, &table(&columns)), expected, "{text}");
    }
}

#[test]
fn another_keyspace_has_its_own_schema() {
    for (text, expected) in [
        ("create table t (a int primary key)", "k"),
        ("alter table other.t add b int", "other"),
        ("create index i on other.t (a)", "other"),
        ("drop trigger x on \"Other\".t", "Other"),
    ] {
        assert_eq!(claim(&act(text), "k").keyspace, expected);
    }
}

#[test]
fn a_row_of_another_shape_is_an_error() {
    for row in [
        ("tables", r#"{"table_name": "t"}"#),
        (
            "columns",
            r#"{"table_name": "t", "column_name": "a", "kind": "new", "position": 0, "type": "int"}"#,
        ),
        ("tables", "{"),
        ("else", "{}"),
    ] {
        assert!(Schema::read("k", [row]).is_err(), "{row:?}");
    }
}
