//! What an export does, decided from what was seen of a keyspace. Pure.

use crate::backend::cassandra::cells::{Look, ranges::ranges};
use crate::backup::layout;
use crate::backup::manifest::{
    App, ColumnEntry, ElementTimes, Field, LeftOut, Object, Options, Outline, Planned, Source,
    Unfinished,
};
use crate::backup::schema_text;
use crate::backup::table::Shape;
use crate::backup::{FORMAT, TokenRange};
use crate::cql::schema::Schema;
use crate::error::{Error, Exit, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// How rows are read and written.
    pub options: Options,
    /// What is left out, and why.
    pub left_out: Vec<LeftOut>,
    /// Which shard, and of how many.
    pub shard: (usize, usize),
    /// Ranges that are read at once.
    pub at_once: usize,
    /// The application, where kmig.toml tells it.
    pub app: Option<App>,
}

/// The class of the one partitioner whose tokens are numbers of 64 bits.
pub(super) const MURMUR3: &str = "org.apache.cassandra.dht.Murmur3Partitioner";

/// Since this version the server tells the write time and TTL of each element (CASSANDRA-8877).
const TELLS_ELEMENTS: (u32, u32) = (5, 0);

/// Whether every server of a cluster tells the times of elements.
pub fn tells_elements(oldest: (u32, u32)) -> bool {
    oldest >= TELLS_ELEMENTS
}

/// Plans an export.
///
/// # Errors
/// What would lose data without a word is refused, all of it at once (7).
pub fn plan(keyspace: &str, look: &Look, wish: &Wish, began: &str) -> Result<Unfinished> {
    if look.partitioner != MURMUR3 {
        return Err(refused(format!(
            "the cluster is partitioned by {}, and kmig reads ranges of Murmur3's tokens only",
            look.partitioner
        )));
    }
    if let [first, ..] = look.unreadable.as_slice() {
        let count = look.unreadable.len();
        return Err(Error::failed(format!(
            "the role may not read {count} of the tables, {first} among them"
        ))
        .now("nothing was read")
        .next(format!(
            "GRANT SELECT ON KEYSPACE \"{keyspace}\" TO this role"
        )));
    }
    let shapes = shapes(&look.schema, &wish.left_out)?;
    let tells = tells_elements(look.oldest);
    let masked = masked(look, &shapes);
    if !masked.is_empty() {
        return Err(refused(format!(
            "the role sees these columns masked, and would export what hides them in their place: {}",
            masked.join(", ")
        ))
        .next(format!(
            "GRANT UNMASK ON KEYSPACE \"{keyspace}\" TO this role, or --leave-out table.column --reason TEXT"
        )));
    }
    if let (false, None) = (tells, wish.options.element_times) {
        let untold = untold(&shapes);
        if !untold.is_empty() {
            return Err(refused(format!(
                "Cassandra {} does not tell when elements were written, nor when they expire, of what is not frozen: {}",
                look.versions.first().map_or("?", String::as_str),
                untold.join(", ")
            ))
            .next("--element-times row-max gives them the latest time of the row's other cells, --element-times 2026-01-31T00:00:00Z a fixed one (of before the writes of the new application)"));
        }
    }
    let mut folders = BTreeSet::new();
    let tables = shapes.iter().map(|shape| Planned {
        outline: outline(shape, look, wish, &mut folders),
        planned: planned(look, shape, wish),
    });
    let tables = tables.collect();
    Ok(Unfinished {
        format: FORMAT,
        keyspace: keyspace.to_string(),
        source: Source {
            cluster: look.cluster.clone(),
            versions: look.versions.clone(),
            partitioner: look.partitioner.clone(),
            schema_version: look.schema_version.to_string(),
            kmig: env!("CARGO_PKG_VERSION").to_string(),
            app: wish.app.clone(),
            options: wish.options.clone(),
        },
        began: began.to_string(),
        shard: wish.shard,
        types: types(&look.schema),
        tables,
        objects: objects(&look.schema),
        left_out: wish.left_out.clone(),
        since: None,
    })
}

fn refused(message: String) -> Error {
    Error::new(Exit::Refused, message).now("nothing was read")
}

