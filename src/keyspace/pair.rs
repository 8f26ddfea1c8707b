//! What two keyspaces must be to be compared as they are, decided from what was seen of both. Pure.

use super::plan::{MURMUR3, masked};
use crate::backend::cassandra::cells::{Look, ranges::ranges};
use crate::backup::TokenRange;
use crate::backup::mapping::TableMap;
use crate::backup::table::Shape;
use crate::cql::schema::Schema;
use crate::error::{Error, Exit, Result};

/// A keyspace and what is read of it.
pub struct Side<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What was seen of it.
    pub look: &'a Look,
    /// Its tables, with the columns that are read.
    pub tables: Vec<&'a Shape>,
}

/// Refuses what could not be compared in truth: values that the role does not see, and those that kmig cannot read.
///
/// # Errors
/// The first thing that is found: 7, or 1 where a right lacks.
pub fn check(side: &Side<'_>) -> Result<()> {
    let Side { name, look, tables } = side;
    let refused = |message: String| Error::new(Exit::Refused, message).now("nothing was read");
    if look.partitioner != MURMUR3 {
        return Err(refused(format!(
            "the cluster of {name} is partitioned by {}, and kmig reads ranges of Murmur3's tokens only",
            look.partitioner
        )));
    }
    let mut unreadable = look.unreadable.iter();
    if let Some(table) = unreadable.find(|table| tables.iter().any(|shape| shape.name == **table)) {
        return Err(
            Error::failed(format!("the role may not read {table} of {name}"))
                .now("nothing was read")
                .next("GRANT SELECT ON that keyspace TO this role"),
        );
    }
    let columns = tables
        .iter()
        .flat_map(|shape| shape.columns.iter().map(move |column| (shape, column)));
    let classes: Vec<String> = columns
        .filter_map(|(shape, column)| {
            let class = column.kind.custom()?;
            Some(format!("{}.{} ({class})", shape.name, column.name))
        })
        .collect();
    if !classes.is_empty() {
        return Err(refused(format!(
            "these columns of {name} are of Java classes that CQL has no name for, and kmig cannot read them: {}",
            classes.join(", ")
        ))
        .next("drop = { column = \"why\" } in the mapping leaves one out; of a key skip = \"why\" the whole table"));
    }
    let shapes: Vec<Shape> = tables.iter().map(|shape| (*shape).clone()).collect();
    let masked = masked(look, &shapes);
    if !masked.is_empty() {
        return Err(refused(format!(
            "the role sees these columns of {name} masked, and would compare what hides them: {}",
            masked.join(", ")
        ))
        .next("GRANT UNMASK ON that keyspace TO this role; or drop = { column = \"why\" } in the mapping"));
    }
    Ok(())
}

/// In which ranges a table is compared: by the side that has more.
pub fn planned(
    map: &TableMap,
    looks: (&Look, &Look),
    shard: (usize, usize),
    at_once: usize,
) -> Vec<TokenRange> {
    let bytes = |look: &Look, table: &str| look.bytes.get(table).copied().unwrap_or_default();
    let one = bytes(looks.0, &map.source.name);
    let other = bytes(looks.1, &map.target.name);
    ranges(one.max(other), shard, at_once)
}

