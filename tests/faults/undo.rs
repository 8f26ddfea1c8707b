//! Undo after any crash, and a killed adopt: whatever died before, `undo` comes to the schema and the rows of before the
//! up, with nothing of the batch left; adopt has marked all or nothing.

use crate::support::kmig::{Kmig, Project, project};
use crate::support::server::Server;
use crate::support::wire_proxy::{At, Harm, WireProxy};

const BASE: [(&str, &str); 2] = [
    ("kmig.toml", ""),
    (
        "migrations/core/001_base/up.sql",
        "create table t (a int, b text); insert into t select n, 'row ' || n from generate_series(1, 20) n;",
    ),
];

/// What the up leaves behind when it dies: columns, rows, functions, and indexes built outside a transaction that the
/// undo part drops by themselves (003), or only with their table (004).
const NEXT: [(&str, &str); 7] = [
    (
        "002_column/up.sql",
        "alter table t add c text; create function f() returns int language sql as 'select 1'; insert into t values (21, 'new');",
    ),
    (
        "002_column/backfill.sql",
        "update t set c = upper(b) where c is null;",
    ),
    (
        "002_column/undo.sql",
        "delete from t where a = 21; drop function f(); alter table t drop c;",
    ),
    (
        "003_index/up.sql",
        "create index concurrently t_a on t (a);\ncreate table u (a int);\ncreate unique index concurrently t_b on t (b);",
    ),
    (
        "003_index/undo.sql",
        "drop index concurrently t_b;\ndrop index concurrently t_a;\ndrop table u;",
    ),
    (
        "004_table/up.sql",
        "create table w (a int); insert into w select a from t;\ncreate unique index concurrently w_a on w (a);\nanalyze w;",
    ),
    ("004_table/undo.sql", "drop table w;"),
];

/// Points tried at least: fewer would mean that the proxy does not see the messages.
const POINTS_MIN: usize = 10;

pub struct Stage {
    pub server: &'static Server,
    pub project: Project,
    line: WireProxy,
}

impl Stage {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let server = Server::shared();
        Stage {
            server,
            project: project(files),
            line: WireProxy::start(server.port()),
        }
    }

    fn expand(&self) {
        for (path, text) in NEXT {
            let path = format!("migrations/core/{path}");
            self.project.write(&path, text);
        }
    }

    fn kmig(&self, database: &str, args: &[&str]) -> Kmig {
        let url = self.server.url(database);
        self.project.kmig(args).env("KMIG_URL", url)
    }

    #[track_caller]
    pub fn run(&self, database: &str, args: &[&str], code: i32, title: &str) {
        let output = self.kmig(database, args).run();
        assert_eq!(output.code, code, "{title}, kmig {}:\n{output}", args[0]);
    }

    /// Runs a command and kills it once its n-th message is with the server; whether it came to its end before.
    pub fn killed_at(&self, point: usize, database: &str, args: &[&str]) -> bool {
        self.line.heal();
        self.line.count_anew();
        self.line.harm(At::After(point), Harm::Hold);
        let url = self.line.url(database);
        let mut running = self.project.kmig(args).env("KMIG_URL", url).start();
        let struck = self.line.struck_or(|| running.has_ended());
        drop(running.kill());
        self.line.cut();
        self.line.heal();
        !struck
    }

    /// Schema, rows, and what is recorded as it stands.
    fn picture(&self, database: &str) -> String {
        let rows = "select * from t order by a; select subsystem, number, state, part, statements_done, batch, origin from schema_meta order by 1, 2; \
                    select count(*) from pg_index where not indisvalid";
        self.server.schema(database) + &self.server.psql(database, rows)
    }
}

const UNDO: &[&str] = &[
    "undo",
    "-y",
    "--assume-gone",
    "--reason",
    "test",
    "--lock-wait",
    "60s",
];
const UP: &[&str] = &["up", "--lock-wait", "60s"];

#[test]
fn undo_after_an_up_killed_at_any_message() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(&BASE);
    let start = stage.server.database();
    stage.run(&start, &["bootstrap"], 0, "at first");
    stage.expand();
    // Its finish is owed, so that what an up completes is pending and can be taken back as a whole.
    stage
        .project
        .write("migrations/core/004_table/finish.sql", "select 1;");
    let before = stage.picture(&start);
    for point in 1.. {
        let database = stage.server.copy(&start);
        let title = format!("up was killed at message {point}");
        let complete = stage.killed_at(point, &database, UP);
        stage.run(&database, UNDO, 0, &title);
        assert_eq!(stage.picture(&database), before, "{title}");
        stage.run(&database, &["status", "--exit-code"], 5, &title);
        if complete {
            assert!(point > POINTS_MIN, "{point} messages only");
            break;
        }
    }
}

#[test]
fn an_undo_of_a_half_run_up_killed_at_any_message_continues() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(&BASE);
    let start = stage.server.database();
    stage.run(&start, &["bootstrap"], 0, "at first");
    let before = stage.picture(&start);
    stage.expand();
    stage.project.write(
        "migrations/core/005_fails/undo.sql",
        "drop table y;\ndrop index concurrently nothing;\ndrop table x;",
    );
    // It has a row, so that the build fails.
    let up = "create table x (a int);\ninsert into x values (0);\ncreate index concurrently nothing on x ((1 / a));\ncreate table y ();";
    stage.project.write("migrations/core/005_fails/up.sql", up);
    stage.run(&start, UP, 1, "half an up");
    for point in 1.. {
        let database = stage.server.copy(&start);
        let title = format!("undo was killed at message {point}");
        let complete = stage.killed_at(point, &database, UNDO);
        stage.run(&database, UNDO, 0, &title);
        assert_eq!(stage.picture(&database), before, "{title}");
        if complete {
            assert!(point > POINTS_MIN, "{point} messages only");
            break;
        }
    }
}

#[test]
fn an_adopt_killed_at_any_message_has_marked_all_or_nothing() {
    if !Server::available() {
        return;
    }
    let stage = Stage::new(&BASE);
    stage.project.write(
        "migrations/core/002_more/up.sql",
        "create table more (a int);",
    );
    let start = stage.server.database();
    stage.server.psql(
        &start,
        "create table t (a int, b text); create table more (a int)",
    );
    let adopt: &[&str] = &["adopt", "--baseline", "core/002", "--lock-wait", "60s"];
    let (mut none, mut all) = (0, 0);
    for point in 1.. {
        let database = stage.server.copy(&start);
        let title = format!("adopt was killed at message {point}");
        let complete = stage.killed_at(point, &database, adopt);
        // The server may still be at what it was sent last.
        stage.server.await_rows(
            &database,
            "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'kmig%'",
            "0",
        );
        let output = stage.kmig(&database, &["status", "--exit-code"]).run();
        match output.code {
            3 => none += 1,
            0 => all += 1,
            _ => panic!("{title}: {output}"),
        }
        stage.run(&database, adopt, 0, &title);
        let marked = "select string_agg(number || origin || state, ' ' order by number) from schema_meta; \
                      select count(*) from schema_meta_journal where kind = 'adopt'";
        let marked = stage.server.psql(&database, marked);
        assert_eq!(marked, "1adoptexecuted 2adoptexecuted\n1", "{title}");
        if complete {
            assert!(none > 2 && all > 0, "nothing {none} times, all {all} times");
            break;
        }
    }
}
