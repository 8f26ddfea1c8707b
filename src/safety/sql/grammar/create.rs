//! CREATE of anything but indexes.

use super::super::batch::{Path, Routine, Space};
use super::super::table::{changes, locks};
use super::super::walk::{Walk, shown};
use super::tree::{self, RELATION, Source, below, child, has, has_below};
use super::{children, rows, session};
use crate::safety::rule::Lock;
use crate::sql::Name;
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// Whether a CREATE certainly makes something: IF NOT EXISTS and OR REPLACE may take what is there.
fn makes(walk: &Walk<'_>, node: &SyntaxNode, space: Space, name: &Name) -> bool {
    let lenient = has(node, K::IF_NOT_EXISTS) || has(node, K::OR_REPLACE);
    !lenient || !walk.there(space, name)
}

fn is_temporary(node: &SyntaxNode) -> bool {
    has_below(node, K::TEMP) || has(node, K::TEMP_KW) || has(node, K::TEMPORARY_KW)
}

/// Notes a relation that is made.
fn make_relation(walk: &mut Walk<'_>, node: &SyntaxNode, name: &Name) {
    if !makes(walk, node, Space::Relation, name) {
        return;
    }
    match is_temporary(node) {
        true => walk.batch.make_temporary(name),
        false => walk.batch.make(Space::Relation, name),
    }
}

/// CREATE TABLE and CREATE FOREIGN TABLE. What its defaults and checks call is not run by it.
pub fn table(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some(name) = tree::relation(node) else {
        return;
    };
    if let Some(of) = child(node, K::PARTITION_OF)
        && let Some(parent) = tree::relation(&of)
        && walk.old(&parent)
    {
        let message = format!("{} is locked against reading and writing", shown(&parent));
        walk.find(&locks::PARTITION_OF, source.head(node), message);
        walk.lock(&parent, Lock::AccessExclusive);
    }
    if let Some(inherits) = child(node, K::INHERITS) {
        for parent in below(&inherits, K::TABLE_NAME_REF) {
            if tree::name(&parent).is_some_and(|parent| walk.old(&parent)) {
                let message = "its rows appear in what the old version reads of the parent";
                walk.find(&changes::CHANGE_INHERITANCE, source.span(&parent), message);
            }
        }
    }
    make_relation(walk, node, &name);
    for reference in node.descendants() {
        if !matches!(
            reference.kind(),
            K::REFERENCES_CONSTRAINT | K::FOREIGN_KEY_CONSTRAINT
        ) {
            continue;
        }
        if let Some(target) = tree::relation(&reference)
            && walk.old(&target)
        {
            let message = format!(
                "{} is locked against writing until the part commits",
                shown(&target)
            );
            walk.note(
                &locks::REFERENCES_OLD_TABLE,
                source.head(&reference),
                message,
            );
            walk.lock(&target, Lock::ShareRowExclusive);
        }
    }
    owned_sequences(walk, node, &name);
}

/// The sequences of serial and identity columns have a name that the server makes of theirs.
fn owned_sequences(walk: &mut Walk<'_>, node: &SyntaxNode, table: &Name) {
    if !makes(walk, node, Space::Relation, table) {
        return;
    }
    for column in below(node, K::COLUMN) {
        let identity = has_below(&column, K::GENERATED_IDENTITY);
        let serial = super::column::type_name(&column)
            .is_some_and(|(_, name)| super::column::is_serial(&name));
        if let Some(name) = tree::word(&column, K::COLUMN_NAME)
            && (identity || serial)
        {
            let sequence = Name {
                schema: table.schema.clone(),
                name: format!("{}_{name}_seq", table.name),
            };
            walk.batch.make(Space::Relation, &sequence);
        }
    }
}

/// CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW.
pub fn table_as(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    children(walk, source, node);
    let into = child(node, K::INTO_CLAUSE);
    let name = tree::relation(node).or_else(|| {
        into.as_ref().and_then(|into| {
            tree::relation(into).or_else(|| tree::named(into, &[K::PATH, K::PATH_REF]))
        })
    });
    if let Some(name) = name {
        make_relation(walk, node, &name);
    }
    if rows::reads_old(walk, node) && !has_below(node, K::WITH_NO_DATA) {
        rows::work(walk, source.head(node));
    }
}

