//! Reads the ranges of a plan into the files of a folder, several at once.

mod sink;
mod unchanged;

use self::sink::{Clock, Sink, blocking, written};
use super::pieces::{CUT, unreadable};
use super::plan;
use super::since::{Chain, Gone};
use crate::backend::Stop;
use crate::backend::cassandra::cells::{
    Hitches, Look, Scan, Selection, Source, Throttle, Trouble, Way,
};
use crate::backup::TokenRange;
use crate::backup::archive::Shard;
use crate::backup::layout::Layout;
use crate::backup::manifest::{Planned, Range, RangeFile};
use crate::backup::table::{Part, Shape};
use crate::backup::write::Writer;
use crate::error::{Error, Result};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Bytes of values that one file holds in memory before they become a row group: a quarter of what four files at once
/// may have of the memory that docs/performance.md promises.
const GROUP: usize = 2 << 20;

/// How long the other ranges are given to end where one has failed.
const FAREWELL: Duration = Duration::from_secs(5);

/// What is told while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Done {
    /// Rows that were read by this run.
    pub rows: u64,
    /// Their bytes, as the protocol carried them.
    pub bytes: u64,
    /// Ranges that are sealed, by this run and before it.
    pub ranges: usize,
    /// Of how many.
    pub of: usize,
    /// Requests that may be under way at the moment.
    pub at_once: usize,
}

/// An export while it runs.
pub struct Export<'a> {
    /// Where rows come from.
    pub source: &'a Source,
    /// What was seen of it.
    pub look: &'a Look,
    /// Where they go.
    pub shard: Arc<Shard>,
    /// How much is asked.
    pub throttle: &'a Throttle,
    /// What it adds to, where only what changed is wanted.
    pub since: Option<Arc<Chain>>,
    /// Ranges that are read at once.
    pub at_once: usize,
    /// Whether a signal wants the run to end.
    pub stop: &'a Stop,
    /// Told of progress.
    pub progress: &'a dyn Fn(Done),
    /// Told of trouble that may pass.
    pub tell: &'a dyn Fn(String),
}

/// What the ranges that are read at once share.
struct Shared<'a> {
    done: RefCell<Done>,
    /// The schema's version when the tables were last seen to be as they were planned.
    version: Cell<Uuid>,
    /// Whether one of them has failed: the others end at their next page.
    failed: Cell<bool>,
    /// Told of pages that are asked for again.
    hitches: Hitches<'a>,
}

/// A table that is read.
struct Table<'a> {
    planned: &'a Planned,
    parts: Vec<Reading>,
}

/// A part of a table that is read.
struct Reading {
    part: Part,
    layout: Arc<Layout>,
    scan: Scan,
}

