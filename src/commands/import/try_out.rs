//! `kmig import --dry-run`: what some rows of each file come to.

use super::decide::Decision;
use super::pieces::pieces;
use crate::backend::cassandra::Cassandra;
use crate::backend::cassandra::cells;
use crate::backend::cassandra::cells::feed::try_out as convert;
use crate::backend::cassandra::cells::load::Job;
use crate::backup::archive::Archive;
use crate::cli::ImportArgs;
use crate::error::{Exit, Result};
use crate::report::{Answer, count};
use serde_json::json;

/// Converts some rows of each file, and writes none.
pub async fn try_out(
    cassandra: &Cassandra,
    archive: &Archive,
    decision: &Decision,
    args: &ImportArgs,
) -> Result<Answer> {
    let rows_max = args.dry_run;
    let mut lines = Vec::new();
    let mut tables = Vec::new();
    let mut rejected = 0;
    for decided in &decision.tables {
        let (mut rows, mut wrong) = (0, 0);
        let mut left = rows_max.unwrap_or_default();
        let name = &decided.map.source.name;
        let of_table = pieces(archive, decision).into_iter();
        let of_table = of_table.filter(|piece| piece.decided.map.source.name == *name);
        for piece in of_table {
            if left == 0 {
                break;
            }
            archive.check(piece.file)?;
            let job = Job {
                map: decided.map.clone(),
                part: piece.part,
                layout: archive.layout(piece.table, piece.part)?,
                path: archive.path(piece.file),
                marker: decided.marker,
                before: cells::Before::Absent,
                grows: false,
                table: None,
                hold: None,
                rows_max: Some(left),
            };
            let (read, found) = convert(&job)?;
            rows += read;
            left -= read.min(left);
            wrong += found.len();
            for row in found.iter().take(3) {
                let column = row.column.as_deref().unwrap_or_default();
                lines.push(format!("  {name}.{column}: {}", row.reason));
            }
        }
        rejected += wrong;
        let of_rows = count(usize::try_from(rows).unwrap_or(usize::MAX), "row");
        lines.insert(
            lines.len() - wrong.min(lines.len()).min(3),
            format!(
                "{name} -> {}: of {of_rows}, {} would be rejected",
                decided.map.target.name,
                count(wrong, "row")
            ),
        );
        tables.push(json!({ "table": name, "rows": rows, "rejected": wrong }));
    }
    let text = format!(
        "Would import {} into {}; nothing was written.",
        archive.folder.display(),
        cassandra.keyspace()
    );
    let mut answer = Answer::line(&text).with("tables", tables);
    answer.text = format!("{text}\n{}", lines.join("\n"));
    if rejected > 0 {
        answer.exit = Exit::Failed;
    }
    Ok(answer)
}
