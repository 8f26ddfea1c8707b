//! The two changes that kmig makes to the text of a statement: it gives tables and views an id before they are sent, and
//! hides passwords before they are shown.

use super::cursor::{Cursor, is_word, significant};
use super::lexer::Kind;
use super::{Act, Object, Statement};
use crate::place::Span;
use std::borrow::Cow;

/// The text of a statement, where the table or view that it makes has this id: the same for whoever sends it, and known
/// before it is sent. One that has an id of its own keeps it, and any other statement stays as it is.
pub fn with_id(text: &str, statement: &Statement, id: &str) -> String {
    let written = statement.span.of(text);
    let place = match &statement.act {
        Act::Create(made) if made.id.is_none() => made.id_place,
        _ => None,
    };
    let Some(place) = place else {
        return written.to_string();
    };
    let (before, behind) = written.split_at(place.at - statement.span.start);
    match place.behind_with {
        true => format!("{before} id = {id} AND{behind}"),
        false => format!("{before} WITH id = {id}{behind}"),
    }
}

/// Stands for a password.
const HIDDEN: &str = "'***'";

/// Whether a statement may write a list as a whole, or an element by its index: there is a `[` in it.
pub fn holds_list(text: &str, statement: &Statement) -> bool {
    let tokens = significant(text, statement.span);
    tokens.iter().any(|token| token.span.of(text) == "[")
}

/// Whether a statement sets a password.
pub fn holds_password(text: &str, statement: &Statement) -> bool {
    !passwords(text, statement).is_empty()
}

/// The text of a statement as it may be shown and stored: without the passwords of CREATE and ALTER of roles and users,
/// and without the values of their OPTIONS, which may be some.
/// What kmig cannot read otherwise is looked through as well.
pub fn safe_text<'a>(text: &'a str, statement: &Statement) -> Cow<'a, str> {
    let written = statement.span.of(text);
    let hidden = passwords(text, statement);
    if hidden.is_empty() {
        return Cow::Borrowed(written);
    }
    let mut safe = String::new();
    let mut from = statement.span.start;
    for span in hidden {
        safe += &text[from..span.start];
        safe += HIDDEN;
        from = span.end;
    }
    Cow::Owned(safe + &text[from..statement.span.end])
}

/// The whole text with the passwords of a statement blotted out, byte for byte, so that all spans stay right: for the line
/// that an error shows.
pub fn blotted<'a>(text: &'a str, statement: &Statement) -> Cow<'a, str> {
    let hidden = passwords(text, statement);
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut blotted = text.to_string();
    for span in hidden {
        blotted.replace_range(span.start..span.end, &"*".repeat(span.end - span.start));
    }
    Cow::Owned(blotted)
}

/// Where the passwords of a statement about a role stand.
pub fn passwords(text: &str, statement: &Statement) -> Vec<Span> {
    let of_role = match &statement.act {
        Act::Create(made) => matches!(made.object, Object::Role(_)),
        Act::Alter { object, .. } => matches!(object, Object::Role(_)),
        Act::Other => about_role(text, statement.span),
        _ => false,
    };
    if !of_role {
        return Vec::new();
    }
    let tokens = significant(text, statement.span);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if !matches!(token.kind, Kind::String | Kind::Dollar) {
            continue;
        }
        let before = &tokens[..at];
        // A value of the map of OPTIONS: what its keys mean is known to the server's role manager alone.
        let option = before.last().is_some_and(|last| last.span.of(text) == ":");
        let before = match before.split_last() {
            Some((last, before)) if last.span.of(text) == "=" => before,
            _ => before,
        };
        let word = |back: usize, keyword| {
            let at = before.len().checked_sub(back);
            at.is_some_and(|at| is_word(text, before[at], keyword))
        };
        if option || word(1, "password") || word(2, "identified") && word(1, "by") {
            found.push(token.span);
        }
    }
    found
}

