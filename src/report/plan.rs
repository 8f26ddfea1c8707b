//! A plan, statement by statement. Pure.

use super::style::Style;
use super::{Answer, count};
use crate::error::Exit;
use crate::place::line_column;
use crate::plan::Plan;
use crate::plan::schedule::{Unit, units};
use crate::safety::{Found, Judgement, Verdict};
use crate::source::{MigrationId, MigrationSet, PartKind};
use crate::sql::{Class, Statement};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Statements longer than this are shown by their first lines.
const LINES_SHOWN: usize = 12;

/// The plan of a command as text and JSON.
pub fn answer(
    command: &str,
    set: &MigrationSet,
    plan: &Plan,
    judgement: &Judgement<'_>,
    style: Style,
) -> Answer {
    let units = units(set, plan);
    let statements: usize = units.iter().map(|unit| unit.range.len()).sum();
    let mut text = String::new();
    let mut line = |words: &str| {
        let _ = writeln!(text, "{words}");
    };
    if let Some(batch) = &plan.batch
        && !(batch.take.is_empty() && batch.leave.is_empty())
    {
        let version = batch
            .app_version
            .as_ref()
            .map_or_else(String::new, |version| {
                format!(", application version {version}")
            });
        line(&format!(
            "{} batch {} takes on {}{version}",
            style.dim("--"),
            batch.number,
            count(batch.take.len(), "migration"),
        ));
    }
    if let Some(version) = &plan.record_version {
        line(&format!(
            "{} nothing to run; records the application version {version}",
            style.dim("--")
        ));
    }
    asked(
        set,
        &plan.checks,
        PartKind::Check,
        "asked first: a row stops everything",
        style,
        &mut line,
    );
    asked(
        set,
        &plan.sweep,
        PartKind::Backfill,
        "run again until it changes nothing",
        style,
        &mut line,
    );
    asked(
        set,
        &plan.ready,
        PartKind::Ready,
        "asked before the first destructive step: a row stops everything",
        style,
        &mut line,
    );
    for unit in &units {
        line("");
        line(&heading(unit, style));
        for at in unit.range.clone() {
            if let Some(part) = unit.part {
                let words = part.shown(at);
                for words in words.lines().take(LINES_SHOWN) {
                    line(&format!("   {words}"));
                }
                if words.lines().nth(LINES_SHOWN).is_some() {
                    line(&style.dim(&format!(
                        "   … {} more",
                        count(words.lines().count() - LINES_SHOWN, "line")
                    )));
                }
                if let Some(data) = part.statements.get(at).and_then(|found| found.copy_data) {
                    let rows = data.of(&part.file.text).lines().count();
                    line(&style.dim(&format!("   … {} of data", count(rows, "line"))));
                }
                for found in about(judgement, unit, at) {
                    let finding = &found.finding;
                    let words = format!("   {}: {}", finding.rule.name, finding.message);
                    line(&match &found.verdict {
                        Verdict::Allowed(reason) => {
                            format!(
                                "{} {}",
                                style.dim(&words),
                                style.dim(&format!("(allowed: {reason})"))
                            )
                        }
                        _ => style.yellow(&words),
                    });
                }
            }
        }
    }
    line("");
    let command_line = style.bold(&format!("kmig {command}"));
    line(&match plan.is_empty() {
        true => format!("{command_line} would do nothing."),
        false => format!(
            "{command_line}: {} in {}",
            count(statements, "statement"),
            count(units.len(), "step"),
        ),
    });
    Answer {
        exit: Exit::Done,
        text: text.trim_start_matches('\n').trim_end().to_string(),
        document: document(command, set, plan, judgement, &units),
    }
}

fn asked(
    set: &MigrationSet,
    ids: &[MigrationId],
    kind: PartKind,
    why: &str,
    style: Style,
    line: &mut dyn FnMut(&str),
) {
    for id in ids {
        let part = set.get(id).and_then(|migration| migration.part(kind));
        if let Some(part) = part {
            line("");
            line(&format!(
                "{} {} {}",
                style.dim("--"),
                style.bold(&part.file.path),
                style.dim(&format!("· {why}"))
            ));
            for at in 0..part.len() {
                for words in part.shown(at).lines().take(LINES_SHOWN) {
                    line(&format!("   {words}"));
                }
            }
        }
    }
}

/// The findings about a statement of a unit.
fn about<'j>(
    judgement: &'j Judgement<'_>,
    unit: &Unit<'_>,
    at: usize,
) -> impl Iterator<Item = &'j Found<'j>> {
    let (id, kind) = (unit.migration.id.clone(), unit.kind);
    judgement.found.iter().filter(move |found| {
        found.migration.id == id && found.part.kind == kind && found.finding.statement == at
    })
}

fn finding(found: &Found<'_>) -> Value {
    let allowed = match &found.verdict {
        Verdict::Allowed(reason) => Some(reason),
        _ => None,
    };
    json!({
        "rule": found.finding.rule.name,
        "message": found.finding.message,
        "allowed": allowed,
    })
}

