//! ALTER of anything but tables, REVOKE, and statements that are judged as a whole.

use super::super::batch::Space;
use super::super::table::{changes, drops, locks};
use super::super::walk::{Walk, shown};
use super::not_understood;
use super::tree::{self, RELATION, Source, has, has_below};
use crate::place::Span;
use crate::safety::Rule;
use crate::safety::rule::Lock;
use crate::sql::Name;
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// A statement of whose kind there is one verdict.
pub fn whole(
    walk: &mut Walk<'_>,
    source: &Source<'_>,
    node: &SyntaxNode,
    rule: &'static Rule,
    message: &str,
) {
    walk.find(rule, source.head(node), message);
}

/// REVOKE.
pub fn revoke(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let tables: Vec<Name> = node
        .descendants()
        .filter(|below| RELATION.contains(&below.kind()))
        .filter_map(|relation| tree::name(&relation))
        .collect();
    let made = |table: &Name| walk.batch.made(Space::Relation, table);
    if !tables.is_empty() && tables.iter().all(made) {
        return;
    }
    if has(node, K::CASCADE) {
        let message = "CASCADE revokes what others were granted by the role as well";
        walk.find(&drops::DROP_CASCADE, source.head(node), message);
    }
    whole(
        walk,
        source,
        node,
        &changes::REVOKE,
        "the old version may need the right",
    );
}

/// ALTER DEFAULT PRIVILEGES: GRANT adds, REVOKE takes.
pub fn default_privileges(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    if has_below(node, K::REVOKE_DEFAULT_PRIVILEGES) {
        whole(
            walk,
            source,
            node,
            &changes::REVOKE,
            "what is made later lacks the right",
        );
    }
}

/// The kinds of ALTER that [`alter`] judges: the space of the object's name and the kinds under which it stands.
pub fn alters(kind: K) -> Option<(Space, &'static [K])> {
    use Space::{Function, Other, Relation, Role, Schema, Type};
    Some(match kind {
        K::ALTER_VIEW | K::ALTER_MATERIALIZED_VIEW => (
            Relation,
            &[K::VIEW_REF, K::RELATION_NAME_REF, K::TABLE_NAME_REF],
        ),
        K::ALTER_INDEX => (Relation, &[K::INDEX_REF]),
        K::ALTER_SEQUENCE => (Relation, &[K::SEQUENCE_REF]),
        K::ALTER_TYPE => (Type, &[K::TYPE_NAME_REF]),
        K::ALTER_DOMAIN => (Type, &[K::DOMAIN_REF]),
        K::ALTER_FUNCTION | K::ALTER_PROCEDURE | K::ALTER_ROUTINE | K::ALTER_AGGREGATE => (
            Function,
            &[
                K::FUNCTION_NAME_REF,
                K::PROCEDURE_NAME_REF,
                K::ROUTINE_NAME_REF,
            ],
        ),
        K::ALTER_SCHEMA => (Schema, &[K::SCHEMA_REF]),
        K::ALTER_ROLE | K::ALTER_USER | K::ALTER_GROUP => (Role, &[K::ROLE_REF]),
        K::ALTER_TRIGGER | K::ALTER_POLICY | K::ALTER_RULE => (Other("attached"), &[]),
        K::ALTER_PUBLICATION => (Other("publication"), &[K::PUBLICATION_REF]),
        K::ALTER_SUBSCRIPTION => (Other("subscription"), &[K::SUBSCRIPTION_REF]),
        K::ALTER_STATISTICS => (Other("statistics"), &[K::STATISTICS_REF]),
        K::ALTER_COLLATION => (Other("collation"), &[K::COLLATION_REF]),
        K::ALTER_EXTENSION => (Other("extension"), &[K::EXTENSION_REF]),
        K::ALTER_CONVERSION
        | K::ALTER_EVENT_TRIGGER
        | K::ALTER_FOREIGN_DATA_WRAPPER
        | K::ALTER_LANGUAGE
        | K::ALTER_LARGE_OBJECT
        | K::ALTER_OPERATOR
        | K::ALTER_OPERATOR_CLASS
        | K::ALTER_OPERATOR_FAMILY
        | K::ALTER_SERVER
        | K::ALTER_TEXT_SEARCH_CONFIGURATION
        | K::ALTER_TEXT_SEARCH_DICTIONARY
        | K::ALTER_TEXT_SEARCH_PARSER
        | K::ALTER_TEXT_SEARCH_TEMPLATE
        | K::ALTER_USER_MAPPING => (Other("object"), &[]),
        _ => return None,
    })
}

