//! Whether kmig reads from system_schema what became of a statement. tests/cql/proofs-*.json hold what two real servers made of
//! statements; the head of tests/cql/proofs.py says how they are made.

use kmig::cql::proof::{Holds, Verdict, before, claim, holds, refuse, settle, undone};
use kmig::cql::schema::Schema;
use kmig::cql::split;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
struct Step {
    text: String,
    error: Option<String>,
    gone: Vec<(String, String)>,
    new: Vec<(String, String)>,
}

fn schema(rows: &BTreeSet<(String, String)>) -> Schema {
    let rows = rows.iter();
    let rows = rows.map(|(source, text)| (source.as_str(), text.as_str()));
    Schema::read("k", rows).expect("what the server shows")
}

/// The steps of a server, each with the schema before and after it.
fn steps(version: &str) -> Vec<(Step, Schema, Schema)> {
    let file = format!("tests/cql/proofs-{version}.json");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let steps: Vec<Step> =
        serde_json::from_str(&fs::read_to_string(file).expect("the steps")).expect("steps");
    let mut rows = BTreeSet::new();
    let steps = steps.into_iter().map(|step| {
        let before = schema(&rows);
        rows.retain(|row| !step.gone.contains(row));
        rows.extend(step.new.iter().cloned());
        (step, before, schema(&rows))
    });
    steps.collect()
}

/// Milliseconds since 1970 that lie behind all drops of the files but the one that is dated ahead.
const NOW: i64 = 2_000_000_000_000;

const SERVERS: [&str; 2] = ["5.0.9", "4.1.10"];

#[test]
fn what_a_server_did_is_seen() {
    let mut wrong = Vec::new();
    for version in SERVERS {
        let steps = steps(version);
        assert!(steps.len() > 80);
        for (step, was, is) in &steps {
            let script = split(&step.text);
            let act = &script.statements[0].act;
            let claim = claim(act, "k");
            let told = before(&claim, None, was);
            // What is kept in the intent is what was seen.
            let kept = serde_json::to_string(&told).expect("JSON");
            assert_eq!(told, serde_json::from_str(&kept).expect("the same"));
            let verdict = settle(&claim, None, &told, is);
            let stands = holds(&claim, None, is);
            let changed = was != is;
            let fits = match (&step.error, &verdict) {
                // Only Untold may be answered of what has no other proof, such as a comment.
                (None, Verdict::Done) => changed && stands == Holds::Yes,
                (None, Verdict::Again) => {
                    stands == Holds::Untold || !changed && told.holds == Holds::Yes
                }
                // IF NOT EXISTS passed over what is something else, and that is refused before it is sent.
                (None, Verdict::Differs(_)) => !changed && refuse(act, "k", was, NOW).is_some(),
                // The server fails at a table of a view's name, and breaks its schema.
                (Some(_), Verdict::Differs(_)) if changed => refuse(act, "k", was, NOW).is_some(),
                (Some(_), Verdict::Again | Verdict::Differs(_)) => !changed,
                (_, Verdict::Untold) | (Some(_), Verdict::Done) => false,
            };
            // Where nothing was done, a statement that changes something is sent.
            let unsent = settle(&claim, None, &told, was);
            if !fits || step.error.is_none() && changed && unsent != Verdict::Again {
                wrong.push(format!(
                    "{version} {}\n  error {:?}, changed {changed}, held {:?}, holds {stands:?}, {verdict:?}, unsent {unsent:?}",
                    step.text, step.error, told.holds
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is refused is what the server refuses too, or passes over, or takes although it does harm.
#[test]
fn what_a_server_takes_in_good_order_is_not_refused() {
    for version in SERVERS {
        let mut refused = Vec::new();
        for (step, was, is) in steps(version) {
            let script = split(&step.text);
            if refuse(&script.statements[0].act, "k", &was, NOW).is_none() {
                continue;
            }
            if step.error.is_none() && was != is {
                refused.push(step.text);
            }
        }
        // The second time, after DROP … USING TIMESTAMP of the year 5138.
        assert_eq!(refused, ["alter table tw add x1 int"], "{version}");
    }
}

#[test]
fn an_undo_passes_over_what_is_not_there() {
    for version in SERVERS {
        for (step, was, is) in steps(version) {
            let script = split(&step.text);
            let claim = claim(&script.statements[0].act, "k");
            let drops = step.text.starts_with("drop") || step.text.contains(" drop ");
            let shown = format!("{version} {}", step.text);
            // One is refused because of views.
            let kept = step.text == "drop table t" && is.tables.contains_key("t");
            assert_eq!(undone(&claim, &is), drops && !kept, "{shown}");
            if was != is {
                assert!(!undone(&claim, &was), "{shown}");
            }
        }
    }
}
