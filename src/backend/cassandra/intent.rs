//! What is known of a statement before it is sent: enough to settle it after a crash. Pure.

use crate::cql::proof::{Before, Sent};
use crate::cql::{Act, Object, Statement, safe_text, with_id};
use crate::plan::schedule::Unit;
use crate::source::{Part, PartKind, checksum};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use uuid::Uuid;

/// Microseconds by which a repeat of a list is later, so many that the tries of one run have a time each.
pub const LATER: i64 = 16;

/// An open intent, as it stands in schema_meta: JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The part.
    pub part: String,
    /// Its statements, from 0: one, several writes, or several that only add to the schema.
    pub from: usize,
    /// Behind the last.
    pub to: usize,
    /// What is sent, without passwords.
    pub texts: Vec<String>,
    /// Checksum of the file's text from the first of them to the last.
    pub checksum: String,
    /// For each statement the id of the table or view that it makes; empty where none makes one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<Option<Uuid>>,
    /// Write time of the first of them, in microseconds since 1970; each next one has a microsecond more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_time: Option<i64>,
    /// For each statement that changes the schema, how things stood before the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Before>,
    /// Whether the server has said yes, though `done-when` says no: it is not sent again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answered: bool,
    /// The run that sends it.
    pub run: String,
}

impl Intent {
    /// To send the statements of a range.
    pub fn new(kind: PartKind, part: &Part, range: Range<usize>, run: &str) -> Self {
        let statements = part.cql.get(range.clone()).unwrap_or_default();
        let mut intent = Intent {
            part: kind.name().to_string(),
            from: range.start,
            to: range.end,
            texts: Vec::new(),
            checksum: sum(part, &range),
            ids: statements.iter().map(gets_id).collect(),
            write_time: None,
            before: Vec::new(),
            answered: false,
            run: run.to_string(),
        };
        if intent.ids.iter().all(Option::is_none) {
            intent.ids.clear();
        }
        intent.texts = range.map(|at| intent.shown(part, at)).collect();
        intent
    }

    /// The id of the table or view that one of its statements makes.
    pub fn id(&self, at: usize) -> Option<Uuid> {
        let place = at.checked_sub(self.from)?;
        self.ids.get(place).copied().flatten()
    }

    /// How things stood for one of its statements before the first was sent.
    pub fn before(&self, at: usize) -> Option<&Before> {
        self.before.get(at.checked_sub(self.from)?)
    }

    /// Its statements that change the schema as they are sent, those before one.
    pub fn run<'a>(&'a self, part: &'a Part, until: usize) -> Vec<Sent<'a>> {
        let statements = part.cql.get(self.from..until).unwrap_or_default();
        let each = (self.from..).zip(statements).zip(&self.before);
        each.map(|((at, statement), before)| Sent {
            act: &statement.act,
            id: self.id(at).map(|id| id.to_string()),
            before,
        })
        .collect()
    }

    /// A statement as it is sent, without passwords.
    fn shown(&self, part: &Part, at: usize) -> String {
        let text = &part.file.text;
        match (part.cql.get(at), self.id(at)) {
            (Some(statement), Some(id)) => with_id(text, statement, &id.to_string()),
            (Some(statement), None) => safe_text(text, statement).into_owned(),
            (None, _) => String::new(),
        }
    }

    /// Sends what is left of what an earlier run was sending, so that a repeat makes the same: the same table, the same
    /// cells. A list as a whole takes a later time: at the same one its elements would be there twice (cassandra.md §3.9).
    pub fn take_over(&mut self, left: &Intent, part: &Part) {
        let statements = self.from..self.to;
        self.before = statements
            .clone()
            .filter_map(|at| left.before(at).cloned())
            .collect();
        for (at, id) in statements.clone().zip(&mut self.ids) {
            *id = left.id(at).or(*id);
        }
        self.texts = statements.map(|at| self.shown(part, at)).collect();
        let again = match self.list(part) {
            true => LATER,
            false => 0,
        };
        self.write_time = left.write_time.map(|time| time + again);
    }

    /// Whether one of its statements writes a list.
    pub fn list(&self, part: &Part) -> bool {
        let statements = part.cql.get(self.from..self.to).unwrap_or_default();
        statements
            .iter()
            .any(|statement| crate::cql::holds_list(&part.file.text, statement))
    }

    /// The time of the last of its writes, repeats in this run included.
    pub fn last_write_time(&self) -> Option<i64> {
        let more = ordinal(self.to - self.from) + LATER;
        self.write_time.map(|time| time + more)
    }

    /// Reads what [`Intent::json`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As it is stored.
    pub fn json(&self) -> String {
        // A struct of texts and numbers is always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether it is about the statement that a unit begins with.
    pub fn is_of(&self, unit: &Unit<'_>) -> bool {
        self.part == unit.kind.name() && self.from == unit.range.start
    }

    /// Whether the file still says what was sent.
    pub fn same_text(&self, part: &Part) -> bool {
        self.to <= part.len() && sum(part, &(self.from..self.to)) == self.checksum
    }

    /// The text of one of its statements as it is sent, passwords and all.
    pub fn sent(&self, part: &Part, at: usize) -> String {
        let text = &part.file.text;
        let Some(statement) = part.cql.get(at) else {
            return String::new();
        };
        match self.id(at) {
            Some(id) => with_id(text, statement, &id.to_string()),
            None => statement.span.of(text).to_string(),
        }
    }
}

/// A number of statements as microseconds.
pub(super) fn ordinal(statements: usize) -> i64 {
    i64::try_from(statements).unwrap_or(i64::MAX)
}

/// The id that a table or view is made with: its own, or a new one, which is used once (traps C2).
fn gets_id(statement: &Statement) -> Option<Uuid> {
    let Act::Create(made) = &statement.act else {
        return None;
    };
    let takes_one = matches!(made.object, Object::Table(_) | Object::View(_));
    let own = made.id.as_ref().and_then(|id| id.parse().ok());
    takes_one.then(|| own.unwrap_or_else(Uuid::new_v4))
}

fn sum(part: &Part, range: &Range<usize>) -> String {
    let span = |at: usize| part.span(at);
    let last = range.end.checked_sub(1).and_then(span);
    match (span(range.start), last) {
        (Some(first), Some(last)) => checksum(&part.file.text[first.start..last.end]),
        _ => String::new(),
    }
}
