//! Every reason why a command may not run, as data, with its exit code and the way on. Pure.

use super::state::{Disagreement, Due, SchemaState};
use crate::error::{Error, Exit};

/// Why a command did nothing. Nothing was touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no history, or a bootstrap was interrupted.
    NeedsBootstrap {
        /// Whether a bootstrap was begun.
        interrupted: bool,
    },
    /// The bootstrap is complete, and something else is due.
    AlreadyBootstrapped(Due),
    /// Changed, missing or late migrations.
    Disagreement(Vec<(String, Disagreement)>),
    /// The database has migrations that the files do not know.
    Ahead {
        /// Those migrations.
        unknown: Vec<String>,
        /// Files that are not applied there.
        own: Vec<String>,
    },
    /// New migrations while an older batch is pending.
    PendingFirst {
        /// Migrations whose finish is owed.
        pending: Vec<String>,
        /// New migrations.
        new: Vec<String>,
    },
    /// An `up` was interrupted and has to be completed first.
    UpInterrupted,
    /// An `undo` was interrupted and has to be completed first.
    UndoInterrupted,
    /// The finish of the batch has begun, so it cannot be taken back.
    FinishBegun(Vec<String>),
    /// Migrations to be taken back that have no undo part.
    NoUndo(Vec<String>),
    /// The database's application version is below `upgrade_from`.
    TooOld {
        /// What is recorded.
        recorded: String,
        /// The floor.
        upgrade_from: String,
    },
    /// No readable application version is recorded, and `upgrade_from` asks for one.
    UnknownVersion {
        /// What is recorded, if anything.
        recorded: Option<String>,
        /// The floor.
        upgrade_from: String,
    },
    /// A finish has taken away what this version of the application needs.
    BelowFloor {
        /// The version that asks, if it says one.
        version: Option<String>,
        /// The lowest version that fits the schema.
        floor: String,
    },
    /// A migration that was named does not exist.
    NoSuchMigration(String),
    /// `--allow-late` names a migration that is not late.
    NotLate(String),
    /// `adopt` while an older batch is pending.
    AdoptPending(Vec<String>),
    /// `adopt` of a subsystem, while nothing is recorded of one that it depends on.
    BaselineNeeded {
        /// The subsystem that was named.
        subsystem: String,
        /// The one that it depends on.
        needs: String,
        /// The last migration of that one.
        last: String,
    },
    /// `--baseline` names two migrations of one subsystem.
    TwoBaselines(String),
}

