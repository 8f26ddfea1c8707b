//! Rights and tables that change while a keyspace is imported.

use crate::compare::same;
use crate::export_faults::{by_proxy, stage};
use crate::halt::halt;
use crate::imports::{export, target};
use crate::space::Space;
use crate::support::case::expect;
use crate::support::cassandra::{Cluster, Options, available, turn};
use crate::support::frame_proxy::FrameProxy;

const TABLE: &str = "create table t (p int primary key, v text, w int);";

fn fill(space: &Space<'_>) {
    space.cql(TABLE);
    for p in 0..40 {
        space.cql(&format!(
            "insert into t (p, v, w) values ({p}, 'value {p}', {p}) using timestamp {}",
            100 + p
        ));
    }
}

fn written(space: &Space<'_>) -> usize {
    let count = space.cql("select count(*) from t");
    count.parse().expect("a count")
}

#[test]
fn a_right_that_is_revoked_in_the_middle_stops_the_import_and_rejects_no_row() {
    if !available() {
        return;
    }
    let _turn = turn();
    let cluster = Cluster::start(Options {
        auth: true,
        proxied: true,
        yaml: vec!["permissions_validity: 0ms".into()],
        ..Options::default()
    });
    let proxy = FrameProxy::start(&cluster);
    let source = Space::new(&cluster);
    fill(&source);
    let target = target(&cluster, TABLE);
    export(&source, &target, "ex");
    let keyspace = &target.keyspace;
    cluster.run("", "create role app with password = 'app' and login = true");
    for own in ["schema_meta", "schema_meta_journal", "schema_meta_lease"] {
        let both = "grant select on {} to app; grant modify on {} to app";
        cluster.run("", &both.replace("{}", &format!("{keyspace}.{own}")));
    }
    let url = proxy
        .url(keyspace)
        .replace("cassandra:cassandra@", "app:app@");
    let line = "kmig import ex --in-flight 1";
    let import = || target.kmig(line).env("KMIG_URL", &url);
    let views = "GRANT SELECT ON KEYSPACE system_views TO \"app\"";
    expect(line, import().run(), 1, &[views, "nothing was run"]);
    cluster.run("", &views.replace('"', ""));
    let wanted = format!("GRANT MODIFY ON TABLE \"{keyspace}\".\"t\" TO \"app\";");
    let both = format!("GRANT SELECT ON TABLE \"{keyspace}\".\"t\" TO \"app\";");
    let told = expect(
        line,
        import().run(),
        1,
        &[&both, &wanted, "nothing was run"],
    );
    assert!(!told.stderr.contains("row markers"), "{told}");
    let give = |right: &str| cluster.run("", &format!("grant {right} on {keyspace}.t to app"));
    give("select");
    expect(line, import().run(), 1, &[&wanted]);
    assert_eq!(written(&target), 0);
    give("modify");
    let gate = halt(&proxy, "value 20");
    let running = import().start();
    gate.reached();
    cluster.run("", &format!("revoke modify on {keyspace}.t from app"));
    gate.open();
    let texts = [
        &wanted,
        "no row was rejected",
        "the same command, which goes on",
    ];
    expect(line, running.wait(), 1, &texts);
    let there = written(&target);
    assert!(there > 0 && there < 40, "{there}");
    assert!(
        target
            .files("ex")
            .iter()
            .all(|(name, _)| !name.starts_with("rejects"))
    );
    give("modify");
    expect(line, import().run(), 0, &["40 rows"]);
    same(&target, "ex", true);
}

#[test]
fn a_table_that_is_altered_in_the_middle_stops_the_import() {
    let Some((stage, _turn)) = stage() else {
        return;
    };
    let source = Space::new(&stage.cluster);
    fill(&source);
    let line = "kmig import ex --in-flight 1";
    for (change, said) in [
        ("alter table t drop w", "its column w is gone"),
        (
            "alter table t drop w; alter table t add w int",
            "its column w was dropped and added again",
        ),
        ("drop table t", "it was dropped"),
    ] {
        let target = target(&stage.cluster, TABLE);
        export(&source, &target, "ex");
        let gate = halt(&stage.proxy, "value 20");
        let running = by_proxy(stage, &target, line).start();
        gate.reached();
        target.cql(change);
        gate.open();
        let texts = ["was altered while rows were written to it", said, "mapping"];
        expect(change, running.wait(), 1, &texts);
        assert!(
            target
                .files("ex")
                .iter()
                .all(|(name, _)| !name.starts_with("rejects"))
        );
        target.says(line, 7, &[]);
    }
    // What is only added is no matter.
    let target = target(&stage.cluster, TABLE);
    export(&source, &target, "ex");
    let gate = halt(&stage.proxy, "value 20");
    let running = by_proxy(stage, &target, line).start();
    gate.reached();
    target.cql("alter table t add later int");
    gate.open();
    expect(line, running.wait(), 0, &["40 rows"]);
    target.cql("alter table t drop later");
    same(&target, "ex", true);
}
