//! The files of an import, some side by side: each is proved, written and noted, and none twice.

use super::decide::{Decided, Decision};
use super::noted::{noted, unfinished};
use super::pieces::{Piece, pieces, rows_of};
use super::rejects::Rejects;
use crate::backend::cassandra::Cassandra;
use crate::backend::cassandra::cells::load::{Job, Loaded, Way};
use crate::backend::cassandra::cells::{self, Hitches, Limits, write_timeout};
use crate::backend::cassandra::claim::{Before, Claim, Held, Taken};
use crate::backup::archive::Archive;
use crate::backup::manifest::File;
use crate::backup::table::Part;
use crate::cli::ImportArgs;
use crate::commands::context::Context;
use crate::error::{Error, Exit, Result};
use crate::keyspace::since::lines;
use crate::machine::since_boot;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Files that are written side by side.
const SIDE_BY_SIDE: usize = 2;

/// How often it is said how far the import is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// An import that has been decided.
pub struct Run<'a> {
    /// The command's surroundings.
    pub context: &'a Context,
    /// Told of what makes a request be sent again.
    pub hitches: &'a Hitches<'a>,
    /// The keyspace.
    pub cassandra: &'a Cassandra,
    /// The folder.
    pub archive: &'a Archive,
    /// What becomes of each table.
    pub decision: &'a Decision,
    /// What was typed.
    pub args: &'a ImportArgs,
    /// Which shard, from 0, and of how many.
    pub shard: (usize, usize),
    /// How long files are waited for that another run is importing.
    pub wait: Duration,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// Files that were imported.
    pub files: usize,
    /// Files that an earlier run had imported.
    pub skipped: usize,
    /// Rows of those that were imported.
    pub rows: u64,
    /// Cells that had expired.
    pub expired: u64,
    /// What was deleted since the export that this one adds to.
    pub deleted: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Files that could not be imported, each with the reason.
    pub broken: Vec<String>,
    /// Where rejected rows are.
    pub rejects: PathBuf,
    /// Whether grants were asked for.
    pub granted: bool,
}

/// How far an import is, for who watches.
struct Meter {
    done: u64,
    all: u64,
    /// When it was told last, or the first row was written: what is waited for before that says nothing of the speed.
    told: Option<Instant>,
    /// Rows that were written since.
    since: u64,
}

