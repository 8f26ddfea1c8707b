//! `-- kmig:…` comments of either language: what they say, where they may stand, and what is wrong with those that say
//! nothing.

use crate::near::nearest;
use crate::place::{Problem, Span};

/// What `-- kmig:…` comments above a statement say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directives {
    /// `-- kmig:allow RULE because REASON`, in order.
    pub allow: Vec<Allow>,
    /// `-- kmig:done-when SELECT …`.
    pub done_when: Option<String>,
    /// `-- kmig:timeout 10min`, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// An allowance for one safety rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// The rule's name.
    pub rule: String,
    /// Why it is fine here.
    pub reason: String,
    /// The directive itself.
    pub span: Span,
}

/// What is wrong with the query of `kmig:done-when` in some language, without its closing `;`.
pub type QueryRule = fn(&str) -> Result<(), &'static str>;

/// The directives read since the last statement.
#[derive(Debug, Default)]
pub struct Above {
    directives: Directives,
    spans: Vec<Span>,
}

/// A comment and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Comment {
    /// Its bytes, with its mark.
    pub span: Span,
    /// Whether it is one in `/* … */`.
    pub block: bool,
    /// Whether a statement has begun and not ended.
    pub inside: bool,
    /// Where the statement before it ended.
    pub last_end: Option<usize>,
}

impl Above {
    /// Reads a comment; one that is no directive says nothing.
    pub fn comment(&mut self, text: &str, comment: Comment, query: QueryRule) -> Option<Problem> {
        let span = comment.span;
        body(span.of(text))?;
        let behind = |end: usize| !text[end..span.start].contains('\n');
        let misplaced = if comment.block {
            "this directive is a block comment"
        } else if comment.inside {
            "this directive stands inside a statement"
        } else if comment.last_end.is_some_and(behind) {
            "this directive stands behind a statement"
        } else {
            self.spans.push(span);
            return read(text, span, &mut self.directives, query).err();
        };
        Some(Problem::new(span, misplaced).help(PLACE))
    }

    /// What they say, for the statement that begins here.
    pub fn take(&mut self) -> Directives {
        std::mem::take(self).directives
    }

    /// What is wrong with those below the last statement.
    pub fn left_over(self) -> impl Iterator<Item = Problem> {
        let problem =
            |span| Problem::new(span, "no statement stands below this directive").help(PLACE);
        self.spans.into_iter().map(problem)
    }
}

const PLACE: &str = "a directive is a -- comment on a line of its own above its statement";

/// The directives there are, with their shapes.
const KNOWN: [(&str, &str); 3] = [
    ("allow", "-- kmig:allow RULE because REASON"),
    ("done-when", "-- kmig:done-when SELECT …"),
    ("timeout", "-- kmig:timeout 10min"),
];

/// What follows `kmig:` in a comment that is meant as a directive.
fn body(comment: &str) -> Option<&str> {
    let inner = comment.get(2..)?.trim_start_matches('*').trim_start();
    let (prefix, body) = inner.split_at_checked("kmig:".len())?;
    prefix.eq_ignore_ascii_case("kmig:").then_some(body)
}

/// Reads the `--` comment at `span` into `into`; comments that are no directives say nothing.
fn read(text: &str, span: Span, into: &mut Directives, query: QueryRule) -> Result<(), Problem> {
    let comment = span.of(text).trim_end();
    let span = Span::new(span.start, span.start + comment.len());
    let Some(body) = body(comment) else {
        return Ok(());
    };
    let (name, argument) = body
        .split_once(char::is_whitespace)
        .map_or((body, ""), |(name, argument)| (name, argument.trim()));
    match name {
        "allow" => into.allow.push(allow(argument, span)?),
        "done-when" => once(
            &mut into.done_when,
            done_when(argument, span, query)?,
            name,
            span,
        )?,
        "timeout" => once(
            &mut into.timeout_ms,
            timeout_ms(argument, span)?,
            name,
            span,
        )?,
        _ => return Err(unknown(name, span)),
    }
    Ok(())
}

fn once<T>(slot: &mut Option<T>, value: T, name: &str, span: Span) -> Result<(), Problem> {
    match slot.replace(value) {
        Some(_) => Err(Problem::new(
            span,
            format!("kmig:{name} is given twice for one statement"),
        )),
        None => Ok(()),
    }
}

fn allow(argument: &str, span: Span) -> Result<Allow, Problem> {
    let malformed = || {
        Problem::new(span, "an allowance needs a rule and a reason")
            .help("write: -- kmig:allow RULE because REASON")
    };
    let (rule, rest) = argument
        .split_once(char::is_whitespace)
        .ok_or_else(malformed)?;
    let (because, reason) = rest
        .trim_start()
        .split_once(char::is_whitespace)
        .ok_or_else(malformed)?;
    let named = rule
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !named || because != "because" {
        return Err(malformed());
    }
    Ok(Allow {
        rule: rule.to_string(),
        reason: reason.trim().to_string(),
        span,
    })
}

