//! A keyspace that is compared: how its ranges and single rows are read.

use super::LOOKED_UP;
use crate::backend::Stop;
use crate::backend::cassandra::cells::{
    Fetched, Hitches, Limits, Look, Page, Place, Scan, Selection, Source, Throttle, Trouble, Way,
};
use crate::backup::TokenRange;
use crate::backup::table::{Part, Shape};
use crate::error::Result;
use crate::keyspace::pieces::{CUT, unreadable};
use tokio::sync::mpsc;
use uuid::Uuid;

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
        let mut owed = vec![Owed::anew(range)];
        while let Some(Owed { range, begun }) = owed.pop() {
            let way = Way {
                range,
                members: &members,
                throttle: &self.scans,
                stop,
                hitches,
            };
            let mut at = begun.as_ref().map(|(place, _)| place.clone());
            // The last page that had rows, and the place behind it.
            let mut last = None;
            loop {
                let fetched = match at.take() {
                    Some(at) => scan.page(&way, at).await,
                    None => scan.first(&way).await,
                };
                match fetched {
                    Ok(Fetched { page, next, .. }) => {
                        if let (Some(next), false) = (&next, page.is_empty()) {
                            last = Some((next.clone(), page.clone()));
                        }
                        if send.send(page).await.is_err() {
                            // The comparison has ended, with an error of its own.
                            return Ok(());
                        }
                        at = next;
                        if at.is_none() {
                            break;
                        }
                    }
                    Err(Trouble::TooMuch(error)) => {
                        let reached = match last {
                            Some((place, page)) => page.last_token()?.map(|token| (place, token)),
                            None => begun,
                        };
                        let Some(pieces) = smaller(range, reached) else {
                            return Err(unreadable(error, &scan.selection.table, range.to));
                        };
                        owed.extend(pieces.into_iter().rev());
                        break;
                    }
                    Err(Trouble::Refused(error) | Trouble::Failed(error)) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// What is owed of a range.
struct Owed {
    range: TokenRange,
    /// Where its next page begins, and the token of the row before, where it has been begun.
    begun: Option<(Place, i64)>,
}

impl Owed {
    fn anew(range: TokenRange) -> Self {
        Owed { range, begun: None }
    }
}

/// A range that replicas cannot read in one go as smaller ones; nothing where it is a single token. What was handed over of
/// it, up to a place and the token of the row before that, is not read again.
fn smaller(range: TokenRange, reached: Option<(Place, i64)>) -> Option<Vec<Owed>> {
    let rest = match &reached {
        None => range,
        Some((_, token)) => TokenRange {
            after: *token,
            ..range
        },
    };
    let mut pieces = Vec::new();
    if let Some((place, token)) = reached {
        // The rest of the partition that was reached.
        pieces.push(Owed {
            range: TokenRange { to: token, ..range },
            begun: Some((place, token)),
        });
    }
    if rest.after < rest.to {
        pieces.extend(rest.cut(CUT).into_iter().map(Owed::anew));
    }
    (pieces.len() > 1).then_some(pieces)
}