/// CREATE VIEW. What its query calls is not run by it.
pub fn view(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some(name) = tree::relation(node) else {
        return;
    };
    if has(node, K::OR_REPLACE) && walk.old(&name) {
        if !walk.there(Space::Relation, &name) {
            make_relation(walk, node, &name);
            return;
        }
        let message = format!(
            "whoever reads {} gets the rows of this query at once",
            shown(&name)
        );
        walk.find(&changes::REPLACE_VIEW, source.head(node), message);
        walk.lock(&name, Lock::AccessExclusive);
    }
    make_relation(walk, node, &name);
}

/// CREATE FUNCTION and CREATE PROCEDURE. Their bodies are judged where they are called.
pub fn routine(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some(name) = tree::named(node, &[K::FUNCTION_NAME, K::PROCEDURE_NAME]) else {
        return;
    };
    let arguments = child(node, K::PARAM_LIST)
        .map(|list| arguments(&list))
        .unwrap_or_default();
    let certain = makes(walk, node, Space::Function, &name);
    if !certain && !walk.batch.made(Space::Function, &name) {
        let message = format!("whoever calls {}() gets this body at once", shown(&name));
        walk.find(&changes::REPLACE_FUNCTION, source.head(node), message);
    }
    let Some(key) = walk.batch.key(Space::Function, &name) else {
        return;
    };
    if certain {
        walk.batch.make(Space::Function, &name);
    }
    let routine = Routine {
        text: node.text().to_string(),
        path: below(node, K::SET_CONFIG_PARAM).find_map(|set| session::path(&set)),
        arguments,
    };
    let routines = walk.batch.routines.entry(key).or_default();
    routines.retain(|other| other.arguments != routine.arguments);
    routines.push(routine);
}

