//! ADD CONSTRAINT and VALIDATE CONSTRAINT of tables that the old version knows.

use super::super::batch::Space;
use super::super::table::{changes, locks};
use super::super::walk::{Walk, shown};
use super::not_understood;
use super::tree::{self, Source, below, child, has};
use crate::safety::rule::Lock;
use crate::sql::Name;
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// The name of a constraint.
fn name_of(constraint: &SyntaxNode) -> Option<String> {
    let clause = child(constraint, K::CONSTRAINT_NAME_CLAUSE)?;
    tree::word(&clause, K::CONSTRAINT_NAME)
}

/// ALTER TABLE … ADD CONSTRAINT.
pub fn add(walk: &mut Walk<'_>, source: &Source<'_>, table: &Name, node: &SyntaxNode) {
    let Some(constraint) = node.children().next() else {
        return;
    };
    let span = source.head(node);
    let later = has(&constraint, K::NOT_VALID) || has(&constraint, K::NOT_ENFORCED);
    let over = |kind: K| -> Vec<String> {
        let columns = below(&constraint, kind).filter_map(|column| tree::name(&column));
        columns.map(|column| column.name).collect()
    };
    let label = shown(table);
    match constraint.kind() {
        K::CHECK_CONSTRAINT => {
            walk.lock(table, Lock::AccessExclusive);
            binds(walk, table, &over(K::NAME_REF), span);
            if !later {
                let message = format!("{label} is read to the end{}", walk.size(table));
                let safe = not_valid(table, &constraint, node);
                walk.find_rewritten(&locks::ADD_CHECK_VALIDATED, span, message, safe);
            }
            remember_not_null(walk, table, &constraint, later);
        }
        K::FOREIGN_KEY_CONSTRAINT => foreign_key(walk, table, (&constraint, node), later, span),
        K::UNIQUE_CONSTRAINT | K::PRIMARY_KEY_CONSTRAINT => {
            walk.lock(table, Lock::AccessExclusive);
            if !has(&constraint, K::USING_INDEX_NAME) {
                let message = format!(
                    "{label} waits for the build of an index{}",
                    walk.size(table)
                );
                walk.find(&locks::ADD_KEY_BUILDS_INDEX, span, message);
                unique(walk, table, &over(K::NAME_REF), span);
            }
        }
        K::EXCLUDE_CONSTRAINT => {
            walk.lock(table, Lock::AccessExclusive);
            let message = format!(
                "{label} waits for the build of an index{}",
                walk.size(table)
            );
            walk.find(&locks::ADD_EXCLUDE, span, message);
            binds(walk, table, &over(K::NAME_REF), span);
        }
        // Postgres 18: NOT NULL as a constraint with a name, which may be NOT VALID.
        K::NOT_NULL_CONSTRAINT => {
            walk.lock(table, Lock::AccessExclusive);
            let column = tree::word(&constraint, K::COLUMN_NAME_REF).unwrap_or_default();
            let new = walk.batch.made_column(table, &column);
            if !new {
                let message = format!("the old version may write NULL to {label}.{column}");
                walk.find(&changes::SET_NOT_NULL, span, message);
            } else if !later {
                let message = format!("{label} is read to the end{}", walk.size(table));
                walk.find(&locks::SET_NOT_NULL_SCANS, span, message);
            }
        }
        _ => not_understood(walk, span, "kmig has no verdict about this constraint"),
    }
    if let Some(name) = name_of(&constraint) {
        walk.transaction.added.insert((table.clone(), name.clone()));
        walk.batch.attach(table, "constraint", &name);
    }
}

/// A constraint over columns that the old version writes binds it, NOT VALID or not.
fn binds(walk: &mut Walk<'_>, table: &Name, columns: &[String], span: crate::place::Span) {
    let known = |column: &&String| !walk.batch.made_column(table, column);
    let old: Vec<&String> = columns.iter().filter(known).collect();
    if !old.is_empty() || columns.is_empty() {
        let what = old.first().map_or("rows", |column| column.as_str());
        let message = format!(
            "it binds what the old version writes to {}: {what}",
            shown(table)
        );
        walk.note(&changes::CONSTRAINT_ON_OLD_COLUMN, span, message);
    }
}

