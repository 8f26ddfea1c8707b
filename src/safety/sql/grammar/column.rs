//! ADD COLUMN and ALTER COLUMN of tables that the old version knows.

use super::super::batch::Space;
use super::super::functions::steady;
use super::super::table::{changes, locks};
use super::super::walk::{Walk, shown};
use super::tree::{self, Source, below, child, has, has_below};
use super::{calls, children};
use crate::safety::rule::Lock;
use crate::sql::Name;
use squawk_syntax::ast::{AstNode, Type};
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// ALTER TABLE … ADD COLUMN.
pub fn add(walk: &mut Walk<'_>, source: &Source<'_>, table: &Name, node: &SyntaxNode) {
    walk.lock(table, Lock::AccessExclusive);
    let span = source.head(node);
    let Some(column) = tree::word(node, K::COLUMN_NAME) else {
        return;
    };
    let default = child(node, K::DEFAULT_CONSTRAINT);
    let generated = child(node, K::GENERATED_CONSTRAINT);
    let serial = type_name(node).is_some_and(|(_, name)| is_serial(&name));
    let not_null = has(node, K::NOT_NULL_CONSTRAINT);
    if not_null && default.is_none() && generated.is_none() && !serial {
        let message = format!("{column} has no default, and the old version does not fill it");
        walk.find(&changes::ADD_COLUMN_NOT_NULL, span, message);
    }
    if let Some(default) = &default {
        add_default(walk, source, table, default, (&column, node));
    }
    if serial
        || generated
            .as_ref()
            .is_some_and(|it| has_below(it, K::GENERATED_IDENTITY))
    {
        let message = format!("{} is rewritten{}", shown(table), walk.size(table));
        walk.find(&locks::ADD_IDENTITY, span, message);
    } else if let Some(generated) = &generated
        && has_below(generated, K::GENERATED_STORED)
        && !has_below(generated, K::VIRTUAL)
        && (has_below(generated, K::STORED) || walk.version() < 18)
    {
        let message = format!("{} is rewritten{}", shown(table), walk.size(table));
        walk.find(&locks::STORED_GENERATED, span, message);
    }
    checked_domain(walk, source, table, node);
    for constraint in node.children() {
        match constraint.kind() {
            K::REFERENCES_CONSTRAINT => {
                let target = tree::relation(&constraint);
                if let Some(target) = target.filter(|target| walk.old(target)) {
                    let message =
                        format!("{} and {} are locked at once", shown(table), shown(&target));
                    walk.find(
                        &locks::REFERENCES_OLD_TABLE,
                        source.head(&constraint),
                        message,
                    );
                    walk.lock(&target, Lock::ShareRowExclusive);
                }
            }
            K::CHECK_CONSTRAINT
            | K::UNIQUE_CONSTRAINT
            | K::PRIMARY_KEY_CONSTRAINT
            | K::EXCLUDE_CONSTRAINT => {
                let message = format!("{} is read to the end{}", shown(table), walk.size(table));
                walk.find(
                    &locks::ADD_COLUMN_WITH_CONSTRAINT,
                    source.head(&constraint),
                    message,
                );
            }
            _ => {}
        }
    }
    select_star(walk, table, span);
    if !has(node, K::IF_NOT_EXISTS) {
        walk.batch.make_column(table, &column);
        if let Some(key) = walk.batch.key(Space::Relation, table) {
            let of = (key, column);
            if default.is_some() || generated.is_some() || serial {
                walk.batch.defaulted.insert(of.clone());
            }
            if not_null {
                walk.batch.required.insert(of);
            }
        }
    }
}

