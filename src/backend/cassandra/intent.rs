//! What is known of a statement before it is sent: enough to settle it after a crash. Pure.

use crate::cql::proof::Before;
use crate::cql::{Act, Object, Statement, safe_text};
use crate::plan::schedule::Unit;
use crate::source::{Part, PartKind, checksum};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use uuid::Uuid;

/// An open intent, as it stands in schema_meta: JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The part.
    pub part: String,
    /// Its statements, from 0: one, or several writes.
    pub from: usize,
    /// Behind the last.
    pub to: usize,
    /// What is sent, without passwords.
    pub texts: Vec<String>,
    /// Checksum of the file's text from the first of them to the last.
    pub checksum: String,
    /// The id of the table or view that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Write time of the first of them, in microseconds since 1970; each next one has a microsecond more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_time: Option<i64>,
    /// How things stood before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// The run that sends it.
    pub run: String,
}

impl Intent {
    /// To send the statements of a range.
    pub fn new(kind: PartKind, part: &Part, range: Range<usize>, run: &str) -> Self {
        let text = &part.file.text;
        let statements = part.cql.get(range.clone()).unwrap_or_default();
        let mut texts: Vec<String> = statements
            .iter()
            .map(|statement| safe_text(text, statement).into_owned())
            .collect();
        let mut id = None;
        if let ([only], [shown]) = (statements, texts.as_mut_slice())
            && let Some(made) = gets_id(only)
        {
            id = Some(made);
            *shown = crate::cql::with_id(text, only, &made.to_string());
        }
        Intent {
            part: kind.name().to_string(),
            from: range.start,
            to: range.end,
            texts,
            checksum: sum(part, &range),
            id,
            write_time: None,
            before: None,
            run: run.to_string(),
        }
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
        match self.id {
            Some(id) => crate::cql::with_id(text, statement, &id.to_string()),
            None => statement.span.of(text).to_string(),
        }
    }
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
