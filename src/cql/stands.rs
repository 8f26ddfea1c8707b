//! What of a keyspace stands on objects that are to be dropped. Pure.
//!
//! The server refuses to drop what something else stands on. Where several objects are dropped one by one, that is too
//! late for those that went before: so it is looked at first.

use super::cursor::{significant, unquoted};
use super::lexer::Kind;
use super::schema::Schema;
use crate::place::Span;
use std::collections::BTreeSet;

/// One line for each object that stands on one that goes and does not go itself. `goes` is asked with a kind as DROP has
/// it, and a name.
///
/// Whether a function is called by an aggregate `schema` does not say.
pub fn standing(schema: &Schema, goes: impl Fn(&str, &str) -> bool) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (name, view) in &schema.views {
        if goes("table", &view.base) && !goes("materialized view", name) {
            let base = &view.base;
            lines.insert(format!("materialized view {name} depends on table {base}"));
        }
    }
    let types: BTreeSet<&str> = schema.types.keys().map(String::as_str).collect();
    let gone: Vec<&str> = types
        .into_iter()
        .filter(|name| goes("type", name))
        .collect();
    let mut uses = |what: String, kind: &str| {
        let used = gone.iter().filter(|name| names(kind, name));
        lines.extend(used.map(|name| format!("{what} depends on type {name}")));
    };
    for (table, found) in &schema.tables {
        if !goes("table", table) {
            for column in found.columns.values() {
                uses(format!("table {table}"), &column.kind);
            }
        }
    }
    for (name, fields) in &schema.types {
        if !goes("type", name) {
            for (_, kind) in fields {
                uses(format!("type {name}"), kind);
            }
        }
    }
    for (word, functions) in [
        ("function", &schema.functions),
        ("aggregate", &schema.aggregates),
    ] {
        for function in functions {
            let called = format!("{}({})", function.name, function.arguments.join(", "));
            if !goes(word, &called) {
                for kind in &function.arguments {
                    uses(format!("{word} {called}"), kind);
                }
            }
        }
    }
    lines
}

/// Whether a type is, or holds, one of that name.
fn names(kind: &str, name: &str) -> bool {
    significant(kind, Span::new(0, kind.len()))
        .iter()
        .any(|token| {
            let written = token.span.of(kind);
            match token.kind {
                Kind::Quoted => unquoted(written, '"').is_some_and(|held| held == name),
                Kind::Word => written == name,
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::super::schema::{Function, Held, Role, Table, View};
    use super::*;

    fn schema() -> Schema {
        let column = |kind: &str| Held {
            role: Role::Regular,
            position: -1,
            kind: kind.to_string(),
        };
        let table = |kind: &str| Table {
            columns: [("p".to_string(), column(kind))].into(),
            ..Table::default()
        };
        let view = View {
            base: "hens".to_string(),
            ..View::default()
        };
        let field = |kind: &str| vec![("f".to_string(), kind.to_string())];
        Schema {
            tables: [
                ("hens".to_string(), table("frozen<pair>")),
                ("theirs".to_string(), table("list<frozen<\"Odd\">>")),
            ]
            .into(),
            views: [("seen".to_string(), view)].into(),
            types: [
                ("pair".to_string(), field("int")),
                ("Odd".to_string(), field("int")),
                ("outer".to_string(), field("frozen<pair>")),
            ]
            .into(),
            functions: vec![Function {
                name: "f".to_string(),
                arguments: vec!["pair".to_string()],
                body: String::new(),
            }],
            ..Schema::default()
        }
    }

    fn lines(going: &[(&str, &str)]) -> Vec<String> {
        let goes = |kind: &str, name: &str| going.contains(&(kind, name));
        standing(&schema(), goes).into_iter().collect()
    }

    #[test]
    fn what_stays_and_stands_on_what_goes_is_named() {
        assert_eq!(
            lines(&[("table", "hens")]),
            ["materialized view seen depends on table hens"]
        );
        assert_eq!(
            lines(&[("type", "Odd")]),
            ["table theirs depends on type Odd"]
        );
        assert_eq!(
            lines(&[("type", "pair")]),
            [
                "function f(pair) depends on type pair",
                "table hens depends on type pair",
                "type outer depends on type pair",
            ]
        );
    }

    #[test]
    fn what_goes_as_well_is_in_nobodys_way() {
        let going = [
            ("table", "hens"),
            ("materialized view", "seen"),
            ("type", "pair"),
            ("type", "outer"),
            ("function", "f(pair)"),
        ];
        assert_eq!(lines(&going), [""; 0]);
    }
}
