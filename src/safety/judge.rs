//! Judges parts, batch by batch: which statements trip which rules, which of them are allowed, what is refused.

use super::allow;
use super::before::Before;
use super::{Finding, Harm, Known, Weight, cql, sql};
use crate::error::Diagnostic;
use crate::source::{Dialect, Migration, Part, PartKind};

/// The parts that are judged together, since the old version of the application never saw what any of them made.
#[derive(Debug, Clone, Default)]
pub struct Scope<'a> {
    /// All migrations of the batch in walk order, those included whose up part has run already.
    pub members: Vec<&'a Migration>,
    /// The parts that are to be judged, each with its first statement that is not done.
    pub judged: Vec<(&'a Migration, PartKind, usize)>,
    /// What migrations ahead of the batch make.
    pub before: Before<'a>,
}

impl<'a> Scope<'a> {
    /// Each migration as a batch of its own, with all its parts: what is known without a database.
    pub fn each(migrations: &'a [Migration]) -> Vec<Self> {
        let before = Before::new(migrations);
        let scope = |(at, migration): (usize, &'a Migration)| Scope {
            before: before.of([at]),
            members: vec![migration],
            judged: migration
                .parts
                .keys()
                .map(|&kind| (migration, kind, 0))
                .collect(),
        };
        migrations.iter().enumerate().map(scope).collect()
    }
}

/// Where statements are judged, which decides how much a finding about a lock weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// A database under an application.
    Database,
    /// Nothing: a table of another migration may as well be empty or unused.
    Files,
}

/// A finding with its place and what follows from it.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// The part.
    pub part: &'a Part,
    /// The finding.
    pub finding: Finding,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is run.
    Refused,
    /// An allowance covers it; its reason.
    Allowed(String),
    /// It is shown as a warning: a lock, where there is no database to be locked, or what is only to be known.
    Warned,
    /// It is at home here: a finish or undo part. It is shown in a plan.
    Shown,
}

/// What came of judging.
#[derive(Debug, Clone, Default)]
pub struct Judgement<'a> {
    /// All findings, in walk order.
    pub found: Vec<Found<'a>>,
    /// Allowances that nothing needs.
    pub unneeded: Vec<Diagnostic>,
}

impl<'a> Judgement<'a> {
    /// What stands in the way of a run.
    pub fn refused(&self) -> impl Iterator<Item = &Found<'a>> {
        self.found
            .iter()
            .filter(|found| found.verdict == Verdict::Refused)
    }

    /// The allowances that are used, with their reasons.
    pub fn allowed(&self) -> impl Iterator<Item = (&Found<'a>, &str)> {
        self.found.iter().filter_map(|found| match &found.verdict {
            Verdict::Allowed(reason) => Some((found, reason.as_str())),
            _ => None,
        })
    }
}

/// Judges the parts of each scope with what is known of the database.
pub fn judge<'a>(
    dialect: Dialect,
    scopes: &[Scope<'a>],
    known: &Known,
    against: Against,
) -> Judgement<'a> {
    let mut judgement = Judgement::default();
    for scope in scopes {
        let findings = match dialect {
            Dialect::Postgres => sql::findings(scope, known),
            Dialect::Cassandra => cql::findings(scope, known),
        };
        for (judged, findings) in scope.judged.iter().zip(findings) {
            let &(migration, kind, from) = judged;
            if let Some(part) = migration.part(kind) {
                one_part(
                    dialect,
                    (migration, part, from),
                    findings,
                    against,
                    &mut judgement,
                );
            }
        }
    }
    judgement
}

fn one_part<'a>(
    dialect: Dialect,
    (migration, part, from): (&'a Migration, &'a Part, usize),
    findings: Vec<Finding>,
    against: Against,
    judgement: &mut Judgement<'a>,
) {
    let free = matches!(part.kind, PartKind::Finish | PartKind::Undo);
    let mut allowances = allow::of(dialect, part, from);
    for finding in findings {
        let allowed = allowances.take(&finding);
        let verdict = match (allowed, finding.weight, finding.rule.harm) {
            _ if free => Verdict::Shown,
            (Some(reason), ..) => Verdict::Allowed(reason),
            (None, Weight::Notes, _) => Verdict::Warned,
            (None, _, Harm::Lock) if against == Against::Files => Verdict::Warned,
            (None, ..) => Verdict::Refused,
        };
        judgement.found.push(Found {
            migration,
            part,
            finding,
            verdict,
        });
    }
    judgement.unneeded.extend(allowances.unneeded());
}
