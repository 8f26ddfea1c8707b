//! Tells what was found and done: values to text for people and to JSON for scripts. Pure but for [`progress`].

pub mod error;
pub mod export;
pub mod gate;
pub mod github;
pub mod lock;
pub mod plan;
pub mod progress;
pub mod reseal;
pub mod status;
pub mod style;
pub mod table;
pub mod verify;

use crate::error::Exit;
use serde_json::{Map, Value, json};

/// What a command ends with: printed on stdout, as text or as JSON.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The exit code.
    pub exit: Exit,
    /// For people; empty where there is nothing to say.
    pub text: String,
    /// The members of the JSON document beside `exit`.
    pub document: Map<String, Value>,
}

impl Answer {
    /// An answer of one line that is a success.
    pub fn line(text: impl Into<String>) -> Self {
        let text = text.into();
        Answer {
            exit: Exit::Done,
            document: object(json!({ "message": text })),
            text,
        }
    }

    /// Whether a run found nothing to run.
    pub fn did_nothing(&self) -> bool {
        self.document.get("statements") == Some(&json!(0))
            && self.document.get("parts") == Some(&json!([]))
    }

    /// Adds a member to the document.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.document.insert(key.to_string(), value.into());
        self
    }

    /// The JSON document.
    pub fn json(&self) -> Value {
        let mut document = Map::new();
        document.insert("exit".into(), json!(self.exit as u8));
        document.extend(self.document.clone());
        Value::Object(document)
    }
}

/// The members of a JSON object.
pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => Map::from_iter([("value".to_string(), other)]),
    }
}

/// `1 statement`, `2 statements`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}
