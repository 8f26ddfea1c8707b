//! A folder that a newer kmig wrote is refused, and stays as it is.

use crate::imports::{export, target};
use crate::space::Space;
use crate::support::cassandra::{available, shared};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const TABLE: &str = "create table t (id int primary key, v text);";

/// Makes of a document one of a later format, which has other members and another seal.
fn of_later(path: &Path) {
    let text = fs::read_to_string(path).expect("a document");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    document["format"] = json!(99);
    document["source"]["kmig"] = json!("47.11.0");
    document["tables"] = json!("told in another way");
    document.as_object_mut().expect("members").remove("sha256");
    fs::write(path, document.to_string()).expect("write the document");
}

#[test]
fn a_folder_of_a_later_format_is_refused_and_named_and_stays_as_it_is() {
    if !available() {
        return;
    }
    let source = Space::new(shared());
    source.cql(TABLE);
    source.cql("insert into t (id, v) values (1, 'a')");
    let target = target(shared(), TABLE);
    export(&source, &target, "ex");
    export(&source, &target, "first");
    // A shard that was begun, and whose folder is not sealed.
    let begun = target.folder("begun").display().to_string();
    source.says(&format!("kmig export --to '{begun}' --shard 0/2"), 0, &[]);
    // The same where an export goes on that names no folder.
    let newest = format!("backups/{}-20260101T000000Z", source.keyspace);
    source.says(&format!("kmig export --to {newest} --shard 0/2"), 0, &[]);
    let ex = target.folder("ex").display().to_string();
    of_later(&target.folder("ex/manifest.json"));
    of_later(&target.folder("begun/unfinished.0-of-2.json"));
    of_later(&source.folder(&newest).join("unfinished.0-of-2.json"));
    let before = (target.files("."), source.files("."));
    let manifest = [
        (&target, "kmig import ex --yes".to_string()),
        (&target, "kmig import ex --dry-run".to_string()),
        (&target, "kmig verify ex".to_string()),
        (&target, "kmig reseal reshaped --from ex".to_string()),
        (&target, "kmig reseal ex --from first --again".to_string()),
        (&source, format!("kmig export --since '{ex}' --to out")),
    ];
    let unfinished = [
        format!("kmig export --to '{begun}' --shard 0/2"),
        format!("kmig export --to '{begun}' --shard 1/2"),
        format!("kmig export --to '{begun}' --seal"),
        "kmig export".to_string(),
    ];
    let unfinished = unfinished.map(|line| (&source, line));
    for ((space, line), document) in manifest
        .into_iter()
        .map(|line| (line, "manifest.json"))
        .chain(
            unfinished
                .into_iter()
                .map(|line| (line, "unfinished.0-of-2.json")),
        )
    {
        let told = [
            document,
            "is of format 99, and this kmig reads up to 1",
            "nothing was written",
            "kmig 47.11.0, which wrote it, or a newer one",
        ];
        space.says(&line, 9, &told);
        assert_eq!(target.cql("select id from t"), "", "{line}");
        let after = (target.files("."), source.files("."));
        assert!(after == before, "{line} wrote into a folder");
    }
}
