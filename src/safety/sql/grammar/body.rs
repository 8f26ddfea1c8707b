//! Bodies of blocks and functions: PL/pgSQL and SQL, read by their grammars; the rest is not understood.

use super::super::batch::{Key, Path, Routine};
use super::super::table::unknown;
use super::super::walk::Walk;
use super::tree::Source;
use super::{calls, children, not_understood};
use crate::place::Span;
use rowan::TextRange;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::body::{Body, BodyLanguage};
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// So many calls are looked into, one inside the other.
const DEPTH: usize = 20;

/// A DO block.
pub fn block(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let block = ast::Do::cast(node.clone()).and_then(|block| block.plpgsql());
    match block {
        Some(body) => inside(walk, source, &body),
        None => {
            let message = "kmig reads blocks of PL/pgSQL only";
            not_understood(walk, source.head(node), message);
        }
    }
}

/// Judges a body that is quoted in a statement.
fn inside<T: BodyLanguage>(walk: &mut Walk<'_>, source: &Source<'_>, body: &Body<T>) {
    let place = |range: TextRange| (source.place)(body.source_range(range));
    if let Some(error) = body.errors().first() {
        let message = format!("kmig's grammar cannot read this body: {}", error.message());
        not_understood(walk, (source.place)(error.range()), &message);
        return;
    }
    let inner = Source { place: &place };
    // What a block makes under a condition may not be there behind it.
    let before = walk.batch.clone();
    children(walk, &inner, &body.syntax());
    let path = std::mem::take(&mut walk.batch.path);
    let unchanged = path == before.path;
    walk.batch = before;
    if !unchanged {
        walk.batch.path = Path::Unknown;
    }
}

/// What PL/pgSQL itself does; statements and expressions inside are judged as everywhere.
pub fn node(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    match node.kind() {
        K::PLPGSQL_DYN_EXECUTE_STMT
        | K::PLPGSQL_FOR_DYN_STMT
        | K::PLPGSQL_OPEN_EXECUTE
        | K::PLPGSQL_RETURN_QUERY_EXECUTE_STMT => {
            let message = "this runs a text that exists only when it runs";
            walk.find(&unknown::DYNAMIC_SQL, source.head(node), message);
        }
        K::PLPGSQL_COMMIT_STMT | K::PLPGSQL_ROLLBACK_STMT => {
            let message = "this ends the transaction that the part is recorded in";
            walk.find(&unknown::TRANSACTION_CONTROL, source.span(node), message);
        }
        _ => {}
    }
}

/// Judges the bodies of routines of one name that the batch makes, as they are called.
pub fn called(walk: &mut Walk<'_>, key: &Key, routines: &[Routine], span: Span) {
    let label = calls::label(key);
    if walk.calls.contains(&label) {
        return;
    }
    if walk.calls.len() >= DEPTH {
        not_understood(walk, span, "the calls nest too deeply to be read");
        return;
    }
    let outermost = walk.call.is_none();
    if outermost {
        walk.call = Some(span);
    }
    walk.calls.push(label);
    let before = walk.batch.clone();
    for routine in routines {
        if let Some(path) = &routine.path {
            walk.batch.path = path.clone();
        }
        one(walk, &routine.text, span);
        walk.batch = before.clone();
    }
    walk.calls.pop();
    if outermost {
        walk.call = None;
    }
}

fn one(walk: &mut Walk<'_>, text: &str, span: Span) {
    let place = |_: TextRange| span;
    let source = Source { place: &place };
    let parse = ast::SourceFile::parse(text);
    let root = parse.tree();
    let Some(node) = root.syntax().children().next() else {
        return;
    };
    if let Some(atomic) = node
        .children()
        .find(|child| matches!(child.kind(), K::ATOMIC_BODY | K::RETURN_STMT))
    {
        children(walk, &source, &atomic);
        return;
    }
    let function = ast::CreateFunction::cast(node.clone());
    let procedure = ast::CreateProcedure::cast(node.clone());
    let plpgsql = function
        .as_ref()
        .and_then(ast::CreateFunction::plpgsql)
        .or_else(|| procedure.as_ref().and_then(ast::CreateProcedure::plpgsql));
    let sql = function
        .as_ref()
        .and_then(ast::CreateFunction::sql_body)
        .or_else(|| procedure.as_ref().and_then(ast::CreateProcedure::sql_body));
    match (plpgsql, sql) {
        (Some(body), _) => inside(walk, &source, &body),
        (None, Some(body)) => inside(walk, &source, &body),
        (None, None) => not_understood(walk, span, "kmig reads PL/pgSQL and SQL only"),
    }
}
