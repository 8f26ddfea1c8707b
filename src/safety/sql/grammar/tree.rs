//! Reading syntax trees: children by kind, names, places.

use crate::place::Span;
use crate::sql::{self, Name};
use rowan::TextRange;
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// Where the nodes of a tree stand in the file.
pub struct Source<'s> {
    /// From a place in the tree's text to one in the file.
    pub place: &'s dyn Fn(TextRange) -> Span,
}

impl Source<'_> {
    /// The place of a node.
    pub fn span(&self, node: &SyntaxNode) -> Span {
        (self.place)(node.text_range())
    }

    /// The place of the first line of a node, at most some words of it.
    pub fn head(&self, node: &SyntaxNode) -> Span {
        let text = node.text().to_string();
        let first = first_line(&text, Span::new(0, text.len()));
        let all = self.span(node);
        Span::new(all.start, all.end.min(all.start + first.end))
    }
}

/// A range as kmig has it.
pub fn span(range: TextRange) -> Span {
    Span::new(usize::from(range.start()), usize::from(range.end()))
}

/// So many bytes of a statement are enough to know it by.
const HEAD: usize = 60;

/// The first words of the text at `span`, on its first line.
pub fn first_line(text: &str, span: Span) -> Span {
    let line = span.of(text).lines().next().unwrap_or_default();
    let end = match line.char_indices().nth(HEAD) {
        Some((cut, _)) => cut,
        None => line.len(),
    };
    Span::new(span.start, span.start + end)
}

/// The first child of that kind.
pub fn child(node: &SyntaxNode, kind: K) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

/// Whether a node has a child or token of that kind.
pub fn has(node: &SyntaxNode, kind: K) -> bool {
    node.children_with_tokens()
        .any(|child| child.kind() == kind)
}

/// The nodes of that kind below.
pub fn below(node: &SyntaxNode, kind: K) -> impl Iterator<Item = SyntaxNode> {
    node.descendants().filter(move |below| below.kind() == kind)
}

/// Whether there is one below.
pub fn has_below(node: &SyntaxNode, kind: K) -> bool {
    below(node, kind).next().is_some()
}

/// The name that a node is, unquoted and folded.
pub fn name(node: &SyntaxNode) -> Option<Name> {
    sql::name(&node.text().to_string())
}

/// The name of the first child of one of these kinds, also below a node that only adds ONLY or `*`.
pub fn named(node: &SyntaxNode, kinds: &[K]) -> Option<Name> {
    node.children().find_map(|child| match child.kind() {
        kind if kinds.contains(&kind) => name(&child),
        K::TABLE_RELATION_NAME | K::RELATION_NAME | K::ON_RELATION | K::ON_TABLE | K::RULE_ON => {
            named(&child, kinds)
        }
        _ => None,
    })
}

/// The kinds under which a relation is named.
pub const RELATION: [K; 8] = [
    K::TABLE_NAME_REF,
    K::RELATION_NAME_REF,
    K::VIEW_REF,
    K::SEQUENCE_REF,
    K::INDEX_REF,
    K::TABLE_NAME,
    K::VIEW,
    K::SEQUENCE,
];

/// The relation that a statement is about.
pub fn relation(node: &SyntaxNode) -> Option<Name> {
    named(node, &RELATION)
}

/// A simple name, as columns and constraints have.
pub fn word(node: &SyntaxNode, kind: K) -> Option<String> {
    child(node, kind)
        .and_then(|child| name(&child))
        .map(|name| name.name)
}

/// A node's text in small letters with one space where there is any.
pub fn plain(node: &SyntaxNode) -> String {
    let text = node.text().to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_ascii_lowercase()
}

/// The first keywords of a statement, for people.
pub fn words(node: &SyntaxNode) -> String {
    let keywords = node
        .descendants_with_tokens()
        .filter_map(|child| child.into_token())
        .filter(|token| !token.kind().is_trivia())
        .take_while(|token| token.kind().is_keyword())
        .take(3);
    let words: Vec<String> = keywords
        .map(|token| token.text().to_ascii_uppercase())
        .collect();
    match words.is_empty() {
        true => "this statement".to_string(),
        false => words.join(" "),
    }
}
