//! How kmig's own tables are called, and names quoted for use in SQL. Pure.

use crate::sql::Name;

/// The qualified, quoted names of kmig's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// `schema_meta`: one row per migration.
    pub meta: String,
    /// `schema_meta_journal`: append-only.
    pub journal: String,
    /// `schema_meta_history`: the runner of kmig's own tables.
    pub history: String,
}

/// What is appended to the table's name for the longest of its companions.
const LONGEST_SUFFIX: usize = "_journal".len();

/// NAMEDATALEN - 1: longer names are cut silently by the server.
const IDENTIFIER_MAX: usize = 63;

impl Names {
    /// The names in a schema, or unqualified where the connection's own first schema is to be asked for them.
    pub fn new(schema: Option<&str>, table: &str) -> Self {
        let qualified = |suffix: &str| {
            let name = identifier(&format!("{table}{suffix}"));
            match schema {
                Some(schema) => format!("{}.{name}", identifier(schema)),
                None => name,
            }
        };
        Names {
            meta: qualified(""),
            journal: qualified("_journal"),
            history: qualified("_history"),
        }
    }

    /// What an executor's role has to be given.
    pub fn grant(&self) -> String {
        let Names { meta, journal, .. } = self;
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {meta}, {journal} to this role")
    }

    /// Why a table cannot be called so, if it cannot.
    pub fn refuse(table: &str) -> Option<String> {
        if table.is_empty() {
            Some("the table's name is empty".into())
        } else if table.len() + LONGEST_SUFFIX > IDENTIFIER_MAX {
            Some(format!(
                "{table:?} is too long: with its suffix _journal it must not pass {IDENTIFIER_MAX} bytes"
            ))
        } else if table.contains('\0') {
            Some("the table's name holds a NUL".into())
        } else {
            None
        }
    }
}

/// A name as SQL: always quoted, so that no spelling is folded.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL, right whatever standard_conforming_strings says.
pub fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// A text or NULL as SQL.
pub fn literal_or_null(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_string(), literal)
}

/// A name that may be qualified, quoted.
pub fn quoted(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", identifier(schema), identifier(&name.name)),
        None => identifier(&name.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
        let names = Names::new(Some("App"), "schema_meta");
        assert_eq!(names.journal, "\"App\".\"schema_meta_journal\"");
        assert!(Names::refuse(&"x".repeat(56)).is_some());
        assert!(Names::refuse(&"x".repeat(55)).is_none());
    }
}
