//! What must not be sent, though the server might take it.

use super::{Holds, claim, holds};
use crate::cql::act::{Act, Change, Column, Object};
use crate::cql::kind::same;
use crate::cql::schema::{Dropped, Role, Schema, Table};

/// Why a statement must not be sent: one clause, no full stop. `now` is the coordinator's clock in milliseconds since
/// 1970.
///
/// - IF NOT EXISTS over something else, which the server passes over in silence (traps C3).
/// - A table of a materialized view's name: 5.0.9 and 4.1.10 fail with an internal error, and their schema then holds
///   both in one.
/// - ADD of a column that the table had before, where the server would refuse it later than kmig can say why, and where
///   it would take it although what is written to it now is not to be seen: dropped at a time that is still to come.
///   One of the same type that was dropped in the past may come back, as after an undo: its old values stay hidden, and
///   whatever is written from now on is seen.
pub fn refuse(act: &Act, keyspace: &str, schema: &Schema, now: i64) -> Option<String> {
    match act {
        Act::Create(made) if over_view(&made.object, schema) => Some(
            "a materialized view has that name, and Cassandra would break its schema over it: it fails, and still stores the table's columns"
                .to_string(),
        ),
        Act::Create(made) if made.guarded && !made.replaces => {
            match holds(&claim(act, keyspace), None, schema) {
                Holds::Differs(why) => Some(format!(
                    "IF NOT EXISTS would pass over what is there: {why}"
                )),
                _ => None,
            }
        }
        Act::Alter {
            object,
            change: Change::Add { columns, guarded },
            ..
        } => {
            let members = match holds(&claim(act, keyspace), None, schema) {
                Holds::Differs(why) if *guarded => {
                    return Some(format!(
                        "IF NOT EXISTS would pass over what is there: {why}"
                    ));
                }
                _ => columns.iter(),
            };
            let Object::Table(name) = object else {
                return None;
            };
            let table = schema.tables.get(&name.name)?;
            let mut absent = members.filter(|column| !table.columns.contains_key(&column.name));
            absent.find_map(|column| again(column, table, &schema.keyspace, now))
        }
        _ => None,
    }
}

fn over_view(object: &Object, schema: &Schema) -> bool {
    matches!(object, Object::Table(name) if schema.views.contains_key(&name.name))
}

/// Why a column that was dropped must not come back.
fn again(column: &Column, table: &Table, keyspace: &str, now: i64) -> Option<String> {
    let Dropped { role, kind, time } = table.dropped.get(&column.name)?;
    let name = &column.name;
    let had = format!("the table had a column {name} before");
    if table.flags.contains("counter") {
        return Some(format!("{had}, and no counter comes back"));
    }
    if column.is_static != (*role == Role::Static) {
        let was = if column.is_static {
            "not static"
        } else {
            "static"
        };
        return Some(format!("{had}, which was {was}: take another name"));
    }
    // A user-defined type is a tuple there, and then the server refuses it.
    if !same(&column.kind, kind, keyspace) {
        return Some(format!(
            "{had}, of the type {kind}, and Cassandra takes it back with no other: take another name"
        ));
    }
    (*time > now).then(|| {
        format!(
            "{had}, dropped USING TIMESTAMP at a time that is {} seconds away: what is written until then would not be seen; take another name",
            (time - now).div_euclid(1000) + 1
        )
    })
}
