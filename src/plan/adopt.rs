//! What `adopt` does: which migrations a database has already, and which objects must be there to prove it. Pure.

use super::history::{History, Origin, Progress};
use super::refusal::Refusal;
use super::state::{Disagreement, Row, SchemaState};
use super::{Batch, in_agreement, recorded};
use crate::place::Span;
use crate::source::{Migration, MigrationId, MigrationSet, Part, PartKind};
use crate::sql::made::{Effect, Kind, Object, effects, same};
use crate::sql::{Class, Name};
use std::collections::{BTreeMap, BTreeSet};

/// What is adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption<'a> {
    /// The migrations to be marked as executed, and members not begun of an interrupted batch, which are new again.
    pub batch: Batch,
    /// What their parts made by name and left there.
    pub wanted: Vec<Wanted<'a>>,
}

impl Default for Adoption<'_> {
    /// Nothing to adopt.
    fn default() -> Self {
        Adoption {
            batch: Batch {
                number: 0,
                origin: Origin::Adopt,
                take: Vec::new(),
                leave: Vec::new(),
                undo: None,
                app_version: None,
            },
            wanted: Vec::new(),
        }
    }
}

/// An object that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The object, as it is called after all parts.
    pub object: Object,
    /// The part that made it.
    pub part: &'a Part,
    /// The statement that made it.
    pub span: Span,
    /// Session settings above that statement: its names mean what these say.
    pub settings: Vec<&'a str>,
}

/// Decides what `adopt` marks: every migration of a baseline's subsystem up to the baseline. `version` is the
/// application version that the database has, where the user said so.
///
/// # Errors
/// The reason why nothing may be marked.
pub fn plan<'a>(
    set: &'a MigrationSet,
    history: Option<&History>,
    depends_on: &BTreeMap<String, Vec<String>>,
    baselines: &[MigrationId],
    version: Option<&str>,
) -> Result<Adoption<'a>, Refusal> {
    let state = SchemaState::compare(set, history);
    let tops = tops(set, baselines)?;
    in_agreement(&state)?;
    let within = |id: &MigrationId| {
        let top = tops.get(id.subsystem.as_str());
        top.is_some_and(|top| id.number <= *top)
    };
    let late = state
        .disagreements()
        .filter(|row| row.disagreement == Some(Disagreement::Late) && within(&row.id));
    if let Some(refusal) = Refusal::of_disagreements(late) {
        return Err(refusal);
    }
    let members: Vec<&Migration> = set
        .migrations
        .iter()
        .filter(|migration| within(&migration.id))
        .filter(|migration| {
            let applied = recorded(history, migration);
            applied.is_none_or(|applied| applied.progress != Progress::Executed)
        })
        .collect();
    if !members.is_empty() {
        settled(&state)?;
        needs_met(set, history, depends_on, &tops)?;
    }
    let applied = history.into_iter().flat_map(|history| &history.applied);
    let leave: Vec<MigrationId> = applied
        .filter(|(_, applied)| applied.not_begun())
        .map(|(id, _)| id.clone())
        .collect();
    // The version of a batch that leaves without a statement never came to be.
    let known = history.and_then(|history| match leave.is_empty() {
        true => history.app_version.clone(),
        false => history.version_before.clone(),
    });
    Ok(Adoption {
        wanted: wanted(&members),
        batch: Batch {
            number: history.map_or(1, |history| history.batch + 1),
            origin: Origin::Adopt,
            take: members.iter().map(|found| found.id.clone()).collect(),
            leave,
            undo: None,
            app_version: version.map(str::to_string).or(known),
        },
    })
}

/// The baseline's number of each subsystem that is named.
fn tops<'a>(
    set: &MigrationSet,
    baselines: &'a [MigrationId],
) -> Result<BTreeMap<&'a str, u64>, Refusal> {
    let mut tops = BTreeMap::new();
    for id in baselines {
        if set.get(id).is_none() {
            let name = format!("{}/{}", id.subsystem, id.number);
            return Err(Refusal::NoSuchMigration(name));
        }
        let before = tops.insert(id.subsystem.as_str(), id.number);
        if before.is_some_and(|before| before != id.number) {
            return Err(Refusal::TwoBaselines(id.subsystem.clone()));
        }
    }
    Ok(tops)
}