/// The default of a new column: one value for all rows costs nothing, another for each rewrites the table.
fn add_default(
    walk: &mut Walk<'_>,
    source: &Source<'_>,
    table: &Name,
    default: &SyntaxNode,
    (column, node): (&str, &SyntaxNode),
) {
    if walk.version() < 11 {
        let message = format!("before Postgres 11 any default rewrites {}", shown(table));
        walk.find(&locks::VOLATILE_DEFAULT, source.head(default), message);
        return;
    }
    let unsteady = below(default, K::CALL_EXPR).find(|call| !is_steady(call));
    let Some(call) = unsteady else {
        return;
    };
    let what = calls::callee(&call)
        .map_or_else(|| "this".to_string(), |name| format!("{}()", shown(&name)));
    let message = format!(
        "{what} may differ from row to row, so {} is rewritten{}",
        shown(table),
        walk.size(table)
    );
    let plain: String = node
        .children()
        .filter(|child| {
            child.kind() != K::DEFAULT_CONSTRAINT && child.kind() != K::NOT_NULL_CONSTRAINT
        })
        .map(|child| child.text().to_string())
        .collect::<Vec<_>>()
        .join(" ");
    let name = shown(table);
    let rewritten = format!(
        "ALTER TABLE {name} ADD COLUMN {plain};\nALTER TABLE {name} ALTER COLUMN {column} SET {};",
        default.text()
    );
    walk.find_rewritten(
        &locks::VOLATILE_DEFAULT,
        source.head(default),
        message,
        rewritten,
    );
}

/// Whether a call gives one answer for a whole statement.
fn is_steady(call: &SyntaxNode) -> bool {
    match calls::callee(call) {
        Some(name) => {
            name.schema
                .as_deref()
                .is_none_or(|schema| schema == "pg_catalog")
                && steady(&name.name)
        }
        None => true,
    }
}

/// A domain with a constraint rewrites the table, default or not.
fn checked_domain(walk: &mut Walk<'_>, source: &Source<'_>, table: &Name, node: &SyntaxNode) {
    let Some((kind, name)) = type_name(node) else {
        return;
    };
    let Some(key) = walk.batch.key(Space::Type, &name) else {
        return;
    };
    let live = (key.schema.clone().unwrap_or_default(), key.name.clone());
    if walk.batch.checked_domains.contains(&key)
        || walk.known.checked_domains.contains(&live)
        || walk.before.makes_checked_domain(&key.name)
    {
        let message = format!(
            "{} is a domain with a constraint, so {} is rewritten{}",
            shown(&name),
            shown(table),
            walk.size(table)
        );
        walk.find(&locks::DOMAIN_COLUMN, source.span(&kind), message);
    }
}

/// The type of a column, where it is a plain name.
pub fn type_name(column: &SyntaxNode) -> Option<(SyntaxNode, Name)> {
    let kind = child(column, K::PATH_TYPE)?;
    let name = tree::named(&kind, &[K::PATH_REF])?;
    Some((kind, name))
}

/// Whether a type is one of those that make a sequence.
pub fn is_serial(name: &Name) -> bool {
    let serial = [
        "serial",
        "bigserial",
        "smallserial",
        "serial2",
        "serial4",
        "serial8",
    ];
    name.schema.is_none() && serial.contains(&name.name.as_str())
}

/// A new column changes what a prepared `SELECT *` returns (traps P9).
fn select_star(walk: &mut Walk<'_>, table: &Name, span: crate::place::Span) {
    let seen = walk
        .known
        .queries
        .iter()
        .find(|query| stars(query, &table.name))
        .cloned();
    match seen {
        Some(query) => {
            let query: String = query.split_whitespace().collect::<Vec<_>>().join(" ");
            let query: String = query.chars().take(80).collect();
            let message =
                format!("this query was seen, and a client may have prepared it: {query}");
            walk.find(&changes::PREPARED_SELECT_STAR, span, message);
        }
        None => {
            let message = format!(
                "clients that have prepared SELECT * on {} fail until they prepare anew",
                shown(table)
            );
            walk.note(&changes::PREPARED_SELECT_STAR, span, message);
        }
    }
}

/// Whether a query takes all columns of a table: a star that is no count(*) beside the table's name.
fn stars(query: &str, table: &str) -> bool {
    let query = query.to_ascii_lowercase();
    let named = query
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '$')
        .any(|word| word == table.to_ascii_lowercase());
    let mut pieces = query.split('*').peekable();
    let mut star = false;
    while let Some(before) = pieces.next() {
        let before = before.trim_end();
        let takes_all = ["select", "distinct", "all", "returning", ".", ","]
            .iter()
            .any(|word| before.ends_with(word));
        star |= pieces.peek().is_some() && takes_all;
    }
    named && star
}

