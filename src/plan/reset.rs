//! What `reset` takes away: the objects that recorded migrations made by name and that nothing else can have made. Pure.
//!
//! What may be somebody else's is left and named: dropping too little is put right by hand, dropping too much is not.

use super::history::{Applied, History, Origin, Progress};
use super::in_agreement;
use super::refusal::Refusal;
use super::state::SchemaState;
use super::there::{Proof, There, Wanted};
use crate::cql;
use crate::place::Span;
use crate::source::{Migration, MigrationSet, Part, PartKind};
use crate::sql::cut::Segment;
use crate::sql::made::{Effect, Kind, Object, altered, attached};
use crate::sql::{Statement, Verb};

/// What a reset does.
#[derive(Debug, Default)]
pub struct Reset<'a> {
    /// Made by kmig's migrations: dropped, where they are still there.
    pub own: Vec<Wanted<'a>>,
    /// Left where they are, if they are there.
    pub left: Vec<(Wanted<'a>, Why)>,
    /// Statements that did what cannot be taken back by name.
    pub unseen: Vec<Unseen<'a>>,
}

/// Why an object is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was there before kmig.
    Adopted,
    /// The statement takes what is there already.
    Unproved,
    /// A statement that may have run before a crash.
    InDoubt,
    /// A later statement may have meant it, or another one of the same name.
    Unclear,
    /// It is part of what kmig does not own.
    OfAnother,
    /// There is another number of functions of this name than migrations made.
    Overloaded,
}

impl Why {
    /// The reason in words.
    pub fn words(self) -> &'static str {
        match self {
            Why::Adopted => "adopted: it was there before kmig",
            Why::Unproved => {
                "made with IF NOT EXISTS or OR REPLACE, which takes what is there already: it may be somebody else's"
            }
            Why::InDoubt => "made by a statement that may not have run",
            Why::Unclear => {
                "a later statement may have dropped or renamed it, or another one of its name"
            }
            Why::OfAnother => "made on what is not kmig's",
            Why::Overloaded => {
                "there is another number of functions of that name than migrations made"
            }
        }
    }
}

/// A statement whose work stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen<'a> {
    /// Its first words.
    pub words: String,
    /// The part that it stands in.
    pub part: &'a Part,
    /// Where.
    pub span: Span,
    /// What is known of it.
    pub why: &'static str,
}

/// Decides what a reset takes away.
///
/// # Errors
/// The files do not say what was made.
pub fn plan<'a>(set: &'a MigrationSet, history: &History) -> Result<Reset<'a>, Refusal> {
    in_agreement(&SchemaState::compare(set, Some(history)))?;
    let mut there = There::default();
    let mut unseen = Vec::new();
    for (part, done, proof) in parts(set, history) {
        there.run(part, 0..done, proof, |there, at, effects| {
            if proof == Proof::Made {
                unseen.extend(stays(part, there, at, effects));
            }
        });
        // Where the statement and its record are one transaction, there is no doubt.
        if part.segments.contains(&Segment::Bare(done)) {
            there.run(part, done..done + 1, Proof::InDoubt, |_, _, _| {});
        }
    }
    let (own, rest): (Vec<_>, Vec<_>) = there
        .found
        .into_iter()
        .partition(|found| found.proof == Proof::Made && stands_alone(&found.object));
    let of_own = |object: &Object| {
        let tables = own.iter().filter(|own| own.object.kind == Kind::Table);
        tables
            .map(|own| &own.object.name)
            .any(|table| object.goes_with(table))
    };
    // The columns of a table that is left, and the indexes of an adopted one, are left with it.
    let named = |found: &Wanted<'_>| match found.object.kind {
        _ if stands_alone(&found.object) => true,
        Kind::Index => found.proof != Proof::Adopted && !of_own(&found.object),
        _ => found.proof == Proof::Made && !of_own(&found.object),
    };
    let rest = rest.into_iter().map(|found| {
        let why = match found.proof {
            Proof::Made => Why::OfAnother,
            Proof::Unproved => Why::Unproved,
            Proof::InDoubt => Why::InDoubt,
            Proof::Adopted => Why::Adopted,
        };
        (found, why)
    });
    let unclear = there.unclear.into_iter().map(|found| (found, Why::Unclear));
    let left = rest
        .chain(unclear)
        .filter(|(found, _)| named(found))
        .collect();
    Ok(Reset { own, left, unseen })
}

/// Whether it is no part of another object.
fn stands_alone(object: &Object) -> bool {
    !matches!(object.kind, Kind::Column | Kind::Trigger | Kind::Index)
}

