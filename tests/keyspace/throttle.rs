//! How much an export asks for: no more than was allowed, and less where the cluster has no time.

use crate::compare::same;
use crate::export_faults::{by_proxy, rows, stage};
use crate::space::Space;
use crate::support::case::expect;
use std::time::Duration;

const TABLE: &str = "(p int, c int, v text, primary key (p, c))";

#[test]
fn no_page_has_more_rows_than_a_second_may_have() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let space = Space::new(&stage.cluster);
    space.cql(&format!("create table t {TABLE}"));
    for p in 0..6 {
        rows(&space, "t", p, 0..150, &|c| format!("'{c}'"));
    }
    let largest = |to: &str, limit: &str| {
        stage.proxy.count_anew();
        let line = format!("kmig export --to {to} --parallel 1 {limit}");
        expect(
            limit,
            by_proxy(stage, &space, &line).run(),
            0,
            &["900 rows"],
        );
        let pages = stage.proxy.pages();
        same(&space, to, true);
        pages.iter().map(|page| page.rows).max().expect("a page")
    };
    assert!(largest("free", "") > 300, "no limit would be met");
    assert!(largest("limited", "--max-rows 300") <= 300);
}

#[test]
fn a_server_without_time_is_asked_for_one_page_at_a_time() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let space = Space::new(&stage.cluster);
    for table in ["a", "b", "c", "d"] {
        space.cql(&format!("create table {table} {TABLE}"));
        rows(&space, table, 1, 0..100, &|c| format!("'{c}'"));
    }
    const TURNED: usize = 16;
    stage.proxy.count_anew();
    // So long that who does not ask for less has several under way.
    stage
        .proxy
        .overload_slowly(TURNED, Duration::from_millis(200));
    let line = "kmig export --to out --parallel 4";
    let output = by_proxy(stage, &space, line).run();
    expect(
        "overloaded",
        output,
        0,
        &["1001 (overloaded)", "trying again for"],
    );
    same(&space, "out", true);
    let pages = stage.proxy.pages();
    let under_way: Vec<usize> = pages.iter().map(|page| page.under_way).collect();
    let (first, last) = (&under_way[..TURNED / 2], &under_way[TURNED - 4..TURNED]);
    assert!(first.iter().any(|at_once| *at_once > 1), "{under_way:?}");
    assert!(last.iter().all(|at_once| *at_once == 1), "{under_way:?}");
}
