//! kmig's CQL splitter against cqlsh's own. tests/cql/splits.json holds texts with what cqlsh 6.2.2 made of them; its
//! head, tests/cql/splits.py, says how it is made. KMIG_CQLSH_SPLITS names a larger file.

use std::fs;
use std::path::{Path, PathBuf};

use kmig::cql::split;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    text: String,
    statements: Vec<String>,
}

#[test]
fn cqlsh_splits_alike() {
    let file = std::env::var_os("KMIG_CQLSH_SPLITS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cql/splits.json"),
        PathBuf::from,
    );
    let cases = fs::read_to_string(file).expect("the cases");
    let cases: Vec<Case> = serde_json::from_str(&cases).expect("texts and statements");
    assert!(cases.len() > 400);
    let statements: usize = cases.iter().map(|case| case.statements.len()).sum();
    assert!(statements > 2 * cases.len(), "{statements}");
    for Case { text, statements } in cases {
        let script = split(&text);
        let found = script.statements.iter().map(|found| found.span.of(&text));
        assert_eq!(found.collect::<Vec<_>>(), statements, "{text:?}");
    }
}