impl Refusal {
    /// The error that a person and a script see.
    pub fn error(self) -> Error {
        match self {
            Refusal::NeedsBootstrap { interrupted: false } => Error::new(
                Exit::NeedsBootstrap,
                "this database has not been bootstrapped: it has no record of migrations",
            )
            .next("kmig bootstrap (or kmig up --bootstrap, which serves fresh and running databases alike)"),
            Refusal::NeedsBootstrap { interrupted: true } => Error::new(
                Exit::NeedsBootstrap,
                "the bootstrap of this database was interrupted",
            )
            .next("kmig bootstrap, which continues where it stopped"),
            Refusal::AlreadyBootstrapped(due) => {
                let error = Error::new(
                    due.exit(),
                    "this database is bootstrapped already; bootstrap ran nothing",
                );
                match due.command() {
                    Some(command) => error.next(command),
                    None => error.next("kmig status"),
                }
            }
            Refusal::Disagreement(found) => {
                let count = found.len();
                let lines: Vec<String> = found
                    .iter()
                    .map(|(label, found)| {
                        format!("{label} {}: {}", found.word(), found.details().join("; "))
                    })
                    .collect();
                let noun = if count == 1 { "migration" } else { "migrations" };
                Error::new(
                    Exit::Disagree,
                    format!(
                        "files and database disagree on {count} {noun}:\n{}",
                        indented(&lines)
                    ),
                )
                .now("nothing was run")
                .next(settle(&found).join("\n"))
            }
            Refusal::Ahead { unknown, own } => {
                let mut message = format!(
                    "the database is ahead of these files: it has\n{}",
                    indented(&unknown)
                );
                if !own.is_empty() {
                    message += &format!("\nwhile these are not applied there:\n{}", indented(&own));
                }
                Error::new(Exit::Ahead, message)
                    .now("nothing was run")
                    .next("run the kmig of the newer version, with its files")
            }
            Refusal::PendingFirst { pending, new } => Error::new(
                Exit::Pending,
                format!(
                    "an older batch still owes its finish:\n{}\nso these new migrations wait:\n{}",
                    indented(&pending),
                    indented(&new)
                ),
            )
            .now("nothing was run")
            .next("kmig finish once the old version of the application is gone, then kmig up (or in one: kmig up --finish-first --assume-gone --reason TEXT)"),
            Refusal::UpInterrupted => Error::new(
                Exit::New,
                "an up was interrupted and has to be completed first",
            )
            .now("nothing was run")
            .next("kmig up, which continues where it stopped (or kmig undo, which takes it back)"),
            Refusal::UndoInterrupted => Error::new(
                Exit::New,
                "an undo was interrupted and has to be completed first",
            )
            .now("nothing was run")
            .next("kmig undo, which continues where it stopped"),
            Refusal::FinishBegun(names) => Error::new(
                Exit::Refused,
                format!(
                    "the finish of this batch has begun, so it cannot be taken back:\n{}",
                    indented(&names)
                ),
            )
            .now("nothing was run")
            .next("kmig finish, which completes it"),
            Refusal::NoUndo(names) => Error::new(
                Exit::Refused,
                format!(
                    "these migrations have no undo part, or one without a statement:\n{}",
                    indented(&names)
                ),
            )
            .now("nothing was run")
            .next("write an undo part into each folder, then kmig undo"),
            Refusal::TooOld {
                recorded,
                upgrade_from,
            } => Error::new(
                Exit::Refused,
                format!(
                    "this database belongs to version {recorded} of the application; these files upgrade from {upgrade_from} or later"
                ),
            )
            .now("nothing was run")
            .next(format!(
                "upgrade to {upgrade_from} first, with the kmig and the files of that version"
            )),
            Refusal::UnknownVersion {
                recorded,
                upgrade_from,
            } => {
                let what = match recorded {
                    Some(recorded) => format!("the recorded application version {recorded:?} cannot be read"),
                    None => "no application version is recorded in this database".to_string(),
                };
                Error::new(
                    Exit::Refused,
                    format!("{what}, and these files upgrade from {upgrade_from} or later"),
                )
                .now("nothing was run")
                .next("kmig up --from-version VERSION --reason TEXT, with the version that the database has now")
            }
            Refusal::BelowFloor { version, floor } => {
                let what = match version {
                    Some(version) => format!("version {version} of the application does not fit this database any more"),
                    None => "it cannot be told whether this application fits the database: its version is not set".to_string(),
                };
                Error::new(
                    Exit::Ahead,
                    format!("{what}: a finish has taken away what versions below {floor} need"),
                )
                .now("nothing was run")
                .next(format!(
                    "start version {floor} or later instead; [app] version in kmig.toml says which this is"
                ))
            }
            Refusal::NoSuchMigration(name) => Error::usage(format!(
                "there is no migration {name} among the files"
            ))
            .next("kmig list shows their names"),
            Refusal::NotLate(name) => {
                Error::usage(format!("{name} is not late, so --allow-late does not fit"))
                    .next("kmig status")
            }
            Refusal::AdoptPending(pending) => Error::new(
                Exit::Pending,
                format!(
                    "a batch still owes its finish, and nothing is adopted in the middle of it:\n{}",
                    indented(&pending)
                ),
            )
            .now("nothing was recorded")
            .next("kmig finish once the old version of the application is gone, then kmig adopt"),
            Refusal::BaselineNeeded {
                subsystem,
                needs,
                last,
            } => Error::usage(format!(
                "{subsystem} depends on {needs}, and nothing is recorded of {needs} in this database"
            ))
            .now("nothing was recorded")
            .next(format!(
                "add --baseline with the migration of {needs} that the database is at, {last} for example"
            )),
            Refusal::TwoBaselines(subsystem) => {
                Error::usage(format!("--baseline names two migrations of {subsystem}"))
                    .next("name the last one: those before it are adopted with it")
            }
        }
    }

    /// The disagreements of a state as a refusal, where there are any.
    pub fn of_disagreements<'a>(
        rows: impl Iterator<Item = &'a super::state::Row>,
    ) -> Option<Refusal> {
        let found: Vec<(String, Disagreement)> = rows
            .filter_map(|row| Some((row.label(), row.disagreement.clone()?)))
            .collect();
        (!found.is_empty()).then_some(Refusal::Disagreement(found))
    }

    /// The refusal of a command that a newer database does not allow.
    pub fn ahead(state: &SchemaState) -> Refusal {
        Refusal::Ahead {
            unknown: state.ahead().map(super::state::Row::label).collect(),
            own: state.not_expanded().map(super::state::Row::label).collect(),
        }
    }
}

/// How each kind of disagreement that was found is settled; with the name where it is a single one.
fn settle(found: &[(String, Disagreement)]) -> Vec<String> {
    let ways = [
        (
            "changed",
            "bring the recorded file back, or kmig accept NAME --reason TEXT",
        ),
        ("missing", "bring the folder back"),
        (
            "late",
            "give it a higher number, or kmig up --allow-late NAME --reason TEXT",
        ),
    ];
    let several = found
        .iter()
        .any(|(_, other)| other.word() != found[0].1.word());
    ways.iter()
        .filter_map(|(word, way)| {
            let mut labels = found
                .iter()
                .filter(|(_, found)| found.word() == *word)
                .map(|(label, _)| label);
            let first = labels.next()?;
            let way = match labels.next() {
                None => way.replace("NAME", first),
                Some(_) => (*way).to_string(),
            };
            Some(match several {
                true => format!("{word}: {way}"),
                false => way,
            })
        })
        .collect()
}

fn indented(lines: &[String]) -> String {
    let shown = lines.iter().take(20).map(|line| format!("  {line}"));
    let mut shown: Vec<String> = shown.collect();
    if lines.len() > 20 {
        shown.push(format!("  … and {} more", lines.len() - 20));
    }
    shown.join("\n")
}
