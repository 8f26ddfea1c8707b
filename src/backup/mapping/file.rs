//! mapping.toml as it is written: what is renamed, cast, set and dropped, each with its place. Pure.
//!
//! ```toml
//! [users]
//! to = "accounts"                        # the target's table; of the same name where this is absent
//! marker = "insert"                      # or "none": the policy for row markers
//! rename = { name = "full_name" }        # source column = target column
//! cast = { age = "bigint" }              # source column = type of the target's column
//! constant = { tenant = "acme" }         # target column = its value in every row
//! drop = { nick = "unused since 2.9" }   # source column = why it is not imported
//!
//! [sessions]
//! skip = "they are made anew"            # why the table is not imported
//! ```

use crate::backup::marker::Policy;
use crate::error::Diagnostic;
use crate::place::{Place, SourceFile, Span};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A word of the file and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Its bytes in the file.
    pub span: Span,
}

/// A value of the file, for a column that has it in every row.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `"…"`.
    Text(String),
    /// A whole number, as it is written.
    Integer(String),
    /// A number with a point or an exponent, as it is written.
    Float(String),
    /// `true` or `false`.
    Boolean(bool),
}

/// What is said of one table of the export.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    /// Where its name stands.
    pub name: Span,
    /// Why it is not imported.
    pub skip: Option<Word>,
    /// The target's table.
    pub to: Option<Word>,
    /// The policy for row markers.
    pub marker: Option<Policy>,
    /// Target columns by source column.
    pub rename: BTreeMap<String, (Span, Word)>,
    /// Types by source column.
    pub cast: BTreeMap<String, (Span, Word)>,
    /// Values by target column.
    pub constant: BTreeMap<String, (Span, Literal)>,
    /// Reasons by source column.
    pub drop: BTreeMap<String, (Span, Word)>,
}

/// The file, by table of the export.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct File {
    /// What is said of each.
    pub tables: BTreeMap<String, Rules>,
}

/// Reads the file.
///
/// # Errors
/// Everything that is wrong in it, each at its place.
pub fn read(source: &SourceFile) -> Result<File, Vec<Diagnostic>> {
    let table = match DeTable::parse(&source.text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let span = error.span().unwrap_or_default();
            let place = Place::span(source, Span::new(span.start, span.end));
            return Err(vec![Diagnostic::at(place, error.message().trim())]);
        }
    };
    let mut reader = Reader {
        source,
        problems: Vec::new(),
    };
    let mut file = File::default();
    for (name, value) in table {
        let span = span_of(name.span());
        match value.into_inner() {
            DeValue::Table(rules) => {
                let rules = reader.rules(span, rules);
                file.tables.insert(name.into_inner().into_owned(), rules);
            }
            _ => reader.wrong(
                span,
                format!("{} is no table of the export", name.get_ref()),
                Some("[users] begins what is said of the table users"),
            ),
        }
    }
    match reader.problems.is_empty() {
        true => Ok(file),
        false => Err(reader.problems),
    }
}

