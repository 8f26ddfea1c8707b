//! How a claim stands in a schema.

use super::{Claim, Holds, Want};
use crate::cql::act::{Column, Create, Object, Target};
use crate::cql::kind::same;
use crate::cql::schema::{Held, Index, Role, Schema, Table, key};
use std::collections::BTreeMap;

/// How a claim stands in the schema of [`Claim::keyspace`], as one member sees it. `id` is the one that a table or view
/// was given; one in the statement's own text counts before it.
pub fn holds(claim: &Claim, id: Option<&str>, schema: &Schema) -> Holds {
    let Some(object) = &claim.object else {
        return Holds::Untold;
    };
    match &claim.want {
        Want::Repeat | Want::Untold => Holds::Untold,
        Want::Gone => yes(!is_there(object, schema)),
        Want::Role(there) => match (&schema.roles, object) {
            (Some(roles), Object::Role(role)) => yes(roles.contains(role) == *there),
            _ => Holds::Untold,
        },
        Want::Table(made) => table(made, id, schema),
        Want::View(made) => view(made, id, schema),
        Want::Type(fields) => kind(object, fields, claim.lenient, schema),
        Want::Index(made) => index(made, schema),
        Want::Function(made) => function(made, schema),
        Want::Trigger(class) => trigger(object, class.as_deref(), schema),
        Want::Added(columns) => match members(object, schema) {
            // ALTER … IF EXISTS of what is not there does nothing.
            None => yes(claim.lenient),
            Some(members) => added(columns, &members, schema),
        },
        Want::Lost(columns) => match members(object, schema) {
            None => yes(claim.lenient),
            Some(members) => yes(!columns.iter().any(|one| members.contains_key(one.as_str()))),
        },
        Want::Renamed(names) => match members(object, schema) {
            None => yes(claim.lenient),
            Some(members) => yes(renamed(names, claim.lenient, &members)),
        },
        Want::Compact => match table_of(object, schema) {
            None => yes(claim.lenient),
            Some(table) => yes(table.flags.contains("compound") && !table.flags.contains("dense")),
        },
    }
}

fn yes(holds: bool) -> Holds {
    if holds { Holds::Yes } else { Holds::No }
}

fn differs(why: impl Into<String>) -> Holds {
    Holds::Differs(why.into())
}

/// Whether there is anything of that kind and name.
pub fn is_there(object: &Object, schema: &Schema) -> bool {
    match object {
        Object::Table(name) => schema.tables.contains_key(&name.name),
        Object::View(name) => schema.views.contains_key(&name.name),
        Object::Type(name) => schema.types.contains_key(&name.name),
        Object::Index { name, .. } => schema.indexes.contains_key(&name.name),
        Object::Function { name, arguments } => schema
            .called(&schema.functions, &name.name, arguments.as_deref())
            .is_some(),
        Object::Aggregate { name, arguments } => schema
            .called(&schema.aggregates, &name.name, arguments.as_deref())
            .is_some(),
        Object::Trigger { name, table } => {
            let id = (table.name.clone(), name.clone());
            schema.triggers.contains_key(&id)
        }
        Object::Role(role) => {
            let roles = schema.roles.as_ref();
            roles.is_some_and(|roles| roles.contains(role))
        }
        Object::Keyspace(keyspace) => schema.keyspace == *keyspace,
    }
}

fn table_of<'a>(object: &Object, schema: &'a Schema) -> Option<&'a Table> {
    match object {
        Object::Table(name) => schema.tables.get(&name.name),
        _ => None,
    }
}

/// Columns or fields: each with its type and, of columns, its role.
type Members<'a> = BTreeMap<&'a str, (&'a str, Option<Role>)>;

fn members<'a>(object: &Object, schema: &'a Schema) -> Option<Members<'a>> {
    match object {
        Object::Type(name) => {
            let fields = schema.types.get(&name.name)?.iter();
            Some(
                fields
                    .map(|(name, kind)| (name.as_str(), (kind.as_str(), None)))
                    .collect(),
            )
        }
        _ => {
            let columns = table_of(object, schema)?.columns.iter();
            let member = |(name, held): (&'a String, &'a Held)| {
                (name.as_str(), (held.kind.as_str(), Some(held.role)))
            };
            Some(columns.map(member).collect())
        }
    }
}

