//! Calls of functions, procedures and operators.

use super::super::batch::{Key, Path, Space};
use super::super::functions::{denied, harmless_volatile, own_operator, steady};
use super::super::table::unknown;
use super::super::walk::{Walk, shown};
use super::tree::{self, Source, child};
use super::{body, tree::name};
use crate::sql::{self, Name};
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// The function that a call names; none where the grammar itself has the form.
pub fn callee(node: &SyntaxNode) -> Option<Name> {
    let first = node.children().next()?;
    match first.kind() {
        K::NAME_REF | K::FIELD_EXPR => name(&first),
        K::ARG_LIST => {
            let text = node.text().to_string();
            sql::name(text.split('(').next().unwrap_or_default())
        }
        _ => None,
    }
}

/// Whether a name is one of pg_catalog's, unless something else is first in the path.
fn in_catalogue(name: &Name) -> bool {
    name.schema
        .as_deref()
        .is_none_or(|schema| schema == "pg_catalog")
}

/// Judges a call.
pub fn call(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some(function) = callee(node) else {
        // EXTRACT, POSITION, JSON_TABLE and their like are the grammar's own; what else has no name is not known.
        if node.children().next().is_some_and(|first| {
            matches!(
                first.kind(),
                K::PAREN_EXPR | K::INDEX_EXPR | K::CALL_EXPR | K::LITERAL
            )
        }) {
            let message = "what is called here has no name that kmig can read";
            walk.find(&unknown::UNKNOWN_CALL, source.head(node), message);
        }
        return;
    };
    let span = source.span(node);
    if own_body(walk, &function, span) {
        return;
    }
    if in_catalogue(&function) {
        let name = function.name.as_str();
        if steady(name) || harmless_volatile(name) || harmless_setting(walk, node, name) {
            return;
        }
        if denied(name) {
            let message = format!("{name}() reaches outside of what a migration is");
            walk.find(&unknown::DENIED_CALL, source.head(node), message);
            return;
        }
    }
    let message = format!("kmig does not know what {}() does", shown(&function));
    walk.find(&unknown::UNKNOWN_CALL, source.head(node), message);
}

/// set_config of what the session module takes care of, and setval of a sequence that the batch made.
fn harmless_setting(walk: &mut Walk<'_>, node: &SyntaxNode, name: &str) -> bool {
    let first = || {
        let argument = tree::below(node, K::ARG).next()?;
        let literal = child(&argument, K::LITERAL)?.text().to_string();
        let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?.to_string();
        Some(inner)
    };
    match name {
        "set_config" => {
            let setting = first();
            walk.batch.path = match setting.as_deref() {
                Some(other) if !other.eq_ignore_ascii_case("search_path") => {
                    return super::session::harmless(other);
                }
                _ => Path::Unknown,
            };
            setting.is_some()
        }
        "setval" => first()
            .and_then(|sequence| sql::name(&sequence))
            .is_some_and(|sequence| walk.batch.made(Space::Relation, &sequence)),
        _ => false,
    }
}

/// Judges the body of a function that the batch makes; whether it does make one of that name.
fn own_body(walk: &mut Walk<'_>, function: &Name, span: crate::place::Span) -> bool {
    let Some(key) = walk.batch.key(Space::Function, function) else {
        return false;
    };
    let Some(routines) = walk.batch.routines.get(&key).cloned() else {
        return false;
    };
    if !walk.batch.made(Space::Function, function) {
        return false;
    }
    body::called(walk, &key, &routines, span);
    true
}

/// A definition that names functions of the batch (a default, a check, a view, the trigger of a new table, an aggregate)
/// has them run by whatever touches it later: their bodies are judged as if they were called here.
pub fn attached(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    if walk.batch.routines.is_empty() {
        return;
    }
    for below in node.descendants() {
        // The name itself, or all of a call, so that it is told once.
        let call = below
            .parent()
            .filter(|parent| parent.kind() == K::CALL_EXPR);
        let Some(function) = name(&below) else {
            continue;
        };
        let place = call.unwrap_or(below);
        own_body(walk, &function, source.span(&place));
    }
}

/// The label under which a called routine is told of.
pub fn label(key: &Key) -> String {
    format!("{}()", key.name)
}

/// CALL of a procedure.
pub fn procedure(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let called = tree::named(node, &[K::PROCEDURE_NAME_REF]);
    let Some(procedure) = called else {
        walk.find(
            &unknown::UNKNOWN_CALL,
            source.head(node),
            "kmig cannot read the name",
        );
        return;
    };
    if !own_body(walk, &procedure, source.span(node)) {
        let message = format!("kmig does not know what {}() does", shown(&procedure));
        walk.find(&unknown::UNKNOWN_CALL, source.head(node), message);
    }
}

/// An operator that is not the server's own calls a function.
pub fn operator(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let text: String = match node.kind() {
        K::CUSTOM_OP => node.text().to_string(),
        _ => {
            let inside = child(node, K::OP).map(|op| op.text().to_string());
            let inside = inside.unwrap_or_default();
            match inside.rsplit_once('.') {
                Some((schema, operator)) if schema.trim().eq_ignore_ascii_case("pg_catalog") => {
                    operator.trim().to_string()
                }
                Some(_) => String::new(),
                None => inside.trim().to_string(),
            }
        }
    };
    if !own_operator(text.trim()) {
        let message = "kmig does not know which function this operator calls";
        walk.find(&unknown::UNKNOWN_CALL, source.span(node), message);
    }
}
