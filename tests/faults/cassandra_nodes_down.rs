//! Nodes that are down, or answer nothing, before a run begins: nothing is changed, and whoever is missing is named.

use crate::cassandra_nodes::{Case, FINISH, FINISH_LINE, Ring, ring};
use crate::support::case::expect;

/// Each command that changes something, while a node is missing: refused, with the node's name, and nothing is there after
/// it that was not there before. The same commands, once the node is back.
fn nothing_is_changed(ring: &'static Ring, missing: usize, lose: impl Fn(), back: impl Fn()) {
    let [address, id] = ring.marks(missing);
    let there = missing % 3 + 1;
    let up = Case::upgrade(ring);
    let finish = Case::upgrade(ring);
    finish.project.write(FINISH.0, FINISH.1);
    finish.run("kmig up", 0);
    let fresh = Case::new(ring, &[("kmig.toml", ""), crate::cassandra_nodes::BASE]);
    let runs = [
        (&up, "kmig up"),
        (&finish, FINISH_LINE),
        (&fresh, "kmig bootstrap"),
    ];
    let before = runs.map(|(case, _)| case.picture(there));

    lose();
    for ((case, line), before) in runs.iter().zip(&before) {
        let texts = [
            address.as_str(),
            id.as_str(),
            "a node is down or does not answer",
            "last heard of with schema",
            "nothing was run",
        ];
        expect(line, case.impatient(line).run(), 1, &texts);
        assert_eq!(case.picture(there), *before, "{line}");
        assert!(!case.says("kmig status --json", 0, &[]).stdout.is_empty());
    }

    back();
    for (case, line) in runs {
        case.run(line, 0);
    }
    up.is_upgraded();
    let dropped = finish.schema(1);
    assert!(
        !dropped.contains("users|status|") && !dropped.contains("words|"),
        "{dropped}"
    );
    assert!(fresh.schema(missing).contains("users|status|"));
}

#[test]
fn a_node_that_is_down_is_named_and_nothing_is_changed() {
    let Some((ring, _turn)) = ring() else { return };
    let cluster = &ring.cluster;
    nothing_is_changed(ring, 3, || cluster.kill(3), || cluster.restart(3));
}

#[test]
fn a_node_that_answers_nothing_is_named_and_nothing_is_changed() {
    let Some((ring, _turn)) = ring() else { return };
    let cluster = &ring.cluster;
    // The first of the url: whoever is asked first is not waited for.
    nothing_is_changed(ring, 1, || cluster.pause(1), || cluster.cont(1));
}

#[test]
fn a_status_without_a_quorum_says_so() {
    let Some((ring, _turn)) = ring() else { return };
    let case = Case::upgrade(ring);
    ring.cluster.kill(2);
    ring.cluster.kill(3);
    let [two, three] = [2, 3].map(|node| ring.cluster.proxy_contact(node).ip().to_string());
    let texts = [
        "could not be read",
        "once enough replicas answer",
        &two,
        &three,
    ];
    for line in ["kmig status", "kmig up"] {
        expect(line, case.impatient(line).run(), 1, &texts);
    }
    ring.heal();
    case.run("kmig up", 0);
    case.is_upgraded();
}