/// Refuses in the middle of a batch. One of which nothing was run is no hindrance: it may have failed just because the
/// tables were there.
fn settled(state: &SchemaState) -> Result<(), Refusal> {
    let begun = |row: &&Row| {
        let applied = row.applied.as_ref();
        applied.is_some_and(|applied| !applied.not_begun())
    };
    let open = |test: fn(Progress) -> bool| {
        state.rows.iter().filter(begun).any(|row| {
            let applied = row.applied.as_ref();
            applied.is_some_and(|applied| test(applied.progress))
        })
    };
    let bootstrap = state.rows.iter().filter(begun).any(|row| {
        row.applied.as_ref().is_some_and(|applied| {
            applied.origin == Origin::Bootstrap && applied.progress != Progress::Executed
        })
    });
    if bootstrap {
        Err(Refusal::NeedsBootstrap { interrupted: true })
    } else if state.undo_interrupted() {
        Err(Refusal::UndoInterrupted)
    } else if open(Progress::expanding) {
        Err(Refusal::UpInterrupted)
    } else if state.pending().next().is_some() {
        Err(Refusal::AdoptPending(
            state.pending().map(Row::label).collect(),
        ))
    } else {
        Ok(())
    }
}

/// Refuses where a subsystem that a named one depends on has neither a baseline nor anything executed.
fn needs_met(
    set: &MigrationSet,
    history: Option<&History>,
    depends_on: &BTreeMap<String, Vec<String>>,
    tops: &BTreeMap<&str, u64>,
) -> Result<(), Refusal> {
    let applied = history.into_iter().flat_map(|history| &history.applied);
    let known: BTreeSet<&str> = applied
        .filter(|(_, applied)| applied.progress == Progress::Executed)
        .map(|(id, _)| id.subsystem.as_str())
        .chain(tops.keys().copied())
        .collect();
    let mut open: Vec<&str> = tops.keys().copied().collect();
    let mut seen = BTreeSet::new();
    while let Some(subsystem) = open.pop() {
        for needs in depends_on.get(subsystem).into_iter().flatten() {
            let mut files = set.migrations.iter().rev();
            let last = files.find(|migration| migration.id.subsystem == *needs);
            if let Some(last) = last.filter(|_| !known.contains(needs.as_str())) {
                return Err(Refusal::BaselineNeeded {
                    subsystem: subsystem.to_string(),
                    needs: needs.clone(),
                    last: last.label(),
                });
            }
            if seen.insert(needs) {
                open.push(needs);
            }
        }
    }
    Ok(())
}

/// What the parts of these migrations made by name, less what later ones of them dropped, under its last name.
fn wanted<'a>(members: &[&'a Migration]) -> Vec<Wanted<'a>> {
    let mut there = There::default();
    for migration in members {
        for kind in [PartKind::Up, PartKind::Backfill, PartKind::Finish] {
            let Some(part) = migration.part(kind) else {
                continue;
            };
            let mut settings = Vec::new();
            for statement in &part.statements {
                let text = statement.span.of(&part.file.text);
                if statement.class == Class::Session {
                    settings.push(text);
                }
                for effect in effects(&part.file.text, statement.span) {
                    there.take(effect, |object| Wanted {
                        object,
                        part,
                        span: statement.span,
                        settings: settings.clone(),
                    });
                }
            }
        }
    }
    there.0
}

/// What is there after some statements. Where a name may mean several objects, fewer are kept, so that nothing is
/// missed that need not be there.
#[derive(Default)]
struct There<'a>(Vec<Wanted<'a>>);

impl<'a> There<'a> {
    fn take(&mut self, effect: Effect, wanted: impl Fn(Object) -> Wanted<'a>) {
        match effect {
            Effect::Makes(object) => {
                self.0.retain(|found| found.object != object);
                self.0.push(wanted(object));
            }
            Effect::Drops(object, cascade) => self.gone(&object, cascade),
            Effect::Renames(object, to) => self.renamed(&object, &to),
            Effect::Moves(object, to) => self.moved(&object, &to),
            Effect::Owns(object, table) => {
                for found in self.matching(&object) {
                    found.object.of = Some(table.clone());
                }
            }
        }
    }