fn about_role(text: &str, span: Span) -> bool {
    let tokens = significant(text, span);
    let mut cursor = Cursor::new(text, &tokens);
    (cursor.eat(&["create"]) || cursor.eat(&["alter"])) && (cursor.is("role") || cursor.is("user"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::split;

    const ID: &str = "11111111-2222-3333-4444-000000000001";

    /// Each was taken by 5.0.9 and 4.1.10, and system_schema then had the id.
    #[test]
    fn an_id_is_put_where_the_server_takes_it() {
        for (text, expected) in [
            (
                "create table t (a int primary key);",
                "create table t (a int primary key) WITH id = ID",
            ),
            (
                "-- x\ncreate table t (a int primary key,) -- y\n;",
                "create table t (a int primary key,) WITH id = ID",
            ),
            (
                "create table t (a int, b int, primary key (a, b)) with /* x */ clustering order by (b desc)",
                "create table t (a int, b int, primary key (a, b)) with id = ID AND /* x */ clustering order by (b desc)",
            ),
            (
                "create table if not exists t (a int, b int, primary key (a, b)) WITH COMPACT STORAGE",
                "create table if not exists t (a int, b int, primary key (a, b)) WITH id = ID AND COMPACT STORAGE",
            ),
            (
                "create table t (a int primary key) with--\ncomment='with'",
                "create table t (a int primary key) with id = ID AND--\ncomment='with'",
            ),
            (
                "create materialized view v as select * from t where a is not null and b is not null primary key (b, a)",
                "create materialized view v as select * from t where a is not null and b is not null primary key (b, a) WITH id = ID",
            ),
            (
                "create materialized view v as select * from t where a is not null and b is not null primary key (b, a) with clustering order by (a desc)",
                "create materialized view v as select * from t where a is not null and b is not null primary key (b, a) with id = ID AND clustering order by (a desc)",
            ),
            (
                "create table t (a int primary key) with id = 22222222-2222-3333-4444-000000000001",
                "create table t (a int primary key) with id = 22222222-2222-3333-4444-000000000001",
            ),
            ("create type t (a int)", "create type t (a int)"),
            ("create index on t (a)", "create index on t (a)"),
        ] {
            let script = split(text);
            let found = with_id(text, &script.statements[0], ID);
            assert_eq!(found.replace(ID, "ID"), expected);
            if expected.contains("ID") {
                // Once only, whoever sends it how often.
                let again = split(&found);
                assert_eq!(with_id(&found, &again.statements[0], "x"), found);
            }
        }
    }

    #[test]
    fn passwords_are_hidden_and_nothing_else() {
        for (text, expected) in [
            (
                "create role r with password = 'a''b' and login = true",
                "create role r with password = '***' and login = true",
            ),
            (
                "ALTER ROLE r WITH login = true AND HASHED PASSWORD='$2a$10'",
                "ALTER ROLE r WITH login = true AND HASHED PASSWORD='***'",
            ),
            (
                "create user if not exists u with password $$x$$ superuser",
                "create user if not exists u with password '***' superuser",
            ),
            (
                "alter user 'u' with password /* x */ 'y'",
                "alter user 'u' with password /* x */ '***'",
            ),
            // Not CQL, and all the same a password.
            (
                "create user u identified by 'x' oops",
                "create user u identified by '***' oops",
            ),
            // Whatever a role manager calls it.
            (
                "create role password with options = {'password': 'x', 'pin' :/* y */$$z$$} and login = true",
                "create role password with options = {'password': '***', 'pin' :/* y */'***'} and login = true",
            ),
            (
                "alter role r with access to datacenters {'dc1', 'dc2'}",
                "alter role r with access to datacenters {'dc1', 'dc2'}",
            ),
            // What is written is data, and stays.
            (
                "update users set password = 'x' where id = 1",
                "update users set password = 'x' where id = 1",
            ),
        ] {
            let script = split(text);
            assert_eq!(safe_text(text, &script.statements[0]), expected);
            let blotted = blotted(text, &script.statements[0]);
            assert_eq!(blotted.len(), text.len());
            assert_eq!(blotted != text, expected != text);
        }
    }
}
