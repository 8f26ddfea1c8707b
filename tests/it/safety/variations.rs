//! No destructive statement passes in an up part, however it is spelled and wherever it stands. Cases are generated, the same
//! each time; `KMIG_SEED` takes another seed.

mod cql;
mod spell;
mod sql;

use super::files::{judged, migrations};
use kmig::safety::Verdict;
use kmig::safety::judge::Against;
use kmig::source::{Dialect, PartKind};
use spell::Spell;

fn seed() -> u64 {
    let given = std::env::var("KMIG_SEED").ok();
    given.map_or(20_250_101, |seed| {
        seed.parse().expect("KMIG_SEED is a number")
    })
}

/// What an older batch made: the names that the statements mean.
fn old(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => sql::OLD,
        Dialect::Cassandra => cql::OLD,
    }
}

/// Whether an up part runs: its text is in order, and nothing in it is refused.
fn passes(dialect: Dialect, text: &str) -> bool {
    let parts = [(PartKind::Up, old(dialect)), (PartKind::Up, text)];
    let Ok(set) = migrations(dialect, &parts) else {
        return false;
    };
    let found = judged(dialect, &set, Against::Database);
    let mut found = found.into_iter().skip(1).flatten();
    !found.any(|found| found.verdict == Verdict::Refused)
}

/// Each statement in `rounds` spellings in each place.
fn refused(dialect: Dialect, statements: &[&str], places: &[spell::Place], rounds: usize) {
    let mut spell = Spell::new(seed(), dialect);
    let mut passed = Vec::new();
    for statement in statements {
        for place in places {
            for _ in 0..rounds {
                let text = (place.text)(&mut spell, statement);
                if passes(dialect, &text) {
                    passed.push(format!("{}: {text}", place.name));
                }
            }
        }
    }
    let few: Vec<&str> = passed.iter().take(20).map(String::as_str).collect();
    assert!(
        passed.is_empty(),
        "{} pass:\n{}",
        passed.len(),
        few.join("\n----\n")
    );
}

#[test]
fn no_destruction_of_sql_passes() {
    refused(Dialect::Postgres, sql::DESTRUCTIVE, sql::PLACES, 2);
}

#[test]
fn no_destruction_of_cql_passes() {
    refused(Dialect::Cassandra, cql::DESTRUCTIVE, cql::PLACES, 20);
}

/// The generator itself: what destroys nothing passes in the same spellings and places, so that a refusal above is
/// about the statement.
#[test]
fn what_is_harmless_passes_in_the_same_places() {
    for (dialect, statement, places) in [
        (
            Dialect::Postgres,
            "COMMENT ON TABLE <t> IS 'x'",
            sql::PLACES,
        ),
        (
            Dialect::Cassandra,
            "INSERT INTO <t> ( a ) VALUES ( 1 )",
            cql::PLACES,
        ),
    ] {
        let mut spell = Spell::new(seed(), dialect);
        for place in places.iter().filter(|place| place.transparent) {
            for _ in 0..20 {
                let text = (place.text)(&mut spell, statement);
                assert!(passes(dialect, &text), "{}: {text}", place.name);
            }
        }
    }
}
