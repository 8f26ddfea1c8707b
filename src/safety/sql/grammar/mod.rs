//! Judges statements by their syntax trees. Only this folder and `sql/class` name squawk-syntax: it promises no stable
//! interface, so a new version of it is a change of this folder alone.
//!
//! Every kind of statement is named in [`verdict`]; what is not named there is not understood.

mod alter;
mod body;
mod calls;
mod change;
mod column;
mod constraint;
mod create;
mod drop;
mod guard;
mod index;
mod rows;
mod session;
mod tree;

use super::table::{changes, locks, unknown};
use super::walk::Walk;
use crate::place::Span;
use rowan::TextRange;
use squawk_syntax::SyntaxKind as K;
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{AstNode, SourceFile, Stmt};
use tree::Source;

/// Judges the statement at `span` of a file.
pub fn statement(walk: &mut Walk<'_>, text: &str, span: Span) {
    let place = |range: TextRange| {
        let inner = tree::span(range);
        Span::new(span.start + inner.start, span.start + inner.end)
    };
    let source = Source { place: &place };
    long_names(walk, text, span);
    if guard::too_deep(text, span) {
        if !guard::only_values(text, span) {
            not_understood(
                walk,
                span,
                "the statement is too long or too deeply nested to be read",
            );
        }
        return;
    }
    let parse = SourceFile::parse(span.of(text));
    let errors = parse.errors();
    if let Some(error) = errors.first() {
        let at = usize::from(error.range().start()).min(span.end - span.start);
        let place = Span::new(span.start + at, span.start + at);
        let message = format!("kmig's grammar cannot read this: {}", error.message());
        not_understood(walk, word_at(text, place, span), &message);
        return;
    }
    for stmt in parse.tree().stmts() {
        visit(walk, &source, stmt.syntax());
    }
}

/// The server cuts names behind so many bytes (NAMEDATALEN - 1).
const NAME_BYTES: usize = 63;

fn long_names(walk: &mut Walk<'_>, text: &str, span: Span) {
    for token in crate::sql::names(text, span) {
        let name = token.of(text).trim_matches('"');
        if name.len() > NAME_BYTES {
            let message = format!("the server cuts this name to {NAME_BYTES} bytes");
            walk.find(&unknown::NAME_TOO_LONG, token, message);
        }
    }
}

/// The word at a place, to be marked; the beginning of the statement where there is none.
fn word_at(text: &str, at: Span, statement: Span) -> Span {
    let rest = &text[at.start..statement.end];
    let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
    match length {
        0 => tree::first_line(text, statement),
        _ => Span::new(at.start, at.start + length),
    }
}

fn not_understood(walk: &mut Walk<'_>, span: Span, message: &str) {
    walk.find(&unknown::NOT_UNDERSTOOD, span, message);
}

/// Judges a node and what is below it: statements inside of statements, calls, blocks.
fn visit(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    match node.kind() {
        K::CALL_EXPR => calls::call(walk, source, node),
        K::CUSTOM_OP | K::OPERATOR_CALL => calls::operator(walk, source, node),
        kind if is_plpgsql(kind) => body::node(walk, source, node),
        kind if Stmt::can_cast(kind) => return verdict(walk, source, node),
        _ => {}
    }
    children(walk, source, node);
}

fn children(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    for child in node.children() {
        visit(walk, source, &child);
    }
}

fn is_plpgsql(kind: K) -> bool {
    (K::PLPGSQL as u16..=K::PLPGSQL_WHILE_STMT as u16).contains(&(kind as u16))
}

/// Whether a statement may leave a function where others run it. A trigger of an old table is judged by itself; a function
/// that nobody calls is not.
fn defines(kind: K) -> bool {
    matches!(
        kind,
        K::CREATE_TABLE
            | K::CREATE_FOREIGN_TABLE
            | K::CREATE_VIEW
            | K::CREATE_TRIGGER
            | K::CREATE_RULE
            | K::CREATE_POLICY
            | K::CREATE_DOMAIN
            | K::CREATE_TYPE
            | K::CREATE_AGGREGATE
            | K::CREATE_OPERATOR
            | K::CREATE_OPERATOR_CLASS
            | K::CREATE_CAST
            | K::CREATE_INDEX
            | K::CREATE_STATISTICS
            | K::ALTER_TABLE
            | K::ALTER_DOMAIN
    )
}

