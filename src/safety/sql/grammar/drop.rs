//! DROP of anything.

use super::super::batch::Space;
use super::super::table::changes;
use super::super::table::drops as table;
use super::super::walk::{Walk, shown};
use super::tree::{self, Source, below, child, has, has_below};
use super::{create, index, not_understood};
use crate::safety::Rule;
use crate::safety::rule::Lock;
use crate::sql::Name;
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// The kinds of DROP that [`objects`] judges: the rule, the space of the names and the kinds under which they stand.
pub fn drops(kind: K) -> Option<(&'static Rule, Space, &'static [K])> {
    use Space::{Function, Other, Relation, Role, Schema, Type};
    Some(match kind {
        K::DROP_TABLE | K::DROP_FOREIGN_TABLE => {
            (&table::DROP_TABLE, Relation, &[K::TABLE_NAME_REF])
        }
        K::DROP_VIEW | K::DROP_MATERIALIZED_VIEW => (&table::DROP_VIEW, Relation, &[K::VIEW_REF]),
        K::DROP_SEQUENCE => (&table::DROP_SEQUENCE, Relation, &[K::SEQUENCE_REF]),
        K::DROP_INDEX => (&table::DROP_INDEX, Relation, &[K::INDEX_REF]),
        K::DROP_TYPE => (&table::DROP_TYPE, Type, &[K::TYPE_NAME_REF]),
        K::DROP_DOMAIN => (&table::DROP_TYPE, Type, &[K::DOMAIN_REF]),
        K::DROP_FUNCTION | K::DROP_PROCEDURE | K::DROP_ROUTINE | K::DROP_AGGREGATE => (
            &table::DROP_FUNCTION,
            Function,
            &[
                K::FUNCTION_NAME_REF,
                K::PROCEDURE_NAME_REF,
                K::ROUTINE_NAME_REF,
            ],
        ),
        K::DROP_SCHEMA => (&table::DROP_SCHEMA, Schema, &[K::SCHEMA_REF]),
        K::DROP_EXTENSION => (
            &table::DROP_EXTENSION,
            Other("extension"),
            &[K::EXTENSION_REF],
        ),
        K::DROP_ROLE | K::DROP_USER | K::DROP_GROUP => (&table::DROP_ROLE, Role, &[K::ROLE_REF]),
        K::DROP_COLLATION => (&table::DROP_OBJECT, Other("collation"), &[K::COLLATION_REF]),
        K::DROP_STATISTICS => (
            &table::DROP_OBJECT,
            Other("statistics"),
            &[K::STATISTICS_REF],
        ),
        K::DROP_PUBLICATION => (
            &changes::REPLICATION,
            Other("publication"),
            &[K::PUBLICATION_REF],
        ),
        K::DROP_SUBSCRIPTION => (
            &changes::REPLICATION,
            Other("subscription"),
            &[K::SUBSCRIPTION_REF],
        ),
        K::DROP_EVENT_TRIGGER => (
            &changes::CHANGE_TRIGGER,
            Other("event trigger"),
            &[K::EVENT_TRIGGER_REF],
        ),
        K::DROP_ACCESS_METHOD
        | K::DROP_CAST
        | K::DROP_CONVERSION
        | K::DROP_FOREIGN_DATA_WRAPPER
        | K::DROP_LANGUAGE
        | K::DROP_OPERATOR
        | K::DROP_OPERATOR_CLASS
        | K::DROP_OPERATOR_FAMILY
        | K::DROP_SERVER
        | K::DROP_TEXT_SEARCH_CONFIG
        | K::DROP_TEXT_SEARCH_DICT
        | K::DROP_TEXT_SEARCH_PARSER
        | K::DROP_TEXT_SEARCH_TEMPLATE
        | K::DROP_TRANSFORM
        | K::DROP_USER_MAPPING => (&table::DROP_OBJECT, Other("object"), &[]),
        _ => return None,
    })
}