fn planned(look: &Look, shape: &Shape, wish: &Wish) -> Vec<TokenRange> {
    let bytes = look.bytes.get(&shape.name).copied().unwrap_or_default();
    ranges(bytes, wish.shard, wish.at_once)
}

/// The tables that are exported, without what is left out.
///
/// # Errors
/// What is to be left out is not there or belongs to a key; a class that the protocol cannot carry to kmig is in a column
/// that is not left out.
pub fn shapes(schema: &Schema, left_out: &[LeftOut]) -> Result<Vec<Shape>> {
    let left: BTreeSet<&str> = left_out.iter().map(|left| left.what.as_str()).collect();
    let mut found = BTreeSet::new();
    let (mut shapes, mut classes) = (Vec::new(), Vec::new());
    for (name, table) in &schema.tables {
        if left.contains(name.as_str()) {
            found.insert(name.clone());
            continue;
        }
        let mut shape = Shape::read(schema, name, table).map_err(Error::failed)?;
        let mut kept = Vec::new();
        for column in shape.columns {
            let full = format!("{name}.{}", column.name);
            if left.contains(full.as_str()) {
                if column.role.is_key() {
                    return Err(Error::usage(format!(
                        "{full} is part of the key, and rows are nothing without it"
                    ))
                    .next(format!("--leave-out {name} leaves out the whole table")));
                }
                found.insert(full);
                continue;
            }
            if let Some(class) = column.kind.custom() {
                classes.push(format!("{full} ({class})"));
            }
            kept.push(column);
        }
        shape.columns = kept;
        shapes.push(shape);
    }
    if let Some(left) = left.iter().find(|left| !found.contains(**left)) {
        return Err(Error::usage(format!(
            "--leave-out {left}: there is no such table or column"
        ))
        .next("table, or table.column, with capitals as the cluster writes them"));
    }
    if !classes.is_empty() {
        return Err(refused(format!(
            "these columns are of Java classes that CQL has no name for, and kmig cannot read them: {}",
            classes.join(", ")
        ))
        .next("--leave-out table.column --reason TEXT, for each; of a key the whole table"));
    }
    Ok(shapes)
}

/// Columns that the role would see masked.
pub(super) fn masked(look: &Look, shapes: &[Shape]) -> Vec<String> {
    let exported = |table: &str, column: &str| {
        let mut columns = shapes.iter().filter(|shape| shape.name == table);
        columns.any(|shape| shape.columns.iter().any(|own| own.name == column))
    };
    let to_role = |table: &String| look.masked_to_role.contains(table);
    let masked = look.masked.iter();
    masked
        .filter(|(table, column)| to_role(table) && exported(table, column))
        .map(|(table, column)| format!("{table}.{column}"))
        .collect()
}

/// Columns of elements that have times.
fn untold(shapes: &[Shape]) -> Vec<String> {
    let columns = shapes
        .iter()
        .flat_map(|shape| shape.columns.iter().map(move |column| (shape, column)));
    columns
        .filter(|(_, column)| column.composed && column.is_timed())
        .map(|(shape, column)| format!("{}.{}", shape.name, column.name))
        .collect()
}

fn outline(shape: &Shape, look: &Look, wish: &Wish, folders: &mut BTreeSet<String>) -> Outline {
    let (names, row) = layout::name(shape);
    let columns = shape.columns.iter().zip(names);
    // Names of tables may differ by their capitals only, and those of folders may not everywhere.
    let mut folder = shape.name.clone();
    while !folders.insert(folder.to_lowercase()) {
        folder.push('_');
    }
    Outline {
        name: shape.name.clone(),
        id: shape.id.clone(),
        folder,
        columns: columns
            .map(|(column, names)| ColumnEntry {
                name: column.name.clone(),
                role: column.role,
                kind: column.text.clone(),
                names,
            })
            .collect(),
        names: row,
        not_kept: not_kept(
            shape,
            tells_elements(look.oldest),
            wish.options.element_times,
        ),
    }
}

