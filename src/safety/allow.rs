//! Allowances: `-- kmig:allow RULE because REASON` above a statement, against the findings about it.

use super::{Finding, find, near};
use crate::directive::Allow;
use crate::error::Diagnostic;
use crate::place::Place;
use crate::source::{Dialect, MigrationSet, Part};

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

/// The allowances of a set that name no rule: such a name covers nothing, whatever its writer believes.
pub fn unknown(dialect: Dialect, set: &MigrationSet) -> Vec<Diagnostic> {
    let parts = set.migrations.iter().flat_map(|found| found.parts.values());
    let unknown = parts.flat_map(|part| {
        let allowances = of(dialect, part, 0);
        let each = allowances.each.iter();
        each.filter(|(_, allow, _)| find(dialect, &allow.rule).is_none())
            .map(|(_, allow, _)| {
                let message = format!("there is no safety rule {}", allow.rule);
                let help = match near(dialect, &allow.rule) {
                    Some(near) => {
                        format!("did you mean {near}? kmig check --explain {near} tells of it")
                    }
                    None => "kmig check --explain lists the rules".to_string(),
                };
                allowances.at(allow, message).help(help)
            })
            .collect::<Vec<_>>()
    });
    unknown.collect()
}
