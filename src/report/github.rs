//! Findings as workflow commands of GitHub Actions, which shows them beside the lines of a pull request. Pure.

use crate::error::Diagnostic;

/// One line per finding. `root` is the folder that paths of findings start at, as it is seen from the repository's root.
pub fn annotations(found: &[Diagnostic], root: &str) -> String {
    let lines = found.iter().map(|found| line(found, root));
    lines.collect::<Vec<_>>().join("\n")
}

fn line(found: &Diagnostic, root: &str) -> String {
    let level = if found.warning { "warning" } else { "error" };
    let mut properties = Vec::new();
    if let Some(place) = &found.place {
        properties.push(format!("file={}", property(&joined(root, &place.path))));
        if let Some(excerpt) = &place.at {
            properties.push(format!("line={}", excerpt.position.line));
            properties.push(format!("col={}", excerpt.position.column));
        }
    }
    if let Some(rule) = found.rule {
        properties.push(format!("title={}", property(rule)));
    }
    let mut message = found.message.clone();
    if let Some(help) = &found.help {
        message = format!("{message}\n{help}");
    }
    format!("::{level} {}::{}", properties.join(","), data(&message))
}

fn joined(root: &str, path: &str) -> String {
    match root {
        "" | "." => path.to_string(),
        root => format!("{}/{path}", root.trim_end_matches('/')),
    }
}

/// The runner reads `%`, CR and LF of a message escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Of a property `:` and `,` as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{Place, SourceFile, Span};

    #[test]
    fn what_would_end_a_command_is_escaped() {
        let file = SourceFile {
            path: "migrations/a,b/up.sql".into(),
            text: "select 1;\n  drop table t;".into(),
        };
        let mut found =
            Diagnostic::at(Place::span(&file, Span::new(12, 16)), "100% gone").help("two\nlines");
        found.rule = Some("drop-table");
        assert_eq!(
            annotations(&[found.clone()], "db"),
            "::error file=db/migrations/a%2Cb/up.sql,line=2,col=3,title=drop-table::100%25 gone%0Atwo%0Alines"
        );
        assert!(annotations(&[found.warning()], ".").starts_with("::warning file=migrations/a"));
    }
}
