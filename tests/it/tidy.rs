//! The rules of the house that a compiler does not know (ARCHITECTURE.md): what each layer never names.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Path below the repository and text of each Rust file below a folder.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&root().join(folder), &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file");
            let shown = path.strip_prefix(root()).expect("below the root");
            (shown.display().to_string(), text)
        })
        .collect()
}

/// What stands in front of the tests of a file, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

/// Fails where a file below one of `folders` names one of `words`, but for those in `except`.
fn never(folders: &[&str], except: &[&str], words: &[&str]) {
    let mut offences = Vec::new();
    for (path, text) in sources("src") {
        let inside = folders.iter().any(|folder| path.starts_with(folder));
        if !inside || except.iter().any(|exception| path.starts_with(exception)) {
            continue;
        }
        for (line, code) in code(&text) {
            for word in words.iter().filter(|word| code.contains(**word)) {
                offences.push(format!("{path}:{line} names {word}"));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn pure_code_names_no_driver_no_file_system_and_no_clock() {
    never(
        &[
            "src/place.rs",
            "src/directive.rs",
            "src/sql/",
            "src/cql/",
            "src/gate/",
            "src/plan/",
            "src/safety/",
            "src/source/",
            "src/report/",
        ],
        &["src/source/load.rs", "src/report/progress.rs"],
        &[
            "tokio",
            "std::fs",
            "std::env",
            "std::io",
            "Instant",
            "SystemTime",
            "now_utc",
            "async fn",
            ".await",
        ],
    );
    // Files are read and written over the traits of std::io, and only the archive knows a folder.
    never(
        &["src/backup/"],
        &["src/backup/archive/"],
        &[
            "tokio",
            "std::fs",
            "std::env",
            "Instant",
            "SystemTime",
            "now_utc",
            "async fn",
            ".await",
        ],
    );
    never(
        &[
            "src/place.rs",
            "src/directive.rs",
            "src/sql/",
            "src/cql/",
            "src/gate/",
            "src/plan/",
            "src/safety/",
            "src/source/",
            "src/backup/",
        ],
        &[],
        &["crate::backend", "crate::report", "crate::commands"],
    );
}

#[test]
fn only_the_backend_names_the_driver() {
    never(
        &["src/"],
        &["src/backend/"],
        &["tokio_postgres::", "rustls::", "scylla::"],
    );
    never(
        &["src/backend/"],
        &["src/backend/postgres"],
        &["tokio_postgres::"],
    );
    never(&["src/backend/"], &["src/backend/cassandra"], &["scylla::"]);
}

#[test]
fn only_two_modules_name_the_grammar() {
    never(
        &["src/"],
        &["src/sql/class", "src/safety/sql/grammar"],
        &["squawk"],
    );
}

#[test]
fn nothing_prints_but_the_shell_and_the_progress() {
    never(
        &["src/"],
        &["src/shell.rs", "src/report/progress.rs"],
        &["println!", "eprintln!", "print!(", "stdout()", "stderr()"],
    );
}

#[test]
fn every_test_module_is_run() {
    for folder in ["tests/it", "tests/faults", "tests/keyspace"] {
        let main = root().join(folder).join("main.rs");
        let main = fs::read_to_string(main).expect("the list of modules");
        for (path, _) in sources(folder) {
            let module = path[folder.len() + 1..].trim_end_matches(".rs");
            if module != "main" && !module.contains('/') {
                let line = format!("mod {module};");
                assert!(main.lines().any(|found| found == line), "{path} is not run");
            }
        }
    }
}
