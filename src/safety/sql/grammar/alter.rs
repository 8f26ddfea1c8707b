//! ALTER TABLE, action by action.

use super::super::batch::Space;
use super::super::table::{changes, drops, locks};
use super::super::walk::{Walk, shown};
use super::tree::{self, Source, child, has};
use super::{children, column, constraint, not_understood};
use crate::safety::Rule;
use crate::safety::rule::Lock;
use crate::sql::Name;
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// ALTER TABLE and ALTER FOREIGN TABLE.
pub fn table(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some(table) = tree::relation(node) else {
        // ALTER TABLE ALL IN TABLESPACE.
        super::change::whole(
            walk,
            source,
            node,
            &locks::REWRITE_TABLE,
            "tables are written anew while all wait",
        );
        return;
    };
    let mut table = table;
    for action in node.children() {
        let kind = action.kind();
        if tree::RELATION.contains(&kind)
            || matches!(
                kind,
                K::TABLE_RELATION_NAME | K::RELATION_NAME | K::IF_EXISTS
            )
        {
            continue;
        }
        if walk.old(&table) {
            old(walk, source, &table, &action);
        } else {
            new(walk, source, &mut table, &action);
        }
    }
}

/// An action on a table that the batch made: only what reaches others counts.
fn new(walk: &mut Walk<'_>, source: &Source<'_>, table: &mut Name, action: &SyntaxNode) {
    cascade(walk, source, action);
    match action.kind() {
        K::ADD_CONSTRAINT | K::ADD_COLUMN => {
            for reference in action.descendants() {
                if matches!(
                    reference.kind(),
                    K::REFERENCES_CONSTRAINT | K::FOREIGN_KEY_CONSTRAINT
                ) && let Some(target) = tree::relation(&reference)
                    && walk.old(&target)
                {
                    let message = format!("{} is locked against writing", shown(&target));
                    walk.note(&locks::REFERENCES_OLD_TABLE, source.head(action), message);
                    walk.lock(&target, Lock::ShareRowExclusive);
                }
            }
        }
        K::ATTACH_PARTITION => attach(walk, source, action),
        K::INHERIT_TABLE => {
            if let Some(parent) = tree::relation(action).filter(|parent| walk.old(parent)) {
                inherit(walk, source, &parent, action);
            }
        }
        K::TABLE_RENAME_TO => {
            let to =
                tree::relation(action).or_else(|| tree::named(action, &[K::TABLE_NAME, K::PATH]));
            if let Some(to) = to {
                walk.batch.forget(Space::Relation, table);
                table.name = to.name;
                walk.batch.make(Space::Relation, table);
            }
        }
        K::SET_SCHEMA => {
            walk.batch.forget(Space::Relation, table);
            table.schema = tree::word(action, K::SCHEMA_REF);
            if table.schema.is_some() {
                walk.batch.make(Space::Relation, table);
            }
        }
        _ => {}
    }
}

/// CASCADE takes along what nobody sees, whoever made the object.
fn cascade(walk: &mut Walk<'_>, source: &Source<'_>, action: &SyntaxNode) {
    if matches!(action.kind(), K::DROP_COLUMN | K::DROP_CONSTRAINT) && has(action, K::CASCADE) {
        let message = "CASCADE drops whatever depends on it";
        walk.find(&drops::DROP_CASCADE, source.head(action), message);
    }
}