impl Export<'_> {
    /// Reads every range that is not sealed yet.
    ///
    /// # Errors
    /// The first that a range met with. What was sealed stays.
    pub async fn run(&self) -> Result<Done> {
        let plan = &self.shard.plan;
        let mut done = Done {
            of: plan.tables.iter().map(|table| table.planned.len()).sum(),
            at_once: self.throttle.allowed(),
            ..Done::default()
        };
        let mut owed = Vec::new();
        for planned in &plan.tables {
            let sealed = self.shard.sealed(planned)?;
            done.ranges += sealed.len();
            let left = planned.planned.iter();
            let left: Vec<TokenRange> = left
                .filter(|range| sealed.iter().all(|sealed| sealed.tokens != **range))
                .copied()
                .collect();
            if !left.is_empty() {
                owed.push((planned, left));
            }
        }
        self.sees_all().await?;
        (self.progress)(done);
        let shared = Shared {
            done: RefCell::new(done),
            version: Cell::new(self.look.schema_version),
            failed: Cell::new(false),
            hitches: Hitches::new(self.tell),
        };
        let mut running = FuturesUnordered::new();
        let read = async {
            for (planned, left) in owed {
                let table = Arc::new(self.prepare(planned).await?);
                for range in left {
                    while running.len() >= self.at_once {
                        if let Some(ended) = running.next().await {
                            ended?;
                        }
                    }
                    let (table, shared) = (table.clone(), &shared);
                    running.push(async move { self.range(&table, range, shared).await });
                }
            }
            while let Some(ended) = running.next().await {
                ended?;
            }
            Ok(())
        };
        let read: Result<()> = read.await;
        if read.is_err() {
            // What they have half written goes away with them, and what is whole is sealed.
            shared.failed.set(true);
            let ends = async { while running.next().await.is_some() {} };
            let _ = tokio::time::timeout(FAREWELL, ends).await;
        }
        drop(running);
        read?;
        Ok(shared.done.into_inner())
    }

    async fn prepare<'t>(&self, planned: &'t Planned) -> Result<Table<'t>> {
        let plan = &self.shard.plan;
        let shape = planned.outline.shape(&plan.types).map_err(Error::failed)?;
        let mut parts = vec![Part::Rows];
        if shape.has_statics() {
            parts.push(Part::Statics);
        }
        let mut readings = Vec::new();
        for part in parts {
            let reading = self.reading(planned, &shape, part).await;
            readings.push(match reading {
                Ok(reading) => reading,
                Err(error) => return Err(self.explained(error).await),
            });
        }
        Ok(Table {
            planned,
            parts: readings,
        })
    }

    async fn reading(&self, planned: &Planned, shape: &Shape, part: Part) -> Result<Reading> {
        let plan = &self.shard.plan;
        let options = &plan.source.options;
        let tells = plan::tells_elements(self.look.oldest);
        let policy = options.element_times.filter(|_| !tells);
        let selection = Selection::new(&plan.keyspace, shape, part, tells, policy);
        Ok(Reading {
            part,
            layout: Arc::new(planned.outline.layout(shape, part)),
            scan: self.source.scan(selection, &options.consistency).await?,
        })
    }

    /// Reads one range into its files and seals it.
    async fn range(&self, table: &Table<'_>, range: TokenRange, shared: &Shared<'_>) -> Result<()> {
        let mut clock = Clock::default();
        let (mut rows, mut statics) = (None, None);
        for reading in &table.parts {
            let file = self.file(table, reading, range, shared, &mut clock).await?;
            match reading.part {
                Part::Rows => rows = Some(file),
                Part::Statics => statics = Some(file),
            }
        }
        self.unchanged(&shared.version).await?;
        let sealed = Range {
            tokens: range,
            read_from: clock.from.unwrap_or(self.look.now),
            read_to: clock.to.unwrap_or(self.look.now),
            rows,
            statics,
        };
        let (shard, planned) = (self.shard.clone(), table.planned.clone());
        blocking(move || shard.seal_range(&planned, &sealed)).await?;
        let now = {
            let mut done = shared.done.borrow_mut();
            done.ranges += 1;
            *done
        };
        (self.progress)(now);
        Ok(())
    }

    /// Reads one part of a range into its file.
    async fn file(
        &self,
        table: &Table<'_>,
        reading: &Reading,
        range: TokenRange,
        shared: &Shared<'_>,
        clock: &mut Clock,
    ) -> Result<RangeFile> {
        // Read in one go, unless replicas cannot.
        let mut pieces = vec![range];
        loop {
            let read = self.pieces(table, reading, range, &mut pieces, shared, clock);
            if let Some(file) = read.await? {
                return Ok(file);
            }
        }
    }

    /// Reads the pieces of a range, one after the other; nothing where one of them must be smaller, which it then is.
    async fn pieces(
        &self,
        table: &Table<'_>,
        reading: &Reading,
        range: TokenRange,
        pieces: &mut Vec<TokenRange>,
        shared: &Shared<'_>,
        clock: &mut Clock,
    ) -> Result<Option<RangeFile>> {
        let (shard, planned) = (self.shard.clone(), table.planned.clone());
        let (layout, part) = (reading.layout.clone(), reading.part);
        let uuid = self.shard.plan.source.options.uuid;
        let since = self.since.clone();
        let mut writer = blocking(move || {
            let gone = match since {
                None => None,
                Some(chain) => {
                    let shape = planned.outline.shape(&shard.plan.types);
                    let shape = shape.map_err(Error::failed)?;
                    let merge = chain.merge(&planned, &shape, range, part)?;
                    Some(Gone::new(merge, &shard, &planned, &range, part))
                }
            };
            let output = shard.output(&planned, &range, part)?;
            let rows = Writer::new(output, &layout, uuid, GROUP)?;
            Ok(Sink { rows, gone })
        })
        .await?;
        let mut at = 0;
        while let Some(piece) = pieces.get(at).copied() {
            let members = self.members(&piece);
            let way = Way {
                range: piece,
                members: &members,
                throttle: self.throttle,
                stop: self.stop,
                hitches: &shared.hitches,
            };
            let mut fetched = match self.first(table, reading, &way, pieces, at).await? {
                Some(fetched) => fetched,
                // Nothing of it was read yet.
                None => continue,
            };
            loop {
                clock.saw(fetched.page.now);
                let (rows, bytes) = (fetched.page.len() as u64, fetched.page.bytes() as u64);
                // The next page is on its way while this one is written.
                let write = written(writer, fetched.page);
                let next = async {
                    match fetched.next {
                        Some(next) => Some(reading.scan.page(&way, next).await),
                        None => None,
                    }
                };
                let (wrote, next) = tokio::join!(write, next);
                writer = wrote?;
                let now = {
                    let mut done = shared.done.borrow_mut();
                    // Static values are told with the rows of their partition.
                    if reading.part == Part::Rows {
                        done.rows += rows;
                    }
                    done.bytes += bytes;
                    done.at_once = self.throttle.allowed();
                    *done
                };
                (self.progress)(now);
                if shared.failed.get() {
                    return Err(Error::failed("another range could not be read"));
                }
                fetched = match next {
                    None => break,
                    Some(Ok(fetched)) => fetched,
                    Some(Err(Trouble::TooMuch(error))) => {
                        self.cut(pieces, at, error, table)?;
                        return Ok(None);
                    }
                    Some(Err(Trouble::Refused(error))) => return Err(self.explained(error).await),
                    Some(Err(Trouble::Failed(error))) => return Err(error),
                };
            }
            at += 1;
        }
        let now = clock.to.unwrap_or(self.look.now).div_euclid(1_000);
        blocking(move || {
            let Sink { rows, gone } = writer;
            let (output, sum) = rows.finish()?;
            Ok(Some(RangeFile {
                file: output.seal()?,
                sum,
                deleted: gone.map(|gone| gone.finish(now)).transpose()?.flatten(),
            }))
        })
        .await
    }

    /// The first page of a piece; nothing where it was too much and the piece has been cut.
    async fn first(
        &self,
        table: &Table<'_>,
        reading: &Reading,
        way: &Way<'_>,
        pieces: &mut Vec<TokenRange>,
        at: usize,
    ) -> Result<Option<crate::backend::cassandra::cells::Fetched>> {
        match reading.scan.first(way).await {
            Ok(fetched) => Ok(Some(fetched)),
            Err(Trouble::TooMuch(error)) => {
                self.cut(pieces, at, error, table)?;
                Ok(None)
            }
            Err(Trouble::Refused(error)) => Err(self.explained(error).await),
            Err(Trouble::Failed(error)) => Err(error),
        }
    }

    /// Cuts a piece that replicas cannot read into smaller ones, and tells so.
    fn cut(
        &self,
        pieces: &mut Vec<TokenRange>,
        at: usize,
        error: Error,
        table: &Table<'_>,
    ) -> Result<()> {
        let table = &table.planned.outline.name;
        let piece = pieces[at];
        let smaller = piece.cut(CUT);
        if smaller.len() < 2 {
            return Err(unreadable(error, table, piece.to).now("what is sealed stays"));
        }
        (self.tell)(format!(
            "replicas cannot read the tokens {piece} of {table} in one go; reading them in {} pieces",
            smaller.len()
        ));
        pieces.splice(at..=at, smaller);
        Ok(())
    }

    /// Who is asked for a range: its owner, then the others.
    fn members(&self, range: &TokenRange) -> Vec<Uuid> {
        let mut members = self.look.members.clone();
        let owner = self.look.ring.owner(range);
        if let Some(at) = members.iter().position(|member| Some(*member) == owner) {
            members.rotate_left(at);
        }
        members
    }
}
