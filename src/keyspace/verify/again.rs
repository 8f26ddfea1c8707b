//! A second look at rows that differ: two keyspaces are read at two moments, and what was written in between is no
//! difference.

use super::lines::{Key, row_of, saw};
use super::live::Live;
use super::{KEPT, Said, Verify, Work};
use crate::backend::cassandra::cells::{Finder, Hitches};
use crate::backup::compare::{Clock, Differs, Verdict};
use crate::backup::convert::{Converted, Converter};
use crate::backup::mapping::TableMap;
use crate::backup::table::Shape;
use crate::error::Result;
use std::cell::Cell;
use tokio::sync::OnceCell;

/// Looks at rows of a range again.
pub struct Again<'w> {
    verify: &'w Verify<'w>,
    work: &'w Work,
    source: OnceCell<Finding<'w>>,
    target: OnceCell<Finding<'w>>,
    /// Rows that differ for sure.
    sure: Cell<usize>,
}

/// Finds single rows of one side.
pub struct Finding<'w> {
    finder: Finder,
    live: &'w Live<'w>,
    converter: Converter<'w>,
    hitches: &'w Hitches<'w>,
    all_fit: bool,
    now: &'w Clock,
}

impl<'w> Again<'w> {
    /// Of a range.
    pub fn new(verify: &'w Verify<'w>, work: &'w Work) -> Self {
        Again {
            verify,
            work,
            source: OnceCell::new(),
            target: OnceCell::new(),
            sure: Cell::new(0),
        }
    }

    /// Finds rows of the second side.
    ///
    /// # Errors
    /// The server refuses the query.
    pub async fn target(&self) -> Result<&Finding<'w>> {
        let (map, table) = (&self.work.own, &self.work.piece.map.target);
        let finding = self.finding(&self.verify.target, map, table, true);
        self.target.get_or_try_init(|| finding).await
    }

    async fn finding(
        &self,
        live: &'w Live<'w>,
        map: &'w TableMap,
        table: &Shape,
        all_fit: bool,
    ) -> Result<Finding<'w>> {
        let part = self.work.piece.part;
        let selection = live.selection(&map.source, table, part, self.verify.tells);
        let stop = self.verify.stop.clone();
        Ok(Finding {
            finder: live.source.finder(selection, stop).await?,
            live,
            converter: Converter::new(map, part, self.work.cut_off),
            hitches: self.verify.hitches,
            all_fit,
            now: &self.work.judge.now,
        })
    }

    /// What is said of a row that differed; `key` is its key on the first side. A file does not change, so that its rows
    /// differ as they were read. Once many of a range differ for sure, so do the others: they are counted only.
    ///
    /// # Errors
    /// A side cannot be read.
    pub async fn settle(&self, differs: Differs, key: Key) -> Result<Said> {
        let Differs { one, other, how } = differs;
        let own = one.as_ref().or(other.as_ref()).map(Converted::key_values);
        let own = own.unwrap_or_default();
        let verdict = match &self.verify.source {
            Some(source) if self.sure.get() < KEPT => {
                let (map, table) = (&self.work.from, &self.work.piece.map.source);
                let first = self.finding(source, map, table, false);
                let first = self.source.get_or_try_init(|| first).await?;
                let second = self.target().await?;
                let (now_one, now_other) = tokio::try_join!(first.row(&key), second.row(&own))?;
                self.work.judge.again(
                    (one.as_ref(), other.as_ref()),
                    (now_one.as_ref(), now_other.as_ref()),
                )
            }
            _ => Verdict::Different(how),
        };
        if matches!(verdict, Verdict::Different(_)) {
            self.sure.set(self.sure.get() + 1);
        }
        Ok(Said { key: own, verdict })
    }
}

impl Finding<'_> {
    /// The row of a key; nothing where there is none, or none that fits the mapping.
    ///
    /// # Errors
    /// The replicas do not answer.
    pub async fn row(&self, key: &Key) -> Result<Option<Converted<'static>>> {
        let turn = self.live.finds.turn().await;
        let page = self.finder.find(key, self.hitches).await?;
        turn.answered(page.len(), page.bytes());
        saw(self.now, &page);
        let mut found = None;
        page.each(|row| {
            let row = row_of(self.converter.row(row), self.all_fit)?;
            found = row.map(Converted::into_owned);
            Ok(())
        })?;
        Ok(found)
    }
}
