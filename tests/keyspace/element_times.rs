//! The times that elements get before 5.0, as a server that tells them shows them once they are imported.

use crate::compare::same;
use crate::exports::older;
use crate::imports::target;
use crate::kinds::{fill, tables};
use crate::space::Space;
use crate::support::cassandra::{Version, available, available_in, shared};

#[test]
fn elements_of_an_older_server_are_written_with_the_times_that_were_chosen() {
    if !available() || !available_in(Version::V4_1) {
        return;
    }
    let source = Space::new(older());
    fill(&source, false);
    source.cql("insert into composed (p, m) values (77, {'a': 1}) using timestamp 50");
    source.cql("update composed using timestamp 90 and ttl 80000 set ad = {zip: 7} where p = 77");
    for (policy, times) in [
        // The latest time of the row's other cells, and 1 where it has none.
        ("row-max", ["[100, 100, 100]", "[1, 1]"]),
        (
            "1970-01-01T00:00:01Z",
            ["[1000000, 1000000, 1000000]", "[1000000, 1000000]"],
        ),
    ] {
        let target = target(shared(), &tables(false));
        let to = target.folder("ex");
        let line = format!(
            "kmig export --to '{}' --element-times {policy}",
            to.display()
        );
        source.says(&line, 0, &["Exported"]);
        target.says("kmig import ex --yes", 0, &["Imported"]);
        // Each element as the files have it.
        same(&target, "ex", true);
        let shown = [
            "writetime(m) from composed where p = 1",
            "writetime(l) from composed where p = 5",
        ];
        for (what, times) in shown.into_iter().zip(times) {
            assert_eq!(
                target.cql(&format!("select {what}")),
                times,
                "{policy}: {what}"
            );
        }
    }
}
