//! The gate, line by line: as text and as JSON. Pure.

use crate::gate::{Verdict, headline};
use serde_json::{Value, json};

/// Each question with its answer; who is in the way stands below it.
pub fn lines(verdict: &Verdict) -> Vec<String> {
    let lines = verdict.lines.iter().map(|line| {
        let text = headline(line).replace('\n', "\n       ");
        format!("gate: {:<7} {text}", line.standing.word())
    });
    lines.collect()
}

/// As a member of a JSON document.
pub fn document(verdict: &Verdict) -> Value {
    let lines: Vec<Value> = verdict
        .lines
        .iter()
        .map(|line| {
            json!({
                "check": line.check.word(),
                "state": line.standing.word(),
                "evidence": line.evidence,
                "in_the_way": line.who,
                "next": line.next,
            })
        })
        .collect();
    json!({
        "open": verdict.open,
        "looks": verdict.looks.samples,
        "over_ms": u64::try_from(verdict.looks.over.as_millis()).unwrap_or_default(),
        "lines": lines,
    })
}
