//! What judging costs. The figure is printed; what is asserted is only that it grows with the files and not faster.

use std::time::{Duration, Instant};

use kmig::safety::judge::Against;
use kmig::safety::{Known, Scope, judge};
use kmig::source::{Dialect, MigrationSet, PartKind};

use super::files::migrations;

fn thousand(count: usize) -> MigrationSet {
    let texts: Vec<String> = (0..count)
        .map(|at| {
            format!(
                "create table if not exists t{at} (id bigint primary key, name text not null default 'x', at timestamptz default now());\n\
                 create index concurrently t{at}_name on old (lower(name)) where name <> '';\n\
                 alter table old add column c{at} int, add column d{at} text;\n"
            )
        })
        .collect();
    let parts: Vec<_> = texts
        .iter()
        .map(|text| (PartKind::Up, text.as_str()))
        .collect();
    migrations(Dialect::Postgres, &parts).expect("in order")
}

fn time(set: &MigrationSet) -> Duration {
    let since = Instant::now();
    let scopes = Scope::each(&set.migrations);
    let judgement = judge(
        Dialect::Postgres,
        &scopes,
        &Known::default(),
        Against::Files,
    );
    assert_eq!(judgement.refused().count(), 0);
    since.elapsed()
}

#[test]
fn judging_grows_with_the_files() {
    let (few, many) = (thousand(250), thousand(1_000));
    // The best of a few: others may take the processor meanwhile.
    let best = |set| (0..5).map(|_| time(set)).min().expect("five");
    let (few, many) = (best(&few), best(&many));
    println!("judging 250 files {few:?}, 1,000 files {many:?}");
    assert!(many < few * 16, "250 files {few:?}, 1,000 files {many:?}");
}
