//! What an export came to. Pure.

use super::{Answer, count, object};
use crate::backup::manifest::{Manifest, Range, Unfinished};
use crate::error::Exit;
use serde_json::{Value, json};

/// What cannot be kept of a keyspace, a line for each table and reason.
pub fn not_kept(plan: &Unfinished) -> Vec<String> {
    let tables = plan.tables.iter();
    let lines = tables.flat_map(|table| {
        let outline = &table.outline;
        outline
            .not_kept
            .iter()
            .map(move |lost| format!("{}: cannot be kept: {lost}", outline.name))
    });
    let left = plan
        .left_out
        .iter()
        .map(|left| format!("{}: left out: {}", left.what, left.reason));
    lines.chain(left).collect()
}

fn tables_of(plan: &Unfinished) -> Value {
    let tables = plan.tables.iter().map(|table| {
        json!({
            "name": table.outline.name,
            "ranges": table.planned.len(),
            "not_kept": table.outline.not_kept,
        })
    });
    tables.collect()
}

/// What would be done.
pub fn dry_run(folder: &str, plan: &Unfinished) -> Answer {
    let ranges: usize = plan.tables.iter().map(|table| table.planned.len()).sum();
    let mut lines = vec![format!(
        "Would export {} of the keyspace {} in {} into {folder}",
        count(plan.tables.len(), "table"),
        plan.keyspace,
        count(ranges, "range"),
    )];
    lines.extend(not_kept(plan).iter().map(|line| format!("  {line}")));
    Answer {
        exit: Exit::Done,
        text: lines.join("\n"),
        document: object(json!({
            "folder": folder,
            "keyspace": plan.keyspace,
            "sealed": false,
            "tables": tables_of(plan),
            "left_out": plan.left_out,
        })),
    }
}

/// A shard that is complete, in a folder that is not sealed.
pub fn shard(folder: &str, plan: &Unfinished, rows: u64) -> Answer {
    let (at, of) = plan.shard;
    let text = format!(
        "Exported shard {at}/{of} of the keyspace {} into {folder}: {rows} rows in this run\n\
         Next: the other shards, then kmig export --to {folder} --seal",
        plan.keyspace
    );
    Answer {
        exit: Exit::Done,
        text,
        document: object(json!({
            "folder": folder,
            "keyspace": plan.keyspace,
            "sealed": false,
            "shard": [at, of],
            "rows": rows,
            "tables": tables_of(plan),
        })),
    }
}

/// A folder that is sealed.
pub fn sealed(folder: &str, manifest: &Manifest) -> Answer {
    let rows: u64 = manifest.tables.iter().map(|table| table.rows.rows).sum();
    let ranges = manifest.tables.iter().flat_map(|table| &table.ranges);
    let bytes: u64 = ranges
        .flat_map(Range::files)
        .map(|file| file.file.bytes)
        .sum();
    let mut lines = vec![format!(
        "Exported the keyspace {} into {folder}: {rows} rows of {}, {:.1} MB",
        manifest.keyspace,
        count(manifest.tables.len(), "table"),
        bytes as f64 / 1e6,
    )];
    for left in &manifest.left_out {
        lines.push(format!("  left out: {} ({})", left.what, left.reason));
    }
    lines.push(format!(
        "Next: kmig import {folder}, into the keyspace that kmig bootstrap made"
    ));
    let tables: Value = manifest
        .tables
        .iter()
        .map(|table| {
            json!({
                "name": table.outline.name,
                "rows": table.rows.rows,
                "static_partitions": table.statics.map(|sum| sum.rows),
                "ranges": table.ranges.len(),
                "not_kept": table.outline.not_kept,
            })
        })
        .collect();
    Answer {
        exit: Exit::Done,
        text: lines.join("\n"),
        document: object(json!({
            "folder": folder,
            "keyspace": manifest.keyspace,
            "sealed": true,
            "rows": rows,
            "bytes": bytes,
            "tables": tables,
            "left_out": manifest.left_out,
        })),
    }
}
