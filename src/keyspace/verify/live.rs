//! A keyspace that is compared: how its ranges and single rows are read.

use super::LOOKED_UP;
use crate::backend::Stop;
use crate::backend::cassandra::cells::{
    Hitches, Limits, Look, Page, Scan, Selection, Source, Throttle, Trouble, Way,
};
use crate::backup::TokenRange;
use crate::backup::table::{Part, Shape};
use crate::error::Result;
use tokio::sync::mpsc;
use uuid::Uuid;

/// How many pieces a range is cut into where the servers cannot read it in one go.
const CUT: usize = 8;

/// A keyspace that is compared.
pub struct Live<'a> {
    /// Where its rows come from.
    pub source: &'a Source,
    /// What was seen of it.
    pub look: &'a Look,
    /// The level at which rows are read.
    pub level: &'a str,
    /// What it is called beside the other side.
    pub name: String,
    /// How much is asked for pages, and for single rows.
    scans: Throttle,
    pub(super) finds: Throttle,
}

impl<'a> Live<'a> {
    /// A keyspace of which so many ranges are read at once, and so many rows a second.
    pub fn new(
        source: &'a Source,
        look: &'a Look,
        level: &'a str,
        name: String,
        ranges: usize,
        rows: Option<u64>,
    ) -> Self {
        let throttle = |at_once| {
            Throttle::new(Limits {
                at_once,
                rows,
                bytes: None,
            })
        };
        Live {
            source,
            look,
            level,
            name,
            scans: throttle(ranges),
            finds: throttle(LOOKED_UP * ranges.max(1)),
        }
    }

    /// What is asked of a part of a table: the columns of `shape`, which are some of those that the table has.
    pub(super) fn selection(
        &self,
        shape: &Shape,
        table: &Shape,
        part: Part,
        tells: bool,
    ) -> Selection {
        let mut selection = Selection::new(&self.source.keyspace, shape, part, tells, None);
        selection.skips_bare = part == Part::Rows && table.has_statics();
        selection
    }

    pub(super) async fn scan(&self, selection: Selection) -> Result<Scan> {
        self.source.scan(selection, self.level).await
    }

    /// Its clock, in microseconds since 1970.
    pub(super) async fn clock(&self) -> Result<i64> {
        let millis = self.source.clock(&self.look.members).await?;
        Ok(millis.saturating_mul(1_000))
    }

    /// Hands over every page of a range, in the order of tokens.
    pub(super) async fn pages(
        &self,
        scan: &Scan,
        range: TokenRange,
        send: &mpsc::Sender<Page>,
        stop: &Stop,
        hitches: &Hitches<'_>,
    ) -> Result<()> {
        let mut members = self.look.members.clone();
        if let Some(owner) = self.look.ring.owner(&range) {
            // A replica needs to ask nobody for most of it.
            members.sort_by_key(|member: &Uuid| *member != owner);
        }
        let mut owed = vec![range];
        while let Some(range) = owed.pop() {
            let way = Way {
                range,
                members: &members,
                throttle: &self.scans,
                stop,
                hitches,
            };
            let mut any = false;
            let mut fetched = scan.first(&way).await;
            loop {
                match fetched {
                    Ok(page) => {
                        any |= !page.page.is_empty();
                        if send.send(page.page).await.is_err() {
                            // The comparison has ended, with an error of its own.
                            return Ok(());
                        }
                        match page.next {
                            Some(next) => fetched = scan.page(&way, next).await,
                            None => break,
                        }
                    }
                    Err(Trouble::TooMuch(_)) if !any && range.cut(CUT).len() > 1 => {
                        owed.extend(range.cut(CUT).into_iter().rev());
                        break;
                    }
                    Err(
                        Trouble::TooMuch(error) | Trouble::Refused(error) | Trouble::Failed(error),
                    ) => {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }
}