fn heading(unit: &Unit<'_>, style: Style) -> String {
    let name = match unit.part {
        Some(part) => part.file.path.clone(),
        None => format!("{} ({} part: none)", unit.migration.label(), unit.kind),
    };
    format!(
        "{} {} {}",
        style.dim("--"),
        style.bold(&name),
        style.dim(&format!("· {} · then {}", how(unit), then(unit)))
    )
}

fn how(unit: &Unit<'_>) -> String {
    if unit.bare {
        "outside a transaction, journaled before and after".to_string()
    } else if unit.range.is_empty() {
        "nothing to run, only recorded".to_string()
    } else {
        format!(
            "one transaction of {}",
            count(unit.range.len(), "statement")
        )
    }
}

fn then(unit: &Unit<'_>) -> String {
    match unit.then {
        None => "new again".to_string(),
        Some(progress) => match progress.columns() {
            (state, Some(part), done) => format!("{state} ({part}, {done} done)"),
            (state, None, _) => state.to_string(),
        },
    }
}

fn document(
    command: &str,
    set: &MigrationSet,
    plan: &Plan,
    judgement: &Judgement<'_>,
    units: &[Unit<'_>],
) -> Map<String, Value> {
    let labels = |ids: &[MigrationId]| -> Vec<String> {
        ids.iter()
            .filter_map(|id| set.get(id))
            .map(crate::source::Migration::label)
            .collect()
    };
    let batch = plan.batch.as_ref().map(|batch| {
        json!({
            "number": batch.number,
            "takes": labels(&batch.take),
            "app_version": batch.app_version,
        })
    });
    let steps: Vec<Value> = units
        .iter()
        .map(|unit| {
            let statements: Vec<Value> = unit
                .range
                .clone()
                .filter_map(|at| {
                    let part = unit.part?;
                    let place = line_column(&part.file.text, part.span(at)?.start);
                    let class = part.statements.get(at).map_or(NO_TRANSACTION, class_name);
                    Some(json!({
                        "line": place.line,
                        "column": place.column,
                        "sql": part.shown(at),
                        "class": class,
                        "findings": about(judgement, unit, at).map(finding).collect::<Vec<_>>(),
                    }))
                })
                .collect();
            json!({
                "migration": unit.migration.label(),
                "part": unit.kind.name(),
                "path": unit.part.map(|part| part.file.path.clone()),
                "transaction": !unit.bare,
                "then": unit.then.map(|progress| progress.columns().0),
                "statements": statements,
            })
        })
        .collect();
    super::object(json!({
        "command": command,
        "batch": batch,
        "checks": labels(&plan.checks),
        "sweep": labels(&plan.sweep),
        "ready": labels(&plan.ready),
        "record_version": plan.record_version,
        "steps": steps,
        "warnings": plan.warnings,
    }))
}

/// The class of what runs outside a transaction, as all of CQL does.
const NO_TRANSACTION: &str = "no-transaction";

fn class_name(statement: &Statement) -> &'static str {
    match statement.class {
        Class::Plain => "plain",
        Class::Lone => "lone",
        Class::Session => "session",
        Class::Own => "own-transaction",
        Class::Bare(_) => NO_TRANSACTION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{App, Command, plan};
    use crate::source::load::{Content, Entry, Folder};
    use crate::source::{Dialect, parse};
    use std::collections::BTreeMap;

    #[test]
    fn cql_is_shown_and_its_passwords_are_not() {
        let text =
            b"CREATE TABLE t (a int PRIMARY KEY);\nCREATE ROLE r WITH PASSWORD = 'hunter2';\n";
        let file = Entry {
            name: "up.cql".to_string(),
            path: "migrations/001_x/up.cql".to_string(),
            content: Content::Text(text.to_vec()),
        };
        let folder = Folder {
            path: "migrations/001_x".to_string(),
            entries: vec![file],
        };
        let root = Folder {
            path: "migrations".to_string(),
            entries: vec![Entry {
                name: "001_x".to_string(),
                path: folder.path.clone(),
                content: Content::Folder(folder),
            }],
        };
        let set = parse::set(root, &BTreeMap::new(), Dialect::Cassandra).expect("in order");
        let made = plan(&set, None, &App::default(), &Command::Bootstrap).expect("a plan");
        let answer = answer(
            "bootstrap",
            &set,
            &made,
            &Judgement::default(),
            Style { colour: false },
        );
        let document = Value::Object(answer.document).to_string();
        for shown in [&answer.text, &document] {
            assert!(shown.contains("CREATE TABLE t"), "{shown}");
            assert!(shown.contains("PASSWORD = '***'"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        // An error's line has the same length without it.
        let part = set.migrations[0].part(PartKind::Up).expect("the part");
        assert!(!format!("{:?}", part.place(1)).contains("hunter2"));
        assert_eq!(part.place(1).label(), "migrations/001_x/up.cql:2:1");
    }
}