    fn matching(&mut self, object: &Object) -> impl Iterator<Item = &mut Wanted<'a>> {
        let all = self.0.iter_mut();
        all.filter(|found| found.object.matches(object))
    }

    fn gone(&mut self, object: &Object, cascade: bool) {
        let mut tables: Vec<_> = own_table(object).into_iter().collect();
        self.0.retain(|found| {
            let found = &found.object;
            let schema = Some(&object.name.name);
            let within = object.kind == Kind::Schema
                && (found.name.schema.as_ref() == schema
                    || found.of.as_ref().and_then(|of| of.schema.as_ref()) == schema);
            // With a column go the indexes over it, and the sequence that it owns.
            let over = object.kind == Kind::Column
                && matches!(found.kind, Kind::Index | Kind::Sequence)
                && object
                    .of
                    .as_ref()
                    .is_some_and(|table| found.goes_with(table));
            let matches = found.matches(object);
            if matches && found.kind == Kind::Table {
                tables.push(found.name.clone());
            }
            !(matches || within || over || (cascade && found.kind.depends_on(object.kind)))
        });
        while let Some(table) = tables.pop() {
            self.0.retain(|found| {
                let goes = found.object.goes_with(&table);
                if goes && found.object.kind == Kind::Table {
                    tables.push(found.object.name.clone());
                }
                !goes
            });
        }
        self.columns_of_partitions(object);
    }

    /// What is done to a column of a parent is done to those of its partitions.
    fn columns_of_partitions(&mut self, object: &Object) {
        let (Kind::Column, Some(table)) = (object.kind, &object.of) else {
            return;
        };
        let partitions = self.0.iter().map(|found| &found.object);
        let partitions: Vec<_> = partitions
            .filter(|found| found.kind == Kind::Table && found.goes_with(table))
            .map(|found| found.name.clone())
            .collect();
        self.0.retain(|found| {
            let found = &found.object;
            let same_column = found.kind == Kind::Column && found.name == object.name;
            let touched = same_column || found.kind == Kind::Index;
            !(touched && partitions.iter().any(|table| found.goes_with(table)))
        });
    }

    fn renamed(&mut self, object: &Object, to: &str) {
        if self.matching(object).count() > 1 {
            self.gone(object, false);
            return;
        }
        self.columns_of_partitions(object);
        let mut table = own_table(object);
        for found in self.matching(object) {
            if found.object.kind == Kind::Table {
                table = Some(found.object.name.clone());
            }
            found.object.name.name = to.to_string();
        }
        for found in &mut self.0 {
            let found = &mut found.object;
            if object.kind == Kind::Schema {
                let names = std::iter::once(&mut found.name).chain(&mut found.of);
                for schema in names.filter_map(|name| name.schema.as_mut()) {
                    if *schema == object.name.name {
                        *schema = to.to_string();
                    }
                }
            } else if let (Some(table), Some(of)) = (&table, &mut found.of)
                && same(of, table)
            {
                of.name = to.to_string();
            }
        }
    }

    fn moved(&mut self, object: &Object, to: &str) {
        // Several objects of this name, or an extension, whose own name has no schema: what moved cannot be told.
        if object.kind == Kind::Extension || self.matching(object).count() > 1 {
            self.gone(object, true);
            return;
        }
        let mut table = own_table(object);
        for found in self.matching(object) {
            if found.object.kind == Kind::Table {
                table = Some(found.object.name.clone());
            }
            found.object.name.schema = Some(to.to_string());
        }
        let Some(table) = table else {
            return;
        };
        for found in &mut self.0 {
            let found = &mut found.object;
            if !found.goes_with(&table) {
                continue;
            }
            if matches!(found.kind, Kind::Index | Kind::Sequence) {
                found.name.schema = Some(to.to_string());
            }
            if let Some(of) = &mut found.of {
                of.schema = Some(to.to_string());
            }
        }
    }
}

/// The table that a statement names, which may be older than what is adopted.
fn own_table(object: &Object) -> Option<Name> {
    (object.kind == Kind::Table).then(|| object.name.clone())
}

#[cfg(test)]
mod tests;
