//! What a run finds there again although migrations dropped it for good.

use crate::backend::{Backend, Database};
use crate::error::Result;
use crate::place::Place;
use crate::plan::gone::gone;
use crate::plan::history::History;
use crate::plan::there::{Proof, Wanted};
use crate::source::MigrationSet;

/// Looks under the lock, and names what came back, one line each. Cassandra cannot take back a statement that was sent: one
/// of an executor that was shut out may arrive after the next one has dropped what it makes (traps C4). On Postgres the
/// lock is the session's, and nothing comes late.
///
/// # Errors
/// The cluster does not answer.
pub async fn named(
    database: &mut Database,
    set: &MigrationSet,
    history: Option<&History>,
) -> Result<Vec<String>> {
    let (Database::Cassandra(_), Some(history)) = (&*database, history) else {
        return Ok(Vec::new());
    };
    let wanted: Vec<Wanted<'_>> = gone(set, history)
        .into_iter()
        .map(|gone| Wanted {
            object: gone.object,
            part: gone.part,
            span: gone.span,
            settings: Vec::new(),
            proof: Proof::Made,
        })
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let missing = database.look(&wanted).await?;
    let back = wanted
        .iter()
        .enumerate()
        .filter(|(at, _)| !missing.contains(at));
    Ok(back
        .map(|(_, found)| {
            let place = Place::span(&found.part.file, found.span).label();
            format!(
                "{} is there again, though it was dropped for good at {place}: a statement of a run that was shut out may have come late, \
                 or somebody made it by hand; look, and drop it where nobody needs it",
                found.object
            )
        })
        .collect())
}
