//! What a person is told of a unit that failed: where in the files, what it means, what to run next.

use super::budget::Budget;
use super::fault::Fault;
use super::script::{Failure, Role, Stopped};
use super::watch::Watch;
use super::{Postgres, lock};
use crate::backend::Blocker;
use crate::backend::point::pointed;
use crate::error::Error;
use crate::place::Place;
use crate::plan::schedule::Unit;
use tokio_postgres::error::SqlState;

impl Postgres {
    /// Who was last seen in the way of a statement that makes way again and again.
    pub(super) fn blockers(&self) -> Vec<Blocker> {
        self.watch.as_ref().map(Watch::blockers).unwrap_or_default()
    }

    /// Says of a statement that made way again and again for how long, and for whom; `late` where others of its
    /// transaction had used up its time.
    pub(super) fn waited(&self, error: &mut Error, late: bool) {
        error.message = format!(
            "{} (tried for {} s, each time for {} ms, so that the application never queues behind it for longer)",
            error.message,
            self.options.ddl_deadline.as_secs_f64(),
            self.session.lock_timeout.as_millis()
        );
        if late {
            error.message += "\nthe statements of a transaction share that time, and it is not the first that waits";
        }
        let blockers = self.blockers();
        for blocker in &blockers {
            error.message += &format!("\nin the way: {blocker}");
        }
        let first = if blockers.is_empty() {
            "find who holds the lock (pg_stat_activity, pg_locks)"
        } else {
            "wait for who is in the way, or end it (pg_terminate_backend)"
        };
        let apart = if late {
            ", or give the statement a migration of its own"
        } else {
            ""
        };
        error.next = Some(format!(
            "{first}, then the same command, or with a longer --ddl-deadline{apart}"
        ));
    }

    /// What a person is told of a failed unit.
    pub(super) fn explain(&self, failure: Failure, unit: &Unit<'_>) -> Error {
        let stopped = match failure {
            Failure::Refused(error) => return error,
            Failure::Stopped(stopped) => stopped,
        };
        let division = stopped.fault.is(&SqlState::DIVISION_BY_ZERO);
        let place = place(unit, &stopped);
        let gone = stopped.fault.session_gone();
        let waited = stopped.fault.lock_not_granted();
        let cancelled = stopped.fault.is(&SqlState::QUERY_CANCELED);
        let rights = stopped.fault.is(&SqlState::INSUFFICIENT_PRIVILEGE);
        let mut error = match stopped.line.role {
            Role::Guard if division => lock::lost(),
            Role::Record if division => Error::failed(format!(
                "the record of {} changed while this command ran",
                unit.migration.label()
            )),
            Role::Record if rights => stopped.fault.error().next(self.recorder.names.grant()),
            _ => stopped.fault.error(),
        };
        if let Some(place) = place {
            error = error.at(place);
        }
        if cancelled {
            error.next = Some("the same command, which continues where it stopped".to_string());
        }
        if waited {
            let late = match stopped.line.role {
                Role::User(at) => Budget::of(unit, self.session.lock_timeout).has_what_is_left(at),
                _ => false,
            };
            self.waited(&mut error, late);
        }
        if let Some(index) = &self.left_invalid {
            error.now = Some(format!(
                "the index {index} is left INVALID, since others held up its end too; while it is there, and where it is UNIQUE, writes of the application may fail (23505)"
            ));
            error.next = Some(format!(
                "the same command as soon as those have ended, which drops it first and builds it again; or DROP INDEX CONCURRENTLY {index}"
            ));
        }
        if gone {
            error.now = Some(format!(
                "the connection is gone; whether the transaction that was being sent ({}, {} part) has taken effect is recorded in the database",
                unit.migration.label(),
                unit.kind
            ));
            error.next = Some(
                "once the server answers again, the same command, which continues where it stopped"
                    .to_string(),
            );
        }
        error
    }
}

/// The codes that say that an object is not there: what a half-run up did not make counts as undone.
pub(super) fn absent(fault: &Fault) -> bool {
    [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::UNDEFINED_FUNCTION,
        SqlState::UNDEFINED_OBJECT,
        SqlState::INVALID_SCHEMA_NAME,
    ]
    .iter()
    .any(|code| fault.is(code))
}

/// Where in the files a script stopped: the statement, or the position inside it that the server gave.
pub(super) fn place(unit: &Unit<'_>, stopped: &Stopped) -> Option<Place> {
    let part = unit.part?;
    let span = match stopped.line.role {
        Role::User(at) => return Some(pointed(part, at, stopped.offset)),
        Role::Deferred | Role::Commit => part.statements.get(unit.range.clone())?.last()?.span,
        _ => return None,
    };
    Some(Place::span(&part.file, span))
}