/// A key over a column that the old version writes makes its writes fail where they repeat values.
fn unique(walk: &mut Walk<'_>, table: &Name, columns: &[String], span: crate::place::Span) {
    let known = |column: &&String| !walk.batch.made_column(table, column);
    if columns.is_empty() || columns.iter().any(|column| known(&column)) {
        let message = format!(
            "writes of the old version that repeat a value of {} fail",
            shown(table)
        );
        walk.find(&changes::UNIQUE_INDEX, span, message);
    }
}

fn foreign_key(
    walk: &mut Walk<'_>,
    table: &Name,
    (constraint, node): (&SyntaxNode, &SyntaxNode),
    later: bool,
    span: crate::place::Span,
) {
    let own = child(constraint, K::FOREIGN_KEY_COLUMN_LIST);
    let columns: Vec<String> = own
        .iter()
        .flat_map(|list| below(list, K::COLUMN_NAME_REF))
        .filter_map(|column| tree::name(&column))
        .map(|column| column.name)
        .collect();
    binds(walk, table, &columns, span);
    walk.lock(table, Lock::ShareRowExclusive);
    let target = tree::relation(constraint);
    if let Some(target) = &target {
        walk.lock(target, Lock::ShareRowExclusive);
    }
    if !later {
        let target = target.as_ref().map_or_else(String::new, shown);
        let message = format!(
            "nobody writes to {} and {target} while every row is looked up{}",
            shown(table),
            walk.size(table)
        );
        let safe = not_valid(table, constraint, node);
        walk.find_rewritten(&locks::ADD_FOREIGN_KEY_VALIDATED, span, message, safe);
    }
}

/// The two statements that stand for one that adds a constraint and reads every row.
fn not_valid(table: &Name, constraint: &SyntaxNode, node: &SyntaxNode) -> String {
    let text = node.text().to_string();
    let table = shown(table);
    match name_of(constraint) {
        Some(name) => format!(
            "ALTER TABLE {table} {text} NOT VALID;\n-- in a migration of its own:\nALTER TABLE {table} VALIDATE CONSTRAINT {name};"
        ),
        None => format!(
            "ALTER TABLE {table} {text} NOT VALID;\n-- give it a name, and in a migration of its own:\nALTER TABLE {table} VALIDATE CONSTRAINT …;"
        ),
    }
}

/// CHECK (column IS NOT NULL) spares a later SET NOT NULL its scan.
fn remember_not_null(walk: &mut Walk<'_>, table: &Name, constraint: &SyntaxNode, later: bool) {
    let expression = constraint
        .children()
        .find(|child| child.kind() == K::BIN_EXPR || child.kind() == K::POSTFIX_EXPR);
    let Some(column) = expression.and_then(|expression| {
        let text = tree::plain(&expression);
        text.ends_with(" is not null")
            .then(|| child(&expression, K::NAME_REF))
            .flatten()
            .and_then(|name| tree::name(&name))
    }) else {
        return;
    };
    if let (Some(key), Some(name)) = (walk.batch.key(Space::Relation, table), name_of(constraint)) {
        let shown = (column.name, !later);
        walk.batch.not_null.insert((key, name), shown);
    }
}

/// ALTER TABLE … VALIDATE CONSTRAINT: a long read that blocks nobody, unless the lock of its ADD is still held.
pub fn validate(walk: &mut Walk<'_>, source: &Source<'_>, table: &Name, node: &SyntaxNode) {
    let Some(name) = tree::word(node, K::CONSTRAINT_NAME_REF) else {
        return;
    };
    if walk
        .transaction
        .added
        .contains(&(table.clone(), name.clone()))
    {
        let message = format!("{} is still locked by the ADD of {name}", shown(table));
        walk.find(&locks::VALIDATE_WITH_ADD, source.head(node), message);
    } else {
        super::rows::work(walk, source.head(node));
    }
    if let Some(key) = walk.batch.key(Space::Relation, table)
        && let Some((_, validated)) = walk.batch.not_null.get_mut(&(key, name))
    {
        *validated = true;
    }
}