impl Run<'_> {
    /// Imports every file of the shard.
    ///
    /// # Errors
    /// The cluster does not take them, a signal, or more rejects than are allowed. What is noted as done stays done.
    pub async fn all(&self) -> Result<Done> {
        let limits = Limits {
            at_once: self.args.in_flight.max(1),
            rows: self.args.max_rows,
            bytes: self
                .args
                .max_megabytes
                .map(|megabytes| megabytes * 1_000_000),
        };
        let settings = &self.decision.settings;
        let way = self.cassandra.way(settings, limits, self.hitches).await?;
        let pieces = pieces(self.archive, self.decision);
        let mine = pieces.into_iter().enumerate();
        let mine = mine.filter(|(at, _)| at % self.shard.1 == self.shard.0);
        let mine: Vec<Piece<'_>> = mine.map(|(_, piece)| piece).collect();
        let folder = self.args.rejects.clone();
        let folder = folder.unwrap_or_else(|| self.archive.folder.join("rejects"));
        let rejects = RefCell::new(Rejects::new(folder.clone(), self.args.max_rejects));
        let all = mine.iter().map(|piece| rows_of(piece));
        let meter = RefCell::new(Meter {
            done: 0,
            all: all.sum(),
            told: None,
            since: 0,
        });
        let mut done = Done {
            rejects: folder,
            granted: self.args.grants,
            ..Done::default()
        };
        let mut left = mine.into_iter();
        let mut held = VecDeque::new();
        let mut until = None;
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < SIDE_BY_SIDE
                && let Some(piece) = left.next()
            {
                running.push(self.one(&way, piece, None, &rejects, &meter));
            }
            if running.is_empty()
                && let Some((piece, other)) = held.pop_front()
            {
                // Nothing else is left to do.
                let until = *until.get_or_insert_with(|| since_boot() + self.wait);
                running.push(self.one(&way, piece, Some((other, until)), &rejects, &meter));
            }
            let Some(outcome) = running.next().await else {
                break;
            };
            match outcome? {
                Outcome::Imported(part, loaded, deleted) => {
                    done.deleted += deleted;
                    done.files += 1;
                    if part == Part::Rows {
                        done.rows += loaded.rows - loaded.rejected;
                    }
                    done.expired += loaded.expired;
                    done.rejected += loaded.rejected;
                }
                Outcome::Skipped => done.skipped += 1,
                Outcome::Broken(why) => done.broken.push(why),
                Outcome::Held(piece, other) => held.push_back((piece, other)),
            }
        }
        done.broken.sort();
        Ok(done)
    }

    /// Imports a file, unless it is done or another run has it: `after` says that this one is waited for, and how long.
    async fn one<'b>(
        &self,
        way: &Way<'_>,
        piece: Piece<'b>,
        after: Option<(Held, Duration)>,
        rejects: &RefCell<Rejects>,
        meter: &RefCell<Meter>,
    ) -> Result<Outcome<'b>> {
        let decided = piece.decided;
        let file = piece.file;
        let sha256 = match piece.deleted {
            None => file.sha256.clone(),
            Some(deleted) => format!("{} {}", file.sha256, deleted.file.sha256),
        };
        let (done, mut begun) = self.decision.noted(&sha256, &decided.print);
        let mut unclean = false;
        if done {
            meter.borrow_mut().done += rows_of(&piece);
            return Ok(Outcome::Skipped);
        }
        self.context.stop.check()?;
        let what = format!("{} {} {sha256}", decided.map.target.name, file.path);
        let claim = match after {
            Some((other, until)) => {
                let claim = self.cassandra.claim_after(&what, other, until).await;
                claim.map_err(|error| waited(error, file))?
            }
            None => match self.cassandra.claim(&what, None).await? {
                Taken::Ours(claim) => claim,
                Taken::Held(other) => {
                    self.context.progress.say(&format!(
                        "{} is being imported by {}: the other files go first",
                        file.path,
                        other.who()
                    ));
                    return Ok(Outcome::Held(piece, other));
                }
            },
        };
        if claim.before != Before::None {
            let imports = self.cassandra.imports().await?;
            if noted(&imports, &sha256, &decided.print).0 {
                self.give_back(claim).await;
                meter.borrow_mut().done += rows_of(&piece);
                return Ok(Outcome::Skipped);
            }
            begun = true;
            // Who found the file damaged gave it back, and had settled nothing.
            unclean = claim.before == Before::Unclean || unfinished(&imports, &sha256);
        }
        if unclean && decided.map.target.is_unrepeatable() {
            self.until_quiet(file).await?;
        }
        // Before anything of it is applied; the other files go on.
        let mut files = vec![file];
        files.extend(piece.deleted.map(|deleted| &deleted.file));
        if let Err(broken) = self.proved(&files).await {
            self.context.progress.say(&broken.message);
            self.give_back(claim).await;
            return Ok(Outcome::Broken(broken.message));
        }
        let note = |state: &str, loaded: &Loaded| {
            json!({
                "file": file.path,
                "sha256": sha256,
                "table": decided.map.target.name,
                "map": decided.print,
                "marker": decided.marker.policy.word(),
                "run": self.cassandra.run(),
                "empty": decided.empty,
                "state": state,
                "rows": loaded.rows,
                "rejected": loaded.rejected,
            })
        };
        let begin = note("begun", &Loaded::default());
        self.cassandra.note_import(&begin, way.hitches).await?;
        let there = begun || !decided.empty || self.archive.manifest.since.is_some();
        let job = Job {
            map: decided.map.clone(),
            part: piece.part,
            layout: self.archive.layout(piece.table, piece.part)?,
            path: self.archive.path(file),
            marker: decided.marker,
            before: match there {
                _ if unclean => cells::Before::InDoubt,
                true => cells::Before::Settled,
                false => cells::Before::Absent,
            },
            grows: there,
            table: Some(decided.table.clone()),
            hold: Some(claim.hold()),
            rows_max: None,
        };
        let mut deleted = 0;
        if let Some(deletions) = piece.deleted {
            // Before the rows: a list that was written anew has lost its old elements then.
            let gone = lines(&self.archive.path(&deletions.file))?;
            deleted = way.delete(&decided.map, piece.part, &gone).await?;
        }
        let of_rows = piece.part == Part::Rows;
        let map = decided.map.clone();
        let mut sink = rejects.borrow().file(&file.path);
        let loaded = way
            .load(
                job,
                &mut |rows| self.tell(meter, if of_rows { rows } else { 0 }),
                &mut |row| {
                    sink.write(&map, &row)?;
                    rejects.borrow_mut().count()
                },
            )
            .await;
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return Err(self.explained(error, way, &piece, &claim).await),
        };
        sink.close()?;
        // What was written to a column that is gone by now is gone too, and no server said so.
        way.unaltered(&decided.map, &decided.table).await?;
        let state = if loaded.rejected == 0 {
            "done"
        } else {
            "rejects"
        };
        let end = note(state, &loaded);
        self.cassandra.note_import(&end, way.hitches).await?;
        self.give_back(claim).await;
        Ok(Outcome::Imported(piece.part, loaded, deleted))
    }

    /// Waits until nothing of a run that was ended in the middle of a file can still arrive: a list or counter that is not there
    /// yet would be written twice (traps C4, C11).
    async fn until_quiet(&self, file: &File) -> Result<()> {
        let tell = |what: String| {
            self.context.progress.say(&format!(
                "{}: the run before was not ended cleanly, and what it had sent may still arrive; waiting {what}",
                file.path
            ));
        };
        let within = write_timeout(&self.decision.settings);
        self.cassandra.until_heard(within, tell).await
    }

    /// Why a file could not be written, where more is known of it than the server said.
    async fn explained(
        &self,
        error: Error,
        way: &Way<'_>,
        piece: &Piece<'_>,
        claim: &Claim,
    ) -> Error {
        if claim.hold().is_lost() {
            return taken_over(piece.file);
        }
        if error.server.is_none() {
            return error;
        }
        let Decided { map, table, .. } = piece.decided;
        if let Ok(Some(altered)) = way.altered(map, table).await {
            return altered;
        }
        match self.cassandra.ungranted(&[&map.target.name]).await {
            Ok(grants) if !grants.is_empty() => lacks(error, &grants),
            _ => error,
        }
    }

    /// All of the file is noted: another run that comes by now waits for nothing.
    async fn give_back(&self, claim: Claim) {
        if let Err(error) = self.cassandra.give_back(claim).await {
            tracing::debug!(%error, "a claim was not given back");
        }
    }

    async fn proved(&self, files: &[&File]) -> Result<()> {
        let archive = self.archive.clone();
        let files: Vec<File> = files.iter().map(|file| (*file).clone()).collect();
        let proved = tokio::task::spawn_blocking(move || {
            files.iter().try_for_each(|file| archive.check(file))
        });
        proved
            .await
            .map_err(|error| Error::failed(format!("a file was not read to its end: {error}")))?
    }

    fn tell(&self, meter: &RefCell<Meter>, rows: usize) {
        let mut meter = meter.borrow_mut();
        meter.done += rows as u64;
        meter.since += rows as u64;
        let now = Instant::now();
        let took = now - *meter.told.get_or_insert(now);
        if took < TOLD_EVERY {
            return;
        }
        let rate = meter.since as f64 / took.as_secs_f64();
        meter.told = Some(now);
        meter.since = 0;
        let left = meter.all.saturating_sub(meter.done) as f64 / rate.max(1.0);
        self.context.progress.say(&format!(
            "{} of {} rows, {rate:.0} a second, about {left:.0} s left",
            meter.done, meter.all
        ));
    }
}

