//! What parts have made by name and left there: statement after statement, with what later ones drop, rename and move.
//! Pure.

use super::effects::{effects, proves};
use crate::place::Span;
use crate::source::Part;
use crate::sql::made::{Effect, Kind, Object, same};
use crate::sql::{Class, Name, Statement, Verb};
use std::ops::Range;

/// An object that a part made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The object, as it is called after all parts.
    pub object: Object,
    /// The part that made it.
    pub part: &'a Part,
    /// The statement that made it.
    pub span: Span,
    /// Session settings above that statement: its names mean what these say.
    pub settings: Vec<&'a str>,
    /// Whether it is known who made it.
    pub proof: Proof,
}

/// What the text and the record say of who made an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The statement ran, and fails where the object is there already.
    Made,
    /// The statement ran, and takes what is there: IF NOT EXISTS, OR REPLACE.
    Unproved,
    /// The statement may have run before a crash.
    InDoubt,
    /// It was there before kmig, or is said to have been.
    Adopted,
}

/// What is there after some statements. Where a name may mean several objects, fewer are kept, so that nothing is
/// missed that need not be there.
#[derive(Debug, Default)]
pub struct There<'a> {
    /// What is there.
    pub found: Vec<Wanted<'a>>,
    /// What may be there or not: a statement may have meant it, or taken it along.
    pub unclear: Vec<Wanted<'a>>,
}

impl<'a> There<'a> {
    /// Takes the effects of some statements of a part. `each` sees every statement before its effects.
    pub fn run(
        &mut self,
        part: &'a Part,
        statements: Range<usize>,
        proof: Proof,
        mut each: impl FnMut(&Self, usize, &[Effect]),
    ) {
        let text = &part.file.text;
        // CQL has no settings of a session.
        let before = part.statements.iter().take(statements.start);
        let replayed = before.filter(|statement| statement.class == Class::Session);
        let mut session: Vec<&str> = replayed.map(|found| found.span.of(text)).collect();
        // In force to the end of their transaction.
        let mut local: Vec<&str> = Vec::new();
        for at in statements {
            if part.segments.iter().any(|segment| segment.starts_at(at)) {
                local.clear();
            }
            if let Some(statement) = part.statements.get(at) {
                match statement.class {
                    Class::Session => session.push(statement.span.of(text)),
                    _ if local_setting(text, statement) => local.push(statement.span.of(text)),
                    _ => {}
                }
            }
            let settings: Vec<&str> = session.iter().chain(&local).copied().collect();
            let effects = effects(part, at);
            each(self, at, &effects);
            let span = part.span(at).unwrap_or_default();
            let proof = match proof {
                Proof::Made if !proves(part, at) => Proof::Unproved,
                proof => proof,
            };
            for effect in effects {
                if proof == Proof::InDoubt && !matches!(effect, Effect::Makes(_)) {
                    continue;
                }
                self.take(effect, |object| Wanted {
                    object,
                    part,
                    span,
                    settings: settings.clone(),
                    proof,
                });
            }
        }
    }

    fn take(&mut self, effect: Effect, wanted: impl Fn(Object) -> Wanted<'a>) {
        match effect {
            Effect::Makes(object) => self.makes(wanted(object)),
            Effect::Drops(object, cascade) => self.gone(&object, cascade),
            Effect::Renames(object, to) => self.renamed(&object, &to),
            Effect::Moves(object, to) => self.moved(&object, &to),
            Effect::Owns(object, table) => {
                for found in self.matching(&object) {
                    found.object.of = Some(table.clone());
                }
            }
        }
    }