/// The tables of a side that are no longer as they were when the comparison began, or are masked to the role since.
pub fn changed(side: &Side<'_>, schema: &Schema, hidden: &[String]) -> Vec<String> {
    let as_it_was = |shape: &Shape| {
        let table = schema.tables.get(&shape.name);
        let now = table.and_then(|table| Shape::read(schema, &shape.name, table).ok());
        let columns = shape.columns.iter();
        now.is_some_and(|now| {
            now.id == shape.id && columns.clone().all(|own| now.columns.contains(own))
        }) && columns.clone().all(|own| {
            let name = format!("{}.{}", shape.name, own.name);
            !hidden.contains(&name)
        })
    };
    let tables = side.tables.iter();
    let changed = tables.filter(|shape| !as_it_was(shape));
    changed.map(|shape| shape.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cassandra::cells::ranges::Ring;
    use crate::backup::kind::Types;
    use crate::backup::table::{Column, Role};
    use crate::cql::schema::{self, Table};
    use uuid::Uuid;

    fn look() -> Look {
        Look {
            cluster: "c".into(),
            partitioner: MURMUR3.into(),
            versions: Vec::new(),
            oldest: (5, 0),
            schema_version: Uuid::nil(),
            now: 0,
            schema: Schema::default(),
            described: Vec::new(),
            masked: Default::default(),
            bytes: Default::default(),
            unreadable: Vec::new(),
            masked_to_role: Vec::new(),
            ring: Ring::default(),
            members: Vec::new(),
        }
    }

    fn shape(kind: &str) -> Shape {
        let column =
            |name, role, kind| Column::read(name, role, kind, &Types::new()).expect("a column");
        Shape {
            name: "t".into(),
            id: "1".into(),
            columns: vec![
                column("id", Role::Partition, "int"),
                column("v", Role::Regular, kind),
            ],
        }
    }

    fn refused(look: &Look, shape: &Shape) -> Option<(Exit, String)> {
        let side = Side {
            name: "old",
            look,
            tables: vec![shape],
        };
        check(&side).err().map(|error| (error.exit, error.message))
    }

    #[test]
    fn what_could_not_be_compared_in_truth_is_refused() {
        let text = shape("text");
        assert_eq!(refused(&look(), &text), None);
        let mut ordered = look();
        ordered.partitioner = "org.apache.cassandra.dht.ByteOrderedPartitioner".into();
        let mut unreadable = look();
        unreadable.unreadable = vec!["other".into(), "t".into()];
        let mut hidden = look();
        hidden.masked = [("t".to_string(), "v".to_string())].into();
        hidden.masked_to_role = vec!["t".into()];
        let class = shape("'org.apache.cassandra.db.marshal.DynamicCompositeType'");
        for (look, shape, exit, part) in [
            (&ordered, &text, Exit::Refused, "partitioned by"),
            (&unreadable, &text, Exit::Failed, "may not read t of old"),
            (
                &hidden,
                &text,
                Exit::Refused,
                "masked, and would compare what hides them: t.v",
            ),
            (&look(), &class, Exit::Refused, "Java classes"),
        ] {
            let (code, message) = refused(look, shape).expect(part);
            assert_eq!(code, exit, "{message}");
            assert!(message.contains(part), "{message}");
        }
        unreadable.unreadable.pop();
        assert_eq!(refused(&unreadable, &text), None);
    }

    #[test]
    fn a_table_that_was_changed_meanwhile_is_named() {
        let looked = look();
        let text = shape("text");
        let side = Side {
            name: "old",
            look: &looked,
            tables: vec![&text],
        };
        let column = |role, kind: &str| schema::Held {
            role,
            kind: kind.into(),
            position: 0,
        };
        let now = |kind: &str| {
            let columns = [
                ("id".to_string(), column(schema::Role::Partition, "int")),
                ("v".to_string(), column(schema::Role::Regular, kind)),
                // One more changes nothing for those that are compared.
                ("w".to_string(), column(schema::Role::Regular, "int")),
            ];
            let table = Table {
                id: "1".into(),
                columns: columns.into(),
                ..Table::default()
            };
            Schema {
                tables: [("t".to_string(), table)].into(),
                ..Schema::default()
            }
        };
        assert!(changed(&side, &now("text"), &[]).is_empty());
        assert_eq!(changed(&side, &now("int"), &[]), ["t"]);
        assert_eq!(changed(&side, &Schema::default(), &[]), ["t"]);
        assert_eq!(changed(&side, &now("text"), &["t.v".to_string()]), ["t"]);
    }
}