enum Outcome<'a> {
    /// Which rows of a table, what became of them, and how many were deleted.
    Imported(Part, Loaded, u64),
    Skipped,
    Broken(String),
    /// Another run has it.
    Held(Piece<'a>, Held),
}

/// The error of a run that has waited for another one.
fn waited(error: Error, file: &File) -> Error {
    match error.exit {
        Exit::Locked => error
            .now(format!(
                "{} and what is behind it is left to that run; the other files have been gone through, and what was \
                 imported stays",
                file.path
            ))
            .next("wait for its end, then the same command, which says whether all is done; --lock-wait waits longer"),
        _ => error,
    }
}

/// The error of a run whose file was taken from it.
fn taken_over(file: &File) -> Error {
    Error::new(
        Exit::Locked,
        format!(
            "another run has taken {} over, since this one gave no sign for too long",
            file.path
        ),
    )
    .now("this run writes nothing more of it; what was imported stays")
    .next("wait for the other run's end, then the same command")
}

/// The error of a run whose role has lost a right.
fn lacks(mut error: Error, grants: &[String]) -> Error {
    error.message += &format!("\n  {}", grants.join("\n  "));
    error
        .now("what was imported stays, and no row was rejected for it")
        .next("let an administrator run the statements above, then the same command, which goes on")
}