/// The arguments that a call gives, as they are written, in small letters, without defaults.
pub fn arguments(list: &SyntaxNode) -> Vec<String> {
    let params = list.children().filter(|param| param.kind() == K::PARAM);
    params
        .filter(|param| !has(param, K::PARAM_OUT))
        .map(|param| {
            let parts = param.children().filter(|part| {
                !matches!(
                    part.kind(),
                    K::PARAM_DEFAULT | K::PARAM_IN | K::PARAM_IN_OUT
                )
            });
            parts
                .map(|part| tree::plain(&part))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

/// CREATE TRIGGER and CREATE EVENT TRIGGER.
pub fn trigger(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let table = tree::relation(node);
    let name = tree::word(node, K::TRIGGER);
    match (&table, name) {
        (Some(table), _) if !walk.old(table) => {}
        (Some(table), Some(name)) => {
            let message = format!("it runs inside every write to {}", shown(table));
            walk.find(&changes::CREATE_TRIGGER, source.head(node), message);
            if !has(node, K::OR_REPLACE) {
                walk.batch.attach(table, "trigger", &name);
            }
            let table = table.clone();
            walk.lock(&table, Lock::ShareRowExclusive);
        }
        _ => {
            let message = "it runs inside statements of the old version";
            walk.find(&changes::CREATE_TRIGGER, source.head(node), message);
        }
    }
}

/// CREATE POLICY: it changes nothing while its table has no row level security.
pub fn policy(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some(table) = tree::relation(node) else {
        return;
    };
    if walk.old(&table) {
        let relation = walk.known.relation(table.schema.as_deref(), &table.name);
        if relation.is_none_or(|relation| relation.row_security) {
            let message = format!("queries on {} may see other rows", shown(&table));
            walk.find(&changes::ROW_SECURITY, source.head(node), message);
        }
        walk.lock(&table, Lock::AccessExclusive);
    }
    if let Some(name) = tree::word(node, K::POLICY) {
        walk.batch.attach(&table, "policy", &name);
    }
}

/// CREATE RULE. What it does is not run by it.
pub fn rule(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some(table) = tree::relation(node) else {
        return;
    };
    if walk.old(&table) {
        let message = format!("statements on {} mean something else", shown(&table));
        walk.find(&changes::REWRITE_RULE, source.head(node), message);
        walk.lock(&table, Lock::AccessExclusive);
    }
    if let Some(name) = tree::word(node, K::RULE)
        && !has(node, K::OR_REPLACE)
    {
        walk.batch.attach(&table, "rule", &name);
    }
}

/// CREATE SCHEMA, with what it makes inside.
pub fn schema(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let name = below(node, K::SCHEMA).find_map(|schema| tree::name(&schema));
    if let Some(name) = &name
        && makes(walk, node, Space::Schema, name)
    {
        walk.batch.make(Space::Schema, name);
    }
    let inside = name.map_or(Path::Unknown, |name| Path::First(name.name));
    let outside = std::mem::replace(&mut walk.batch.path, inside);
    children(walk, source, node);
    walk.batch.path = outside;
}

/// The kinds of CREATE that touch nothing that is there, with what their names share.
pub fn plain(kind: K) -> Option<(Space, K)> {
    Some(match kind {
        K::CREATE_SEQUENCE => (Space::Relation, K::SEQUENCE),
        K::CREATE_TYPE => (Space::Type, K::TYPE_NAME),
        K::CREATE_DOMAIN => (Space::Type, K::DOMAIN),
        K::CREATE_AGGREGATE => (Space::Function, K::FUNCTION_NAME),
        K::CREATE_EXTENSION => (Space::Other("extension"), K::EXTENSION),
        K::CREATE_ROLE => (Space::Role, K::ROLE),
        K::CREATE_USER => (Space::Role, K::ROLE),
        K::CREATE_GROUP => (Space::Role, K::ROLE),
        K::CREATE_COLLATION => (Space::Other("collation"), K::COLLATION),
        K::CREATE_CONVERSION => (Space::Other("conversion"), K::CONVERSION),
        K::CREATE_STATISTICS => (Space::Other("statistics"), K::STATISTICS),
        K::CREATE_PUBLICATION => (Space::Other("publication"), K::PUBLICATION),
        K::CREATE_FOREIGN_DATA_WRAPPER => (Space::Other("wrapper"), K::FOREIGN_DATA_WRAPPER),
        K::CREATE_SERVER => (Space::Other("server"), K::SERVER),
        K::CREATE_USER_MAPPING => (Space::Other("mapping"), K::SERVER_REF),
        K::CREATE_TEXT_SEARCH_CONFIGURATION => {
            (Space::Other("text search"), K::TEXT_SEARCH_CONFIGURATION)
        }
        K::CREATE_TEXT_SEARCH_DICTIONARY => {
            (Space::Other("text search"), K::TEXT_SEARCH_DICTIONARY)
        }
        K::CREATE_TEXT_SEARCH_PARSER => (Space::Other("text search"), K::TEXT_SEARCH_PARSER),
        K::CREATE_TEXT_SEARCH_TEMPLATE => (Space::Other("text search"), K::TEXT_SEARCH_TEMPLATE),
        K::CREATE_OPERATOR => (Space::Other("operator"), K::OP),
        K::CREATE_OPERATOR_FAMILY => (Space::Other("operator family"), K::OP_FAMILY_NAME),
        K::CREATE_OPERATOR_CLASS => (Space::Other("operator class"), K::OP_CLASS_NAME),
        _ => return None,
    })
}

/// CREATE of such an object.
pub fn object(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some((space, kind)) = plain(node.kind()) else {
        return;
    };
    if has(node, K::OR_REPLACE) {
        let message = "what is there is replaced for the old version as well";
        walk.find(&changes::REPLACE_FUNCTION, source.head(node), message);
        return;
    }
    let name = tree::named(node, &[kind]).or_else(|| tree::named(node, &RELATION));
    let Some(name) = name.filter(|name| makes(walk, node, space, name)) else {
        return;
    };
    walk.batch.make(space, &name);
    let constrained =
        has_below(node, K::CHECK_CONSTRAINT) || has_below(node, K::NOT_NULL_CONSTRAINT);
    if node.kind() == K::CREATE_DOMAIN
        && constrained
        && let Some(key) = walk.batch.key(Space::Type, &name)
    {
        walk.batch.checked_domains.insert(key);
    }
}
