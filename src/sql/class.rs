//! What a statement is and how it may be run.
//!
//! The first tokens tell of nearly every statement; those cost no parse, so that a thousand files of plain DDL are read
//! in milliseconds. The grammar (squawk-syntax, which no other module names) is asked where nesting matters: which verb
//! a WITH has, what its members write, whether a MERGE deletes. What the grammar cannot read is judged by its tokens,
//! and then rather as a write than as none.

use squawk_syntax::ast::{AstNode, SourceFile};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::head::{Head, significant};
use super::lexer::Kind;
use super::{Class, Verb, bare, cut, setting};
use crate::place::{Problem, Span};

/// Everything the text of a statement tells about it.
#[derive(Debug)]
pub struct Known {
    /// What it does.
    pub verb: Verb,
    /// What it writes besides.
    pub writes: Vec<Verb>,
    /// How it may be run.
    pub class: Class,
    /// Whether it is COPY … FROM stdin, whose data follow.
    pub reads_stdin: bool,
    /// Why kmig does not run it.
    pub problems: Vec<Problem>,
}

/// Longer statements are not given to the grammar: it is recursive, also along chains of operators, and a thread's stack
/// is small.
const PARSED_TOKENS: usize = 1_000;

/// Nor are those with more brackets and CASEs inside each other.
const PARSED_DEPTH: usize = 50;

/// Kinds of objects whose CREATE, ALTER and DROP are plain. EXTENSION is none: its scripts may do anything.
const OBJECTS: [&str; 35] = [
    "ACCESS",
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "CONVERSION",
    "DATABASE",
    "DEFAULT",
    "DOMAIN",
    "EVENT",
    "FOREIGN",
    "FUNCTION",
    "GROUP",
    "INDEX",
    "LANGUAGE",
    "LARGE",
    "MATERIALIZED",
    "OPERATOR",
    "OWNED",
    "POLICY",
    "PROCEDURE",
    "PUBLICATION",
    "ROLE",
    "ROUTINE",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "TABLE",
    "TEXT",
    "TRANSFORM",
    "TRIGGER",
    "TYPE",
    "USER",
];

/// Words between CREATE and the kind of object.
const MODIFIERS: [&str; 11] = [
    "OR",
    "REPLACE",
    "GLOBAL",
    "LOCAL",
    "TEMP",
    "TEMPORARY",
    "UNLOGGED",
    "UNIQUE",
    "RECURSIVE",
    "CONSTRAINT",
    "TRUSTED",
];

/// What the statement at `span` is.
pub fn classify(text: &str, span: Span) -> Known {
    let head = Head::new(text, span);
    let mut known = Known {
        verb: Verb::Other,
        writes: Vec::new(),
        class: Class::Lone,
        reads_stdin: false,
        problems: Vec::new(),
    };
    if controls_transaction(&head) {
        known.problems.push(
            Problem::new(head.span(0), "this statement controls the transaction").help(
                "remove it: kmig itself puts the part in a transaction, together with its record",
            ),
        );
        return known;
    }
    match bare::bare(&head) {
        Some(Ok(found)) => {
            known.class = Class::Bare(found);
            return known;
        }
        Some(Err(problem)) => {
            known.class = Class::Bare(super::Bare::Opaque);
            known.problems.push(problem);
            return known;
        }
        None => {}
    }
    match head.word(0).to_ascii_uppercase().as_str() {
        "SELECT" | "WITH" | "VALUES" | "TABLE" | "" => query(text, span, &mut known),
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" => {
            known.class = Class::Plain;
            modification(text, span, &head, &mut known);
        }
        "COPY" => {
            known.verb = Verb::Copy;
            copy(text, span, &mut known);
        }
        "ANALYZE" | "ANALYSE" => (known.verb, known.class) = (Verb::Analyze, Class::Plain),
        "SET" | "RESET" => {
            known.verb = Verb::Setting;
            match setting::set(&head) {
                Ok(class) => known.class = class,
                Err(problem) => known.problems.push(problem),
            }
        }
        "DISCARD" => known.problems.push(
            Problem::new(head.span(0), "DISCARD would drop kmig's own session state")
                .help("remove it: kmig resets the session between parts"),
        ),
        "CREATE" | "ALTER" | "DROP" => known.class = definition(&head),
        "CLUSTER" | "COMMENT" | "GRANT" | "REASSIGN" | "REFRESH" | "REINDEX" | "REVOKE"
        | "SECURITY" | "TRUNCATE" => known.class = Class::Plain,
        _ if head.find("CONCURRENTLY").is_some() => known.class = Class::Bare(super::Bare::Opaque),
        _ => {}
    }
    known
}

