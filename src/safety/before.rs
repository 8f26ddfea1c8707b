//! What migrations ahead of a batch make by name: where no database is asked, IF NOT EXISTS and OR REPLACE find it there.

use crate::place::Span;
use crate::source::Migration;
use crate::sql::made::{Effect, Kind, effects};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The migrations of which some are a batch.
#[derive(Debug, Clone, Default)]
pub struct Before<'a> {
    migrations: &'a [Migration],
    /// Read once for all batches of a set, and only where somebody asks.
    index: Rc<OnceCell<Index>>,
    members: BTreeSet<usize>,
}

/// By kind of name and name, the migrations that make it.
type Index = BTreeMap<(&'static str, String), Vec<usize>>;

impl<'a> Before<'a> {
    /// All migrations in walk order; no batch yet.
    pub fn new(migrations: &'a [Migration]) -> Self {
        Before {
            migrations,
            ..Before::default()
        }
    }

    /// The same for the batch of these, by their places in walk order.
    pub fn of(&self, members: impl IntoIterator<Item = usize>) -> Self {
        Before {
            members: members.into_iter().collect(),
            ..self.clone()
        }
    }

    /// Whether a migration ahead of the batch, and outside of it, makes something of that name.
    pub fn makes(&self, kind: Kind, name: &str) -> bool {
        let last = self.members.last().copied().unwrap_or_default();
        let index = self.index.get_or_init(|| read(self.migrations));
        let makers = index.get(&(space(kind), name.to_string()));
        makers.is_some_and(|makers| {
            makers
                .iter()
                .any(|maker| *maker < last && !self.members.contains(maker))
        })
    }
}

/// A domain with a constraint, in the index.
const CHECKED: &str = "checked domain";

impl Before<'_> {
    /// Whether a migration ahead of the batch makes a domain of that name with a CHECK or NOT NULL.
    pub fn makes_checked_domain(&self, name: &str) -> bool {
        let index = self.index.get_or_init(|| read(self.migrations));
        index.contains_key(&(CHECKED, name.to_string()))
    }
}

/// What shares its names.
fn space(kind: Kind) -> &'static str {
    match kind {
        Kind::Table | Kind::View | Kind::MaterializedView | Kind::Sequence | Kind::Index => {
            "relation"
        }
        Kind::Type => "type",
        Kind::Function | Kind::Aggregate => "function",
        Kind::Schema => "schema",
        Kind::Extension => "extension",
        Kind::Trigger => "trigger",
        Kind::Column => "column",
    }
}

fn read(migrations: &[Migration]) -> Index {
    let mut index = Index::new();
    for (at, migration) in migrations.iter().enumerate() {
        for part in migration.parts.values() {
            for statement in &part.statements {
                for effect in effects(&part.file.text, statement.span) {
                    let (Effect::Makes(object) | Effect::Renames(object, _)) = &effect else {
                        continue;
                    };
                    let name = match &effect {
                        Effect::Renames(_, name) => name.clone(),
                        _ => object.name.name.clone(),
                    };
                    if object.kind == Kind::Type && constrains(&part.file.text, statement.span) {
                        index.entry((CHECKED, name.clone())).or_default().push(at);
                    }
                    index
                        .entry((space(object.kind), name))
                        .or_default()
                        .push(at);
                }
            }
        }
    }
    index
}

/// Whether a CREATE DOMAIN has a CHECK or NOT NULL.
fn constrains(text: &str, span: Span) -> bool {
    let words: Vec<&str> = crate::sql::names(text, span)
        .map(|word| word.of(text))
        .collect();
    let is = |at: usize, word: &str| {
        words
            .get(at)
            .is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    is(1, "domain")
        && (2..words.len()).any(|at| is(at, "check") || (is(at, "not") && is(at + 1, "null")))
}
