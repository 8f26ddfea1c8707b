//! The place in a file that a server pointed at.

use crate::place::{Place, Span};
use crate::source::Part;

/// The word of a statement that the server pointed at, in bytes from the statement's start; else the statement's first.
pub(super) fn pointed(part: &Part, at: usize, offset: Option<usize>) -> Place {
    let span = part.span(at).unwrap_or_default();
    let text = &part.file.text;
    let from = offset.map_or(span.start, |offset| span.start + offset);
    let from = if from < span.end { from } else { span.start };
    let word = Span::new(from, word_end(text, from, span.end));
    part.place_of(at, word)
}

/// The end of the word at an offset, so that the caret marks a word and not a letter.
fn word_end(text: &str, from: usize, end: usize) -> usize {
    let rest = &text[from..end];
    let length = rest
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(rest.len());
    let first = rest.chars().next().map_or(0, char::len_utf8);
    from + length.max(first)
}
