//! The comparison of files and history: one function, used by the plan, by `status` and by every hint. Pure.

use super::history::{Applied, History, Origin, Progress};
use crate::error::Exit;
use crate::source::{Migration, MigrationId, MigrationSet, PartKind, names};
use std::collections::{BTreeMap, BTreeSet};

/// Files and history side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaState {
    /// One row per migration, of the files in walk order, then those that only the database knows.
    pub rows: Vec<Row>,
    /// Whether the database has a history at all.
    pub bootstrapped: bool,
}

/// One migration in files and database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Identity.
    pub id: MigrationId,
    /// `NNN_name`: the file's, or the recorded one where there is no file.
    pub name: String,
    /// What is recorded of it.
    pub applied: Option<Applied>,
    /// Where files and database disagree on it.
    pub disagreement: Option<Disagreement>,
}

/// How files and database can disagree on a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disagreement {
    /// Parts that ran differ from what is recorded, one line each.
    Changed(Vec<String>),
    /// Recorded, not among the files, though these hold a higher number of the subsystem.
    Missing,
    /// Recorded above the highest file, or in a subsystem that the files do not know.
    Ahead,
    /// A new file numbered below something already recorded in its subsystem.
    Late,
}

impl Disagreement {
    /// Its word in `status` and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Disagreement::Changed(_) => "changed",
            Disagreement::Missing => "missing",
            Disagreement::Ahead => "ahead",
            Disagreement::Late => "late",
        }
    }

    /// What was found, one line each.
    pub fn details(&self) -> Vec<String> {
        let line = match self {
            Disagreement::Changed(what) => return what.clone(),
            Disagreement::Missing => "it is recorded, but its folder is not among the files",
            Disagreement::Ahead => "it belongs to a newer version of the files",
            Disagreement::Late => "it is new, but numbered below what is recorded already",
        };
        vec![line.to_string()]
    }
}

impl Row {
    /// `subsystem/NNN_name`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.id.subsystem, self.name)
    }

    /// The state's word. A batch's member that is not begun is still new.
    pub fn word(&self) -> &'static str {
        match &self.applied {
            None => "new",
            Some(applied) if applied.not_begun() => "new",
            Some(applied) => applied.progress.columns().0,
        }
    }

    fn is(&self, test: impl Fn(&Applied) -> bool) -> bool {
        self.applied.as_ref().is_some_and(test)
    }
}

/// The step that is due, as `status --exit-code`, `wait` and the hints see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// `kmig bootstrap`, or the same again after an interruption.
    Bootstrap,
    /// Files and database disagree: a person has to look.
    Resolve,
    /// The database belongs to a newer version of the files.
    Ahead,
    /// An interrupted `up`: the same again.
    ResumeUp,
    /// An interrupted `undo`: the same again.
    ResumeUndo,
    /// `kmig finish`.
    Finish,
    /// `kmig up`.
    Up,
    /// Nothing.
    Nothing,
}

impl Due {
    /// The exit code that stands for it.
    pub fn exit(self) -> Exit {
        match self {
            Due::Bootstrap => Exit::NeedsBootstrap,
            Due::Resolve => Exit::Disagree,
            Due::Ahead => Exit::Ahead,
            Due::ResumeUp | Due::ResumeUndo | Due::Up => Exit::New,
            Due::Finish => Exit::Pending,
            Due::Nothing => Exit::Done,
        }
    }

    /// The command to run next, where it is one.
    pub fn command(self) -> Option<&'static str> {
        match self {
            Due::Bootstrap => Some("kmig bootstrap"),
            Due::ResumeUp | Due::Up => Some("kmig up"),
            Due::ResumeUndo => Some("kmig undo"),
            Due::Finish => Some("kmig finish"),
            Due::Resolve | Due::Ahead | Due::Nothing => None,
        }
    }
}

impl SchemaState {
    /// Compares. No history means not bootstrapped.
    pub fn compare(set: &MigrationSet, history: Option<&History>) -> Self {
        let empty = BTreeMap::new();
        let applied = history.map_or(&empty, |history| &history.applied);
        let mut highest_recorded: BTreeMap<&str, u64> = BTreeMap::new();
        for (id, recorded) in applied {
            if !recorded.not_begun() {
                let highest = highest_recorded.entry(&id.subsystem).or_default();
                *highest = (*highest).max(id.number);
            }
        }
        let mut rows: Vec<Row> = set
            .migrations
            .iter()
            .map(|migration| {
                let recorded = applied.get(&migration.id);
                let disagreement = match recorded {
                    Some(recorded) => changed(migration, recorded),
                    None => highest_recorded
                        .get(migration.id.subsystem.as_str())
                        .is_some_and(|highest| migration.id.number < *highest)
                        .then_some(Disagreement::Late),
                };
                Row {
                    id: migration.id.clone(),
                    name: migration.name.clone(),
                    applied: recorded.cloned(),
                    disagreement,
                }
            })
            .collect();
        let files: BTreeSet<&MigrationId> = set.migrations.iter().map(|found| &found.id).collect();
        for (id, recorded) in applied {
            if files.contains(id) || recorded.not_begun() {
                continue;
            }
            let above = set
                .highest(&id.subsystem)
                .is_none_or(|highest| id.number > highest);
            rows.push(Row {
                id: id.clone(),
                name: recorded.name.clone(),
                applied: Some(recorded.clone()),
                disagreement: Some(if above {
                    Disagreement::Ahead
                } else {
                    Disagreement::Missing
                }),
            });
        }
        SchemaState {
            rows,
            bootstrapped: history.is_some(),
        }
    }