    /// One that was made for sure stays so, whatever says later that it should be there.
    fn makes(&mut self, wanted: Wanted<'a>) {
        let own_name = wanted.object.name.schema.is_some();
        let one = |found: &Wanted<'_>| {
            found.object == wanted.object && (own_name || found.settings == wanted.settings)
        };
        let known = self.found.iter().find(|found| one(found));
        if known.is_some_and(|known| known.proof == Proof::Made) && wanted.proof != Proof::Made {
            return;
        }
        self.found.retain(|found| !one(found));
        self.found.push(wanted);
    }

    /// Those that a statement may mean by a name. Of functions of one name the arguments may tell which.
    fn hits(&self, object: &Object) -> Vec<usize> {
        let all = self.found.iter().enumerate();
        let named = all.filter(|(_, found)| found.object.matches(object));
        let named: Vec<usize> = named.map(|(at, _)| at).collect();
        let called = |at: &&usize| self.found[**at].object.is_called_by(object);
        let called: Vec<usize> = named.iter().filter(called).copied().collect();
        if called.len() == 1 { called } else { named }
    }

    fn matching(&mut self, object: &Object) -> impl Iterator<Item = &mut Wanted<'a>> {
        let hits = self.hits(object);
        let all = self.found.iter_mut().enumerate();
        all.filter(move |(at, _)| hits.contains(at))
            .map(|(_, found)| found)
    }

    /// Takes away what passes the test; what may be there all the same is kept apart.
    fn lose(&mut self, unclear: bool, test: impl Fn(&Object) -> bool) {
        let found = std::mem::take(&mut self.found).into_iter();
        let (lost, kept): (Vec<_>, Vec<_>) = found.partition(|found| test(&found.object));
        self.found = kept;
        if unclear {
            self.unclear.extend(lost);
        }
    }

    fn gone(&mut self, object: &Object, cascade: bool) {
        let mut tables: Vec<_> = own_table(object).into_iter().collect();
        let hits = self.hits(object);
        let lost: Vec<Object> = hits
            .iter()
            .map(|at| self.found[*at].object.clone())
            .collect();
        let named = lost.iter().filter(|found| found.kind == Kind::Table);
        tables.extend(named.map(|found| found.name.clone()));
        self.lose(hits.len() > 1, |found| lost.contains(found));
        self.lose(false, |found| {
            let schema = Some(&object.name.name);
            object.kind == Kind::Schema
                && (found.name.schema.as_ref() == schema
                    || found.of.as_ref().and_then(|of| of.schema.as_ref()) == schema)
        });
        // With a column go the indexes over it, and the sequence that it owns.
        self.lose(true, |found| {
            let over = object.kind == Kind::Column
                && matches!(found.kind, Kind::Index | Kind::Sequence)
                && object
                    .of
                    .as_ref()
                    .is_some_and(|table| found.goes_with(table));
            over || (cascade && found.kind.depends_on(object.kind))
        });
        while let Some(table) = tables.pop() {
            let partitions = self.found.iter().map(|found| &found.object);
            let partitions =
                partitions.filter(|found| found.kind == Kind::Table && found.goes_with(&table));
            tables.extend(partitions.map(|found| found.name.clone()));
            self.lose(false, |found| found.goes_with(&table));
        }
        self.columns_of_partitions(object);
    }
    /// What is done to a column of a parent is done to those of its partitions.
    fn columns_of_partitions(&mut self, object: &Object) {
        let (Kind::Column, Some(table)) = (object.kind, &object.of) else {
            return;
        };
        let partitions = self.found.iter().map(|found| &found.object);
        let partitions: Vec<_> = partitions
            .filter(|found| found.kind == Kind::Table && found.goes_with(table))
            .map(|found| found.name.clone())
            .collect();
        self.found.retain(|found| {
            let found = &found.object;
            let same_column = found.kind == Kind::Column && found.name == object.name;
            let touched = same_column || found.kind == Kind::Index;
            !(touched && partitions.iter().any(|table| found.goes_with(table)))
        });
    }

    fn renamed(&mut self, object: &Object, to: &str) {
        if self.matching(object).count() > 1 {
            self.gone(object, false);
            return;
        }
        self.columns_of_partitions(object);
        let mut table = own_table(object);
        for found in self.matching(object) {
            if found.object.kind == Kind::Table {
                table = Some(found.object.name.clone());
            }
            found.object.name.name = to.to_string();
        }
        for found in &mut self.found {
            let found = &mut found.object;
            if object.kind == Kind::Schema {
                let names = std::iter::once(&mut found.name).chain(&mut found.of);
                for schema in names.filter_map(|name| name.schema.as_mut()) {
                    if *schema == object.name.name {
                        *schema = to.to_string();
                    }
                }
            } else if let (Some(table), Some(of)) = (&table, &mut found.of)
                && same(of, table)
            {
                of.name = to.to_string();
            }
        }
    }

    fn moved(&mut self, object: &Object, to: &str) {
        // Its own name has no schema.
        if object.kind == Kind::Extension {
            return;
        }
        if self.matching(object).count() > 1 {
            self.gone(object, true);
            return;
        }
        let mut table = own_table(object);
        for found in self.matching(object) {
            if found.object.kind == Kind::Table {
                table = Some(found.object.name.clone());
            }
            found.object.name.schema = Some(to.to_string());
        }
        let Some(table) = table else {
            return;
        };
        for found in &mut self.found {
            let found = &mut found.object;
            if !found.goes_with(&table) {
                continue;
            }
            if matches!(found.kind, Kind::Index | Kind::Sequence) {
                found.name.schema = Some(to.to_string());
            }
            if let Some(of) = &mut found.of {
                of.schema = Some(to.to_string());
            }
        }
    }
}

/// Whether a statement changes what names mean in its transaction: SET LOCAL, or set_config that is local.
fn local_setting(text: &str, statement: &Statement) -> bool {
    let mut words = statement.span.of(text).split_whitespace();
    statement.verb == Verb::Setting
        && statement.class == Class::Lone
        && !words
            .nth(1)
            .is_some_and(|word| word.eq_ignore_ascii_case("constraints"))
}

/// The table that a statement names, which may be older than the parts.
fn own_table(object: &Object) -> Option<Name> {
    (object.kind == Kind::Table).then(|| object.name.clone())
}
