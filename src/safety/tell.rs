//! Findings in words: where, what, why, what to write instead, what to type.

use super::judge::{Found, Judgement, Verdict};
use super::rule::{Goes, Rule};
use crate::error::{Diagnostic, Error, Exit};
use crate::source::Dialect;
use std::fmt::Write;

impl Found<'_> {
    /// The finding as a problem at its place.
    pub fn diagnostic(&self) -> Diagnostic {
        let finding = &self.finding;
        let rule = finding.rule;
        let place = self.part.place_of(finding.statement, finding.span);
        let message = format!("{}: {}", rule.name, finding.message);
        let stops = self.verdict == Verdict::Refused;
        Diagnostic {
            help: Some(help(self, stops)),
            rule: Some(rule.name),
            warning: !stops,
            ..Diagnostic::at(place, message)
        }
    }
}

fn help(found: &Found<'_>, stops: bool) -> String {
    let rule = found.finding.rule;
    let mut help = match stops {
        true => format!("{}\n{}", rule.why, rule.instead),
        false => format!("kmig check --explain {} tells why", rule.name),
    };
    if let Some(statement) = &found.finding.rewritten {
        let _ = write!(help, "\n    {}", statement.replace('\n', "\n    "));
    }
    if let Verdict::Allowed(reason) = &found.verdict {
        let _ = write!(help, "\nallowed here: {reason}");
    } else if stops {
        let _ = write!(help, "\n{}", way_on(rule));
    }
    help
}

/// What to type where a finding stops a run.
fn way_on(rule: &Rule) -> String {
    let goes = match rule.goes {
        Goes::Nowhere | Goes::Declared => String::new(),
        part => format!("it goes {}; ", part.words()),
    };
    format!(
        "{goes}if it is fine here, write above the statement: -- kmig:allow {} because REASON",
        rule.name
    )
}

impl Judgement<'_> {
    /// All that is refused, and beside it what is only to be known, as one error; none where nothing is refused.
    pub fn error(&self, now: &str) -> Option<Error> {
        let refused = self.refused().count();
        if refused == 0 {
            return None;
        }
        let statements = if refused == 1 {
            "finding stands"
        } else {
            "findings stand"
        };
        let mut error = Error::new(
            Exit::Refused,
            format!("{refused} {statements} in the way of an up that takes nothing from the old version"),
        )
        .now(now)
        .next("mend what is marked or allow it with a reason, then the same command; kmig check --explain RULE tells more of a rule");
        error.diagnostics = self
            .found
            .iter()
            .filter(|found| found.verdict == Verdict::Refused)
            .map(Found::diagnostic)
            .collect();
        Some(error)
    }

    /// Allowances that nothing needs, as warnings.
    pub fn unneeded(&self) -> Vec<Diagnostic> {
        self.unneeded
            .iter()
            .cloned()
            .map(Diagnostic::warning)
            .collect()
    }

    /// What is only to be known: warnings about statements, and allowances that nothing needs.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let warned = self
            .found
            .iter()
            .filter(|found| found.verdict == Verdict::Warned)
            .map(Found::diagnostic);
        warned.chain(self.unneeded()).collect()
    }
}

/// A rule for `--explain`: what it saves from, why, what to write instead, with examples.
pub fn explain(rule: &Rule) -> String {
    let mut text = format!("{}: {}\n\n{}\n\n", rule.name, rule.harm.words(), rule.why);
    let _ = writeln!(text, "Instead: {}", rule.instead);
    let _ = writeln!(text, "Such a statement goes {}.", rule.goes.words());
    for example in rule.examples {
        let _ = writeln!(text, "\nTrips it, in the {} part:\n", example.part);
        indented(&mut text, example.trips);
        if let Some(seen) = &example.seen {
            for (relation, lock) in seen.locks {
                let _ = writeln!(text, "\n  {} on {relation}: {}", lock.mode(), lock.words());
            }
            for (what, relations) in [
                ("read to the end", seen.scans),
                ("rewritten", seen.rewrites),
            ] {
                if !relations.is_empty() {
                    let _ = writeln!(text, "  {what}: {}", relations.join(", "));
                }
            }
        }
        for (part, statement) in example.instead {
            let _ = writeln!(text, "\nPasses, in the {part} part of a migration:\n");
            indented(&mut text, statement);
        }
    }
    let _ = write!(
        text,
        "\nWhere it is fine all the same, write above the statement:\n\n    -- kmig:allow {} because REASON",
        rule.name
    );
    text
}

fn indented(text: &mut String, statements: &str) {
    for line in statements.lines() {
        let _ = writeln!(text, "    {line}");
    }
}

/// The rules of a language, one a line.
pub fn list(dialect: Dialect) -> String {
    let lines = super::rules(dialect).map(|rule| format!("{:28} {}", rule.name, rule.harm.words()));
    lines.collect::<Vec<_>>().join("\n")
}
