//! What an INSERT or UPDATE takes away, as DELETE would.

use super::super::super::lexer::{Kind, Token};
use serde_json::Value;

/// Whether a value is null or an empty collection.
pub fn value(tokens: &[Token], text: &str) -> bool {
    match tokens {
        [only] => only.kind == Kind::Word && only.span.of(text).eq_ignore_ascii_case("null"),
        [open, close] => {
            let (open, close) = (open.span.of(text), close.span.of(text));
            matches!((open, close), ("[", "]") | ("{", "}"))
        }
        _ => false,
    }
}

/// Whether an assignment sets to such a value, or takes elements of a collection away.
pub fn assignment(tokens: &[Token], text: &str) -> bool {
    let is = |token: &Token, sign: &str| token.span.of(text) == sign;
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        let behind = &tokens[at + 1..];
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Sign if depth > 0 => {}
            Kind::Sign if is(token, "=") && value(behind, text) => return true,
            Kind::Sign if is(token, "-") => {
                let operand = behind.iter().find(|token| !is(token, "="));
                if operand.is_some_and(|operand| is(operand, "{") || is(operand, "[")) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether an object sets a column to such a value.
pub fn json(object: &str) -> bool {
    let Ok(Value::Object(columns)) = serde_json::from_str(object) else {
        return false;
    };
    let mut values = columns.values();
    values.any(|value| match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    })
}
