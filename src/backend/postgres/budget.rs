//! One lock timeout for all the waiting of a transaction (traps P7). Pure.
//!
//! The server's lock_timeout counts for each lock anew. While a transaction waits for its second lock, the application
//! queues behind its first, so what the earlier statements took is taken off what the later ones may wait. The server
//! itself does the sum, between the statements of one string.

use crate::plan::schedule::Unit;
use crate::sql::{Grip, Statement, Verb};
use std::collections::BTreeMap;
use std::time::Duration;

/// When the first lock was asked for, in seconds. A setting of kmig's own name, gone with the transaction.
const SINCE: &str = "kmig.since";

/// What a unit's statements may wait.
#[derive(Debug, Default)]
pub struct Budget {
    /// What is to be sent before a statement, by its index in the part.
    before: BTreeMap<usize, String>,
    /// What is to be sent before the record, so that kmig's own write has the full time.
    last: Option<String>,
    /// The first statement that may wait without end, since nobody queues behind it.
    pub patient: Option<usize>,
}

impl Budget {
    /// The budget of a unit under this lock timeout. A part that sets lock_timeout by itself keeps its own; none at all
    /// has no budget.
    pub fn of(unit: &Unit<'_>, lock_timeout: Duration) -> Self {
        let limit = lock_timeout.as_millis();
        let Some(part) = unit.part.filter(|_| !unit.bare && limit > 0) else {
            return Budget::default();
        };
        let text = &part.file.text;
        let own = |statement: &Statement| {
            let words = statement.span.of(text).to_ascii_lowercase();
            statement.verb == Verb::Setting && words.contains("lock_timeout")
        };
        if part.statements[..unit.range.end].iter().any(own) {
            return Budget::default();
        }
        let grips: Vec<Grip> = part.statements[unit.range.clone()]
            .iter()
            .map(|statement| statement.grip)
            .collect();
        let mut budget = plan(&grips, limit);
        let first = unit.range.start;
        let moved = std::mem::take(&mut budget.before).into_iter();
        budget.before = moved.map(|(at, line)| (at + first, line)).collect();
        budget.patient = budget.patient.map(|at| at + first);
        budget
    }

    /// What is to be sent before a statement of the part.
    pub fn before(&self, at: usize) -> Option<&str> {
        self.before.get(&at).map(String::as_str)
    }

    /// What is to be sent before the record.
    pub fn before_record(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Whether the statement has only what earlier ones of its transaction left.
    pub fn has_what_is_left(&self, at: usize) -> bool {
        self.before(at)
            .is_some_and(|line| line.contains("current_setting"))
    }
}

fn plan(grips: &[Grip], limit: u128) -> Budget {
    let mut budget = Budget::default();
    // What is in force: the session's own timeout, none, or what is left of the budget.
    let (mut patient, mut running, mut light) = (false, false, false);
    for (at, grip) in grips.iter().enumerate() {
        let follows = || grips[at + 1..].iter().any(|grip| *grip != Grip::Nothing);
        let line = match grip {
            Grip::Nothing => None,
            _ if running => Some(left(limit)),
            // Behind rows that an earlier statement holds somebody may queue, for as long as this one waits.
            Grip::Validate if !light => {
                budget.patient.get_or_insert(at);
                (!std::mem::replace(&mut patient, true)).then(|| local("0"))
            }
            Grip::Strong if follows() => {
                running = true;
                Some(started(limit, std::mem::take(&mut patient)))
            }
            _ => {
                light = true;
                std::mem::take(&mut patient).then(|| local(&limit.to_string()))
            }
        };
        if let Some(line) = line {
            budget.before.insert(at, line);
        }
    }
    budget.last = (patient || running).then(|| local(&limit.to_string()));
    budget
}

fn local(limit: &str) -> String {
    format!("SET LOCAL lock_timeout TO {limit}")
}

/// Notes the time; `full` also where the timeout was lifted before.
fn started(limit: u128, full: bool) -> String {
    let full = match full {
        true => format!(", pg_catalog.set_config('lock_timeout', '{limit}', true)"),
        false => String::new(),
    };
    format!(
        "SELECT pg_catalog.set_config('{SINCE}', extract(epoch FROM pg_catalog.clock_timestamp())::text, true){full}"
    )
}

/// What is left of the time, a millisecond at least: 0 would mean no end. A clock that was set back gives no more than
/// all of it; behind a RESET ALL of the part the transaction's begin counts.
fn left(limit: u128) -> String {
    format!(
        "SELECT pg_catalog.set_config('lock_timeout', least({limit}, greatest(1, {limit} - 1000 * \
         (extract(epoch FROM pg_catalog.clock_timestamp())::float8 - coalesce(nullif(pg_catalog.current_setting('{SINCE}', true), '')::float8, \
         extract(epoch FROM pg_catalog.now())::float8))))::bigint::text, true)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines as words: which statement has which, and what the record has.
    fn shape(grips: &[Grip]) -> String {
        let budget = plan(grips, 500);
        let word = |line: Option<&str>| match line {
            None => "-",
            Some(line) if line.contains("current_setting") => "left",
            Some(line) if line.contains(SINCE) && line.contains("'500'") => "start full",
            Some(line) if line.contains(SINCE) => "start",
            Some(line) if line.ends_with(" 0") => "none",
            Some(_) => "full",
        };
        let lines = (0..grips.len()).map(|at| word(budget.before(at)));
        let lines: Vec<_> = lines.chain([word(budget.before_record())]).collect();
        lines.join(" ")
    }

    #[test]
    fn one_lock_costs_no_line() {
        use Grip::{Light, Nothing, Strong};
        assert_eq!(shape(&[Nothing, Strong]), "- - -");
        assert_eq!(shape(&[Strong, Nothing]), "- - -");
        assert_eq!(shape(&[Light, Light, Strong]), "- - - -");
        assert_eq!(shape(&[]), "-");
    }

    #[test]
    fn what_waits_later_has_what_is_left() {
        use Grip::{Light, Nothing, Strong};
        assert_eq!(shape(&[Strong, Strong]), "start left full");
        assert_eq!(
            shape(&[Light, Strong, Nothing, Light, Strong]),
            "- start - left left full"
        );
    }

    #[test]
    fn a_validation_waits_without_end_where_nobody_queues() {
        use Grip::{Light, Nothing, Strong, Validate};
        assert_eq!(shape(&[Validate]), "none full");
        assert_eq!(shape(&[Nothing, Validate, Validate]), "- none - full");
        assert_eq!(shape(&[Validate, Light]), "none full -");
        assert_eq!(shape(&[Validate, Strong]), "none full -");
        assert_eq!(
            shape(&[Validate, Strong, Strong]),
            "none start full left full"
        );
        assert_eq!(shape(&[Light, Validate]), "- - -");
        assert_eq!(shape(&[Strong, Validate]), "start left full");
        assert_eq!(shape(&[Validate, Light, Validate]), "none full - -");
    }
}