/// Judges a statement of any kind.
fn verdict(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    if defines(node.kind()) {
        calls::attached(walk, source, node);
    }
    match node.kind() {
        // What only reads, or says something about what is there.
        K::SELECT | K::COMPOUND_SELECT | K::PAREN_SELECT | K::VALUES | K::TABLE => {
            rows::query(walk, source, node);
        }
        K::ANALYZE
        | K::COMMENT_ON
        | K::SECURITY_LABEL
        | K::SHOW
        | K::EMPTY_STMT
        | K::EXPLAIN
        | K::SET_CONSTRAINTS
        | K::DECLARE
        | K::FETCH
        | K::CLOSE => children(walk, source, node),
        K::INSERT => rows::insert(walk, source, node),
        K::UPDATE => rows::update(walk, source, node),
        K::DELETE => rows::delete(walk, source, node),
        K::MERGE => rows::merge(walk, source, node),
        K::COPY => rows::copy(walk, source, node),
        K::TRUNCATE => rows::truncate(walk, source, node),
        K::SELECT_INTO => create::table_as(walk, source, node),
        K::SET
        | K::RESET
        | K::SET_ROLE
        | K::RESET_ROLE
        | K::SET_SESSION_AUTH
        | K::RESET_SESSION_AUTH => session::setting(walk, source, node),
        K::GRANT => {}
        K::REVOKE => change::revoke(walk, source, node),
        K::CALL => {
            calls::procedure(walk, source, node);
            children(walk, source, node);
        }
        K::DO => body::block(walk, source, node),
        K::CREATE_TABLE | K::CREATE_FOREIGN_TABLE => create::table(walk, source, node),
        K::CREATE_TABLE_AS | K::CREATE_MATERIALIZED_VIEW => create::table_as(walk, source, node),
        K::CREATE_VIEW => create::view(walk, source, node),
        K::CREATE_INDEX => index::create(walk, source, node),
        K::CREATE_FUNCTION | K::CREATE_PROCEDURE => create::routine(walk, source, node),
        K::CREATE_TRIGGER | K::CREATE_EVENT_TRIGGER => create::trigger(walk, source, node),
        K::CREATE_POLICY => create::policy(walk, source, node),
        K::CREATE_RULE => create::rule(walk, source, node),
        K::CREATE_SCHEMA => create::schema(walk, source, node),
        K::CREATE_SUBSCRIPTION => {
            change::whole(
                walk,
                source,
                node,
                &changes::REPLICATION,
                "a subscription fills tables",
            );
        }
        K::CREATE_DATABASE
        | K::CREATE_TABLESPACE
        | K::DROP_DATABASE
        | K::DROP_TABLESPACE
        | K::ALTER_TABLESPACE => {
            change::whole(
                walk,
                source,
                node,
                &unknown::DATABASES,
                "this is for the whole server",
            );
        }
        kind if create::plain(kind).is_some() => create::object(walk, source, node),
        K::ALTER_TABLE | K::ALTER_FOREIGN_TABLE => alter::table(walk, source, node),
        kind if change::alters(kind).is_some() => change::alter(walk, source, node),
        kind if drop::drops(kind).is_some() => drop::objects(walk, source, node),
        K::DROP_OWNED | K::DROP_TRIGGER | K::DROP_POLICY | K::DROP_RULE => {
            drop::attached(walk, source, node);
        }
        K::ALTER_DEFAULT_PRIVILEGES => change::default_privileges(walk, source, node),
        K::REASSIGN => change::whole(
            walk,
            source,
            node,
            &changes::CHANGE_OWNER,
            "all that a role owns gets another owner",
        ),
        K::ALTER_SYSTEM | K::ALTER_DATABASE => change::whole(
            walk,
            source,
            node,
            &unknown::SERVER_SETTINGS,
            "this outlives the migration, for everybody",
        ),
        K::REFRESH => index::refresh(walk, source, node),
        K::REINDEX => index::reindex(walk, source, node),
        K::CLUSTER | K::REPACK => change::whole(
            walk,
            source,
            node,
            &locks::REWRITE_TABLE,
            "the table is written anew while all wait",
        ),
        K::LOCK => change::whole(
            walk,
            source,
            node,
            &locks::LOCK_TABLE,
            "an explicit lock is held until the part commits",
        ),
        K::LOAD => change::whole(
            walk,
            source,
            node,
            &unknown::LOAD_LIBRARY,
            "code of a file of the server is run",
        ),
        K::VACUUM => session::vacuum(walk, source, node),
        K::BEGIN
        | K::COMMIT_TRANSACTION
        | K::ROLLBACK_TRANSACTION
        | K::SAVEPOINT_CREATE
        | K::RELEASE_SAVEPOINT
        | K::ROLLBACK_TO_SAVEPOINT
        | K::PREPARE_TRANSACTION
        | K::COMMIT_PREPARED
        | K::ROLLBACK_PREPARED
        | K::SET_TRANSACTION => change::whole(
            walk,
            source,
            node,
            &unknown::TRANSACTION_CONTROL,
            "the transaction is kmig's",
        ),
        _ => {
            let message = format!("kmig has no verdict about {}", tree::words(node));
            let span = source.head(node);
            not_understood(walk, span, &message);
        }
    }
}