/// Whether an action is of a kind whose name ends so.
fn ends(node: &SyntaxNode, ending: &str) -> bool {
    node.children()
        .any(|child| format!("{:?}", child.kind()).ends_with(ending))
}

/// ALTER of such an object.
pub fn alter(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some((space, kinds)) = alters(node.kind()) else {
        return;
    };
    let name = tree::named(node, kinds).or_else(|| {
        let list = node
            .children()
            .find(|child| has_below(child, K::FUNCTION_NAME_REF));
        list.and_then(|list| tree::named(&list, kinds))
    });
    let span = source.head(node);
    match node.kind() {
        K::ALTER_TRIGGER | K::ALTER_POLICY | K::ALTER_RULE => return attached(walk, node, span),
        _ => {}
    }
    if let Some(name) = &name
        && walk.batch.made(space, name)
    {
        // A function may have an old namesake with other arguments.
        if space != Space::Function {
            if ends(node, "RENAME_TO") || has(node, K::SET_SCHEMA) {
                walk.batch.forget(space, name);
            }
            return;
        }
    }
    let label = name.as_ref().map_or_else(|| "it".to_string(), shown);
    let whole_relation = name.filter(|_| space == Space::Relation);
    let rule = rule(walk, node, (space, &label), span);
    if let (Some(rule), Some(name)) = (rule, whole_relation)
        && node.kind() != K::ALTER_SEQUENCE
        && !std::ptr::eq(rule, &raw const changes::ADD_ENUM_VALUE)
    {
        walk.lock(&name, Lock::AccessExclusive);
    }
}

/// Tells which rule an ALTER trips; none where it passes.
fn rule(
    walk: &mut Walk<'_>,
    node: &SyntaxNode,
    (space, label): (Space, &str),
    span: Span,
) -> Option<&'static Rule> {
    let kind = node.kind();
    let found = if ends(node, "RENAME_TO") || ends(node, "RENAME_COLUMN") {
        match kind {
            // Nobody names an index but ON CONFLICT ON CONSTRAINT, which names the constraint.
            K::ALTER_INDEX | K::ALTER_STATISTICS => return None,
            K::ALTER_VIEW | K::ALTER_MATERIALIZED_VIEW if has(node, K::RENAME_COLUMN) => (
                &changes::RENAME_COLUMN,
                format!("the old version names a column of {label}"),
            ),
            _ if space == Space::Relation => (
                &changes::RENAME_TABLE,
                format!("the old version names {label}"),
            ),
            _ => (
                &changes::RENAME_OBJECT,
                format!("the old version names {label}"),
            ),
        }
    } else if has(node, K::SET_SCHEMA) {
        (
            &changes::SET_SCHEMA,
            format!("the old version looks for {label} where it is"),
        )
    } else if has(node, K::OWNER_TO) {
        (
            &changes::CHANGE_OWNER,
            format!("{label} gets another owner"),
        )
    } else {
        return other(walk, node, label, span);
    };
    walk.find(found.0, span, found.1);
    Some(found.0)
}

