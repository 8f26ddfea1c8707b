//! Promise 2: whatever dies, at whatever point, the same command continues to the same schema and the same rows.
//!
//! The server logs every message that kmig sends. A run is ended when the n-th one has arrived, for n = 1, 2, 3 … until
//! a run comes to its end by itself; then the command is run again, undisturbed. The three ways to end a run share the
//! points among them, to be done sooner; with `KMIG_EVERY_POINT=1` each takes all.

use std::path::Path;

use crate::support::kmig::{Kmig, Project, Running, project};
use crate::support::server::{Server, ServerOptions};

/// How a run is ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// `kill -9`.
    Killed,
    /// SIGTERM, which kmig answers by cancelling and leaving.
    Asked,
    /// The server crashes and comes back.
    ServerCrashed,
}

#[test]
fn kmig_killed_at_any_point_continues() {
    everywhere(End::Killed);
}

#[test]
fn kmig_asked_to_stop_at_any_point_continues() {
    everywhere(End::Asked);
}

#[test]
fn a_server_that_crashes_at_any_point_is_continued_on() {
    everywhere(End::ServerCrashed);
}

/// What is left to do of the sample's upgrade, the first of it being what is disturbed.
const UP: [&[&str]; 2] = [&["up", "--lock-wait", "30s"], FINISH];
const FINISH: &[&str] = &[
    "finish",
    "--assume-gone",
    "--reason",
    "test",
    "-y",
    "--lock-wait",
    "30s",
];

/// Ends `up` and `finish` of the sample at their points.
fn everywhere(end: End) {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions {
        conf: vec![
            "log_statement = 'all'".to_owned(),
            "log_line_prefix = '[%a] '".to_owned(),
        ],
        ..ServerOptions::default()
    });
    let (one, two) = (sample("1.0", "001_base"), sample("2.0", ""));
    let stage = Stage {
        server: &server,
        project: &two,
    };
    let before_up = server.database();
    let url = server.url(&before_up);
    let output = one.kmig(["bootstrap"]).env("KMIG_URL", url).run();
    assert_eq!(output.code, 0, "{output}");
    let rows = "insert into consumers (username, status) \
                select 'consumer ' || n, 1 + n % 3 from generate_series(1, 50) n";
    server.psql(&before_up, rows);
    let before_finish = server.copy(&before_up);
    stage.succeed(&before_finish, UP[0]);

    let undisturbed = stage.complete(&server.copy(&before_up), &UP);
    let (first, step) = match std::env::var_os("KMIG_EVERY_POINT") {
        Some(_) => (1, 1),
        None => (1 + end as usize, 3),
    };
    for (start, left) in [(&before_up, &UP[..]), (&before_finish, &UP[1..])] {
        for point in (first..).step_by(step) {
            let database = server.copy(start);
            let ended_by_itself = stage.end_at(stage.kmig(&database, left[0]), point, end);
            let outcome = stage.complete(&database, left);
            let title = left[0][0];
            assert_eq!(
                outcome, undisturbed,
                "{title} was ended at message {point} ({end:?})"
            );
            if ended_by_itself {
                assert!(point > 3, "{title} was ended {point} times only");
                break;
            }
        }
    }
}

#[test]
fn what_kmig_said_is_done_survives_a_crash_of_the_server() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions::default());
    let (one, two) = (sample("1.0", "001_base"), sample("2.0", ""));
    let database = server.database();
    let steps: [(&Project, &[&str], i32); 3] = [
        (&one, &["bootstrap"], 0),
        (&two, UP[0], 4),
        (&two, UP[1], 0),
    ];
    for (project, args, due) in steps {
        let kmig = |args: &[&str]| project.kmig(args).env("KMIG_URL", server.url(&database));
        let output = kmig(args).run();
        server.stop_immediate();
        assert_eq!(output.code, 0, "{output}");
        server.start_again();
        let status = kmig(&["status", "--exit-code"]).run();
        assert_eq!(status.code, due, "after {}: {status}", args[0]);
    }
}

/// The project of the new version, and where it runs.
struct Stage<'a> {
    server: &'a Server,
    project: &'a Project,
}

impl Stage<'_> {
    fn kmig(&self, database: &str, args: &[&str]) -> Kmig {
        let url = self.server.url(database);
        self.project.kmig(args).env("KMIG_URL", url)
    }

    fn succeed(&self, database: &str, args: &[&str]) {
        let output = self.kmig(database, args).run();
        assert_eq!(output.code, 0, "kmig {}\n{output}", args.join(" "));
    }

    /// Does what is left; the schema and the rows that come of it.
    fn complete(&self, database: &str, left: &[&[&str]]) -> (String, String) {
        for args in left {
            self.succeed(database, args);
        }
        self.succeed(database, &["status", "--exit-code"]);
        let rows = "select id, username, state from consumers order by id";
        (
            self.server.schema(database),
            self.server.psql(database, rows),
        )
    }

    /// Runs a command until the server has had so many messages of it, and ends it; whether it was over before.
    fn end_at(&self, command: Kmig, point: usize, end: End) -> bool {
        let seen = self.server.log_length();
        let mut running = command.start();
        loop {
            let length = self.server.log_length();
            if self.server.logged(seen, "[kmig") >= point {
                break;
            }
            if running.has_ended() && self.server.logged(seen, "[kmig") < point {
                let output = running.wait();
                assert_eq!(output.code, 0, "{output}");
                return true;
            }
            self.server.await_growth(length);
        }
        self.end(running, end);
        false
    }

    fn end(&self, running: Running, end: End) {
        match end {
            End::Killed => drop(running.kill()),
            End::Asked => {
                running.signal("TERM");
                // It may have been done before the signal came.
                let output = running.wait();
                assert!([0, 143].contains(&output.code), "{output}");
            }
            End::ServerCrashed => {
                self.server.stop_immediate();
                self.server.start_again();
                // Before it has the lock it does not connect again.
                let output = running.wait();
                assert!([0, 1].contains(&output.code), "{output}");
            }
        }
    }
}

/// The sample project, or the migrations of it that have this name.
fn sample(version: &str, only: &str) -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = project(&[]);
    for subsystem in ["core", "acl"] {
        let path = format!("migrations/{subsystem}/{only}");
        project.copy(&root.join(&path), &path);
    }
    project.copy(&root.join("kmig.toml"), "kmig.toml");
    let text = project.read("kmig.toml");
    project.write(
        "kmig.toml",
        &text.replace("version = \"2.0\"", &format!("version = \"{version}\"")),
    );
    project
}
