//! `kmig new`.

use super::context::Context;
use super::init::write;
use crate::cli::PartName;
use crate::error::{Error, Result};
use crate::report::Answer;
use crate::source::{Dialect, PartKind, names};
use serde_json::json;

/// Writes the folder of the next migration of a subsystem.
pub fn run(context: &Context, name: &str, subsystem: &str, parts: &[PartName]) -> Result<Answer> {
    let settings = context.settings()?;
    names::subsystem(subsystem).map_err(Error::usage)?;
    let set = context.files()?;
    let words: Vec<&str> = name.split_whitespace().collect();
    let name = words.join("_");
    let number = match set.highest(subsystem) {
        Some(highest) => highest.checked_add(1),
        None => Some(1),
    };
    let width = set
        .migrations
        .iter()
        .filter(|migration| migration.id.subsystem == subsystem)
        .map(|migration| {
            migration
                .name
                .bytes()
                .take_while(u8::is_ascii_digit)
                .count()
        })
        .max()
        .unwrap_or(3)
        .max(3);
    let folder = format!("{:0width$}_{name}", number.unwrap_or(u64::MAX));
    names::migration(&folder).map_err(|why| Error::usage(format!("{name:?}: {why}")))?;
    // A small project that has no subsystem folders stays without.
    let flat = subsystem == names::DEFAULT_SUBSYSTEM
        && !settings.migrations_folder().join(subsystem).is_dir()
        && set.subsystems.iter().any(|known| known == subsystem);
    let place = if flat {
        format!("{}/{folder}", settings.migrations)
    } else {
        format!("{}/{subsystem}/{folder}", settings.migrations)
    };
    let dialect = settings.dialect()?;
    let extension = dialect.extension();
    let mut written = Vec::new();
    for part in parts {
        let part = kind(*part);
        let shown = format!("{place}/{part}.{extension}");
        write(&settings.root.join(&shown), &template(part, dialect))?;
        written.push(shown);
    }
    Ok(Answer::line(format!("Wrote {}.", written.join(", "))).with("written", json!(written)))
}

fn kind(part: PartName) -> PartKind {
    match part {
        PartName::Up => PartKind::Up,
        PartName::Backfill => PartKind::Backfill,
        PartName::Finish => PartKind::Finish,
        PartName::Undo => PartKind::Undo,
        PartName::Check => PartKind::Check,
        PartName::Ready => PartKind::Ready,
    }
}

fn template(part: PartKind, dialect: Dialect) -> String {
    let words = match part {
        PartKind::Up => {
            "Expand: non-destructive. The old version of the application goes on running on what this leaves."
        }
        PartKind::Backfill if dialect == Dialect::Cassandra => {
            "Data work after the expand. kmig finish runs it again, so each statement must leave the same when it is\n-- repeated: no now(), no uuid(), no counters, nothing added to a list."
        }
        PartKind::Backfill => {
            "Data work after the expand, each statement a transaction of its own. kmig finish runs it again until it\n-- changes nothing, so guard it: UPDATE … SET new = … WHERE new IS NULL."
        }
        PartKind::Finish => {
            "Contract: destructive. Run by kmig finish, once the old version of the application is gone."
        }
        PartKind::Undo => "Takes the up part back, as long as its finish has not begun.",
        PartKind::Check => {
            "Asked before up: a SELECT that returns a row for each thing that stands in the way. A row stops everything."
        }
        PartKind::Ready => {
            "Asked before finish: a SELECT that returns a row for each thing that is left to do. A row stops everything."
        }
    };
    format!("-- {words}\n")
}
