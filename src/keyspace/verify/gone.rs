//! What a folder says is gone, looked for in the keyspace.

use super::again::Again;
use super::{Compared, LOOKED_UP, Verify, Work};
use crate::backup::compare::{Difference, Verdict};
use crate::backup::gone::placed;
use crate::backup::table::Part;
use crate::error::{Error, Result};
use crate::keyspace::since::lines;
use futures_util::StreamExt;
use futures_util::stream;
use std::path::PathBuf;

impl Verify<'_> {
    /// Looks for each thing that the piece's folder says is gone, and adds what is still there to what the rows came to. Cells of
    /// a row are gone where the row is as the folder has it; static ones of a partition that has none any more stand
    /// for themselves.
    pub(super) async fn gone(
        &self,
        work: &Work,
        again: &Again<'_>,
        path: PathBuf,
        compared: &mut Compared,
    ) -> Result<()> {
        let gone = tokio::task::spawn_blocking(move || lines(&path)).await;
        let gone = gone.map_err(|error| Error::failed(error.to_string()))??;
        let finding = again.target().await?;
        let (map, part) = (&work.piece.map, work.piece.part);
        let alone = gone
            .iter()
            .filter(|gone| part == Part::Statics || gone.column.is_none());
        let looked_up = stream::iter(alone).map(async |gone| {
            self.stop.check()?;
            let Some(gone) = placed(map, part, gone)? else {
                return Ok(None);
            };
            let key: Vec<Vec<u8>> = gone.key.iter().map(|(_, value)| value.clone()).collect();
            let row = finding.row(&key).await?;
            let said = row.and_then(|row| gone.left(&work.judge.columns, &row));
            Ok(said.map(|verdict| (key, verdict)))
        });
        let mut looked_up = Box::pin(looked_up.buffered(LOOKED_UP));
        compared.deleted = gone.len() as u64;
        while let Some(said) = looked_up.next().await {
            let said: Result<_> = said;
            let Some((key, verdict)) = said? else {
                continue;
            };
            // One row, however much of it should be gone.
            let mut known = compared.differences.iter();
            if known.any(|known| known.key == key) {
                continue;
            }
            compared.tally.count(&verdict);
            compared.keep(key, verdict);
        }
        Ok(())
    }
}

impl Compared {
    /// Keeps a difference, one of the first.
    pub(super) fn keep(&mut self, key: Vec<Vec<u8>>, verdict: Verdict) {
        if let Verdict::Different(how) = verdict
            && self.differences.len() < super::KEPT
        {
            self.differences.push(Difference { key, how });
        }
    }
}