    /// Rows that are changed, missing or late.
    pub fn disagreements(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| {
            row.disagreement
                .as_ref()
                .is_some_and(|found| *found != Disagreement::Ahead)
        })
    }

    /// Rows that only a newer version of the files knows.
    pub fn ahead(&self) -> impl Iterator<Item = &Row> {
        self.rows
            .iter()
            .filter(|row| row.disagreement == Some(Disagreement::Ahead))
    }

    /// New rows: no file of them has run.
    pub fn new_rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.word() == "new")
    }

    /// Rows whose finish is owed or in the middle.
    pub fn pending(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| {
            row.is(|applied| {
                matches!(
                    applied.progress,
                    Progress::Pending | Progress::Contracting(_)
                )
            })
        })
    }

    /// Whether a bootstrap was begun and is not complete.
    pub fn bootstrap_interrupted(&self) -> bool {
        self.rows.iter().any(|row| {
            row.is(|applied| {
                applied.origin == Origin::Bootstrap && applied.progress != Progress::Executed
            })
        })
    }

    /// Whether an `up` was begun and is not complete.
    pub fn up_interrupted(&self) -> bool {
        self.rows
            .iter()
            .any(|row| row.is(|applied| applied.progress.expanding()))
    }

    /// Whether an `undo` was begun and is not complete.
    pub fn undo_interrupted(&self) -> bool {
        self.rows
            .iter()
            .any(|row| row.is(|applied| matches!(applied.progress, Progress::Undoing(_))))
    }

    /// Rows of the files whose expand is not complete.
    pub fn not_expanded(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| {
            row.disagreement.is_none() && matches!(row.word(), "new" | "expanding" | "undoing")
        })
    }

    /// The first that holds of: 3 · 8 · 9 · 5 (interrupted) · 4 · 5 (new) · 0 (contract §3).
    pub fn due(&self) -> Due {
        if !self.bootstrapped || self.bootstrap_interrupted() {
            Due::Bootstrap
        } else if self.disagreements().next().is_some() {
            Due::Resolve
        } else if self.ahead().next().is_some() {
            Due::Ahead
        } else if self.undo_interrupted() {
            Due::ResumeUndo
        } else if self.up_interrupted() {
            Due::ResumeUp
        } else if self.pending().next().is_some() {
            Due::Finish
        } else if self.new_rows().next().is_some() {
            Due::Up
        } else {
            Due::Nothing
        }
    }
}

/// What differs between a file and its record: another name, a part that ran and was edited or is gone, and a part
/// that appeared after its time was over.
fn changed(migration: &Migration, applied: &Applied) -> Option<Disagreement> {
    let mut what = Vec::new();
    if !applied.not_begun() && names::change(&migration.name) != names::change(&applied.name) {
        what.push(format!("it was recorded as {}", applied.name));
    }
    for part in PartKind::SEALED {
        let recorded = applied.checksums.get(&part);
        match (recorded, migration.part(part)) {
            (Some(recorded), Some(file)) => {
                let running = applied.progress.done_of(part);
                let fits = match (running, applied.progress) {
                    (Some(done), _) => *recorded == file.begun(done),
                    // What is taken back may have been half-run.
                    (None, Progress::Undoing(_)) => {
                        (0..=file.len()).any(|done| *recorded == file.seal(done))
                    }
                    (None, _) => *recorded == file.checksum,
                };
                if !fits {
                    what.push(match running {
                        Some(_) => format!("its {part} part was edited where it had run already"),
                        None => format!("its {part} part was edited after it ran"),
                    });
                }
            }
            (Some(_), None) => what.push(format!("its {part} part is gone")),
            (None, Some(_)) if over(part, applied.progress) => {
                what.push(format!("its {part} part was added after its time"));
            }
            _ => {}
        }
    }
    (!what.is_empty()).then_some(Disagreement::Changed(what))
}

/// Whether the time of a part has passed without it.
pub fn over(part: PartKind, progress: Progress) -> bool {
    match progress {
        // An undo part may be written as long as it is not needed.
        _ if part == PartKind::Undo => false,
        Progress::Executed => true,
        Progress::Pending | Progress::Contracting(_) => part != PartKind::Finish,
        Progress::Backfill(_) => part == PartKind::Up,
        Progress::Up(_) | Progress::Undoing(_) => false,
    }
}
