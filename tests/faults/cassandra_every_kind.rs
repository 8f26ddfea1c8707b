//! The set in `cassandra_every_kind/`, which has each kind of statement: what its commands come to undisturbed, and what
//! must hold after a disturbed one.

use std::fmt::Write as _;
use std::path::Path;

use crate::every_kind::Verb;
use crate::support::cassandra::{Cluster, Options};
use crate::support::fingerprint::difference;
use crate::support::frame_proxy::FrameProxy;
use crate::support::kmig::{Kmig, Output, Project, project};

/// The superuser's, which stands in every url, and must stand nowhere else.
const PASSWORD: &str = ":cassandra@";

/// The ways that the set is walked.
pub const WALKS: [[Verb; 3]; 2] = [
    [Verb::Bootstrap, Verb::Up, Verb::Finish],
    [Verb::Bootstrap, Verb::Up, Verb::Undo],
];

/// A node, and what each command comes to.
pub struct Stage {
    pub cluster: Cluster,
    /// Every client goes by it, since the node tells no other address.
    pub line: FrameProxy,
    projects: [Project; 2],
    /// By verb: the keyspace after it, and how many requests it takes.
    ends: [(Vec<String>, usize); 4],
}

impl Stage {
    /// Starts a node and runs everything once, undisturbed.
    pub fn new() -> Self {
        let cluster = Cluster::start(Options {
            auth: true,
            proxied: true,
            // kmig dies, not the node.
            forgetful: true,
            ..Options::default()
        });
        cluster.run("", "create role every_reader");
        let mut stage = Self {
            projects: [files(&["v1"]), files(&["v1", "v2"])],
            ends: Default::default(),
            line: FrameProxy::start(&cluster),
            cluster,
        };
        for walk in WALKS {
            let keyspace = stage.cluster.keyspace();
            for verb in walk {
                stage.line.count_anew();
                let output = stage.kmig(verb, &keyspace, verb.args()).run();
                assert_eq!(output.code, 0, "{verb:?}\n{output}");
                // A node forgets what is prepared on a table that changes.
                assert_eq!(stage.line.prepared(), 0, "{verb:?} prepares statements");
                let end = (stage.fingerprint(&keyspace), stage.line.requests());
                stage.ends[verb as usize] = end;
            }
            stage.drop(&keyspace);
        }
        stage
    }

    /// How many requests a command takes, about: the looks at what is not there yet vary.
    pub fn requests(&self, verb: Verb) -> usize {
        self.ends[verb as usize].1
    }

    /// A command of kmig with the files that belong to a verb.
    pub fn kmig(&self, verb: Verb, keyspace: &str, args: &[&str]) -> Kmig {
        let project = &self.projects[usize::from(verb != Verb::Bootstrap)];
        project.kmig(args).env("KMIG_URL", self.line.url(keyspace))
    }

    /// After a disturbed command: it runs to its end, and everything is as it would be undisturbed.
    pub fn complete(&self, verb: Verb, keyspace: &str, disturbed: &Output, title: &str) {
        assert!(
            [0, 1, 137, 143].contains(&disturbed.code),
            "{title}: it ended with\n{disturbed}"
        );
        if disturbed.code == 0 {
            self.assert_due(verb, keyspace, title);
        }
        let before = self.epoch(keyspace);
        let output = self.kmig(verb, keyspace, verb.args()).run();
        assert_eq!(
            output.code, 0,
            "{title}, and run again:\n{output}\nbefore:\n{disturbed}"
        );
        self.assert_due(verb, keyspace, title);
        let (wanted, _) = &self.ends[verb as usize];
        if let Some(difference) = difference(wanted, &self.fingerprint(keyspace)) {
            panic!("{title}: {difference}\nbefore:\n{disturbed}\nand run again:\n{output}");
        }
        // One that was killed behind its last record leaves its lease to nobody who needs it.
        let free = owner(&self.cluster, keyspace).is_empty();
        assert!(
            free || self.epoch(keyspace) == before,
            "{title}: the lease was not given back"
        );
        self.assert_made_once(keyspace, title);
        let journal = self.journal(keyspace).join("\n");
        for text in [
            &disturbed.stdout,
            &disturbed.stderr,
            &output.stdout,
            &output.stderr,
            &journal,
        ] {
            assert!(
                !text.contains(PASSWORD),
                "{title}: the password is in {text}"
            );
        }
    }

    /// Removes a keyspace.
    pub fn drop(&self, keyspace: &str) {
        self.cluster.run("", &format!("drop keyspace {keyspace}"));
    }

