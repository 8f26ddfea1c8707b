//! A throw-away PgBouncer in front of a throw-away server: its own folder, its own port, gone when the test is gone.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::machine::{clean, free_port, give, new_folder, run_as, server_user};
use super::server::Server;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts it, and ends it once its own input does: when the [`PgBouncer`] is dropped, or the test process killed.
const SUPERVISOR: &str = r#"
folder=$1; shift
"$@" </dev/null & pid=$!
cat >/dev/null
kill -s KILL "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
cd / && rm -rf "$folder"
"#;

/// A running pooler.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    supervisor: Child,
}

impl PgBouncer {
    /// Starts one in this mode (`session`, `transaction`, `statement`), with more lines of its configuration.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn start(server: &Server, mode: &str, lines: &[&str]) -> Self {
        let program = program().expect("no PgBouncer: run scripts/ensure-pgbouncer");
        // The port is free when it is chosen; another process may be faster, so a lost race is run again.
        for _ in 0..5 {
            let folder = new_folder();
            let user = server_user();
            let port = free_port();
            // Another pooler may be faster at this port, and would answer in its place: it does not know this name.
            let name = format!("probe_{:016x}", fastrand::u64(..));
            let configuration = format!(
                "[databases]\n{name} = host=127.0.0.1 port={} user=postgres dbname=postgres\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = any\npool_mode = {mode}\nlogfile = {}\n{}\n",
                server.port(),
                server.port(),
                folder.join("log").display(),
                lines.join("\n")
            );
            let path = folder.join("pgbouncer.ini");
            fs::write(&path, configuration).expect("write pgbouncer.ini");
            give(&folder, user, 0o755);
            give(&path, user, 0o644);
            let mut command = Command::new("sh");
            clean(&mut command, &folder);
            run_as(&mut command, user);
            let supervisor = command
                .args(["-c", SUPERVISOR, "kmig-test-pooler"])
                .arg(&folder)
                .arg(&program)
                .arg("-q")
                .arg(&path)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()
                .expect("start the pooler");
            let pooler = Self { port, supervisor };
            if pooler.answers(server, &name) {
                return pooler;
            }
        }
        panic!("PgBouncer does not answer");
    }

    /// Whether tests with a pooler can run. Absence is said aloud, and is a failure where `KMIG_REQUIRE_SERVERS` is set.
    pub fn available() -> bool {
        if !Server::available() {
            return false;
        }
        if program().is_some() {
            return true;
        }
        assert!(
            std::env::var_os("KMIG_REQUIRE_SERVERS").is_none(),
            "KMIG_REQUIRE_SERVERS is set, but PgBouncer was not found: run scripts/ensure-pgbouncer"
        );
        // Written past the capturing of test output: a skipped test must be seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: PgBouncer was not found; scripts/ensure-pgbouncer installs it"
        );
        false
    }

    /// The URL of a database through it, for the superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Whether it answers within a bound; not, where it has ended.
    fn answers(&self, server: &Server, name: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let psql = server.program("psql");
        while Instant::now() < deadline {
            let mut command = Command::new(&psql);
            let url = self.url(name);
            let output = command
                .args(["-X", "-A", "-t", "-c", "select 'here'", "-d", &url])
                .env("PGCONNECT_TIMEOUT", "10")
                .output()
                .expect("start psql");
            if output.stdout == b"here\n" {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take()); // end of input: it is ended and its folder removed
        let _ = self.supervisor.wait();
    }
}

/// One list of places, in `scripts/ensure-pgbouncer`, serves the script's users and the tests.
fn program() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/ensure-pgbouncer");
            let output = Command::new("sh").args([script, "--find"]).output().ok()?;
            let path = String::from_utf8(output.stdout).ok()?;
            output.status.success().then(|| PathBuf::from(path.trim()))
        })
        .clone()
}
