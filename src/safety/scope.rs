//! Which parts are judged together: those of a plan, with the batch that they belong to.

use super::before::Before;
use super::judge::Scope;
use crate::plan::history::{History, Progress};
use crate::plan::{Batch, Plan};
use crate::source::{Migration, MigrationId, MigrationSet, PartKind};
use std::collections::BTreeSet;

impl<'a> Scope<'a> {
    /// The parts that a plan is about to run. The batch has the migrations that the plan takes on and, where it goes on
    /// with one, those that are recorded in it.
    pub fn of_plan(set: &'a MigrationSet, history: Option<&History>, plan: &Plan) -> Self {
        let steps: BTreeSet<&MigrationId> = plan.steps.iter().map(|step| &step.id).collect();
        let taken = plan.batch.iter().flat_map(|batch: &Batch| &batch.take);
        let taken: BTreeSet<&MigrationId> = taken.collect();
        let recorded = |id: &MigrationId| {
            let number = |id: &MigrationId| {
                let applied = history.and_then(|history| history.applied.get(id));
                applied.map(|applied| applied.batch)
            };
            let own = number(id);
            own.is_some() && steps.iter().any(|step| number(step) == own)
        };
        let is_member = |id: &MigrationId| steps.contains(id) || taken.contains(id) || recorded(id);
        let members = set.migrations.iter().enumerate();
        let members = members.filter(|(_, found)| is_member(&found.id));
        let (places, members): (Vec<usize>, Vec<&Migration>) = members.unzip();
        let judged = plan.steps.iter().filter_map(|step| {
            let migration = set.get(&step.id)?;
            Some((migration, step.part, step.from))
        });
        Scope {
            members,
            judged: judged.collect(),
            before: Before::new(&set.migrations).of(places),
        }
    }

    /// What is not recorded as expanded, as one batch: what `up` would take on, and the finish parts that would follow.
    pub fn of_new(set: &'a MigrationSet, history: Option<&History>) -> Self {
        let applied = |id: &MigrationId| history.and_then(|history| history.applied.get(id));
        let is_new =
            |id: &MigrationId| applied(id).is_none_or(|applied| applied.progress.expanding());
        let expanding: BTreeSet<i64> = set
            .migrations
            .iter()
            .filter_map(|found| applied(&found.id))
            .filter(|applied| applied.progress.expanding())
            .map(|applied| applied.batch)
            .collect();
        let is_member = |id: &MigrationId| {
            is_new(id) || applied(id).is_some_and(|applied| expanding.contains(&applied.batch))
        };
        let mut scope = Scope::default();
        let mut places = Vec::new();
        for (at, migration) in set.migrations.iter().enumerate() {
            if !is_member(&migration.id) {
                continue;
            }
            places.push(at);
            scope.members.push(migration);
            if !is_new(&migration.id) {
                continue;
            }
            let progress = applied(&migration.id).map(|applied| applied.progress);
            for &kind in migration.parts.keys() {
                let done = progress.map_or(0, |progress| match (progress, kind) {
                    (Progress::Backfill(_), PartKind::Up) => migration.statements(kind),
                    (progress, kind) => progress.done_of(kind).unwrap_or(0),
                });
                scope.judged.push((migration, kind, done));
            }
        }
        scope.before = Before::new(&set.migrations).of(places);
        scope
    }

    /// The words of the judged parts that may be names, as a database stores them.
    pub fn words(&self) -> Vec<String> {
        let mut words = BTreeSet::new();
        for (migration, kind, from) in &self.judged {
            let Some(part) = migration.part(*kind) else {
                continue;
            };
            for statement in part.statements.iter().skip(*from) {
                for span in crate::sql::names(&part.file.text, statement.span) {
                    words.extend(crate::sql::name(span.of(&part.file.text)).map(|name| name.name));
                }
            }
        }
        words.into_iter().collect()
    }
}
