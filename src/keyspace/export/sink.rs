//! Where the rows of a range go, on threads of their own.

use crate::backend::cassandra::cells::Page;
use crate::backup::archive::Output;
use crate::backup::write::Writer;
use crate::error::{Error, Result};
use crate::keyspace::since::Gone;

/// Where the rows of a range go, and what is gone of it.
pub struct Sink {
    /// The file of its rows.
    pub rows: Writer<Output>,
    /// What of them is new, where an earlier export is the base.
    pub gone: Option<Gone>,
}

/// Writes a page; gives the writer back.
pub async fn written(mut sink: Sink, page: Page) -> Result<Sink> {
    blocking(move || {
        let now = page.now.unwrap_or_default().div_euclid(1_000);
        let mut deleted = Vec::new();
        page.each(|row| match &mut sink.gone {
            None => sink.rows.push(row),
            Some(gone) => match gone.merge.step(row, now, &mut deleted)? {
                true => sink.rows.push(row),
                false => Ok(()),
            },
        })?;
        if let Some(gone) = &mut sink.gone {
            gone.keep(&mut deleted)?;
        }
        Ok(sink)
    })
    .await
}

/// Runs what takes the processor or the disk for a while where it holds up nothing else.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::failed(format!(
            "a file could not be written: {error}"
        ))),
    }
}

/// The clocks of the coordinators at the first and last page.
#[derive(Debug, Default)]
pub struct Clock {
    /// The earliest, in milliseconds since 1970.
    pub from: Option<i64>,
    /// The latest.
    pub to: Option<i64>,
}

impl Clock {
    /// Takes the clock of a page.
    pub fn saw(&mut self, now: Option<i64>) {
        if let Some(now) = now {
            self.from = Some(self.from.map_or(now, |from| from.min(now)));
            self.to = self.to.max(Some(now));
        }
    }
}