/// Why a column is not as it is declared.
fn odd(column: &Column, kind: &str, role: Option<Role>, keyspace: &str) -> Option<String> {
    let name = &column.name;
    if !same(&column.kind, kind, keyspace) {
        return Some(format!("{name} is {kind} there, and not {}", column.kind));
    }
    match (role, column.is_static) {
        (Some(Role::Static), false) => Some(format!("{name} is static there")),
        (Some(Role::Partition | Role::Clustering | Role::Regular), true) => {
            Some(format!("{name} is not static there"))
        }
        _ => None,
    }
}

fn added(columns: &[Column], members: &Members<'_>, schema: &Schema) -> Holds {
    let mut there = 0;
    for column in columns {
        let Some((kind, role)) = members.get(column.name.as_str()) else {
            continue;
        };
        there += 1;
        if let Some(odd) = odd(column, kind, *role, &schema.keyspace) {
            return differs(odd);
        }
    }
    // An ALTER takes effect as a whole.
    yes(there == columns.len())
}

fn renamed(names: &[(String, String)], lenient: bool, members: &Members<'_>) -> bool {
    let there = |name: &String| members.contains_key(name.as_str());
    // One after the other: what a later one renames again, or names anew, is not looked for.
    names.iter().enumerate().all(|(at, (from, to))| {
        let again = names[at + 1..].iter().any(|(later, _)| later == to);
        let anew = names.iter().any(|(_, other)| other == from);
        (lenient || again || there(to)) && (anew || !there(from))
    })
}

fn table(made: &Create, id: Option<&str>, schema: &Schema) -> Holds {
    let Object::Table(name) = &made.object else {
        return Holds::Untold;
    };
    if schema.views.contains_key(&name.name) {
        return differs(format!("{} is a materialized view there", name.name));
    }
    let Some(found) = schema.tables.get(&name.name) else {
        return Holds::No;
    };
    let id = made.id.as_deref().or(id);
    let same_id = id.is_none_or(|id| found.id.eq_ignore_ascii_case(id));
    if let (false, false, Some(id)) = (same_id, made.guarded, id) {
        return differs(format!(
            "table {} is there with the id {}, and not with {id}: another one made it",
            name.name, found.id
        ));
    }
    if let Some(odd) = shape(made, found, schema, same_id) {
        return differs(format!("table {} is there, but {odd}", name.name));
    }
    Holds::Yes
}

/// Why a table is not as it is declared. Columns that nobody declared count where the table has the `same_id`: another
/// definition was then merged into it (traps C1); what IF NOT EXISTS found there may have more.
fn shape(made: &Create, found: &Table, schema: &Schema, same_id: bool) -> Option<String> {
    for column in &made.columns {
        let Some(held) = found.columns.get(&column.name) else {
            return Some(format!("has no column {}", column.name));
        };
        if let Some(odd) = odd(column, &held.kind, Some(held.role), &schema.keyspace) {
            return Some(format!("column {odd}"));
        }
    }
    if let Some(odd) = other_key(made, &found.columns) {
        return Some(odd);
    }
    // COMPACT STORAGE brings columns of its own.
    let compact = made
        .options
        .iter()
        .any(|option| option == "compact storage");
    let declared = |name: &&String| made.columns.iter().any(|column| column.name == **name);
    let more = found.columns.keys().find(|name| !declared(name));
    match more {
        Some(more) if same_id && !made.guarded && !compact => {
            Some(format!("has a column {more} besides"))
        }
        _ => None,
    }
}

fn other_key(made: &Create, columns: &BTreeMap<String, Held>) -> Option<String> {
    let partition = key(columns, Role::Partition);
    let clustering = key(columns, Role::Clustering);
    let is_same = partition == made.key.partition && clustering == made.key.clustering;
    let clustering = clustering.iter().map(|column| format!(", {column}"));
    let clustering: String = clustering.collect();
    (!is_same).then(|| format!("its key is (({}){clustering})", partition.join(", ")))
}

fn view(made: &Create, id: Option<&str>, schema: &Schema) -> Holds {
    let Object::View(name) = &made.object else {
        return Holds::Untold;
    };
    if schema.tables.contains_key(&name.name) {
        return differs(format!("{} is a table there", name.name));
    }
    let Some(found) = schema.views.get(&name.name) else {
        return Holds::No;
    };
    let name = &name.name;
    match made.id.as_deref().or(id) {
        Some(id) if !made.guarded && !found.id.eq_ignore_ascii_case(id) => {
            return differs(format!(
                "view {name} is there with the id {}, and not with {id}: another one made it",
                found.id
            ));
        }
        _ => {}
    }
    if made
        .base
        .as_ref()
        .is_some_and(|base| base.name != found.base)
    {
        return differs(format!("view {name} is there, but shows {}", found.base));
    }
    match other_key(made, &found.columns) {
        Some(odd) => differs(format!("view {name} is there, but {odd}")),
        None => Holds::Yes,
    }
}