/// gram.y's TransactionStmt, and the SETs that choose a transaction's mode.
fn controls_transaction(head: &Head) -> bool {
    head.is_any(
        0,
        &[
            "BEGIN",
            "COMMIT",
            "END",
            "ROLLBACK",
            "ABORT",
            "SAVEPOINT",
            "RELEASE",
        ],
    ) || head.has(0, &["START", "TRANSACTION"])
        || head.has(0, &["PREPARE", "TRANSACTION"])
        || setting::is_transaction_mode(head)
}

/// CREATE, ALTER and DROP of what can be made in a transaction.
fn definition(head: &Head) -> Class {
    if adds_label(head) {
        return Class::Own;
    }
    let mut at = 1;
    while head.is(0, "CREATE") && head.is_any(at, &MODIFIERS) {
        at += 1;
    }
    let plain = head.is_any(at, &OBJECTS)
        || head.is(at, "VIEW")
        || head.has(at, &["PROCEDURAL", "LANGUAGE"]);
    match plain {
        // It stands before all others of its name until the session is reset.
        true if head.is(0, "CREATE") && cut::temporary(head).is_some() => Class::Lone,
        true => Class::Plain,
        false if head.find("CONCURRENTLY").is_some() => Class::Bare(super::Bare::Opaque),
        false => Class::Lone,
    }
}

/// ALTER TYPE name ADD VALUE. A name that kmig cannot read leaves the two words to look for.
fn adds_label(head: &Head) -> bool {
    head.has(0, &["ALTER", "TYPE"])
        && match head.name(2) {
            Some((_, behind)) => head.has(behind, &["ADD", "VALUE"]),
            None => (2..head.len()).any(|at| head.has(at, &["ADD", "VALUE"])),
        }
}

/// SELECT, VALUES, TABLE, WITH, or a query in parentheses.
fn query(text: &str, span: Span, known: &mut Known) {
    let head = Head::whole(text, span);
    let starts_query = head.kind(0) == Some(Kind::Open) || !head.word(0).is_empty();
    if !starts_query {
        return;
    }
    known.problems = setting::call_problems(&head);
    if head.is(0, "SELECT")
        && let Some(class) = setting::select(&head)
    {
        (known.verb, known.class) = (Verb::Setting, class);
        return;
    }
    known.verb = Verb::Query;
    if head.find("WITH").is_none() && head.find("INTO").is_none() {
        return;
    }
    (known.verb, known.writes) = nested(text, span, &head);
    if !matches!(known.verb, Verb::Query | Verb::Other) {
        known.class = Class::Plain;
    }
}

/// INSERT, UPDATE, DELETE and MERGE. A long INSERT is looked at only as far as its VALUES.
fn modification(text: &str, span: Span, head: &Head, known: &mut Known) {
    known.verb = match head.word(0).to_ascii_uppercase().as_str() {
        "INSERT" => Verb::Insert,
        "UPDATE" => Verb::Update,
        "DELETE" => Verb::Delete,
        _ => Verb::Merge { deletes: true },
    };
    let nests = match known.verb {
        Verb::Insert => significant(text, span)
            .map(|token| token.span.of(text))
            .take_while(|word| {
                !["VALUES", "SELECT", "DEFAULT"]
                    .iter()
                    .any(|source| word.eq_ignore_ascii_case(source))
            })
            .any(|word| word.eq_ignore_ascii_case("WITH")),
        Verb::Merge { .. } => true,
        _ => false,
    };
    if nests {
        let head = Head::whole(text, span);
        (known.verb, known.writes) = nested(text, span, &head);
    }
}

/// COPY: whether it reads what follows (copy.c asks the client for STDIN and, on FROM, also for STDOUT), and what a
/// statement in its parentheses writes.
fn copy(text: &str, span: Span, known: &mut Known) {
    let head = Head::whole(text, span);
    let query = head.kind(1) == Some(Kind::Open);
    let mut at = 1;
    while at < head.len() && !head.is_any(at, &["FROM", "TO"]) {
        at = head.behind_parentheses(at).max(at + 1);
    }
    known.reads_stdin = !query && head.is(at, "FROM") && head.is_any(at + 1, &["STDIN", "STDOUT"]);
    if query {
        (_, known.writes) = nested(text, span, &head);
    }
}

