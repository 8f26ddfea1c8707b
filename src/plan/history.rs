//! What a database has recorded, as a value. Pure.

use crate::source::{Migration, MigrationId, PartKind};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// Everything recorded. A database without one is not bootstrapped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// One per migration that was taken on.
    pub applied: BTreeMap<MigrationId, Applied>,
    /// Number of the last batch.
    pub batch: i64,
    /// The application version of the last batch or of the last `up`.
    pub app_version: Option<String>,
    /// The application version before the last batch: an undo brings it back.
    pub version_before: Option<String>,
    /// The lowest application version that fits the schema, once a finish has begun to contract (contract §6.5).
    pub floor: Option<String>,
    /// What it was before the last batch: an undo brings it back.
    pub floor_before: Option<String>,
}

/// One migration as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// `NNN_name` as it was when it was taken on.
    pub name: String,
    /// The batch that it belongs to, from 1.
    pub batch: i64,
    /// The command that took it on.
    pub origin: Origin,
    /// How far it is.
    pub progress: Progress,
    /// Checksum of each part that ran or is running.
    pub checksums: BTreeMap<PartKind, String>,
    /// The application version of its batch.
    pub app_version: Option<String>,
    /// When its first statement was recorded.
    pub started: Option<OffsetDateTime>,
    /// When it became executed.
    pub finished: Option<OffsetDateTime>,
    /// Who ran it last: `user@host`.
    pub by: String,
}

impl Applied {
    /// Whether nothing of it was run yet: it was taken on, and no more.
    pub fn not_begun(&self) -> bool {
        self.progress == Progress::BEGIN && self.checksums.is_empty()
    }

    /// Whether its finish has begun: from here on there is no way back.
    pub fn contracted(&self) -> bool {
        self.checksums.contains_key(&PartKind::Finish)
    }
}

/// Which command took a batch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `bootstrap`: brought to the complete state in one go.
    Bootstrap,
    /// `up`.
    Up,
    /// `adopt`.
    Adopt,
}

impl Origin {
    /// The stored word.
    pub fn word(self) -> &'static str {
        match self {
            Origin::Bootstrap => "bootstrap",
            Origin::Up => "up",
            Origin::Adopt => "adopt",
        }
    }

    /// The origin that a stored word means.
    pub fn from_word(word: &str) -> Option<Self> {
        [Origin::Bootstrap, Origin::Up, Origin::Adopt]
            .into_iter()
            .find(|origin| origin.word() == word)
    }
}

/// How far a recorded migration is. The numbers count statements of the part that are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// In the middle of `up`: this many statements of its up part are done.
    Up(usize),
    /// The up part is done, and this many statements of the backfill.
    Backfill(usize),
    /// Up is done and a finish is owed.
    Pending,
    /// In the middle of `finish`.
    Contracting(usize),
    /// In the middle of `undo`.
    Undoing(usize),
    /// Complete.
    Executed,
}

impl Progress {
    /// Taken on, nothing run.
    pub const BEGIN: Progress = Progress::Up(0);

    /// In the middle of `up`.
    pub fn expanding(self) -> bool {
        matches!(self, Progress::Up(_) | Progress::Backfill(_))
    }

    /// How many statements of a part are done, where it is the one that is running.
    pub fn done_of(self, part: PartKind) -> Option<usize> {
        match self.columns() {
            (_, Some(running), done) if running == part => Some(done),
            _ => None,
        }
    }

    /// The state's word, the running part and the statements done in it, as they are stored.
    pub fn columns(self) -> (&'static str, Option<PartKind>, usize) {
        match self {
            Progress::Up(done) => ("expanding", Some(PartKind::Up), done),
            Progress::Backfill(done) => ("expanding", Some(PartKind::Backfill), done),
            Progress::Pending => ("pending", None, 0),
            Progress::Contracting(done) => ("contracting", Some(PartKind::Finish), done),
            Progress::Undoing(done) => ("undoing", Some(PartKind::Undo), done),
            Progress::Executed => ("executed", None, 0),
        }
    }

    /// Reads what [`Progress::columns`] stores.
    pub fn from_columns(state: &str, part: Option<&str>, done: usize) -> Option<Self> {
        match (state, part) {
            ("expanding", Some("up")) => Some(Progress::Up(done)),
            ("expanding", Some("backfill")) => Some(Progress::Backfill(done)),
            ("pending", None) => Some(Progress::Pending),
            ("contracting", Some("finish")) => Some(Progress::Contracting(done)),
            ("undoing", Some("undo")) => Some(Progress::Undoing(done)),
            ("executed", None) => Some(Progress::Executed),
            _ => None,
        }
    }

    /// Where a migration stands once `done` statements of a part are done; nothing, once its undo is complete.
    ///
    /// The one rule of how a migration moves on: the plan, the executor and the tests all ask it.
    pub fn after(migration: &Migration, part: PartKind, done: usize) -> Option<Self> {
        let complete = done >= migration.statements(part);
        let expanded = || match migration.part(PartKind::Finish) {
            Some(_) => Progress::Pending,
            None => Progress::Executed,
        };
        match part {
            PartKind::Up if !complete => Some(Progress::Up(done)),
            PartKind::Up if migration.part(PartKind::Backfill).is_some() => {
                Some(Progress::Backfill(0))
            }
            PartKind::Up => Some(expanded()),
            PartKind::Backfill if !complete => Some(Progress::Backfill(done)),
            PartKind::Backfill => Some(expanded()),
            PartKind::Finish if !complete => Some(Progress::Contracting(done)),
            PartKind::Finish => Some(Progress::Executed),
            PartKind::Undo if !complete => Some(Progress::Undoing(done)),
            PartKind::Undo => None,
            // Check and ready parts only ask, and move nothing.
            PartKind::Check | PartKind::Ready => Some(Progress::BEGIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_round_trips_through_its_columns() {
        for progress in [
            Progress::Up(0),
            Progress::Up(3),
            Progress::Backfill(2),
            Progress::Pending,
            Progress::Contracting(1),
            Progress::Undoing(4),
            Progress::Executed,
        ] {
            let (state, part, done) = progress.columns();
            let read = Progress::from_columns(state, part.map(PartKind::name), done);
            assert_eq!(read, Some(progress));
        }
        assert_eq!(Progress::from_columns("pending", Some("up"), 0), None);
        assert_eq!(Progress::from_columns("dirty", None, 0), None);
    }
}