/// DROP of such objects.
pub fn objects(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some((rule, space, kinds)) = drops(node.kind()) else {
        return;
    };
    let span = source.head(node);
    if has_below(node, K::CASCADE) {
        let message = "CASCADE drops whatever depends on it";
        walk.find(&table::DROP_CASCADE, span, message);
    }
    let named: Vec<(SyntaxNode, Name)> = node
        .descendants()
        .filter(|below| kinds.contains(&below.kind()))
        .filter_map(|below| tree::name(&below).map(|name| (below, name)))
        .collect();
    if named.is_empty() {
        let message = format!("the old version uses what {} takes away", tree::words(node));
        walk.find(rule, span, message);
        return;
    }
    for (at, name) in named {
        if made(walk, space, &at, &name) {
            walk.batch.forget(space, &name);
            continue;
        }
        let message = format!(
            "the old version still uses {}{}",
            shown(&name),
            walk.size(&name)
        );
        let place = source.span(&at);
        if node.kind() == K::DROP_INDEX && !has(node, K::CONCURRENTLY_KW) {
            let rewritten = index::concurrently(node, K::INDEX_KW);
            walk.find_rewritten(rule, place, message, rewritten);
        } else {
            walk.find(rule, place, message);
        }
        if space == Space::Relation && !has(node, K::CONCURRENTLY_KW) {
            walk.lock(&name, Lock::AccessExclusive);
        }
    }
}

/// Whether the batch made what is dropped. A function may have an old namesake with other arguments.
fn made(walk: &Walk<'_>, space: Space, at: &SyntaxNode, name: &Name) -> bool {
    if !walk.batch.made(space, name) {
        return false;
    }
    if space != Space::Function {
        return true;
    }
    let Some(key) = walk.batch.key(space, name) else {
        return false;
    };
    let list = at
        .parent()
        .and_then(|signature| child(&signature, K::PARAM_LIST));
    let Some(named) = list.map(|list| create::arguments(&list)) else {
        return false;
    };
    let ends = |(own, named): (&String, &String)| {
        own.strip_suffix(named.as_str())
            .is_some_and(|before| before.is_empty() || before.ends_with(' '))
    };
    walk.batch.routines.get(&key).is_some_and(|routines| {
        routines.iter().any(|routine| {
            routine.arguments.len() == named.len() && routine.arguments.iter().zip(&named).all(ends)
        })
    })
}

/// DROP TRIGGER, POLICY, RULE, and DROP OWNED.
pub fn attached(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let span = source.head(node);
    if has(node, K::CASCADE) {
        let message = "CASCADE drops whatever depends on it";
        walk.find(&table::DROP_CASCADE, span, message);
    }
    let (rule, kind, names): (&'static Rule, &'static str, K) = match node.kind() {
        K::DROP_TRIGGER => (&changes::CHANGE_TRIGGER, "trigger", K::TRIGGER_REF),
        K::DROP_POLICY => (&changes::ROW_SECURITY, "policy", K::POLICY_REF),
        K::DROP_RULE => (&changes::REWRITE_RULE, "rule", K::RULE_REF),
        _ => {
            let message = "whatever the role owns is dropped";
            walk.find(&table::DROP_OWNED, span, message);
            return;
        }
    };
    let name = below(node, names).find_map(|name| tree::name(&name));
    match (tree::relation(node), name) {
        (Some(of), Some(name)) if walk.batch.attached(&of, kind, &name.name) => {
            walk.batch.detach(&of, kind, &name.name);
            walk.lock(&of, Lock::AccessExclusive);
        }
        (Some(of), Some(name)) => {
            let message = format!(
                "the old version relies on {kind} {} of {}",
                name.name,
                shown(&of)
            );
            walk.find(rule, span, message);
            walk.lock(&of, Lock::AccessExclusive);
        }
        _ => not_understood(walk, span, "kmig cannot read which table this is of"),
    }
}
