//! Another keyspace beside the one of the url, as both are at the moment.

use super::all;
use crate::backend::cassandra::cells::{Hitches, Look, Source};
use crate::backup::mapping::{File, Mapping, TableMap};
use crate::backup::table::Shape;
use crate::cli::VerifyArgs;
use crate::commands::context::Context;
use crate::commands::import::decide::accounted;
use crate::cql::schema::Schema;
use crate::error::{Error, Result};
use crate::keyspace::pair::{self, Side, planned};
use crate::keyspace::plan::tells_elements;
use crate::keyspace::verify::{First, Live, Piece, Verify, filled, needed, parts};
use crate::place::SourceFile;
use crate::report::Answer;
use crate::report::progress::Copying;
use crate::report::verify::{Sides, told};
use std::sync::Arc;

/// Compares them.
pub async fn run(
    context: &Context,
    args: &VerifyArgs,
    url: &str,
    rules: Option<(SourceFile, File)>,
    shard: (usize, usize),
) -> Result<Answer> {
    let target = context.keyspace().await?;
    let (at, beside) = context.targets(url)?;
    let source = context.source(&beside).await?;
    let (old, new) = (source.source(), target.source());
    let (old_look, new_look) = tokio::try_join!(old.look(), new.look())?;
    let names = match old.keyspace != new.keyspace {
        true => (old.keyspace.clone(), new.keyspace.clone()),
        false if !old_look.ring.shares_a_member(&new_look.ring) => {
            (beside.describe(), at.describe())
        }
        false => {
            return Err(Error::usage(format!(
                "--source names the keyspace {} itself, of the same cluster",
                new.keyspace
            ))
            .now("nothing was read")
            .next("--source names the old keyspace, --url or url in kmig.toml the new one"));
        }
    };
    let (sources, targets) = (shapes(&old_look.schema)?, shapes(&new_look.schema)?);
    let maps = accounted(
        &sources,
        rules.as_ref(),
        &new_look.schema,
        &targets,
        &names.0,
    )?;
    for line in left_out(&maps) {
        context.progress.say(&line);
    }
    let read = |of: fn(&TableMap) -> TableMap| -> Vec<Shape> {
        maps.tables.iter().map(|map| of(map).source).collect()
    };
    let (read_old, read_new) = (read(needed), read(filled));
    let sides = [
        Side {
            name: &names.0,
            look: &old_look,
            tables: read_old.iter().collect(),
        },
        Side {
            name: &names.1,
            look: &new_look,
            tables: read_new.iter().collect(),
        },
    ];
    for (side, source) in sides.iter().zip([&old, &new]) {
        pair::check(side)?;
        if !side.look.masked.is_empty() {
            // Until a right to see what is masked counts on every node, it would be read masked and look fine.
            context.stop.pause(source.permissions_last().await?).await?;
        }
    }
    let level = target.level();
    let live = |source, look, name: &str| {
        Live::new(
            source,
            look,
            &level,
            name.to_string(),
            args.parallel.into(),
            args.max_rows,
        )
    };
    let tell = |text: String| context.progress.say(&text);
    let hitches = Hitches::new(&tell);
    let verify = Verify {
        target: live(&new, &new_look, &names.1),
        source: Some(live(&old, &old_look, &names.0)),
        tells: tells_elements(old_look.oldest.min(new_look.oldest)),
        partial: false,
        stop: &context.stop,
        hitches: &hitches,
    };
    let pieces = pieces(&maps, (&old_look, &new_look), shard, args.parallel.into());
    let copying = Copying::new(&context.progress, "compared", "ranges");
    let prove = async |_: &Piece| Ok(());
    let found = all(&verify, pieces, prove, &copying, args.parallel).await;
    copying.end();
    for (side, source) in sides.iter().zip([&old, &new]) {
        unchanged(side, source).await?;
    }
    let found = found?;
    let looked_up = maps.tables.iter().filter(|map| !map.keeps_keys());
    let mapped = |shape: &&Shape| maps.tables.iter().all(|map| map.target.name != shape.name);
    Ok(told(
        &Sides {
            first: names.0.clone(),
            second: names.1.clone(),
            live: true,
            changes: false,
            tells: verify.tells,
            looked_up: looked_up.map(|map| map.target.name.clone()).collect(),
            only: targets
                .iter()
                .filter(mapped)
                .map(|shape| shape.name.clone())
                .collect(),
        },
        &found,
    ))
}

/// The tables of a keyspace.
fn shapes(schema: &Schema) -> Result<Vec<Shape>> {
    let tables = schema.tables.iter();
    let shapes = tables.map(|(name, table)| Shape::read(schema, name, table));
    shapes
        .collect::<Result<Vec<_>, String>>()
        .map_err(Error::failed)
}

/// What the mapping leaves out, line by line.
fn left_out(maps: &Mapping) -> Vec<String> {
    let tables = maps.skipped.iter();
    let tables = tables.map(|(table, reason)| format!("{table} is not compared: {reason}"));
    let columns = maps.tables.iter().flat_map(|map| {
        let dropped = map.dropped.iter();
        dropped.map(|(column, reason)| {
            format!("{}.{column} is not compared: {reason}", map.source.name)
        })
    });
    tables.chain(columns).collect()
}

/// Each range of each part of a table.
fn pieces(
    maps: &Mapping,
    looks: (&Look, &Look),
    shard: (usize, usize),
    at_once: usize,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for map in &maps.tables {
        let map = Arc::new(map.clone());
        for range in planned(&map, looks, shard, at_once) {
            for part in parts(&map) {
                pieces.push(Piece {
                    map: map.clone(),
                    part,
                    range,
                    first: First::Keyspace,
                });
            }
        }
    }
    pieces
}

/// What was read by a schema that is no longer so proves nothing.
async fn unchanged(side: &Side<'_>, source: &Source) -> Result<()> {
    let members = &side.look.members;
    if source.schema_version(members).await? == side.look.schema_version {
        return Ok(());
    }
    let schema = source.schema(members).await?;
    let changed = pair::changed(side, &schema, &source.hidden().await?);
    match changed.is_empty() {
        true => Ok(()),
        false => Err(Error::failed(format!(
            "the schema of {} was changed while it was compared: {}",
            side.name,
            changed.join(", ")
        ))
        .now("nothing was written")
        .next("the same command")),
    }
}
