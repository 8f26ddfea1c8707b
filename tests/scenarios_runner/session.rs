//! A session that stays: a client of the application, or somebody in the way.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};

use super::backend::Backend;
use crate::support::cassandra::Client;
use crate::support::server::Server;

/// Open as long as it lives.
pub enum Session {
    /// A psql that was told to stay.
    Postgres(#[expect(dead_code, reason = "it is held")] Psql),
    /// A connection that does nothing more.
    Cassandra(#[expect(dead_code, reason = "it is held")] Client),
}

impl Session {
    /// Opens it; what its SQL does is done once this returns.
    pub fn open(backend: Backend, database: &str, app: &str, sql: &str) -> Result<Self, String> {
        match backend.cluster() {
            None => Psql::open(database, app, sql).map(Self::Postgres),
            Some(cluster) => {
                let mut client = cluster.client(1, app);
                if !sql.is_empty() {
                    client.prepare(sql)?;
                }
                Ok(Self::Cassandra(client))
            }
        }
    }
}

pub struct Psql {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Psql {
    fn open(database: &str, app: &str, sql: &str) -> Result<Self, String> {
        let mut child = Server::shared()
            .psql_command(database)
            .env("PGAPPNAME", app)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut stdin = child.stdin.take().expect("psql's input");
        let stdout = BufReader::new(child.stdout.take().expect("psql's output"));
        let mut session = Self { child, stdin: None };
        writeln!(stdin, "{sql};\n\\echo held").map_err(|error| error.to_string())?;
        session.stdin = Some(stdin);
        let held = stdout
            .lines()
            .map_while(Result::ok)
            .any(|line| line == "held");
        if held {
            Ok(session)
        } else {
            Err("the session ended by itself".to_owned())
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        self.stdin = None; // psql leaves at the end of its input, and its transaction is rolled back
        let _ = self.child.wait();
    }
}