/// One query that only reads. A closing `;` is taken off, since the text is sent as one statement.
fn done_when(argument: &str, span: Span, rule: QueryRule) -> Result<String, Problem> {
    let query = argument.trim_end_matches(';').trim_end();
    match rule(query) {
        Ok(()) => Ok(query.to_string()),
        Err(message) => Err(Problem::new(span, message)
            .help("write one query on the same line: -- kmig:done-when SELECT …")),
    }
}

fn timeout_ms(argument: &str, span: Span) -> Result<u64, Problem> {
    let digits = argument
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(argument.len());
    let (number, unit) = argument.split_at(digits);
    let scale = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    number
        .parse::<u64>()
        .ok()
        .zip(scale)
        .and_then(|(number, scale)| number.checked_mul(scale))
        .filter(|&milliseconds| milliseconds > 0)
        .ok_or_else(|| {
            Problem::new(span, format!("`{argument}` is no time span"))
                .help("write a number and ms, s, min or h: -- kmig:timeout 10min")
        })
}

fn unknown(name: &str, span: Span) -> Problem {
    let shapes = KNOWN.map(|(_, shape)| shape).join(", ");
    let help = match nearest(name, KNOWN.map(|(known, _)| known)) {
        Some(known) => format!("did you mean kmig:{known}? There are: {shapes}"),
        None => format!("there are: {shapes}"),
    };
    Problem::new(span, format!("unknown directive kmig:{}", shortened(name))).help(help)
}

/// Messages are one line for people, whatever the file holds.
fn shortened(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(comment: &str, expected: Result<(), &str>) {
        let mut into = Directives::default();
        let span = Span::new(0, comment.len());
        let found = read(comment, span, &mut into, crate::sql::only_reads);
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(problem), Err(part)) => {
                let shown = format!("{} | {}", problem.message, problem.help.unwrap_or_default());
                assert!(shown.contains(part), "{comment}: {shown}");
            }
            (found, _) => panic!("{comment}: {found:?}"),
        }
    }

    #[test]
    fn directives() {
        check("-- kmig:allow drop-column because nobody reads it", Ok(()));
        check("--kmig:timeout 10min \r", Ok(()));
        check("-- kmig:done-when select ';' ;", Ok(()));
        check(
            "-- kmig:done-when WITH a AS (SELECT 1) SELECT * FROM a",
            Ok(()),
        );
        check("-- kmigrate: prose", Ok(()));
        check("-- kmig:alow x because y", Err("did you mean kmig:allow?"));
        check("-- kmig:timeuot 1s", Err("did you mean kmig:timeout?"));
        check(
            "-- kmig:transaction off",
            Err("there are: -- kmig:allow RULE"),
        );
        check("-- kmig: allow x because y", Err("unknown directive kmig:"));
        check("-- KMIG:Allow x because y", Err("did you mean kmig:allow?"));
        check("-- kmig:allow x", Err("needs a rule and a reason"));
        check("-- kmig:allow x because ", Err("needs a rule and a reason"));
        check(
            "-- kmig:allow X because y",
            Err("needs a rule and a reason"),
        );
        check(
            "-- kmig:allow x since y z",
            Err("needs a rule and a reason"),
        );
        check("-- kmig:timeout 10", Err("`10` is no time span"));
        check("-- kmig:timeout 0s", Err("is no time span"));
        check(
            "-- kmig:timeout 99999999999999999999h",
            Err("is no time span"),
        );
        check("-- kmig:done-when", Err("only reads"));
        check("-- kmig:done-when select 1; select 2", Err("not several"));
        check("-- kmig:done-when select 'x", Err("not closed"));
        check("-- kmig:done-when delete from a", Err("only reads"));
        check(
            "-- kmig:done-when with a as (delete from b returning 1) select * from a",
            Err("only reads"),
        );
    }

    #[test]
    fn values() {
        let mut into = Directives::default();
        for comment in [
            "-- kmig:allow a-1 because one  reason",
            "-- kmig:allow b because two ",
            "-- kmig:timeout 2h",
            "-- kmig:done-when SELECT true",
        ] {
            let span = Span::new(0, comment.len());
            read(comment, span, &mut into, crate::sql::only_reads).unwrap();
        }
        let allowed: Vec<_> = into
            .allow
            .iter()
            .map(|allow| (allow.rule.as_str(), allow.reason.as_str(), allow.span.end))
            .collect();
        assert_eq!(allowed, [("a-1", "one  reason", 37), ("b", "two", 27)]);
        assert_eq!(into.timeout_ms, Some(7_200_000));
        assert_eq!(into.done_when.as_deref(), Some("SELECT true"));
        let twice = read(
            "-- kmig:timeout 1s",
            Span::new(0, 18),
            &mut into,
            crate::sql::only_reads,
        );
        assert!(twice.is_err());
    }
}
