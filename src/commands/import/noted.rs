//! What earlier runs of an import noted in the keyspace's journal. Pure.

use serde_json::Value;

/// What is noted of a file with these bytes, under this mapping: whether it is done, and whether it was begun at all, under
/// whichever mapping.
pub fn noted(imports: &[Value], sha256: &str, print: &str) -> (bool, bool) {
    let of_file = || imports.iter().filter(|line| line["sha256"] == sha256);
    let last = of_file().rfind(|line| line["map"] == print);
    let done = last.is_some_and(|line| line["state"] == "done");
    (done, of_file().next().is_some())
}

/// Whether the last that is noted of a file is that it was begun: then nobody has seen all that was sent of it answered.
pub fn unfinished(imports: &[Value], sha256: &str) -> bool {
    let last = imports.iter().rfind(|line| line["sha256"] == sha256);
    last.is_some_and(|line| line["state"] == "begun")
}

/// What an earlier run noted: whether a table had no row before its first file.
pub fn known_empty(imports: &[Value], table: &str) -> Option<bool> {
    let mut lines = imports.iter();
    let first = lines.find(|line| line["table"] == table)?;
    first["empty"].as_bool()
}
