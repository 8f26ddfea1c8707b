//! What the modules about bad input and odd servers share: a project with a database, and what a refused run must leave.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use super::kmig::{Kmig, Output, Project, binary, project, words};
use super::server::Server;

/// kmig.toml of a project that says nothing by itself.
pub const EMPTY: (&str, &str) = ("kmig.toml", "");

/// A project and a database of its own.
pub struct Case {
    pub server: &'static Server,
    pub project: Project,
    pub database: String,
}

impl Case {
    /// On a fresh database of the shared server.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let server = Server::shared();
        Self {
            server,
            project: project(files),
            database: server.database(),
        }
    }

    /// A command line of kmig, to be added to.
    pub fn kmig(&self, line: &str) -> Kmig {
        let words = words(line).expect("a command line").split_off(1);
        let url = self.server.url(&self.database);
        self.project.kmig(words).env("KMIG_URL", url)
    }

    /// Runs a command line that must end with this code.
    #[track_caller]
    pub fn run(&self, line: &str, code: i32) -> Output {
        expect(line, self.kmig(line).run(), code, &[])
    }

    /// Runs a command line that must end with this code and say all this.
    #[track_caller]
    pub fn says(&self, line: &str, code: i32, texts: &[&str]) -> Output {
        expect(line, self.kmig(line).run(), code, texts)
    }

    /// Runs SQL as the superuser.
    pub fn sql(&self, sql: &str) -> String {
        self.server.psql(&self.database, sql)
    }

    /// Everything that stands in the database: relations, and the rows of kmig's own tables where they are.
    pub fn picture(&self) -> String {
        let mut picture = self.sql(RELATIONS);
        if self.sql("select to_regclass('public.schema_meta_journal') is not null") == "t" {
            picture.push_str(&self.sql(
                "select m from public.schema_meta m order by subsystem, number; select j from public.schema_meta_journal j order by seq",
            ));
        }
        picture
    }
}

/// Every relation of the users' schemas, kmig's own included.
pub const RELATIONS: &str = "select n.nspname, c.relname, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace \
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1, 2";

/// Judges a run: its code, what it says on either stream, and that it did not panic.
#[track_caller]
pub fn expect(what: &str, output: Output, code: i32, texts: &[&str]) -> Output {
    let both = format!("{}{}", output.stdout, output.stderr);
    assert!(!both.contains("panicked"), "{what}: {output}");
    assert_eq!(output.code, code, "{what}: {output}");
    for text in texts {
        assert!(
            both.contains(text),
            "{what} does not say {text:?}\n{output}"
        );
    }
    output
}

/// The one JSON document on stdout, which is nothing else.
pub fn document(what: &str, output: &Output) -> serde_json::Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{what}: {error}\n{output}"))
}

/// kmig started by a shell line, in which it is `"$KMIG"`.
pub fn shell(folder: &Path, line: &str) -> Kmig {
    Kmig::with_binary(Path::new("/bin/sh"), folder)
        .args(["-c", line])
        .env("KMIG", binary())
}

/// Runs as nobody where the tests are root's, as oneself elsewhere: root reads every file.
pub fn unprivileged(folder: &Path, line: &str) -> Kmig {
    let line = format!(
        "if [ \"$(id -u)\" = 0 ]; then exec setpriv --reuid=65534 --regid=65534 --clear-groups {line}; else exec {line}; fi"
    );
    shell(folder, &line)
}

/// A session with a transaction that stays open until it is told to end.
pub struct Hold(Child);

impl Hold {
    /// Opens it; what the SQL does is done once this returns.
    pub fn new(case: &Case, sql: &str) -> Self {
        Self::on(case.server, &case.database, sql)
    }

    /// Opens it on a database of any server.
    pub fn on(server: &Server, database: &str, sql: &str) -> Self {
        let mut child = server
            .psql_command(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start psql");
        let stdin = child.stdin.as_mut().expect("psql's input");
        writeln!(stdin, "begin; {sql};\n\\echo held").expect("write to psql");
        let answer = BufReader::new(child.stdout.as_mut().expect("psql's output")).lines();
        let held = answer.map_while(Result::ok).any(|line| line == "held");
        assert!(held, "psql ended by itself on: {sql}");
        Self(child)
    }

    /// Commits.
    pub fn end(&mut self) {
        let mut stdin = self.0.stdin.take().expect("psql's input");
        writeln!(stdin, "commit;").expect("write to psql");
        drop(stdin);
        self.0.wait().expect("psql ends");
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until some SQL answers `t`.
#[track_caller]
pub fn until(case: &Case, sql: &str) {
    case.server.await_rows(&case.database, sql, "t");
}
