//! An import that is silent for too long loses its file to another one.

use crate::compare::same;
use crate::export_faults::{by_proxy, stage};
use crate::import_crowds::lists;
use crate::imports::{export, target};
use crate::space::Space;
use crate::support::case::expect;
use crate::support::frame_proxy::{At, Harm};
use crate::support::kmig::Kmig;

/// A run that no machine of this test can prove dead.
const STRANGER: &str = "zzzzzzzz.4711.1";

const TABLES: &str = "create table lists (p int, c int, v text, l list<int>, primary key (p, c));";

fn fill(space: &Space<'_>) {
    space.cql(TABLES);
    for p in 0..20 {
        space.cql(&lists(p));
    }
}

/// Writes the name of another machine's run into the claim that is held, as if that had claimed the file.
fn estrange(space: &Space<'_>) {
    let claims = space.cql("select incarnation, ticket, owner from schema_meta_lease");
    let mut held = claims
        .lines()
        .filter(|line| line.split('|').all(|value| !value.is_empty()));
    let claim = held.next().expect("a claim that is held");
    assert_eq!(held.next(), None, "{claims}");
    let mut values = claim.split('|');
    let (partition, ticket) = (
        values.next().expect("its partition"),
        values.next().expect("its ticket"),
    );
    space.cql(&format!(
        "update schema_meta_lease set owner = '{STRANGER}' where incarnation = {partition} if ticket = {ticket}"
    ));
}

#[test]
fn an_import_that_was_stopped_for_too_long_is_taken_over_and_writes_nothing_more() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    // Only a build for tests counts a claim in seconds.
    if !cfg!(debug_assertions) {
        return;
    }
    let source = Space::new(&stage.cluster);
    fill(&source);
    let target = target(&stage.cluster, TABLES);
    export(&source, &target, "ex");
    let line = "kmig import ex --in-flight 1";
    let short = |kmig: Kmig| kmig.env("KMIG_DEBUG_CLAIM_SECONDS", "4");
    stage.proxy.harm(At::Sent("v 2".to_string()), Harm::Hold);
    let first = short(by_proxy(stage, &target, line)).start();
    let first = stage.proxy.await_struck_by(first);
    first.signal("STOP");
    stage.proxy.release();
    estrange(&target);
    let mut second = short(target.kmig(line)).start();
    second.await_line("the other files go first");
    second.await_line("the run before was not ended cleanly");
    expect("the second", second.wait(), 0, &["80 rows"]);
    same(&target, "ex", true);
    // Whatever the first one writes from now on is seen.
    target.cql("truncate lists");
    first.signal("CONT");
    expect(
        "the first",
        first.wait(),
        6,
        &[
            "another run has taken",
            "gave no sign for too long",
            "writes nothing more of it",
            "the same command",
        ],
    );
    assert_eq!(target.cql("select p, c from lists"), "");
}
