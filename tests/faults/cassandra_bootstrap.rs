//! Bootstraps of Cassandra that were killed while they made kmig's own tables, and keyspaces in which other tables have
//! their names.

use crate::cassandra_nodes::{BASE, Case, ring};
use crate::support::frame_proxy::{At, Harm};

const META: &str = "CREATE TABLE IF NOT EXISTS \"KS\".\"schema_meta\" (";
const JOURNAL: &str = "CREATE TABLE IF NOT EXISTS \"KS\".\"schema_meta_journal\" (";
const LEASE: &str = "CREATE TABLE IF NOT EXISTS \"KS\".\"schema_meta_lease\" (";

/// A project with one migration, and a keyspace that is made here.
fn case() -> Option<(Case, std::sync::MutexGuard<'static, ()>)> {
    let (ring, turn) = ring()?;
    let mut case = Case::new(ring, &[("kmig.toml", ""), BASE]);
    case.keyspace = ring.cluster.create_keyspace();
    Some((case, turn))
}

#[test]
fn a_bootstrap_killed_while_it_makes_its_tables_is_completed() {
    let Some((ring, _turn)) = ring() else { return };
    // What is sent when it is killed, and whether it has made the keyspace itself.
    let points = [
        ("CREATE KEYSPACE IF NOT EXISTS", true),
        (META, true),
        (META, false),
        (JOURNAL, false),
        (LEASE, false),
        // The lease: all tables are there, and nothing stands in them.
        ("UPDATE \"KS\".\"schema_meta\" SET", false),
        // The batch, and then the first statement of the first migration.
        ("BEGIN BATCH", false),
        ("CREATE TABLE users", false),
    ];
    for (sent, makes) in points {
        let mut case = Case::new(ring, &[("kmig.toml", ""), BASE]);
        if !makes {
            case.keyspace = ring.cluster.create_keyspace();
        }
        let sent = sent.replace("KS", &case.keyspace);
        ring.proxy.heal();
        ring.proxy.harm(At::Statement(sent.clone()), Harm::Hold);
        let running = case.kmig("kmig bootstrap").start();
        ring.proxy.await_struck_by(running).kill();
        ring.proxy.cut();
        ring.proxy.heal();
        ring.cluster.await_agreement();

        case.run("kmig status --exit-code", 3);
        case.run("kmig up", 3);
        case.run("kmig bootstrap", 0);
        let schemas = [1, 2, 3].map(|node| case.schema(node));
        assert!(schemas.iter().all(|schema| *schema == schemas[0]), "{sent}");
        assert!(schemas[0].contains("users|status|"), "{sent}");
        let meta = "select name, state, \"batch\" from schema_meta";
        assert_eq!(
            ring.cluster.run(&case.keyspace, meta),
            "001_base|executed|1",
            "{sent}"
        );
        case.run("kmig status --exit-code", 0);
    }
}

#[test]
fn a_foreign_table_of_the_same_name_is_told_and_nothing_is_changed() {
    let Some((mut case, _turn)) = case() else {
        return;
    };
    let foreign = [
        // Other columns, no comment; one that says it is kmig's; the other two names.
        "create table schema_meta (a int primary key)",
        "create table schema_meta (a int primary key) with comment = 'kmig 1 4b8c2f4e-0000-4000-8000-00000000002a rows'",
        "create table schema_meta_journal (a int primary key)",
        "create table schema_meta_lease (incarnation uuid primary key, owner text)",
    ];
    for text in foreign {
        case.keyspace = case.ring.cluster.create_keyspace();
        case.ring.cluster.run(&case.keyspace, text);
        let before = case.schema(1);
        for line in ["kmig bootstrap", "kmig up", "kmig status"] {
            case.says(
                line,
                1,
                &["is not kmig's table", &case.keyspace, "nothing was run"],
            );
            assert_eq!(case.schema(1), before, "{line} beside {text}");
        }
    }
}

#[test]
fn a_table_of_kmig_that_was_altered_by_hand_is_told() {
    let Some((case, _turn)) = case() else { return };
    case.run("kmig bootstrap", 0);
    let changes = [
        (
            "alter table schema_meta add more text",
            "alter table schema_meta drop more",
            "more",
        ),
        ("alter table schema_meta_journal drop detail", "", "detail"),
    ];
    for (number, (change, back, column)) in (2..).zip(changes) {
        let file = format!("migrations/core/00{number}_{column}/up.cql");
        case.project.write(
            &file,
            &format!("CREATE TABLE {column} (id int PRIMARY KEY)"),
        );
        case.ring.cluster.run(&case.keyspace, change);
        let before = case.schema(1);
        let texts = ["is not as kmig makes it", column, "nothing was run"];
        case.says("kmig up", 1, &texts);
        assert_eq!(case.schema(1), before);
        if !back.is_empty() {
            case.ring.cluster.run(&case.keyspace, back);
            case.run("kmig up", 0);
        }
    }
}
