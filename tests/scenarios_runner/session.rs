//! A psql that was told to stay: a client of the application, or somebody in the way.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};

use super::step::Hold;
use crate::support::server::Server;

/// Open as long as it lives.
pub struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Session {
    /// Opens it; what its SQL does is done once this returns.
    pub fn open(database: &str, hold: &Hold) -> Result<Self, String> {
        let mut child = Server::shared()
            .psql_command(database)
            .env("PGAPPNAME", &hold.app)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut stdin = child.stdin.take().expect("psql's input");
        let stdout = BufReader::new(child.stdout.take().expect("psql's output"));
        let mut session = Self { child, stdin: None };
        writeln!(stdin, "{};\n\\echo held", hold.sql).map_err(|error| error.to_string())?;
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

impl Drop for Session {
    fn drop(&mut self) {
        self.stdin = None; // psql leaves at the end of its input, and its transaction is rolled back
        let _ = self.child.wait();
    }
}
