//! Changes of the session's settings: SET, RESET, and queries that call set_config.

use super::head::Head;
use super::lexer::Kind;
use super::{Class, Name};
use crate::place::{Problem, Span};

/// The settings that decide how the server reads what kmig sends, with the values under which kmig's own reading is
/// right (traps P13).
const FIXED: [Fixed; 2] = [
    Fixed {
        name: "standard_conforming_strings",
        value: "on",
        is_right: is_on,
    },
    Fixed {
        name: "client_encoding",
        value: "UTF8",
        is_right: is_utf8,
    },
];

struct Fixed {
    name: &'static str,
    value: &'static str,
    /// Whether a value means the one that is needed.
    is_right: fn(&str) -> bool,
}

/// The class of a SET or RESET, and what is wrong with it.
pub fn set(head: &Head) -> Result<Class, Problem> {
    if head.is(0, "RESET") {
        check(head.name(1).map(|(name, _)| name), None, head.span(1))?;
        return Ok(Class::Session);
    }
    let local = head.is(1, "LOCAL");
    let class = match local || head.is(1, "CONSTRAINTS") {
        true => Class::Lone,
        false => Class::Session,
    };
    let prefixed =
        local || head.is(1, "SESSION") && !head.is_any(2, &["AUTHORIZATION", "CHARACTERISTICS"]);
    let at = 1 + usize::from(prefixed);
    if head.is(at, "NAMES") {
        let encoding = Name {
            schema: None,
            name: "client_encoding".to_string(),
        };
        check(Some(encoding), value(head, at + 1), head.span(at))?;
    } else if let Some((name, behind)) = head.name(at) {
        let assigned = head.text(behind) == "=" || head.is(behind, "TO");
        let value = match assigned {
            true => value(head, behind + 1),
            false => None,
        };
        check(Some(name), value, head.span(at))?;
    }
    Ok(class)
}

/// Whether this is SET TRANSACTION or SET SESSION CHARACTERISTICS, in any spelling of gram.y's set_rest.
pub fn is_transaction_mode(head: &Head) -> bool {
    let at = 1 + usize::from(
        head.is(1, "LOCAL") || head.is(1, "SESSION") && !head.is(2, "CHARACTERISTICS"),
    );
    head.is(0, "SET")
        && (head.is(at, "TRANSACTION") || head.has(at, &["SESSION", "CHARACTERISTICS"]))
}

/// The class of a SELECT that does nothing but call set_config with constants; nothing for other queries.
pub fn select(head: &Head) -> Option<Class> {
    let mut class = Class::Session;
    let mut at = 1;
    loop {
        let call = call(head, at)?;
        if call.local? {
            class = Class::Lone;
        }
        call.value?;
        at = head.behind(call.behind, &["AS"]);
        if matches!(head.kind(at), Some(Kind::Word | Kind::Quoted)) {
            at += 1;
        }
        match head.text(at) {
            "" => return Some(class),
            "," => at += 1,
            _ => return None,
        }
    }
}

/// What is wrong with the calls of set_config in a statement, wherever they stand.
pub fn call_problems(head: &Head) -> Vec<Problem> {
    calls(head)
        .filter_map(|call| {
            let name = call.name.map(|name| Name { schema: None, name });
            check(name, call.value, call.span).err()
        })
        .collect()
}

/// Whether a statement calls set_config anywhere.
pub fn calls_set_config(head: &Head) -> bool {
    calls(head).next().is_some()
}

struct Call {
    span: Span,
    /// The setting, where a constant names it.
    name: Option<String>,
    /// The value, where it is a constant.
    value: Option<String>,
    /// Whether it ends with the transaction, where a constant says so.
    local: Option<bool>,
    behind: usize,
}

fn calls<'a>(head: &'a Head) -> impl Iterator<Item = Call> + 'a {
    (0..head.len())
        .filter(|&at| matches!(head.kind(at), Some(Kind::Word | Kind::Quoted)))
        .filter(|&at| head.kind(at + 1) == Some(Kind::Open))
        .filter_map(|at| call(head, at))
}

/// `[pg_catalog.]set_config(name, value, is_local)` at `at`.
fn call(head: &Head, at: usize) -> Option<Call> {
    let (Name { schema, name }, open) = head.name(at)?;
    let known = schema.is_none_or(|schema| schema == "pg_catalog") && name == "set_config";
    if !known || head.kind(open) != Some(Kind::Open) {
        return None;
    }
    let constants = head.text(open + 2) == "," && head.text(open + 4) == ",";
    let constants = constants && head.kind(open + 6) == Some(Kind::Close);
    let flag = head.text(open + 5).trim_matches('\'').to_ascii_lowercase();
    Some(Call {
        span: head.span(open - 1),
        name: head.string(open + 1),
        value: head.string(open + 3).filter(|_| constants),
        local: match flag.as_str() {
            "true" | "t" => Some(true),
            "false" | "f" => Some(false),
            _ => None,
        }
        .filter(|_| constants),
        behind: head.behind_parentheses(open),
    })
}

/// The one value of SET at `at`; of a list, an expression or DEFAULT nothing is known.
fn value(head: &Head, at: usize) -> Option<String> {
    if at + 1 != head.len() || head.is(at, "DEFAULT") {
        return None;
    }
    match head.kind(at)? {
        Kind::String => head.string(at),
        Kind::Word | Kind::Quoted => head.name(at).map(|(name, _)| name.name),
        _ => Some(head.text(at).to_string()),
    }
}

fn check(name: Option<Name>, value: Option<String>, span: Span) -> Result<(), Problem> {
    let Some(Name { schema: None, name }) = name else {
        return Ok(());
    };
    // guc.c compares names without regard to case, even quoted ones.
    let fixed = FIXED
        .iter()
        .find(|fixed| name.eq_ignore_ascii_case(fixed.name));
    match fixed {
        Some(fixed) if !value.is_some_and(|value| (fixed.is_right)(&value)) => {
            let message = format!("kmig needs {} to be {}", fixed.name, fixed.value);
            Err(Problem::new(span, message).help(
                "the statements below it would be read in another way than kmig reads them: remove it",
            ))
        }
        _ => Ok(()),
    }
}

/// The server's parse_bool: on, 1, and any beginning of true and yes.
fn is_on(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    matches!(value.as_str(), "on" | "1")
        || !value.is_empty() && ("true".starts_with(&value) || "yes".starts_with(&value))
}

/// The server's pg_char_to_encoding compares letters and digits alone.
fn is_utf8(value: &str) -> bool {
    let name: String = value
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    matches!(name.as_str(), "utf8" | "unicode")
}