    /// The exit code tells the truth.
    fn assert_due(&self, verb: Verb, keyspace: &str, title: &str) {
        let status = self.kmig(verb, keyspace, &["status", "--exit-code"]).run();
        assert_eq!(status.code, verb.due(), "{title}: {status}");
    }

    /// Every table and view has the id that was journaled before its CREATE, and there was one only.
    fn assert_made_once(&self, keyspace: &str, title: &str) {
        let ids = |kind: &str, name: &str| {
            let ids = format!(
                "select {name}, id from system_schema.{kind} where keyspace_name = '{keyspace}'"
            );
            self.cluster.run("", &ids)
        };
        let there = [ids("tables", "table_name"), ids("views", "view_name")].join("\n");
        let journaled = self.journal(keyspace);
        let users = there
            .lines()
            .filter(|line| !line.starts_with("schema_meta"));
        for line in users.filter(|line| !line.is_empty()) {
            let (name, id) = line.split_once('|').expect("two columns");
            let makes = |intent: &&String| {
                let made = ["TABLE", "TABLE IF NOT EXISTS", "MATERIALIZED VIEW"];
                made.iter()
                    .any(|kind| intent.contains(&format!("CREATE {kind} {name} ")))
            };
            let intents: Vec<_> = journaled.iter().filter(makes).collect();
            assert!(!intents.is_empty(), "{title}: nothing journaled of {name}");
            for intent in intents {
                let known = intent.contains(&format!("\"{id}\""));
                assert!(
                    known,
                    "{title}: {name} has the id {id}, and not that of {intent}"
                );
            }
        }
    }

    /// How often the lease was taken; nothing where kmig's tables are not there.
    fn epoch(&self, keyspace: &str) -> Option<String> {
        let epoch = "select epoch from schema_meta limit 1";
        self.cluster.cql(keyspace, epoch).ok()
    }

    /// What was journaled of statements before they were sent.
    fn journal(&self, keyspace: &str) -> Vec<String> {
        let details = "select detail from schema_meta_journal";
        let rows = self.cluster.run(keyspace, details);
        rows.lines().map(str::to_owned).collect()
    }

    fn fingerprint(&self, keyspace: &str) -> Vec<String> {
        fingerprint(&self.cluster, keyspace)
    }
}

/// Who has the lease, or has not given it back.
pub fn owner(cluster: &Cluster, keyspace: &str) -> String {
    cluster.run(keyspace, "select owner from schema_meta limit 1")
}

/// What stands in a keyspace, without ids and times: schema, rights, rows, and where the migrations stand.
pub fn fingerprint(cluster: &Cluster, keyspace: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut take = |title: &str, rows: String| {
        let rows = rows.lines().filter(|row| !row.starts_with("schema_meta"));
        lines.extend(rows.map(|row| format!("{title}: {}", row.replace(keyspace, "KEYSPACE"))));
    };
    for (table, columns) in [
        (
            "tables",
            "table_name, comment, gc_grace_seconds, default_time_to_live",
        ),
        (
            "columns",
            "table_name, column_name, clustering_order, kind, position, type",
        ),
        ("dropped_columns", "table_name, column_name, kind, type"),
        (
            "views",
            "view_name, base_table_name, where_clause, include_all_columns",
        ),
        ("indexes", "table_name, index_name, kind, options"),
        ("types", "type_name, field_names, field_types"),
        (
            "functions",
            "function_name, argument_types, body, return_type",
        ),
    ] {
        let query = format!(
            "select {columns} from system_schema.{table} where keyspace_name = '{keyspace}'"
        );
        take(table, cluster.run("", &query));
    }
    let tables =
        format!("select table_name from system_schema.tables where keyspace_name = '{keyspace}'");
    for table in cluster.run("", &tables).lines() {
        if !table.starts_with("schema_meta") {
            take(
                table,
                cluster.run(keyspace, &format!("select * from {table}")),
            );
        }
    }
    let meta = "select last_batch, last_version, subsystem, number, name, state, part, statements_done, \"batch\", \
                origin, app_version, intent from schema_meta";
    take("meta", cluster.run(keyspace, meta));
    let rights = "select role, resource, permissions from system_auth.role_permissions";
    if let Ok(rights) = cluster.cql("", rights) {
        let mut own = String::new();
        for line in rights
            .lines()
            .filter(|line| line.contains(&format!("/{keyspace}/")))
        {
            // Writing to a String cannot fail.
            let _ = writeln!(own, "{line}");
        }
        take("rights", own);
    }
    lines
}

/// A project of the files of these versions.
fn files(versions: &[&str]) -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/cassandra_every_kind");
    let project = project(&[]);
    for version in versions {
        project.copy(&root.join(version), ".");
    }
    project
}
