//! Statements that a killed run was sending, and what the next run makes of them where their file was edited meanwhile, or
//! where a repeat is not the same by itself.

use crate::cassandra_node::{Node, node};
use crate::support::case::expect;
use crate::support::cassandra;
use crate::support::frame_proxy::{At, Harm};
use crate::support::kmig::{Kmig, Project, project};

const TOML: &str =
    "[cassandra]\nreplication = { class = \"SimpleStrategy\", replication_factor = 1 }\n";
const NEXT: &str = "migrations/core/002_next/up.cql";

impl Node {
    fn kmig(&self, project: &Project, keyspace: &str, line: &str) -> Kmig {
        let kmig = project.kmig(line.split(' '));
        kmig.env("KMIG_URL", self.line.url(keyspace))
    }

    /// A keyspace with the table `notes`, and a run of the next migration that was killed at that
    /// point, as far as its node is concerned behind it or before.
    fn killed(&self, next: &str, at: At) -> (Project, String) {
        let project = project(&[
            ("kmig.toml", TOML),
            (
                "migrations/core/001_base/up.cql",
                "CREATE TABLE notes (id int PRIMARY KEY, tags list<text>);\n",
            ),
        ]);
        let keyspace = self.cluster.keyspace();
        let output = self.kmig(&project, &keyspace, "bootstrap").run();
        expect("bootstrap", output, 0, &[]);
        project.write(NEXT, next);
        self.line.heal();
        self.line.harm(at, Harm::Hold);
        let running = self.kmig(&project, &keyspace, "up").start();
        self.line.await_struck_by(running).kill();
        self.line.release();
        self.line.heal();
        (project, keyspace)
    }
}

#[test]
fn what_was_sent_is_not_replaced_by_what_its_file_says_now() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = node();
    let sent = "CREATE TABLE words (id int PRIMARY KEY, a text);\n";
    // Behind the intent, and behind the statement itself.
    for point in [
        At::Sent("\"from\":0".to_owned()),
        At::Statement("CREATE TABLE words".to_owned()),
    ] {
        let at = &format!("{point:?}");
        let (project, keyspace) = stage.killed(sent, point);
        let up = || stage.kmig(&project, &keyspace, "up").run();
        project.write(
            NEXT,
            "CREATE TABLE words (id bigint PRIMARY KEY, b text);\n",
        );
        expect(
            at,
            up(),
            8,
            &["the file says something else now", "002_next/up.cql:1:1"],
        );
        project.write(NEXT, "INSERT INTO notes (id) VALUES (1);\n");
        expect(at, up(), 8, &["the file says something else now"]);
        project.write(NEXT, sent);
        expect(at, up(), 0, &[]);
        let query = "select column_name from system_schema.columns where keyspace_name = '";
        let columns = stage
            .cluster
            .run("", &format!("{query}{keyspace}' and table_name = 'words'"));
        assert_eq!(columns, "a\nid", "{at}");
        let id = format!(
            "select id from system_schema.tables where keyspace_name = '{keyspace}' and table_name = 'words'"
        );
        let journal = stage
            .cluster
            .run(&keyspace, "select detail from schema_meta_journal");
        let id = stage.cluster.run("", &id);
        assert!(
            journal.contains(&id),
            "{at}: {id} is not journaled: {journal}"
        );
        assert_eq!(
            stage.cluster.run(&keyspace, "select id from notes"),
            "",
            "{at}"
        );
    }
}

#[test]
fn a_list_that_was_being_written_is_there_once() {
    if !cassandra::available() {
        return;
    }
    let _turn = cassandra::turn();
    let stage = node();
    let next = "INSERT INTO notes (id, tags) VALUES (1, ['p', 'q']);\nUPDATE notes SET tags = ['r', 's'] WHERE id = 2;\n";
    for at in ["INSERT INTO notes", "UPDATE notes"] {
        let (project, keyspace) = stage.killed(next, At::Statement(at.to_owned()));
        expect(at, stage.kmig(&project, &keyspace, "up").run(), 0, &[]);
        for (id, tags) in [(1, "p', 'q"), (2, "r', 's")] {
            let query = format!("select json tags from notes where id = {id}");
            let wanted = format!("{{\"tags\": [\"{}\"]}}", tags.replace("', '", "\", \""));
            assert_eq!(stage.cluster.run(&keyspace, &query), wanted, "{at}");
        }
    }
}
