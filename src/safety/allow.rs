//! Allowances: `-- kmig:allow RULE because REASON` above a statement, against the findings about it.

use super::{Finding, find, near};
use crate::directive::Allow;
use crate::error::Diagnostic;
use crate::place::Place;
use crate::source::{Dialect, Part};

/// The allowances of a part, and which of them were needed.
pub struct Allowances<'a> {
    dialect: Dialect,
    part: &'a Part,
    each: Vec<(usize, &'a Allow, bool)>,
}

/// Those above the statements that are not done.
pub fn of(dialect: Dialect, part: &Part, from: usize) -> Allowances<'_> {
    let sql = part.statements.iter().map(|found| &found.directives.allow);
    let cql = part.cql.iter().map(|found| &found.directives.allow);
    let each = sql.chain(cql).enumerate().skip(from);
    Allowances {
        dialect,
        part,
        each: each
            .flat_map(|(at, allows)| allows.iter().map(move |allow| (at, allow, false)))
            .collect(),
    }
}

impl Allowances<'_> {
    /// The reason why a finding is fine, where one is given.
    pub fn take(&mut self, finding: &Finding) -> Option<String> {
        let fits = |(at, allow, _): &&mut (usize, &Allow, bool)| {
            *at == finding.statement && allow.rule == finding.rule.name
        };
        let (_, allow, needed) = self.each.iter_mut().find(fits)?;
        *needed = true;
        Some(allow.reason.clone())
    }

    /// Those that name no rule.
    pub fn unknown(&self) -> Vec<Diagnostic> {
        let unknown = |allow: &&Allow| find(self.dialect, &allow.rule).is_none();
        let allows = self.each.iter().map(|(_, allow, _)| *allow);
        allows
            .filter(|allow| unknown(allow))
            .map(|allow| {
                let help = match near(self.dialect, &allow.rule) {
                    Some(near) => {
                        format!("did you mean {near}? kmig check --explain {near} tells of it")
                    }
                    None => "kmig check --explain lists the rules".to_string(),
                };
                self.at(allow, format!("there is no safety rule {}", allow.rule))
                    .help(help)
            })
            .collect()
    }

    /// Those that nothing needs.
    pub fn unneeded(&self) -> Vec<Diagnostic> {
        let unneeded = self
            .each
            .iter()
            .filter(|(_, allow, needed)| !needed && find(self.dialect, &allow.rule).is_some());
        unneeded
            .map(|(_, allow, _)| {
                self.at(
                    allow,
                    format!("nothing needs this allowance of {}", allow.rule),
                )
                .help("remove it, so that it does not cover what is written later")
            })
            .collect()
    }

    fn at(&self, allow: &Allow, message: String) -> Diagnostic {
        Diagnostic::at(Place::span(&self.part.file, allow.span), message)
    }
}