/// ALTER TABLE … ALTER COLUMN.
pub fn alter(walk: &mut Walk<'_>, source: &Source<'_>, table: &Name, node: &SyntaxNode) {
    walk.lock(table, Lock::AccessExclusive);
    let Some(column) = tree::word(node, K::COLUMN_NAME_REF) else {
        return;
    };
    let span = source.head(node);
    let new = walk.batch.made_column(table, &column);
    let label = format!("{}.{column}", shown(table));
    let Some(action) = node
        .children()
        .find(|child| child.kind() != K::COLUMN_NAME_REF)
    else {
        return;
    };
    match action.kind() {
        K::SET_TYPE => set_type(walk, table, (&column, &action), span),
        K::SET_NOT_NULL if !new => {
            let message = format!(
                "the old version may write NULL to {label}{}",
                walk.size(table)
            );
            walk.find(&changes::SET_NOT_NULL, span, message);
        }
        K::SET_NOT_NULL if !fills_itself(walk, table, &column) => {
            let message = format!("{label} has no default, and the old version does not fill it");
            walk.find(&changes::ADD_COLUMN_NOT_NULL, span, message);
        }
        K::SET_NOT_NULL => {
            // From 12 on a validated CHECK spares the scan.
            let shown_by_check = walk.version() >= 12 && walk.batch.shown_not_null(table, &column);
            if !shown_by_check {
                let message = format!("{} is read to the end{}", shown(table), walk.size(table));
                walk.find(&locks::SET_NOT_NULL_SCANS, span, message);
            }
            if let Some(key) = walk.batch.key(Space::Relation, table) {
                walk.batch.required.insert((key, column));
            }
        }
        K::SET_STATISTICS
        | K::SET_STORAGE
        | K::SET_COMPRESSION
        | K::SET_OPTIONS
        | K::RESET_OPTIONS
        | K::SET_OPTIONS_LIST => {}
        K::SET_EXPRESSION if new => {
            let message = format!("{} is rewritten{}", shown(table), walk.size(table));
            walk.find(&locks::STORED_GENERATED, span, message);
        }
        K::DROP_DEFAULT if new && is_required(walk, table, &column) => {
            let message = format!("{label} is NOT NULL, and the old version does not fill it");
            walk.find(&changes::ADD_COLUMN_NOT_NULL, span, message);
        }
        K::SET_DEFAULT if new => {
            if let Some(key) = walk.batch.key(Space::Relation, table) {
                walk.batch.defaulted.insert((key, column));
            }
            return;
        }
        _ if new => {}
        K::DROP_NOT_NULL => {
            let message = format!("the old version may not expect NULL in {label}");
            walk.note(&changes::DROP_NOT_NULL, span, message);
        }
        K::SET_DEFAULT => {
            let message = format!("the old version gets another default for {label}");
            walk.find(&changes::SET_DEFAULT, span, message);
        }
        K::DROP_DEFAULT => {
            let message = format!("the old version relies on the default of {label}");
            walk.find(&changes::DROP_DEFAULT, span, message);
        }
        K::ADD_GENERATED
        | K::DROP_IDENTITY
        | K::SET_GENERATED
        | K::SET_GENERATED_OPTIONS
        | K::RESTART
        | K::SET_SEQUENCE_OPTION
        | K::DROP_EXPRESSION
        | K::SET_EXPRESSION => {
            let message = format!("the old version relies on how {label} gets its values");
            walk.find(&changes::CHANGE_IDENTITY, span, message);
        }
        _ => super::not_understood(
            walk,
            span,
            "kmig has no verdict about this change of a column",
        ),
    }
    children(walk, source, &action);
}

/// Whether a new column has a default, which stands in where the old version leaves it out.
fn fills_itself(walk: &Walk<'_>, table: &Name, column: &str) -> bool {
    let key = walk.batch.key(Space::Relation, table);
    key.is_some_and(|key| walk.batch.defaulted.contains(&(key, column.to_string())))
}

