//! The set in `every_kind/`, which has each kind of part, statement and object: the states that its commands start from,
//! what each comes to undisturbed, and what must hold after a disturbed one.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::support::fingerprint::{difference, fingerprint};
use crate::support::kmig::{Kmig, Output, Project, project};
use crate::support::server::{Server, ServerOptions};

/// How long the server may take to notice that a client is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// It stands in every url, and must stand nowhere else.
const PASSWORD: &str = "open-sesame";

/// A command that is disturbed, and done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Bootstrap,
    Up,
    Finish,
    Undo,
}

impl Verb {
    pub const ALL: [Verb; 4] = [Verb::Bootstrap, Verb::Up, Verb::Finish, Verb::Undo];

    pub fn args(self) -> &'static [&'static str] {
        match self {
            Verb::Bootstrap => &["bootstrap", "--lock-wait", "30s"],
            Verb::Up => &["up", "--lock-wait", "30s"],
            Verb::Finish => &[
                "finish",
                "--assume-gone",
                "--reason",
                "test",
                "-y",
                "--lock-wait",
                "30s",
            ],
            Verb::Undo => &[
                "undo",
                "-y",
                "--assume-gone",
                "--reason",
                "test",
                "--lock-wait",
                "30s",
            ],
        }
    }

    /// The code of `status --exit-code` once it is done.
    pub fn due(self) -> i32 {
        match self {
            Verb::Bootstrap | Verb::Finish => 0,
            Verb::Up => 4,
            Verb::Undo => 5,
        }
    }
}

/// A server with the databases that trials begin from.
pub struct Stage {
    pub server: Server,
    projects: [Project; 2],
    /// By verb: the database before it, and what it comes to.
    starts: Vec<(String, Vec<String>)>,
}

impl Stage {
    /// The one that tests share as long as one of them runs: its server lives on. It is removed with the last.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Stage>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let stage = Arc::new(Self::new());
            *shared = Arc::downgrade(&stage);
            stage
        })
    }

    /// Starts a server and runs everything once, undisturbed.
    pub fn new() -> Self {
        let server = Server::start(&ServerOptions {
            conf: vec!["wal_level = logical".to_owned()],
            ..ServerOptions::default()
        });
        server.psql(
            "postgres",
            "create role every_owner; create role every_reader",
        );
        let mut stage = Self {
            projects: [files(&["v1"]), files(&["v1", "v2"])],
            starts: Vec::new(),
            server,
        };
        let mut database = stage.server.database();
        for verb in Verb::ALL {
            let start = match verb {
                Verb::Undo => stage.starts[Verb::Finish as usize].0.clone(),
                _ => database.clone(),
            };
            database = stage.server.copy(&start);
            let output = stage.kmig(verb, &database, verb.args()).run();
            assert_eq!(output.code, 0, "{verb:?}\n{output}");
            stage.starts.push((start, stage.fingerprint(&database)));
        }
        stage
    }

    /// A copy of the database that a command starts from.
    pub fn start_of(&self, verb: Verb) -> String {
        self.server.copy(&self.starts[verb as usize].0)
    }

    /// A command of kmig with the files that belong to a verb, straight to the server.
    pub fn kmig(&self, verb: Verb, database: &str, args: &[&str]) -> Kmig {
        let url = self.server.url(database);
        self.kmig_by(&url, verb, args)
    }

    /// The same over another line.
    pub fn kmig_by(&self, url: &str, verb: Verb, args: &[&str]) -> Kmig {
        let project = &self.projects[usize::from(verb != Verb::Bootstrap)];
        let url = url.replacen("postgres@", &format!("postgres:{PASSWORD}@"), 1);
        project.kmig(args).env("KMIG_URL", url)
    }

    /// After a disturbed command: it runs to its end, everything is as it would be undisturbed, each step recorded once,
    /// and nothing is left over.
    /// The database is removed.
    pub fn complete(&self, verb: Verb, database: &str, disturbed: &Output, title: &str) {
        assert!(
            [0, 1, 137, 143].contains(&disturbed.code),
            "{title}: it ended with\n{disturbed}"
        );
        if disturbed.code == 0 {
            self.assert_due(verb, database, title);
        }
        let output = self.kmig(verb, database, verb.args()).run();
        assert_eq!(output.code, 0, "{title}, and run again:\n{output}");
        self.assert_due(verb, database, title);
        if let Some(difference) =
            difference(&self.starts[verb as usize].1, &self.fingerprint(database))
        {
            panic!("{title}: {difference}\nand run again:\n{output}");
        }
        assert_nothing_left(&self.server, database, title);
        let journal = "select j::text from schema_meta_journal j";
        let journal = self.server.psql(database, journal);
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
        self.drop(database);
    }

    /// The exit code and the last line tell the truth.
    fn assert_due(&self, verb: Verb, database: &str, title: &str) {
        let status = self.kmig(verb, database, &["status", "--exit-code"]).run();
        assert_eq!(status.code, verb.due(), "{title}: {status}");
    }

    /// Removes a database. A subscription is one of the server's and keeps it.
    pub fn drop(&self, database: &str) {
        let sql = format!(
            "drop subscription if exists every_other;\n\\connect postgres\ndrop database \"{database}\" with (force);"
        );
        self.server.psql(database, &sql);
    }

    fn fingerprint(&self, database: &str) -> Vec<String> {
        fingerprint(&self.server, database)
    }
}

/// No session, lock or transaction of kmig outlives it for long.
pub fn assert_nothing_left(server: &Server, database: &str, title: &str) {
    let sql = "select format('session %s: %s %s', pid, state, query) from pg_stat_activity \
               where datname = current_database() and application_name ~ 'kmig' \
               union all select format('lock %s', l::text) from pg_locks l join pg_database d on d.oid = l.database \
               where d.datname = current_database() and l.locktype = 'advisory'";
    let since = Instant::now();
    loop {
        let left = server.psql(database, sql);
        if left.is_empty() {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{title}: left over:\n{left}");
    }
}

/// A project of the files of these versions.
fn files(versions: &[&str]) -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/every_kind");
    let project = project(&[]);
    for version in versions {
        project.copy(&root.join(version), ".");
    }
    project
}
