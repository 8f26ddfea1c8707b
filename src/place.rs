//! Where something stands in a text: byte spans, lines and columns, and the one renderer of a line with its caret.
//!
//! Spans are byte offsets into a [`SourceFile`]'s text from the lexer onward; text is sliced, never rebuilt. Lines and
//! columns exist only for people, and columns count characters. This module knows no file system and no database.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A text with the name under which people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as it is shown, relative to the folder of kmig.toml where possible.
    pub path: String,
    /// The text without a byte order mark.
    pub text: String,
}

/// A half-open range of byte offsets into a text. Both ends lie on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// The span from `start` up to, not including, `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Span { start, end }
    }

    /// The text that the span covers.
    pub fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}

/// A place for people: both numbers start at 1, the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The line and column of a byte offset. Offsets behind the end give the end.
pub fn line_column(text: &str, offset: usize) -> LineColumn {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    LineColumn {
        line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// Something wrong at a place in a file, for example a mistake that the splitter found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The bytes in question.
    pub span: Span,
    /// What is wrong, one line, no full stop.
    pub message: String,
    /// What to write instead, or why it is so.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without a help line.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Problem {
            span,
            message: message.into(),
            help: None,
        }
    }

    /// The same problem with a help line.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A problem together with the line that it stands on, so that it can be shown without its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as it is shown.
    pub path: String,
    /// Where in the file; absent where the fault is the file as a whole.
    pub at: Option<Excerpt>,
}

/// The line of a place and the part of it that is marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Line and column of the first marked character.
    pub position: LineColumn,
    line: String,
    marked: Span,
}

/// Longer lines are cut around the marked part, so that a line of 100 MB is no page of 100 MB.
const LINE_SHOWN: usize = 240;

impl Place {
    /// A whole file or folder.
    pub fn file(path: impl Into<String>) -> Self {
        Place {
            path: path.into(),
            at: None,
        }
    }

    /// A span of a file; of a span over several lines the first line is marked.
    pub fn span(file: &SourceFile, span: Span) -> Self {
        let text = &file.text;
        let start = floor_boundary(text, span.start.min(text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..]
            .find('\n')
            .map_or(text.len(), |newline| start + newline);
        let end = floor_boundary(text, span.end.clamp(start, line_end));
        let shown_start =
            floor_boundary(text, line_start.max(start.saturating_sub(LINE_SHOWN / 2)));
        let shown_end = floor_boundary(text, line_end.min(start + LINE_SHOWN));
        Place {
            path: file.path.clone(),
            at: Some(Excerpt {
                position: line_column(text, start),
                line: text[shown_start..shown_end]
                    .trim_end_matches('\r')
                    .to_string(),
                marked: Span::new(start - shown_start, end.min(shown_end) - shown_start),
            }),
        }
    }

    /// `path:line:column`, or the path alone.
    pub fn label(&self) -> String {
        match &self.at {
            Some(excerpt) => {
                let LineColumn { line, column } = excerpt.position;
                format!("{}:{line}:{column}", self.path)
            }
            None => self.path.clone(),
        }
    }

    /// The message, the place, the line and its caret, as rustc shows them. Ends without a newline.
    pub fn render(&self, title: &str, message: &str, styled: bool) -> String {
        self.rendered(Level::ERROR, title, message, styled)
    }

    /// The same for what stops nothing.
    pub fn render_warning(&self, message: &str, styled: bool) -> String {
        self.rendered(Level::WARNING, "", message, styled)
    }

    fn rendered(&self, level: Level<'_>, title: &str, message: &str, styled: bool) -> String {
        let renderer = if styled {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let Some(excerpt) = &self.at else {
            let heading = if title.is_empty() { message } else { title };
            return format!("error: {heading}\n --> {}", self.path);
        };
        let end = excerpt.marked.end.min(excerpt.line.len());
        let start = excerpt.marked.start.min(end);
        let snippet = Snippet::source(excerpt.line.as_str())
            .path(self.path.as_str())
            .line_start(excerpt.position.line)
            .annotation(
                AnnotationKind::Primary
                    .span(start..end)
                    .label((!title.is_empty()).then_some(message)),
            );
        let heading = if title.is_empty() { message } else { title };
        let group = Group::with_title(level.primary_title(heading)).element(snippet);
        let rendered = renderer.render(&[group]);
        // The renderer counts columns inside the excerpt; a cut line would show another column than the file's.
        let shown = line_column(&excerpt.line, start).column;
        let LineColumn { line, column } = excerpt.position;
        if shown == column {
            rendered
        } else {
            rendered.replacen(
                &format!("{}:{line}:{shown}", self.path),
                &format!("{}:{line}:{column}", self.path),
                1,
            )
        }
    }
}

fn floor_boundary(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let text = "créate\n  tâble x\n";
        assert_eq!(line_column(text, 0), LineColumn { line: 1, column: 1 });
        let at = text.find('x').unwrap();
        assert_eq!(line_column(text, at), LineColumn { line: 2, column: 9 });
        assert_eq!(line_column(text, 10_000), LineColumn { line: 3, column: 1 });
    }

    #[test]
    fn a_long_line_is_cut_and_keeps_its_column() {
        let file = SourceFile {
            path: "up.sql".into(),
            text: format!("{}oops{}", "é".repeat(5_000), "y".repeat(5_000)),
        };
        let place = Place::span(&file, Span::new(10_000, 10_004));
        assert_eq!(place.label(), "up.sql:1:5001");
        let shown = place.render("", "no", false);
        assert!(shown.contains("up.sql:1:5001"), "{shown}");
        assert!(shown.len() < 3_000, "{}", shown.len());
    }
}
