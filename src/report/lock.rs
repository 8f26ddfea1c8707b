//! `lock show` and what `lock break` asks. Pure.

use super::style::Style;
use super::{Answer, count, object};
use crate::backend::{LastLine, Scene};
use crate::error::Exit;
use serde_json::json;

/// The answer of `kmig lock show`.
pub fn show(scene: Option<&Scene>, style: Style) -> Answer {
    let text = match scene {
        None => style.green("Nobody holds the lock."),
        Some(scene) => {
            let mut lines = vec![format!("{} holds the lock", scene.holder)];
            lines.extend(
                facts(scene)
                    .iter()
                    .map(|(name, fact)| format!("  {}{fact}", style.dim(&format!("{name:<11}")))),
            );
            lines.push(match scene.holder.gone {
                true => "Next: the command that is due ends it by itself, as kmig lock break does".to_string(),
                false => "Next: wait for its end; kmig lock break ends it, where that cannot be waited for".to_string(),
            });
            lines.join("\n")
        }
    };
    Answer {
        exit: Exit::Done,
        text,
        document: object(json!({ "lock": scene })),
    }
}

/// What is known beside the holder's name, line by line.
pub fn facts(scene: &Scene) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut fact = |name: &'static str, text: Option<String>| {
        facts.extend(text.map(|text| (name, text)));
    };
    fact("run", scene.holder.run.clone());
    fact("role", scene.user.clone());
    fact("from", scene.holder.address.clone());
    fact("last line", scene.last.as_ref().map(last_line));
    fact(
        "working on",
        scene
            .unfinished
            .first()
            .map(|first| match scene.unfinished.len() - 1 {
                0 => first.clone(),
                more => format!("{first}; and {more} more"),
            }),
    );
    fact(
        "state",
        scene.state.as_ref().map(|state| {
            let since = scene
                .state_seconds
                .map_or_else(String::new, |seconds| format!(" for {seconds} s"));
            let waits = scene
                .waits_for
                .as_ref()
                .map_or_else(String::new, |what| format!(", waiting for {what}"));
            format!("{state}{since}{waits}")
        }),
    );
    fact("query", scene.query.clone());
    // What holds a lease has no session that the server could tell of.
    if scene.state.is_none() && !scene.holder.leases {
        fact(
            "query",
            Some("not to be seen by this role, which is no member of pg_read_all_stats".into()),
        );
    }
    for waiting in &scene.waiting {
        fact(
            "waiting",
            Some(format!(
                "{} (server process {}, connected {} s ago)",
                waiting.application, waiting.pid, waiting.seconds
            )),
        );
    }
    facts
}

/// What the journal says last of the holder's run.
fn last_line(last: &LastLine) -> String {
    let what = match (&last.migration, &last.part, last.statement) {
        (Some(migration), Some(part), Some(at)) => {
            let statements =
                usize::try_from(at).map_or(String::new(), |at| match last.kind.as_str() {
                    "step" => format!(", from statement {} on", at + 1),
                    _ => format!(", statement {}", at + 1),
                });
            format!(" {migration} {part}{statements}")
        }
        (Some(migration), Some(part), None) => format!(" {migration} {part}"),
        (Some(migration), None, _) => format!(" {migration}"),
        _ => String::new(),
    };
    format!(
        "{}{what}, {} ago",
        last.kind,
        count(usize::try_from(last.seconds).unwrap_or_default(), "second")
    )
}