struct Reader<'a> {
    source: &'a SourceFile,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn wrong(&mut self, span: Span, message: String, help: Option<&str>) {
        let mut problem = Diagnostic::at(Place::span(self.source, span), message);
        problem.help = help.map(str::to_string);
        self.problems.push(problem);
    }

    fn rules(&mut self, name: Span, table: DeTable<'_>) -> Rules {
        let mut rules = Rules {
            name,
            ..Rules::default()
        };
        for (key, value) in table {
            let at = span_of(key.span());
            match key.get_ref().as_ref() {
                "skip" => rules.skip = self.reason(value),
                "to" => rules.to = self.word(value),
                "marker" => {
                    let word = self.word(value);
                    rules.marker = word.and_then(|word| {
                        let policy = Policy::read(&word.text);
                        if policy.is_none() {
                            let message = format!("{:?} is no policy for markers", word.text);
                            self.wrong(word.span, message, Some("marker = \"insert\" or \"none\""));
                        }
                        policy
                    });
                }
                "rename" => rules.rename = self.words(at, value, Self::word),
                "cast" => rules.cast = self.words(at, value, Self::word),
                "drop" => rules.drop = self.words(at, value, Self::reason),
                "constant" => rules.constant = self.words(at, value, Self::literal),
                other => {
                    let message = format!("unknown key {other}");
                    let known = "known are to, skip, marker, rename, cast, constant and drop";
                    self.wrong(at, message, Some(known));
                }
            }
        }
        self.once(&rules);
        rules
    }

    /// A column has one fate.
    fn once(&mut self, rules: &Rules) {
        for (column, (span, _)) in &rules.drop {
            if rules.rename.contains_key(column) || rules.cast.contains_key(column) {
                let message = format!("{column} is dropped, and renamed or cast as well");
                self.wrong(*span, message, None);
            }
        }
        let more = rules.to.is_some()
            || !rules.rename.is_empty()
            || !rules.cast.is_empty()
            || !rules.constant.is_empty()
            || !rules.drop.is_empty();
        if let (Some(skip), true) = (&rules.skip, more) {
            let message = "the table is skipped, and more is said of it".to_string();
            self.wrong(skip.span, message, None);
        }
    }

    fn words<T>(
        &mut self,
        at: Span,
        value: Spanned<DeValue<'_>>,
        read: impl Fn(&mut Self, Spanned<DeValue<'_>>) -> Option<T>,
    ) -> BTreeMap<String, (Span, T)> {
        let DeValue::Table(table) = value.into_inner() else {
            let help = "a table, column by column: { name = \"…\" }";
            self.wrong(at, "this takes a table".to_string(), Some(help));
            return BTreeMap::new();
        };
        let mut words = BTreeMap::new();
        for (key, value) in table {
            let span = span_of(key.span());
            if let Some(word) = read(self, value) {
                words.insert(key.into_inner().into_owned(), (span, word));
            }
        }
        words
    }

    fn word(&mut self, value: Spanned<DeValue<'_>>) -> Option<Word> {
        let span = span_of(value.span());
        match value.into_inner() {
            DeValue::String(text) => Some(Word {
                text: text.into_owned(),
                span,
            }),
            _ => {
                self.wrong(span, "this takes a text".to_string(), None);
                None
            }
        }
    }

    fn reason(&mut self, value: Spanned<DeValue<'_>>) -> Option<Word> {
        let word = self.word(value)?;
        if word.text.trim().is_empty() {
            let message = "the reason is empty".to_string();
            self.wrong(word.span, message, Some("say why it is not needed"));
            return None;
        }
        Some(word)
    }

    fn literal(&mut self, value: Spanned<DeValue<'_>>) -> Option<Literal> {
        let span = span_of(value.span());
        let written = span.of(&self.source.text).replace('_', "");
        match value.into_inner() {
            DeValue::String(text) => Some(Literal::Text(text.into_owned())),
            DeValue::Integer(_) => Some(Literal::Integer(written)),
            DeValue::Float(_) => Some(Literal::Float(written)),
            DeValue::Boolean(yes) => Some(Literal::Boolean(yes)),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                let help =
                    "a text, a number, true or false; a timestamp is milliseconds since 1970";
                self.wrong(span, "no value for a column".to_string(), Some(help));
                None
            }
        }
    }
}

fn span_of(range: std::ops::Range<usize>) -> Span {
    Span::new(range.start, range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SourceFile {
        SourceFile {
            path: "mapping.toml".to_string(),
            text: text.to_string(),
        }
    }

    #[test]
    fn everything_that_can_be_said() {
        let text = "[users]\nto = \"accounts\"\nmarker = \"none\"\nrename = { name = \"full_name\" }\n\
            cast = { age = \"bigint\" }\nconstant = { tenant = \"acme\", level = 1_000, ratio = 0.5, on = true }\n\
            drop = { nick = \"unused since 2.9\" }\n[sessions]\nskip = \"made anew\"\n";
        let file = read(&source(text)).expect("a right file");
        let users = &file.tables["users"];
        assert_eq!(
            users.to.as_ref().map(|to| to.text.as_str()),
            Some("accounts")
        );
        assert_eq!(users.marker, Some(Policy::None));
        assert_eq!(users.rename["name"].1.text, "full_name");
        assert_eq!(users.cast["age"].1.text, "bigint");
        assert_eq!(users.constant["level"].1, Literal::Integer("1000".into()));
        assert_eq!(users.constant["on"].1, Literal::Boolean(true));
        assert_eq!(users.drop["nick"].1.text, "unused since 2.9");
        assert_eq!(users.name.of(text), "users");
        assert!(file.tables["sessions"].skip.is_some());
    }

    #[test]
    fn all_that_is_wrong_is_told_at_its_place() {
        let text = "[a]\nrenam = {}\nmarker = \"maybe\"\ndrop = { x = \" \", y = 1 }\n\
            [b]\nskip = \"no\"\nto = \"c\"\n[c]\ndrop = { z = \"old\" }\nrename = { z = \"w\" }\n[d]\nconstant = { q = [1] }\n";
        let problems = read(&source(text)).expect_err("a wrong file");
        let mut labels: Vec<String> = problems
            .iter()
            .filter_map(|problem| problem.place.as_ref().map(Place::label))
            .collect();
        labels.sort();
        let expected = ["2:1", "3:10", "4:14", "4:23", "6:8", "9:10", "12:18"];
        let mut expected: Vec<String> = expected
            .iter()
            .map(|at| format!("mapping.toml:{at}"))
            .collect();
        expected.sort();
        assert_eq!(labels, expected);
    }

    #[test]
    fn no_toml_is_told_at_its_place() {
        let problems = read(&source("[users\nto = 1")).expect_err("no TOML");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].place.is_some());
    }
}
