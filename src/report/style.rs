//! Colours for terminals, and none for anything else. Pure.

use crate::plan::state::Row;

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Escape sequences are understood.
    pub colour: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }

    /// Headings and names.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What is less important.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Errors.
    pub fn red(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// What is owed.
    pub fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// What is done.
    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is new, and commands to run.
    pub fn cyan(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// The words for a row's state in its colour.
    pub fn state(self, row: &Row, words: &str) -> String {
        match (&row.disagreement, row.word()) {
            (Some(_), _) => self.red(words),
            (None, "executed") => self.green(words),
            (None, "new") => self.cyan(words),
            (None, _) => self.yellow(words),
        }
    }
}
