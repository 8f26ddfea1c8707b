//! A server asked in SQL: by the real psql, by pg_dump, and by a client of the test's own.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::super::machine::clean;
use super::{PATIENCE, Server};

impl Server {
    /// Makes a database.
    pub fn create_database(&self, name: &str) {
        self.psql("postgres", &format!("create database \"{name}\""));
    }

    /// Makes a fresh database with a name of its own, and returns the name.
    pub fn database(&self) -> String {
        self.copy("template1")
    }

    /// Makes a copy of a database that nobody is connected to, and returns its name.
    pub fn copy(&self, database: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        // Without the checkpoint a crash sets the copy's sequences back: the values that Postgres logs ahead of use were
        // logged for the original.
        let sql = format!("create database \"{name}\" template \"{database}\";\ncheckpoint;");
        self.psql("postgres", &sql);
        name
    }

    /// Runs SQL through the real psql; the rows come back unaligned, `|` between columns.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        self.try_psql(database, sql)
            .unwrap_or_else(|error| panic!("psql failed: {error}\non: {sql}"))
    }

    /// [`Server::psql`] for SQL that is allowed to fail: the error is what psql wrote.
    pub fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut child = self
            .psql_command(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start psql");
        let mut stdin = child.stdin.take().expect("psql's input");
        let text = sql.to_owned();
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(text.as_bytes()); // psql may stop reading at an error
        });
        let output = child.wait_with_output().expect("run psql");
        writer.join().expect("write to psql");
        if output.status.success() {
            let text = String::from_utf8_lossy(&output.stdout);
            Ok(text.trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    /// psql reading a script from its standard input, without a user's settings.
    pub fn psql_command(&self, database: &str) -> Command {
        let mut command = Command::new(&self.programs.psql);
        clean(&mut command, &self.folder);
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.url(database))
            .args(["-f", "-"]);
        command
    }

    /// The schema as pg_dump writes it, without kmig's own tables and without what is random in it.
    pub fn schema(&self, database: &str) -> String {
        self.dumped(database, &["--exclude-table=schema_meta*"])
    }

    /// [`Server::schema`], kmig's own tables included.
    pub fn dump(&self, database: &str) -> String {
        self.dumped(database, &[])
    }

    fn dumped(&self, database: &str, options: &[&str]) -> String {
        let mut command = Command::new(self.program("pg_dump"));
        clean(&mut command, &self.folder);
        let output = command
            .arg("--schema-only")
            .args(options)
            .arg(self.url(database))
            .output()
            .expect("start pg_dump");
        assert!(
            output.status.success(),
            "pg_dump failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8_lossy(&output.stdout);
        let noise = ["--", "\\restrict", "\\unrestrict"];
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !noise.iter().any(|noise| line.starts_with(noise)));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A connection for test code. Its driver runs on the current tokio runtime until the client is dropped.
    pub async fn client(&self, database: &str) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(database), tokio_postgres::NoTls)
                .await
                .expect("connect to the throw-away server");
        tokio::spawn(connection);
        client
    }

    /// Asks again and again until SQL answers with these rows.
    ///
    /// # Panics
    /// Where it never does.
    #[track_caller]
    pub fn await_rows(&self, database: &str, sql: &str, rows: &str) {
        let begun = std::time::Instant::now();
        loop {
            let found = self.psql(database, sql);
            if found == rows {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{sql}\nstays at {found:?} and never is {rows:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
