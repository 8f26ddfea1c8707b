//! Every rule is shown by its examples: they trip it, and what is to be written instead passes.

use super::files::{judged, migrations};
use kmig::safety::Verdict;
use kmig::safety::judge::Against;
use kmig::safety::rule::{Example, Rule, rules};
use kmig::source::{Dialect, PartKind};

#[test]
fn every_example_trips_its_rule() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for dialect in Dialect::ALL {
        for rule in rules(dialect) {
            assert!(!rule.examples.is_empty(), "{} has no example", rule.name);
            for example in rule.examples {
                seen += 1;
                wrong.extend(trips(dialect, rule, example));
                wrong.extend(passes(dialect, rule, example));
            }
        }
    }
    assert!(seen > 30, "{seen} examples");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn trips(dialect: Dialect, rule: &Rule, example: &Example) -> Option<String> {
    let parts = [(PartKind::Up, example.setup), (example.part, example.trips)];
    let set = match migrations(dialect, &parts) {
        Ok(set) => set,
        Err(error) => return Some(format!("{}: {}\n    {error}", rule.name, example.trips)),
    };
    let last = set.migrations[1].statements(example.part).checked_sub(1);
    let found = judged(dialect, &set, Against::Database).pop();
    let found = found.unwrap_or_default();
    let mut hits = found.iter();
    let hit = hits.any(|found| found.rule == rule.name && Some(found.statement) == last);
    (!hit).then(|| format!("{}: {}\n    {found:?}", rule.name, example.trips))
}

fn passes(dialect: Dialect, rule: &Rule, example: &Example) -> Option<String> {
    let mut parts = vec![(PartKind::Up, example.setup)];
    parts.extend(example.instead);
    let set = match migrations(dialect, &parts) {
        Ok(set) => set,
        Err(error) => return Some(format!("{}: instead\n    {error}", rule.name)),
    };
    let found = judged(dialect, &set, Against::Database);
    let mut found = found.into_iter().skip(1).flatten();
    let refused = found.find(|found| found.verdict == Verdict::Refused)?;
    Some(format!(
        "{}: what is to be written instead trips {refused:?}",
        rule.name
    ))
}

#[test]
fn names_are_unique() {
    for dialect in Dialect::ALL {
        let mut names: Vec<&str> = rules(dialect).map(|rule| rule.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
