//! Types in one spelling, whether a statement or system_schema names them.
//!
//! The server freezes whatever stands inside a collection, a tuple or a frozen type, and tuples and vectors themselves,
//! whether a statement says so or not; system_schema shows it (5.0.9, 4.1.10). So only the outermost `frozen` of a
//! collection or of a user-defined type tells two types apart.

use super::cursor::{is_word, significant, unquoted};
use super::lexer::Kind;
use crate::place::Span;

/// Whether two types are one, in this keyspace.
pub fn same(a: &str, b: &str, keyspace: &str) -> bool {
    alike(&normal(a, keyspace), &normal(b, keyspace))
}

/// Whether two types of arguments are one: functions know no `frozen`.
pub fn same_argument(a: &str, b: &str, keyspace: &str) -> bool {
    let inner = |kind: &str| {
        let kind = normal(kind, keyspace);
        let inner = kind.strip_prefix("frozen<");
        let inner = inner.and_then(|inner| inner.strip_suffix('>'));
        inner.map_or(kind.clone(), str::to_string)
    };
    alike(&inner(a), &inner(b))
}

/// A type that is named by its Java class cannot be told from the one that CQL has a name for.
fn alike(a: &str, b: &str) -> bool {
    a == b || a.starts_with('\'') != b.starts_with('\'')
}

/// Without blanks, without `frozen` where it is implied, and without the keyspace.
fn normal(kind: &str, keyspace: &str) -> String {
    let tokens = significant(kind, Span::new(0, kind.len()));
    let sign = |at: usize, sign: &str| {
        tokens
            .get(at)
            .is_some_and(|token| token.span.of(kind) == sign)
    };
    let mut shown = String::new();
    // For each `<` that is open: whether it belongs to a `frozen` that is left out.
    let mut open = Vec::new();
    let mut at = 0;
    let mut frozen = false;
    while let Some(token) = tokens.get(at) {
        let written = token.span.of(kind);
        if is_word(kind, *token, "frozen") && sign(at + 1, "<") {
            frozen |= shown.is_empty();
            open.push(true);
            at += 2;
            continue;
        }
        match (token.kind, written) {
            (Kind::Sign, "<") => {
                open.push(false);
                shown.push('<');
            }
            (Kind::Sign, ">") => {
                if open.pop() != Some(true) {
                    shown.push('>');
                }
            }
            (Kind::Word | Kind::Quoted, _) => {
                let name = name(token.kind, written);
                if sign(at + 1, ".") && name == keyspace {
                    at += 2;
                    continue;
                }
                shown += match name.as_str() {
                    "varchar" => "text",
                    name => name,
                };
            }
            _ => shown += written,
        }
        at += 1;
    }
    let implied = shown.starts_with("tuple<") || shown.starts_with("vector<");
    match frozen && !implied {
        true => format!("frozen<{shown}>"),
        false => shown,
    }
}

fn name(kind: Kind, written: &str) -> String {
    match kind {
        Kind::Quoted => unquoted(written, '"').unwrap_or_else(|| written.to_string()),
        _ => written.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_statements_say_is_what_the_server_shows() {
        for (declared, shown) in [
            ("varchar", "text"),
            ("frozen<tuple<int,text>>", "frozen<tuple<int, text>>"),
            (
                "tuple<int,list<text>>",
                "frozen<tuple<int, frozen<list<text>>>>",
            ),
            (
                "frozen<map<text,list<int>>>",
                "frozen<map<text, frozen<list<int>>>>",
            ),
            ("frozen<frozen<list<int>>>", "frozen<list<int>>"),
            ("list<tuple<int,int>>", "list<frozen<tuple<int, int>>>"),
            ("frozen<vector<float,3>>", "vector<float, 3>"),
            ("list<frozen<vector<float,2>>>", "list<vector<float, 2>>"),
            ("k.addr", "addr"),
            ("list<frozen<K.addr>>", "list<frozen<addr>>"),
            ("\"Odd-T\"", "\"Odd-T\""),
            ("\"lower\"", "lower"),
            ("'org.apache.cassandra.db.marshal.Int32Type'", "int"),
        ] {
            assert!(same(declared, shown, "k"), "{declared} is {shown}");
        }
    }

    #[test]
    fn what_is_another_type_differs() {
        for (one, other) in [
            ("int", "bigint"),
            ("list<int>", "frozen<list<int>>"),
            ("addr", "frozen<addr>"),
            ("other.addr", "addr"),
            ("\"ODD-T\"", "\"Odd-T\""),
            ("map<text,int>", "map<int,text>"),
            ("'a.B'", "'a.C'"),
        ] {
            assert!(!same(one, other, "k"), "{one} is not {other}");
        }
        assert!(same_argument("list<int>", "frozen<list<int>>", "k"));
        assert!(!same_argument("list<int>", "set<int>", "k"));
    }
}