fn kind(object: &Object, fields: &[Column], lenient: bool, schema: &Schema) -> Holds {
    let Object::Type(name) = object else {
        return Holds::Untold;
    };
    let Some(found) = schema.types.get(&name.name) else {
        return Holds::No;
    };
    for field in fields {
        let held = found.iter().find(|(name, _)| *name == field.name);
        let odd = match held {
            None => Some(format!("has no field {}", field.name)),
            Some((_, kind)) => {
                odd(field, kind, None, &schema.keyspace).map(|odd| format!("field {odd}"))
            }
        };
        if let Some(odd) = odd {
            return differs(format!("type {} is there, but {odd}", name.name));
        }
    }
    let order = fields.iter().map(|field| field.name.as_str());
    let found = found.iter().map(|(name, _)| name.as_str());
    match lenient || order.eq(found) {
        true => Holds::Yes,
        false => differs(format!(
            "type {} is there, but with more fields or in another order",
            name.name
        )),
    }
}

fn index(made: &Create, schema: &Schema) -> Holds {
    let Object::Index { name, unnamed, .. } = &made.object else {
        return Holds::Untold;
    };
    let mut all = schema.indexes.values();
    // The server makes no index twice on the same, whatever it is called, and IF NOT EXISTS takes the one that is there.
    if (*unnamed || made.guarded) && all.any(|found| alike(made, found)) {
        return Holds::Yes;
    }
    match schema.indexes.get(&name.name) {
        Some(found) if !*unnamed && alike(made, found) => Holds::Yes,
        Some(found) if !*unnamed => differs(format!(
            "index {} is there, but on {} of {}",
            name.name,
            found
                .options
                .get("target")
                .map_or("something else", String::as_str),
            found.table
        )),
        _ => Holds::No,
    }
}

/// Whether an index is one that a statement makes, apart from its name.
pub fn alike(made: &Create, found: &Index) -> bool {
    let Object::Index {
        table: Some(table), ..
    } = &made.object
    else {
        return false;
    };
    let target = match made.targets.as_slice() {
        [wanted] => found.target().is_some_and(|found| fits(wanted, &found)),
        _ => true,
    };
    let class = found.options.get("class_name").map(|class| short(class));
    let class = match &made.class {
        // Which one the server takes by itself is a setting of 5.0.
        None => true,
        Some(wanted) if short(wanted) == LEGACY => class.is_none(),
        Some(wanted) => class == Some(short(wanted)),
    };
    found.table == table.name && target && class
}

/// What 5.0 calls an index without a class.
const LEGACY: &str = "legacy_local_table";

/// The name of a class without its package.
fn short(class: &str) -> String {
    let last = class.rsplit('.').next().unwrap_or(class);
    match last.to_ascii_lowercase().as_str() {
        "storageattachedindex" => "sai".to_string(),
        short => short.to_string(),
    }
}

/// An index on a collection that says no more is one on its values.
fn fits(wanted: &Target, found: &Target) -> bool {
    let of = wanted.of == found.of || wanted.of.is_none() && found.of == Some("values");
    wanted.column == found.column && of
}

fn function(made: &Create, schema: &Schema) -> Holds {
    let (all, name, arguments, word) = match &made.object {
        Object::Function { name, arguments } => (&schema.functions, name, arguments, "function"),
        Object::Aggregate { name, arguments } => (&schema.aggregates, name, arguments, "aggregate"),
        _ => return Holds::Untold,
    };
    match schema.called(all, &name.name, arguments.as_deref()) {
        None => Holds::No,
        Some(found) if made.body.as_ref().is_none_or(|body| *body == found.body) => Holds::Yes,
        // It is to be replaced yet.
        Some(_) if made.replaces => Holds::No,
        Some(_) => differs(format!(
            "{word} {} is there, but with another body",
            name.name
        )),
    }
}

fn trigger(object: &Object, class: Option<&str>, schema: &Schema) -> Holds {
    let Object::Trigger { name, table } = object else {
        return Holds::Untold;
    };
    match schema.triggers.get(&(table.name.clone(), name.clone())) {
        None => Holds::No,
        Some(found) if class.is_none_or(|class| class == found) => Holds::Yes,
        Some(found) => differs(format!("trigger {name} is there, but calls {found}")),
    }
}
