//! One row by its key, where the sides of a table have their rows in different orders.

use super::super::fault::{Fault, Kind};
use super::super::names::identifier;
use super::hitches::Hitches;
use super::page::Page;
use super::patience::Patience;
use super::raw::Key;
use super::{Selection, Source};
use crate::backend::Stop;
use crate::error::{Error, Result};
use scylla::statement::prepared::PreparedStatement;
use std::sync::Arc;

/// Asks for rows by their keys.
pub struct Finder {
    source: Source,
    selection: Arc<Selection>,
    prepared: PreparedStatement,
    stop: Stop,
}

impl Source {
    /// Prepares a query for single rows of a selection.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn finder(&self, mut selection: Selection, stop: Stop) -> Result<Finder> {
        let start = selection.text.find(" WHERE token(");
        selection
            .text
            .truncate(start.unwrap_or(selection.text.len()));
        let keys = selection
            .columns
            .iter()
            .filter(|column| column.role.is_key());
        let keys: Vec<String> = keys
            .map(|column| format!("{} = ?", identifier(&column.name)))
            .collect();
        selection.text += &format!(" WHERE {}", keys.join(" AND "));
        let prepared = self.sender.session.prepare(selection.text.as_str()).await;
        let mut prepared = prepared.map_err(|error| Fault::from(error).error())?;
        prepared.set_consistency(self.sender.consistency);
        Ok(Finder {
            source: self.clone(),
            selection: Arc::new(selection),
            prepared,
            stop,
        })
    }
}

impl Finder {
    /// The row of a key, on a page of its own; an empty page where it is not there. `hitches` is told of what makes it be
    /// asked for again.
    ///
    /// # Errors
    /// The replicas do not answer.
    pub async fn find(&self, key: &[Vec<u8>], hitches: &Hitches<'_>) -> Result<Page> {
        let mut patience = Patience::new();
        let answer = loop {
            let session = &self.source.sender.session;
            match session.execute_unpaged(&self.prepared, Key(key)).await {
                Ok(answer) => break answer,
                Err(error) => {
                    let fault = Fault::from(error);
                    self.stop.check()?;
                    if fault.kind == Kind::Refused || patience.is_over() {
                        return Err(fault.error());
                    }
                    let what = format!("reading {}", self.selection.table);
                    hitches.met(&what, &fault.brief(), patience.until());
                }
            }
            patience.pause().await;
        };
        let unreadable =
            |error: String| Error::failed(format!("the answer cannot be read: {error}"));
        let rows = answer
            .into_rows_result()
            .map_err(|error| unreadable(error.to_string()))?;
        Page::of(&rows, self.selection.clone()).map_err(unreadable)
    }
}