/// The statement's verb and what else it writes: by the grammar, or by the tokens where that fails.
fn nested(text: &str, span: Span, head: &Head) -> (Verb, Vec<Verb>) {
    let parsed = match head.len() <= PARSED_TOKENS && depth(head) <= PARSED_DEPTH {
        true => by_grammar(span.of(text)),
        false => None,
    };
    parsed.unwrap_or_else(|| by_tokens(head))
}

/// How deep brackets and CASEs nest, at most.
fn depth(head: &Head) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for at in 0..head.len() {
        match head.kind(at) {
            Some(Kind::Open) => depth += 1,
            Some(Kind::Close) => depth = depth.saturating_sub(1),
            Some(Kind::Other) if head.text(at) == "[" => depth += 1,
            Some(Kind::Other) if head.text(at) == "]" => depth = depth.saturating_sub(1),
            Some(Kind::Word) if head.is(at, "CASE") => depth += 1,
            Some(Kind::Word) if head.is(at, "END") => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

fn by_grammar(statement: &str) -> Option<(Verb, Vec<Verb>)> {
    let parse = SourceFile::parse(statement);
    if !parse.errors().is_empty() {
        return None;
    }
    let file = parse.tree();
    let mut statements = file.stmts();
    let node = statements.next()?.syntax().clone();
    if statements.next().is_some() {
        return None;
    }
    let verb = written(&node);
    let into = verb == Some(Verb::Other);
    let below = node.descendants().skip(usize::from(!into));
    Some((
        verb.filter(|_| !into).unwrap_or(Verb::Query),
        below.filter_map(|node| written(&node)).collect(),
    ))
}

fn written(node: &SyntaxNode) -> Option<Verb> {
    match node.kind() {
        SyntaxKind::INSERT => Some(Verb::Insert),
        SyntaxKind::UPDATE => Some(Verb::Update),
        SyntaxKind::DELETE => Some(Verb::Delete),
        SyntaxKind::MERGE => Some(Verb::Merge {
            deletes: node
                .descendants()
                .any(|below| below.kind() == SyntaxKind::MERGE_DELETE),
        }),
        SyntaxKind::SELECT_INTO => Some(Verb::Other),
        _ => None,
    }
}

/// A member of WITH opens its parenthesis right before its verb, or ends a WITH list of its own there.
fn by_tokens(head: &Head) -> (Verb, Vec<Verb>) {
    let deletes = (0..head.len()).any(|at| head.has(at, &["THEN", "DELETE"]));
    let modification = |at: usize| match head.word(at).to_ascii_uppercase().as_str() {
        "INSERT" => Some(Verb::Insert),
        "UPDATE" => Some(Verb::Update),
        "DELETE" => Some(Verb::Delete),
        "MERGE" => Some(Verb::Merge { deletes }),
        _ => None,
    };
    let mut main = None;
    let mut writes = Vec::new();
    let mut depth = 0_usize;
    for at in 0..head.len() {
        let is_member_name =
            at > 0 && (head.is_any(at - 1, &["WITH", "RECURSIVE"]) || head.text(at - 1) == ",");
        let opens = at > 0 && matches!(head.kind(at - 1), Some(Kind::Open | Kind::Close));
        match head.kind(at) {
            Some(Kind::Open) => depth += 1,
            Some(Kind::Close) => depth = depth.saturating_sub(1),
            Some(Kind::Word) if depth > 0 && opens => writes.extend(modification(at)),
            Some(Kind::Word) if depth == 0 && main.is_none() && !is_member_name => {
                let query = head.is_any(at, &["SELECT", "VALUES", "TABLE"]);
                main = modification(at).or(query.then_some(Verb::Query));
            }
            Some(Kind::Word) if main == Some(Verb::Query) && head.is(at, "INTO") => {
                writes.push(Verb::Other);
            }
            _ => {}
        }
    }
    (main.unwrap_or(Verb::Query), writes)
}

#[cfg(test)]
mod tests;