/// The parts that have run, in the order in which they did, with the number of statements that are done.
pub(super) fn parts<'a>(set: &'a MigrationSet, history: &History) -> Vec<(&'a Part, usize, Proof)> {
    let mut found = Vec::new();
    for (at, migration) in set.migrations.iter().enumerate() {
        let Some(applied) = history.applied.get(&migration.id) else {
            continue;
        };
        let proof = match applied.origin {
            Origin::Adopt => Proof::Adopted,
            Origin::Bootstrap | Origin::Up => Proof::Made,
        };
        for kind in [
            PartKind::Up,
            PartKind::Backfill,
            PartKind::Finish,
            PartKind::Undo,
        ] {
            let Some((part, done)) = ran(migration, applied, kind) else {
                continue;
            };
            // An undo goes from the newest to the oldest, and a finish comes after all of the batch's ups.
            let turn = match (kind, applied.origin) {
                (PartKind::Undo, _) => (2, set.migrations.len() - at),
                (PartKind::Finish, Origin::Up) => (1, at),
                _ => (0, at),
            };
            found.push(((applied.batch, turn, kind), (part, done, proof)));
        }
    }
    found.sort_by_key(|(turn, _)| *turn);
    found.into_iter().map(|(_, part)| part).collect()
}

/// A part of which something ran or may have, and how many of its statements are done.
fn ran<'a>(
    migration: &'a Migration,
    applied: &Applied,
    kind: PartKind,
) -> Option<(&'a Part, usize)> {
    let part = migration.part(kind)?;
    let length = part.len();
    if let Some(done) = applied.progress.done_of(kind) {
        return Some((part, done.min(length)));
    }
    let sealed = applied.checksums.get(&kind)?;
    // What is taken back may have been half-run; the seal tells how far it came.
    let done = match applied.progress {
        Progress::Undoing(_) => (0..=length).rev().find(|done| part.seal(*done) == *sealed),
        _ => None,
    };
    Some((part, done.unwrap_or(length)))
}

/// What a statement did that no drop of an object by its name takes back.
fn stays<'a>(
    part: &'a Part,
    there: &There<'_>,
    at: usize,
    effects: &[Effect],
) -> Option<Unseen<'a>> {
    let span = part.span(at)?;
    let own = |object: &Object| {
        let made = |found: &&Wanted<'_>| found.proof == Proof::Made && found.object.matches(object);
        there.found.iter().any(|found| made(&found))
    };
    let why = match (part.statements.get(at), part.cql.get(at)) {
        (Some(statement), _) => sql_stays(&part.file.text, statement, effects, &own)?,
        (_, Some(statement)) => cql_stays(&statement.act, effects, &own)?,
        _ => return None,
    };
    let shown = part.shown(at);
    let words: Vec<&str> = shown.split_whitespace().take(WORDS).collect();
    Some(Unseen {
        words: words.join(" "),
        part,
        span,
        why,
    })
}

fn cql_stays(
    act: &cql::Act,
    effects: &[Effect],
    own: &impl Fn(&Object) -> bool,
) -> Option<&'static str> {
    match act {
        cql::Act::Create(made) if matches!(made.object, cql::Object::Role(_)) => Some(SERVERS),
        cql::Act::Alter {
            object: cql::Object::Role(_),
            ..
        } => Some(SERVERS),
        cql::Act::Create(_) | cql::Act::Alter { .. } if effects.is_empty() => {
            match cql::made::altered(act) {
                Some(object) if own(&object) => None,
                Some(_) => Some(OF_OTHERS),
                None => Some(UNTOLD),
            }
        }
        cql::Act::Other => Some(UNTOLD),
        _ => None,
    }
}

const SERVERS: &str = "it is the server's, not this database's";
const OF_OTHERS: &str = "it changed what is not kmig's";
const UNTOLD: &str = "kmig cannot tell what it made";

fn sql_stays(
    text: &str,
    statement: &Statement,
    effects: &[Effect],
    own: &impl Fn(&Object) -> bool,
) -> Option<&'static str> {
    let span = statement.span;
    let words: Vec<&str> = span.of(text).split_whitespace().take(WORDS).collect();
    let word = |at: usize| {
        words
            .get(at)
            .map_or(String::new(), |word| word.to_ascii_uppercase())
    };
    let cluster = matches!(
        word(1).as_str(),
        "ROLE" | "USER" | "GROUP" | "DATABASE" | "TABLESPACE" | "SYSTEM"
    );
    match word(0).as_str() {
        "CREATE" | "ALTER" if cluster => Some(SERVERS),
        "CREATE" if effects.is_empty() && temporary(&word) => None,
        "CREATE" if effects.is_empty() => match attached(text, span) {
            Some(table) if own(&Object::table(table.clone())) => None,
            Some(_) => Some(Why::OfAnother.words()),
            None => Some(UNTOLD),
        },
        "ALTER" if effects.is_empty() => match altered(text, span) {
            Some(object) if own(&object) => None,
            _ => Some(OF_OTHERS),
        },
        "DO" | "CALL" => Some("it may have made something"),
        "IMPORT" => Some(UNTOLD),
        _ if statement.verb == Verb::Query && statement.writes.contains(&Verb::Other) => {
            Some(UNTOLD)
        }
        _ => None,
    }
}

/// First words of a statement that are shown.
const WORDS: usize = 5;

fn temporary(word: &impl Fn(usize) -> String) -> bool {
    (1..WORDS).any(|at| matches!(word(at).as_str(), "TEMP" | "TEMPORARY"))
}

#[cfg(test)]
mod tests;