fn is_required(walk: &Walk<'_>, table: &Name, column: &str) -> bool {
    let key = walk.batch.key(Space::Relation, table);
    key.is_some_and(|key| walk.batch.required.contains(&(key, column.to_string())))
}

/// ALTER COLUMN TYPE.
fn set_type(
    walk: &mut Walk<'_>,
    table: &Name,
    (column, action): (&str, &SyntaxNode),
    span: crate::place::Span,
) {
    let relation = walk.known.relation(table.schema.as_deref(), &table.name);
    let before = relation.and_then(|relation| relation.columns.get(column));
    let after = action
        .children()
        .find(|child| Type::can_cast(child.kind()))
        .map(|kind| tree::plain(&kind));
    let plain = !has(action, K::USING_EXPR) && !has(action, K::COLLATE);
    let label = format!("{}.{column}", shown(table));
    match (before, after) {
        (Some(before), Some(after)) if plain && widens(before, &after) => {
            let message = format!("{label} grows from {before} to {after}, which rewrites nothing");
            walk.note(&changes::CHANGE_COLUMN_TYPE, span, message);
        }
        (Some(before), Some(after)) => {
            let message = format!(
                "{label} changes from {before} to {after}{}",
                walk.size(table)
            );
            walk.find(&changes::CHANGE_COLUMN_TYPE, span, message);
        }
        _ => {
            let message =
                format!("{label} may be rewritten, and the old version gets another type");
            walk.find(&changes::CHANGE_COLUMN_TYPE, span, message);
        }
    }
}

/// Whether a change of type only relabels (no rewrite was seen on 13 to 18): a varchar that grows or becomes text, a
/// numeric of more digits before the same scale or of any, cidr to inet.
fn widens(before: &str, after: &str) -> bool {
    let before = read_type(before);
    let after = read_type(after);
    match (before.0.as_str(), after.0.as_str()) {
        ("varchar", "varchar") => match (before.1.first(), after.1.first()) {
            (_, None) => true,
            (Some(before), Some(after)) => after >= before,
            (None, Some(_)) => false,
        },
        ("varchar", "text") => after.1.is_empty(),
        ("text", "varchar") => after.1.is_empty(),
        ("numeric", "numeric") => match (before.1.as_slice(), after.1.as_slice()) {
            (_, []) => true,
            ([digits, scale], [more, same]) => more >= digits && same == scale,
            ([digits], [more]) => more >= digits,
            _ => false,
        },
        ("cidr", "inet") => true,
        _ => false,
    }
}

/// A type's name in its short form, and the numbers behind it.
fn read_type(text: &str) -> (String, Vec<u32>) {
    let text = text.to_ascii_lowercase();
    let (name, rest) = text.split_once('(').unwrap_or((&text, ""));
    let name = match name.trim() {
        "character varying" => "varchar",
        "decimal" => "numeric",
        other => other,
    };
    let numbers = rest.trim_end_matches(')').split(',');
    (
        name.to_string(),
        numbers
            .filter_map(|number| number.trim().parse().ok())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_relabels() {
        for (before, after, expected) in [
            ("character varying(10)", "varchar(20)", true),
            ("character varying(10)", "text", true),
            ("character varying(10)", "varchar", true),
            ("character varying(10)", "character varying(5)", false),
            ("character varying", "varchar(5)", false),
            ("character varying(10)", "text[]", false),
            ("numeric(10,2)", "numeric(12,2)", true),
            ("numeric(10,2)", "numeric(12,3)", false),
            ("numeric(10,2)", "decimal", true),
            ("numeric", "numeric(12,2)", false),
            ("cidr", "inet", true),
            ("inet", "cidr", false),
            ("integer", "bigint", false),
        ] {
            assert_eq!(widens(before, after), expected, "{before} to {after}");
        }
    }

    #[test]
    fn queries_that_take_all_columns() {
        for (query, expected) in [
            ("SELECT * FROM t WHERE id = $1", true),
            ("select x.* from t x", true),
            ("INSERT INTO t (a) VALUES ($1) RETURNING *", true),
            ("select count(*) from t", false),
            ("select a * b from t", false),
            ("select * from tt", false),
        ] {
            assert_eq!(stars(query, "t"), expected, "{query}");
        }
    }
}
