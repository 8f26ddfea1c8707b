use super::*;
use crate::cql::proof::before;
use crate::cql::split;

const ID: &str = "11111111-2222-3333-4444-000000000001";
const OTHER: &str = "22222222-2222-3333-4444-000000000001";

const TABLE: &str = "CREATE TABLE t (a int PRIMARY KEY)";
const COLUMN: &str = "ALTER TABLE t ADD b int";
const INDEX: &str = "CREATE INDEX t_b ON t (b)";
const NEXT: &str = "CREATE TYPE u (x int)";
const FIELD: &str = "ALTER TYPE u ADD y int";
const RUN: [&str; 5] = [TABLE, COLUMN, INDEX, NEXT, FIELD];

fn acts(texts: &[&str]) -> Vec<Act> {
    let act = |text: &&str| split(text).statements[0].act.clone();
    texts.iter().map(act).collect()
}

/// What is there when this many statements of [`RUN`] have taken effect; those `but` are not there.
fn schema(id: &str, done: usize, but: &[usize]) -> Schema {
    let table = format!(r#"{{"table_name": "t", "id": "{id}", "flags": ["compound"]}}"#);
    let column = |name: &str, kind: &str| {
        format!(
            r#"{{"table_name": "t", "column_name": "{name}", "kind": "{kind}", "position": 0, "type": "int"}}"#
        )
    };
    let index = r#"{"table_name": "t", "index_name": "t_b", "kind": "COMPOSITES", "options": {"target": "b"}}"#;
    let fields = match done > 4 {
        true => r#"{"type_name": "u", "field_names": ["x", "y"], "field_types": ["int", "int"]}"#,
        false => r#"{"type_name": "u", "field_names": ["x"], "field_types": ["int"]}"#,
    };
    let rows = [
        vec![("tables", table), ("columns", column("a", "partition_key"))],
        vec![("columns", column("b", "regular"))],
        vec![("indexes", index.to_string())],
        vec![("types", fields.to_string())],
        vec![],
    ];
    let there = |at: &usize| *at < done && !but.contains(at);
    let rows: Vec<(&str, String)> = rows
        .into_iter()
        .enumerate()
        .filter(|(at, _)| there(at))
        .flat_map(|(_, rows)| rows)
        .collect();
    Schema::read(
        "k",
        rows.iter().map(|(source, row)| (*source, row.as_str())),
    )
    .expect("rows")
}

/// What is decided of [`RUN`] where there was nothing before it.
fn decided(schema: &Schema) -> Result<usize, (usize, String)> {
    let acts = acts(&RUN);
    let ids = [Some(ID), None, None, None, None];
    let nothing = Schema::default();
    let befores: Vec<_> = acts
        .iter()
        .zip(ids)
        .map(|(act, id)| before(&claim(act, "k"), id, &nothing))
        .collect();
    let sent = acts.iter().zip(ids).zip(&befores);
    let run: Vec<Sent<'_>> = sent
        .map(|((act, id), before)| Sent {
            act,
            id: id.map(str::to_owned),
            before,
        })
        .collect();
    taken(&run, "k", schema)
}

#[test]
fn what_is_there_is_a_beginning_of_the_run() {
    for done in 0..=RUN.len() {
        assert_eq!(decided(&schema(ID, done, &[])), Ok(done), "{done}");
    }
}

#[test]
fn what_another_one_made_of_a_later_statement_is_no_proof_of_those_before_it() {
    // Somebody made the type by hand, and the index is not there.
    assert_eq!(decided(&schema(ID, 4, &[2])), Ok(2));
    assert_eq!(decided(&schema(ID, 4, &[0, 1, 2])), Ok(0));
}

#[test]
fn a_table_of_another_id_is_somebody_elses() {
    let (at, why) = decided(&schema(OTHER, 1, &[])).expect_err("another table");
    assert_eq!(at, 0);
    assert!(why.contains("another one made it"), "{why}");
}

#[test]
fn only_what_adds_something_else_joins() {
    let joined = |run: &[&str], next: &str| {
        let run = acts(run);
        joins(&run.iter().collect::<Vec<_>>(), &acts(&[next])[0], "k")
    };
    for at in 0..RUN.len() {
        assert!(joined(&RUN[..at], RUN[at]), "{}", RUN[at]);
    }
    for (run, next) in [
        (TABLE, "CREATE TABLE t (z int PRIMARY KEY)"),
        (TABLE, "ALTER TABLE t ADD a int"),
        (COLUMN, "ALTER TABLE t ADD c int, b int"),
        (INDEX, "CREATE INDEX other ON t (b)"),
        (INDEX, "CREATE INDEX t_b ON t (c)"),
        (NEXT, "ALTER TYPE u ADD x int"),
        (TABLE, "CREATE TABLE elsewhere.t2 (a int PRIMARY KEY)"),
    ] {
        assert!(!joined(&[run], next), "{next}");
    }
    for alone in [
        "CREATE TABLE IF NOT EXISTS t (a int PRIMARY KEY)",
        "ALTER TABLE t ADD IF NOT EXISTS b int",
        "ALTER TABLE t DROP b",
        "ALTER TABLE t RENAME a TO b",
        "DROP TABLE t",
        "CREATE MATERIALIZED VIEW v AS SELECT a FROM t WHERE a IS NOT NULL PRIMARY KEY (a)",
        "CREATE OR REPLACE FUNCTION f (a int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'return a;'",
        "GRANT SELECT ON t TO r",
        "INSERT INTO t (a) VALUES (1)",
        "TRUNCATE t",
    ] {
        assert!(!joined(&[], alone), "{alone}");
        assert!(!joined(&[NEXT], alone), "{alone}");
    }
}
