//! `kmig status --json` at the end of a case, against the file that says what it must be.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::backend::Backend;

/// Compares, or writes the file anew under `UPDATE`. `masks` are texts and what stands for them.
pub fn compare(path: &Path, stdout: &str, masks: &[(String, &str)]) -> Result<(), String> {
    let mut status: Value =
        serde_json::from_str(stdout).map_err(|error| format!("not JSON: {error}\n{stdout}"))?;
    normalise("", &mut status, masks);
    let actual = format!("{status:#}\n");
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(path, actual).map_err(|error| error.to_string());
    }
    let golden = fs::read_to_string(path).map_err(|error| error.to_string())?;
    if golden == actual {
        Ok(())
    } else {
        Err(format!("expected\n{golden}\nbut it is\n{actual}"))
    }
}

/// The file of a case for a backend, where it has one.
pub fn file(folder: &Path, backend: Backend) -> Option<std::path::PathBuf> {
    [
        format!("status.{}.json", backend.kind().name()),
        "status.json".to_owned(),
    ]
    .iter()
    .map(|name| folder.join(name))
    .find(|path| path.exists())
}

/// Masks what differs from run to run and from machine to machine.
fn normalise(key: &str, value: &mut Value, masks: &[(String, &str)]) {
    const MASKED: &[&str] = &[
        "by", "host", "pid", "kmig", "user", "server", "age", "duration",
    ];
    match value {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| normalise(key, item, masks)),
        Value::Object(fields) => fields
            .iter_mut()
            .for_each(|(key, value)| normalise(key, value, masks)),
        Value::Null => {}
        _ if MASKED
            .iter()
            .any(|masked| key.split('_').any(|word| word == *masked)) =>
        {
            *value = Value::String(format!("[{key}]"));
        }
        Value::String(text) if is_time(text) => *text = "[time]".to_owned(),
        Value::String(text) => {
            for (from, to) in masks {
                *text = text.replace(from, to);
            }
        }
        _ => {}
    }
}

/// `2026-03-01T12:00:00…`, with T or a blank.
fn is_time(text: &str) -> bool {
    let shape: String = text
        .chars()
        .take(19)
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    ["0000-00-00T00:00:00", "0000-00-00 00:00:00"].contains(&shape.as_str())
}