fn other(walk: &mut Walk<'_>, node: &SyntaxNode, label: &str, span: Span) -> Option<&'static Rule> {
    let (rule, message): (&'static Rule, String) = match node.kind() {
        K::ALTER_INDEX if has(node, K::SET_TABLESPACE) || has_below(node, K::ALL_IN_TABLESPACE) => {
            (
                &locks::REWRITE_TABLE,
                format!("{label} is written anew while all wait"),
            )
        }
        K::ALTER_INDEX | K::ALTER_STATISTICS => return None,
        K::ALTER_SEQUENCE => (
            &changes::ALTER_SEQUENCE,
            format!("the old version takes its numbers from {label}"),
        ),
        K::ALTER_TYPE if has(node, K::ADD_VALUE) => {
            let message = "the old version may read a label that it does not know";
            walk.note(&changes::ADD_ENUM_VALUE, span, message);
            return Some(&changes::ADD_ENUM_VALUE);
        }
        K::ALTER_TYPE if has(node, K::RENAME_VALUE) => (
            &changes::RENAME_ENUM_VALUE,
            format!("the old version writes and reads the label of {label} as it is"),
        ),
        K::ALTER_TYPE => (
            &changes::CHANGE_TYPE,
            format!("the old version reads and writes values of {label} as it is"),
        ),
        K::ALTER_DOMAIN if has(node, K::VALIDATE_CONSTRAINT) => return None,
        K::ALTER_DOMAIN if has(node, K::ADD_CONSTRAINT) || has(node, K::SET_NOT_NULL) => (
            &changes::CONSTRAIN_DOMAIN,
            format!("it binds what the old version writes as {label}"),
        ),
        K::ALTER_DOMAIN if has(node, K::DROP_CONSTRAINT) => (
            &drops::DROP_CONSTRAINT,
            format!("the old version relies on the constraint of {label}"),
        ),
        K::ALTER_DOMAIN => (
            &changes::CHANGE_TYPE,
            format!("the old version writes values of {label} as it is"),
        ),
        K::ALTER_FUNCTION | K::ALTER_PROCEDURE | K::ALTER_ROUTINE | K::ALTER_AGGREGATE => (
            &changes::REPLACE_FUNCTION,
            format!("whoever calls {label} gets the changed one at once"),
        ),
        K::ALTER_ROLE | K::ALTER_USER | K::ALTER_GROUP => (
            &changes::ALTER_ROLE,
            "the old version may connect as the role, or have its rights from it".to_string(),
        ),
        // A table more in a publication adds to what its readers get.
        K::ALTER_PUBLICATION if has(node, K::ADD_KW) => return None,
        K::ALTER_PUBLICATION | K::ALTER_SUBSCRIPTION => (
            &changes::REPLICATION,
            "those who read the stream of changes get others".to_string(),
        ),
        _ => (
            &changes::ALTER_OBJECT,
            format!("the old version uses {label} as it is"),
        ),
    };
    walk.find(rule, span, message);
    Some(rule)
}

/// ALTER TRIGGER, POLICY, RULE.
fn attached(walk: &mut Walk<'_>, node: &SyntaxNode, span: Span) {
    let (rule, kind, names): (&'static Rule, &'static str, K) = match node.kind() {
        K::ALTER_TRIGGER => (&changes::CHANGE_TRIGGER, "trigger", K::TRIGGER_REF),
        K::ALTER_POLICY => (&changes::ROW_SECURITY, "policy", K::POLICY_REF),
        _ => (&changes::REWRITE_RULE, "rule", K::RULE_REF),
    };
    match (tree::relation(node), tree::word(node, names)) {
        (Some(table), Some(name)) if walk.batch.attached(&table, kind, &name) => {}
        (Some(table), Some(name)) => {
            let message = format!(
                "the old version relies on {kind} {name} of {}",
                shown(&table)
            );
            walk.find(rule, span, message);
            walk.lock(&table, Lock::AccessExclusive);
        }
        _ => not_understood(walk, span, "kmig cannot read which table this is of"),
    }
}