/// What the server does not tell of a table, a sentence each.
fn not_kept(shape: &Shape, tells: bool, times: Option<ElementTimes>) -> Vec<String> {
    let mut lost = Vec::new();
    if shape.is_counter() {
        lost.push(
            "counters are exact only if nobody counts while they are exported; they have no write time"
                .to_string(),
        );
    } else {
        lost.push(
            "when a row itself was inserted, beside its columns (its marker), and when that expires"
                .to_string(),
        );
    }
    let untold: Vec<&str> = shape
        .columns
        .iter()
        .filter(|column| column.composed && column.is_timed() && !tells)
        .map(|column| column.name.as_str())
        .collect();
    if !untold.is_empty() {
        let instead = match times {
            Some(ElementTimes::At(micros)) => {
                format!("the fixed write time {micros} µs stands for it, and no expiry")
            }
            _ => {
                "the latest write time and expiry of the row's other cells stand for it".to_string()
            }
        };
        lost.push(format!(
            "when each element of {} was written, and when it expires: {instead}",
            untold.join(", ")
        ));
    }
    lost
}

/// The user-defined types.
pub fn types(schema: &Schema) -> BTreeMap<String, Vec<Field>> {
    let fields = |fields: &Vec<(String, String)>| {
        let fields = fields.iter();
        fields
            .map(|(name, kind)| Field {
                name: name.clone(),
                kind: kind.clone(),
            })
            .collect()
    };
    let types = schema.types.iter();
    types
        .map(|(name, all)| (name.clone(), fields(all)))
        .collect()
}

fn objects(schema: &Schema) -> Vec<Object> {
    let object = |kind: &str, name: &str, table: Option<&str>| Object {
        kind: kind.to_string(),
        name: name.to_string(),
        table: table.map(str::to_string),
    };
    let mut objects = Vec::new();
    for (name, index) in &schema.indexes {
        objects.push(object("index", name, Some(&index.table)));
    }
    for (name, view) in &schema.views {
        objects.push(object("view", name, Some(&view.base)));
    }
    for function in &schema.functions {
        objects.push(object("function", &function.name, None));
    }
    for aggregate in &schema.aggregates {
        objects.push(object("aggregate", &aggregate.name, None));
    }
    for (table, name) in schema.triggers.keys() {
        objects.push(object("trigger", name, Some(table)));
    }
    objects.sort();
    objects
}

/// The text of schema.cql.
pub fn schema_cql(keyspace: &str, look: &Look) -> String {
    let head = [
        format!(
            "The schema of the keyspace {keyspace} of the cluster {}",
            look.cluster
        ),
        format!(
            "Cassandra {}, schema {}",
            look.versions.join(", "),
            look.schema_version
        ),
        "To restore it by hand: cqlsh -f schema.cql. kmig import does not read it.".to_string(),
    ];
    schema_text::text(
        &head,
        look.described.iter().map(|object| object.text.as_str()),
    )
}

/// The tables of a plan that are no longer as they were planned, the missing and the new ones among them.
pub fn changed(plan: &Unfinished, schema: &Schema) -> Result<Vec<String>> {
    let now = shapes(schema, &plan.left_out)?;
    let mut changed = Vec::new();
    for planned in &plan.tables {
        let then = planned.outline.shape(&plan.types).map_err(Error::failed)?;
        if !now.contains(&then) {
            changed.push(then.name);
        }
    }
    for shape in now {
        let known = plan
            .tables
            .iter()
            .any(|table| table.outline.name == shape.name);
        if !known {
            changed.push(shape.name);
        }
    }
    Ok(changed)
}

/// A plan that was begun, with the changed tables as they are wanted now: the others keep their ranges.
pub fn rejoined(begun: &Unfinished, wanted: Unfinished, changed: &[String]) -> Unfinished {
    let tables = wanted.tables.into_iter().map(|table| {
        let known = begun.tables.iter().find(|known| {
            known.outline.name == table.outline.name && !changed.contains(&table.outline.name)
        });
        known.cloned().unwrap_or(table)
    });
    Unfinished {
        source: Source {
            options: begun.source.options.clone(),
            ..wanted.source
        },
        began: begun.began.clone(),
        tables: tables.collect(),
        ..wanted
    }
}
