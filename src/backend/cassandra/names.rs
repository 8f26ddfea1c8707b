//! What kmig's own tables are called in a keyspace, and how names and values are written in CQL. Pure.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Version of the tables' shape. It is part of their ids, so a table of another shape is another table (traps C1).
pub const FORMAT: i64 = 1;

/// kmig's own tables, qualified and quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The keyspace, unquoted.
    pub keyspace: String,
    /// The name that the others are derived from, unquoted.
    pub table: String,
    /// One row per migration, and in static columns who may write.
    pub meta: String,
    /// What happened, line by line.
    pub journal: String,
    /// Who works now.
    pub lease: String,
}

impl Names {
    /// The names in a keyspace.
    pub fn new(keyspace: &str, table: &str) -> Self {
        let own = |suffix: &str| {
            let name = format!("{table}{suffix}");
            format!("{}.{}", identifier(keyspace), identifier(&name))
        };
        Names {
            meta: own(""),
            journal: own(SUFFIXES[1]),
            lease: own(SUFFIXES[2]),
            keyspace: keyspace.to_string(),
            table: table.to_string(),
        }
    }

    /// The tables' own names, unquoted, in the order in which they are made.
    pub fn tables(&self) -> [String; 3] {
        SUFFIXES.map(|suffix| format!("{}{suffix}", self.table))
    }

    /// The id of one of the tables: whoever makes it makes it with this one, so that racing makers make one table.
    pub fn id(&self, table: &str) -> Uuid {
        let text = format!("kmig {FORMAT} {}.{table}", self.keyspace);
        let digest = Sha256::digest(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// The permissions that a role needs which lacks one.
    pub fn grant(&self) -> String {
        format!(
            "GRANT ALL PERMISSIONS ON KEYSPACE {} TO this role",
            identifier(&self.keyspace)
        )
    }
}

const SUFFIXES: [&str; 3] = ["", "_journal", "_lease"];

/// A name as CQL text, quoted wherever it would not mean itself.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a CQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text or null as a CQL literal.
pub fn literal_or_null(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_string(), literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_one_keyspace_and_one_table() {
        let names = Names::new("a", "schema_meta");
        let ids = names.tables().map(|table| names.id(&table));
        assert_eq!(ids, names.tables().map(|table| names.id(&table)));
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids[0], Names::new("b", "schema_meta").id("schema_meta"));
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }
}
