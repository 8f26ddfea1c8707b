//! The Cassandra of the tests itself: a test of kmig proves nothing on nodes that are not what they say.

use crate::support::cassandra;

#[test]
fn the_shared_node_answers_with_rows_and_errors() {
    if !cassandra::available() {
        return;
    }
    let cluster = cassandra::shared();
    let (one, other) = (cluster.create_keyspace(), cluster.create_keyspace());
    let rows = cluster.run(
        &one,
        "create table t (a int primary key, b text, c map<text, int>, d list<frozen<tuple<int, text>>>, e uuid, f blob);
         insert into t (a, b, c) values (1, 'x;y', {'k': -7});
         insert into t (a, d, e, f) values (2, [(1, 'z')], 4b8c2f4e-0000-4000-8000-00000000002a, 0x00ff);
         select a, b, c, d, e, f from t",
    );
    let mut rows: Vec<_> = rows.lines().collect();
    rows.sort_unstable();
    assert_eq!(
        rows,
        [
            "1|x;y|{k: -7}|||",
            "2|||[(1, z)]|4b8c2f4e-0000-4000-8000-00000000002a|0x00ff"
        ]
    );
    let refused = cluster
        .cql(&other, "select a from t")
        .expect_err("no table");
    assert!(refused.starts_with("0x2200 "), "{refused}");
    assert_eq!(
        cluster.url(&one),
        format!("cassandra://{}/{one}", cluster.contact(1))
    );
    let version = cluster.node_cql(1, "", "select release_version from system.local");
    assert_eq!(version.as_deref(), Ok("5.0.9"));
}
