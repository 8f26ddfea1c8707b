//! What reads and writes rows.

use super::super::batch::Space;
use super::super::table::{drops, locks, unknown};
use super::super::walk::{Walk, shown};
use super::children;
use super::tree::{self, Source, below, child, has, has_below};
use crate::place::Span;
use crate::safety::rule::Lock;
use crate::source::PartKind;
use crate::sql::Name;
use squawk_syntax::{SyntaxKind as K, SyntaxNode};
use std::collections::BTreeSet;

/// SELECT, VALUES, TABLE: work where it reads tables.
pub fn query(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    children(walk, source, node);
    let outermost = node
        .parent()
        .is_none_or(|parent| parent.kind() == K::SOURCE_FILE);
    if outermost && reads_old(walk, node) {
        work(walk, source.head(node));
    }
}

/// Whether a statement reads a table that the batch did not make, and so may be large.
pub fn reads_old(walk: &Walk<'_>, node: &SyntaxNode) -> bool {
    let read = below(node, K::RELATION_FROM_ITEM);
    node.kind() == K::TABLE
        || read
            .into_iter()
            .any(|item| old(walk, tree::relation(&item).as_ref()))
}

/// Tells of work on rows while the transaction holds a lock that others wait for.
pub fn work(walk: &mut Walk<'_>, span: Span) {
    let held = walk
        .transaction
        .locked
        .iter()
        .find(|(_, lock)| *lock >= Lock::Share)
        .cloned();
    if let Some((table, lock)) = held {
        let message = format!(
            "work on rows while the transaction holds a lock on {} that {}",
            shown(&table),
            lock.words()
        );
        walk.find(&locks::LOCKS_WITH_WORK, span, message);
    }
}

/// Whether a part of this kind is run again until it changes nothing.
fn is_backfill(walk: &Walk<'_>) -> bool {
    walk.kind == PartKind::Backfill
}

/// INSERT.
pub fn insert(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let table = tree::relation(node);
    let conflict = child(node, K::ON_CONFLICT_CLAUSE);
    let update = conflict
        .as_ref()
        .and_then(|conflict| child(conflict, K::CONFLICT_DO_UPDATE_SET));
    if is_backfill(walk) {
        let guarded = match (&conflict, &update) {
            (_, Some(update)) => {
                child(update, K::WHERE_CLAUSE).is_some_and(|guard| asks_for_target(update, &guard))
            }
            (Some(_), None) => true,
            (None, None) => selects_what_is_missing(node),
        };
        if !guarded {
            let message = "each run inserts again";
            walk.find(&unknown::UNGUARDED_BACKFILL, source.head(node), message);
        }
    } else if let Some(update) = &update
        && old(walk, table.as_ref())
    {
        let message = "DO UPDATE changes rows that the old version knows";
        walk.find(&drops::UPDATE_ROWS, source.head(update), message);
    }
    children(walk, source, node);
    if reads_old(walk, node) {
        work(walk, source.head(node));
    }
}

fn old(walk: &Walk<'_>, table: Option<&Name>) -> bool {
    table.is_none_or(|table| walk.old(table))
}

/// INSERT … SELECT … WHERE NOT EXISTS (…), or EXCEPT.
fn selects_what_is_missing(node: &SyntaxNode) -> bool {
    let text = tree::plain(node);
    text.contains("not exists") || text.contains(" except ") || text.contains(" is null")
}

/// UPDATE.
pub fn update(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let table = tree::relation(node);
    if is_backfill(walk) {
        let guard = child(node, K::WHERE_CLAUSE);
        let guarded = guard.is_some_and(|guard| asks_for_target(node, &guard));
        if !guarded {
            let message = "the WHERE does not ask for what is set, so each run changes rows again";
            walk.find(&unknown::UNGUARDED_BACKFILL, source.head(node), message);
        }
    } else if old(walk, table.as_ref()) {
        let message = "UPDATE of rows that the old version knows";
        walk.find(&drops::UPDATE_ROWS, source.head(node), message);
    }
    children(walk, source, node);
    if old(walk, table.as_ref()) || reads_old(walk, node) {
        work(walk, source.head(node));
    }
}

/// Whether a condition names one of the columns that are set.
fn asks_for_target(update: &SyntaxNode, guard: &SyntaxNode) -> bool {
    let set: BTreeSet<String> = below(update, K::COLUMN_TARGET)
        .filter_map(|target| tree::word(&target, K::COLUMN_NAME_REF))
        .collect();
    below(guard, K::NAME_REF)
        .filter_map(|name| tree::name(&name))
        .any(|name| set.contains(&name.name))
}

/// DELETE.
pub fn delete(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let table = tree::relation(node);
    if old(walk, table.as_ref()) {
        let what = table.as_ref().map_or_else(String::new, shown);
        let message = format!("DELETE of rows of {what}");
        walk.find(&drops::DELETE_ROWS, source.head(node), message);
    }
    children(walk, source, node);
    if old(walk, table.as_ref()) || reads_old(walk, node) {
        work(walk, source.head(node));
    }
}

/// MERGE.
pub fn merge(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let table = tree::relation(node);
    let old = old(walk, table.as_ref());
    for clause in node.children() {
        let changes = has(&clause, K::MERGE_UPDATE);
        let deletes = has(&clause, K::MERGE_DELETE);
        if deletes && old {
            let message = "MERGE deletes rows that the old version knows";
            walk.find(&drops::DELETE_ROWS, source.head(&clause), message);
        } else if changes && is_backfill(walk) {
            if !has(&clause, K::MERGE_CONDITION) {
                let message = "WHEN MATCHED without a condition changes rows again in each run";
                walk.find(&unknown::UNGUARDED_BACKFILL, source.head(&clause), message);
            }
        } else if changes && old {
            let message = "MERGE changes rows that the old version knows";
            walk.find(&drops::UPDATE_ROWS, source.head(&clause), message);
        }
    }
    children(walk, source, node);
    work(walk, source.head(node));
}

/// COPY.
pub fn copy(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let on_server = has_below(node, K::COPY_PROGRAM);
    if on_server {
        let message = "this works on the server's machine";
        walk.find(&unknown::SERVER_FILE, source.head(node), message);
    } else if is_backfill(walk) && has(node, K::COPY_FROM) {
        let message = "each run inserts again";
        walk.find(&unknown::UNGUARDED_BACKFILL, source.head(node), message);
    }
    children(walk, source, node);
    work(walk, source.head(node));
}

/// TRUNCATE.
pub fn truncate(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let tables: Vec<Name> = below(node, K::TABLE_NAME_REF)
        .filter_map(|table| tree::name(&table))
        .collect();
    if has(node, K::CASCADE) {
        let message = "CASCADE empties whatever refers to the table";
        walk.find(&drops::DROP_CASCADE, source.head(node), message);
    }
    let made = |table: &Name| walk.batch.made(Space::Relation, table);
    if tables.is_empty() || !tables.iter().all(made) {
        let message = "every row is deleted";
        walk.find(&drops::TRUNCATE, source.head(node), message);
    }
    for table in &tables {
        walk.lock(table, Lock::AccessExclusive);
    }
}