/// An action on a table that the old version may know.
fn old(walk: &mut Walk<'_>, source: &Source<'_>, table: &Name, action: &SyntaxNode) {
    let span = source.head(action);
    let label = shown(table);
    let mut find = |rule: &'static Rule, lock: Lock, message: String| {
        walk.find(rule, span, message);
        walk.lock(table, lock);
    };
    match action.kind() {
        K::ADD_COLUMN => column::add(walk, source, table, action),
        K::ALTER_COLUMN => column::alter(walk, source, table, action),
        K::ADD_CONSTRAINT => constraint::add(walk, source, table, action),
        K::VALIDATE_CONSTRAINT => constraint::validate(walk, source, table, action),
        K::DROP_COLUMN => {
            cascade(walk, source, action);
            let name = tree::word(action, K::COLUMN_NAME_REF).unwrap_or_default();
            if walk.batch.made_column(table, &name) {
                walk.batch.forget_column(table, &name);
            } else {
                let message = format!("the old version still uses {label}.{name}");
                walk.find(&drops::DROP_COLUMN, span, message);
            }
            walk.lock(table, Lock::AccessExclusive);
        }
        K::DROP_CONSTRAINT => {
            cascade(walk, source, action);
            let name = tree::word(action, K::CONSTRAINT_NAME_REF).unwrap_or_default();
            if walk.batch.attached(table, "constraint", &name) {
                walk.batch.detach(table, "constraint", &name);
            } else {
                let message = format!("the old version relies on {name} of {label}");
                walk.find(&drops::DROP_CONSTRAINT, span, message);
            }
            walk.lock(table, Lock::AccessExclusive);
        }
        K::RENAME_COLUMN => {
            let name = tree::word(action, K::COLUMN_NAME_REF).unwrap_or_default();
            let to = tree::word(action, K::COLUMN_NAME);
            if walk.batch.made_column(table, &name) {
                walk.batch.forget_column(table, &name);
                if let Some(to) = to {
                    walk.batch.make_column(table, &to);
                }
            } else {
                let message = format!("the old version names {label}.{name}");
                walk.find(&changes::RENAME_COLUMN, span, message);
            }
            walk.lock(table, Lock::AccessExclusive);
        }
        K::RENAME_CONSTRAINT => {
            let name = tree::word(action, K::CONSTRAINT_NAME_REF).unwrap_or_default();
            if !walk.batch.attached(table, "constraint", &name) {
                let message = format!("the old version may name {name} of {label}");
                walk.find(&changes::RENAME_CONSTRAINT, span, message);
            }
            walk.lock(table, Lock::AccessExclusive);
        }
        K::ALTER_CONSTRAINT => find(
            &changes::ALTER_OBJECT,
            Lock::ShareRowExclusive,
            format!("the old version relies on when this constraint of {label} is checked"),
        ),
        K::TABLE_RENAME_TO => find(
            &changes::RENAME_TABLE,
            Lock::AccessExclusive,
            format!("the old version names {label}"),
        ),
        K::SET_SCHEMA => find(
            &changes::SET_SCHEMA,
            Lock::AccessExclusive,
            format!("the old version looks for {label} where it is"),
        ),
        K::ATTACH_PARTITION => attach(walk, source, action),
        K::DETACH_PARTITION => {
            let partition = tree::relation(action);
            let concurrently = child(action, K::DETACH_CONCURRENTLY).is_some()
                || child(action, K::DETACH_FINALIZE).is_some();
            if partition
                .as_ref()
                .is_none_or(|partition| walk.old(partition))
            {
                let message = format!("its rows vanish from {label}");
                walk.find(&changes::DETACH_PARTITION, span, message);
            }
            if !concurrently {
                walk.lock(table, Lock::AccessExclusive);
            }
        }
        K::INHERIT_TABLE | K::NO_INHERIT_TABLE => {
            let parent = tree::relation(action).unwrap_or_else(|| table.clone());
            inherit(walk, source, &parent, action);
            walk.lock(table, Lock::AccessExclusive);
        }
        K::ENABLE_RLS | K::DISABLE_RLS | K::FORCE_RLS | K::NO_FORCE_RLS => find(
            &changes::ROW_SECURITY,
            Lock::AccessExclusive,
            format!("the old version sees other rows of {label}"),
        ),
        K::ENABLE_RULE | K::DISABLE_RULE | K::ENABLE_ALWAYS_RULE | K::ENABLE_REPLICA_RULE => find(
            &changes::REWRITE_RULE,
            Lock::AccessExclusive,
            format!("statements on {label} mean something else"),
        ),
        K::ENABLE_TRIGGER
        | K::DISABLE_TRIGGER
        | K::ENABLE_ALWAYS_TRIGGER
        | K::ENABLE_REPLICA_TRIGGER => find(
            &changes::CHANGE_TRIGGER,
            Lock::ShareRowExclusive,
            format!("the old version relies on the triggers of {label}"),
        ),
        K::REPLICA_IDENTITY => find(
            &changes::REPLICATION,
            Lock::AccessExclusive,
            format!("those who read the changes of {label} get others"),
        ),
        K::OWNER_TO => find(
            &changes::CHANGE_OWNER,
            Lock::AccessExclusive,
            format!("{label} gets another owner"),
        ),
        K::SET_LOGGED
        | K::SET_UNLOGGED
        | K::SET_TABLESPACE
        | K::SET_ACCESS_METHOD
        | K::MERGE_PARTITIONS
        | K::SPLIT_PARTITION => find(
            &locks::REWRITE_TABLE,
            Lock::AccessExclusive,
            format!("{label} is written anew while all wait"),
        ),
        K::OF_TYPE | K::NOT_OF | K::ALTER_OPTION_LIST => find(
            &changes::ALTER_OBJECT,
            Lock::AccessExclusive,
            format!("{label} is another thing for the old version"),
        ),
        K::SET_OPTIONS
        | K::RESET_OPTIONS
        | K::OPTION_ITEM_LIST
        | K::CLUSTER_ON
        | K::SET_WITHOUT_CLUSTER
        | K::SET_WITHOUT_OIDS => {}
        _ => not_understood(walk, span, "kmig has no verdict about this action"),
    }
    if !matches!(
        action.kind(),
        K::ADD_COLUMN | K::ALTER_COLUMN | K::ADD_CONSTRAINT
    ) {
        children(walk, source, action);
    }
}

fn attach(walk: &mut Walk<'_>, source: &Source<'_>, action: &SyntaxNode) {
    let partition = tree::relation(action);
    if let Some(partition) = partition.filter(|partition| walk.old(partition)) {
        let message = format!(
            "{} is read to the end, and its rows appear in the parent{}",
            shown(&partition),
            walk.size(&partition)
        );
        walk.find(&locks::ATTACH_PARTITION, source.head(action), message);
        walk.lock(&partition, Lock::AccessExclusive);
    }
}

fn inherit(walk: &mut Walk<'_>, source: &Source<'_>, parent: &Name, action: &SyntaxNode) {
    let message = format!("the old version reads other rows of {}", shown(parent));
    walk.find(&changes::CHANGE_INHERITANCE, source.head(action), message);
}
