//! A throw-away Postgres server: its own data folder, its own port, gone when the test is gone.
//!
//! ```text
//! test process ──stdin──▶ supervisor (sh) ──▶ postgres ──stderr──▶ test process (the log)
//! ```
//!
//! The supervisor lives in its own process group and waits for orders on a pipe. When the pipe closes, because the
//! [`Server`] was dropped or because the test process was killed, it stops the server and removes the folder: nothing
//! outlives the test, not even `kill -9`. Both run as a user that is not root, since Postgres refuses to.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use self::log::Log;

use super::machine::{clean, free_port, give, new_folder, run_as, server_user};
use super::programs::Programs;

mod log;
mod sql;

/// How long a server may take to answer an order before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the supervisor does with its orders. `$1` is the folder, the rest is the server's command line.
/// `start PORT`, `stop SIGNAL`; end of input: stop, remove the folder, leave.
const SUPERVISOR: &str = r#"
folder=$1; shift
pid=
stop() { [ -z "$pid" ] || { kill -s "$1" "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; pid=; }; }
while read -r order value; do
    case $order in
        start) "$@" -p "$value" & pid=$!; echo "started $pid" ;;
        stop) stop "$value"; echo stopped ;;
    esac
done
stop QUIT
cd / && rm -rf "$folder"
"#;

/// How a server is to be; [`ServerOptions::default`] is fast, trusts everybody on this machine, and speaks UTF-8.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Lines added to `postgresql.conf`.
    pub conf: Vec<String>,
    /// Lines of `pg_hba.conf` before the ones that trust everybody; the first line that fits a connection decides.
    pub hba: Vec<String>,
    /// Files in the data folder, TLS keys for instance, owned by the server's user.
    pub files: Vec<DataFile>,
    /// Whether writes really reach the disk. Off for tests.
    pub fsync: bool,
    /// The locale of the cluster; `C` where it is not given.
    pub locale: Option<String>,
    /// The server to run; the one of [`Programs::find`] where it is not given.
    pub programs: Option<Programs>,
}

/// A file that is put into a server's data folder before it starts.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// Its name in the data folder.
    pub name: String,
    /// What it holds.
    pub contents: Vec<u8>,
    /// Its permissions; Postgres wants 0600 for a private key.
    pub mode: u32,
}

/// A running server, stopped and removed when it is dropped.
#[derive(Debug)]
pub struct Server {
    programs: Programs,
    folder: PathBuf,
    port: u16,
    supervisor: Mutex<Supervisor>,
    log: Arc<Log>,
}

#[derive(Debug)]
struct Supervisor {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<std::process::ChildStdout>,
    postmaster: u32,
}

impl Server {
    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// Where no server is installed, or it does not start; the message holds its log.
    pub fn start(options: &ServerOptions) -> Self {
        let programs = options.programs.clone().or_else(Programs::find);
        let programs = programs.expect("no Postgres server: run scripts/ensure-postgres");
        let folder = new_folder();
        let user = server_user();
        for path in [folder.clone(), folder.join("socket")] {
            fs::create_dir_all(&path).expect("make the server's folder");
            give(&path, user, 0o755);
        }
        let mut server = Self::supervise(programs, folder, user);
        server.init_cluster(user, options);
        server.start_on_a_free_port();
        server
    }

    /// Makes a hot standby of a running server, which follows it as long as both live.
    ///
    /// # Panics
    /// Where pg_basebackup fails, or the standby does not start.
    pub fn standby(primary: &Server) -> Self {
        let programs = primary.programs.clone();
        let folder = new_folder();
        let user = server_user();
        for path in [folder.clone(), folder.join("socket")] {
            fs::create_dir_all(&path).expect("make the standby's folder");
            give(&path, user, 0o755);
        }
        let mut standby = Self::supervise(programs, folder, user);
        let data = standby.folder.join("data");
        let mut command = Command::new(primary.program("pg_basebackup"));
        clean(&mut command, &standby.folder);
        standby.programs.libraries(&mut command);
        run_as(&mut command, user);
        let output = command
            .args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"])
            .arg(&data)
            .arg("-d")
            .arg(primary.url("postgres"))
            .output()
            .expect("start pg_basebackup");
        assert!(
            output.status.success(),
            "pg_basebackup failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let sockets = standby.folder.join("socket");
        let line = format!("unix_socket_directories = '{}'\n", sockets.display());
        fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))
            .and_then(|mut conf| conf.write_all(line.as_bytes()))
            .expect("add to postgresql.conf");
        standby.start_on_a_free_port();
        standby
    }

    fn start_on_a_free_port(&mut self) {
        // The port is free when it is chosen; another process may be faster, so a lost race is run again.
        for _ in 0..5 {
            self.port = free_port();
            let seen = lock(&self.log.lines).len();
            self.order(&format!("start {}", self.port));
            if self.await_ready(seen) {
                return;
            }
            assert!(
                self.log().contains("Address already in use"),
                "postgres did not start:\n{}",
                self.log()
            );
            self.order("stop QUIT");
        }
        panic!("no free port found");
    }

    /// The server that all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&ServerOptions::default()))
    }

    /// Whether tests on a real server can run. Absence is said aloud, and is a failure where
    /// `KMIG_REQUIRE_SERVERS` is set.
    pub fn available() -> bool {
        if Programs::find().is_some() {
            return true;
        }
        assert!(
            std::env::var_os("KMIG_REQUIRE_SERVERS").is_none(),
            "KMIG_REQUIRE_SERVERS is set, but no Postgres server was found: run scripts/ensure-postgres"
        );
        // Written past the capturing of test output: a skipped test must be seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no Postgres server was found; scripts/ensure-postgres installs one"
        );
        false
    }

    /// The servers of all major versions that kmig supports, under the rules of [`Server::available`].
    pub fn versions() -> Vec<(u32, Programs)> {
        if let Some(found) = Programs::versions() {
            return found;
        }
        assert!(
            std::env::var_os("KMIG_REQUIRE_SERVERS").is_none(),
            "KMIG_REQUIRE_SERVERS is set, but not all of Postgres 13 to 18 were found: run scripts/ensure-postgres-versions"
        );
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: Postgres 13 to 18 were not found; scripts/ensure-postgres-versions fetches them"
        );
        Vec::new()
    }

    /// The URL of a database for the superuser, over TCP.
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    /// The URL of a database for a role, over TCP.
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// The folder of the Unix socket, what libpq takes as `host`.
    pub fn socket_dir(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// The port, on 127.0.0.1 and in the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> u32 {
        lock(&self.supervisor).postmaster
    }

    /// The folder that goes with the server.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program of the server's installation or of the client's: `pg_dump`, `pgbench`.
    pub fn program(&self, name: &str) -> PathBuf {
        let path = self.programs.bin.join(name);
        if path.exists() {
            path
        } else {
            PathBuf::from(name)
        }
    }

    /// Stops the server at once, as a crash would: connections break, the next start recovers.
    pub fn stop_immediate(&self) {
        self.stop("QUIT");
    }

    /// Stops the server as its administrator would: each session is told, and ended.
    pub fn stop_fast(&self) {
        self.stop("INT");
    }

    fn stop(&self, signal: &str) {
        let seen = self.log_length();
        self.order(&format!("stop {signal}"));
        // The last line may still be under way, and is not to be taken for one of the next start.
        let end = self.await_log(seen, &["database system is shut down"]);
        assert!(end.is_some(), "the server does not stop:\n{}", self.log());
    }

    /// Starts the server again after [`Server::stop_immediate`], on the same port.
    pub fn start_again(&self) {
        let seen = lock(&self.log.lines).len();
        self.order(&format!("start {}", self.port));
        assert!(
            self.await_ready(seen),
            "postgres did not start again:\n{}",
            self.log()
        );
    }

    fn supervise(programs: Programs, folder: PathBuf, user: Option<(u32, u32)>) -> Self {
        let mut command = Command::new("sh");
        clean(&mut command, &folder);
        programs.libraries(&mut command);
        run_as(&mut command, user);
        let mut child = command
            .args(["-c", SUPERVISOR, "kmig-test-server"])
            .arg(&folder)
            .arg(programs.bin.join("postgres"))
            .arg("-D")
            .arg(folder.join("data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("start the supervisor");
        let log = Arc::new(Log::default());
        let lines = BufReader::new(child.stderr.take().expect("the server's log"));
        std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in lines.lines().map_while(Result::ok) {
                    lock(&log.lines).push(line);
                    log.grown.notify_all();
                }
            }
        });
        let supervisor = Supervisor {
            orders: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().expect("the supervisor's answers")),
            child,
            postmaster: 0,
        };
        Self {
            programs,
            folder,
            port: 0,
            supervisor: Mutex::new(supervisor),
            log,
        }
    }

    fn init_cluster(&self, user: Option<(u32, u32)>, options: &ServerOptions) {
        let data = self.folder.join("data");
        let mut command = Command::new(self.programs.bin.join("initdb"));
        clean(&mut command, &self.folder);
        self.programs.libraries(&mut command);
        run_as(&mut command, user);
        let output = command
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
            .arg(format!(
                "--locale={}",
                options.locale.as_deref().unwrap_or("C")
            ))
            .output()
            .expect("start initdb");
        assert!(
            output.status.success(),
            "initdb failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let mut conf =
            fs::read_to_string(data.join("postgresql.conf")).expect("read postgresql.conf");
        conf.push_str(&format!(
            "\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nlc_messages = 'C'\n\
             logging_collector = off\nlog_destination = 'stderr'\n",
            self.folder.join("socket").display()
        ));
        if !options.fsync {
            // A commit is still written before it is acknowledged: it survives a crash of the server, not of the machine.
            conf.push_str("fsync = off\nfull_page_writes = off\n");
        }
        for line in &options.conf {
            conf.push_str(line);
            conf.push('\n');
        }
        fs::write(data.join("postgresql.conf"), conf).expect("write postgresql.conf");
        let mut hba = options.hba.clone();
        for kind in ["all", "replication"] {
            hba.push(format!("local {kind} all trust"));
            hba.push(format!("host {kind} all 127.0.0.1/32 trust"));
        }
        hba.push(String::new());
        fs::write(data.join("pg_hba.conf"), hba.join("\n")).expect("write pg_hba.conf");
        for file in &options.files {
            let path = data.join(&file.name);
            fs::write(&path, &file.contents).expect("write a file of the data folder");
            give(&path, user, file.mode);
        }
    }

    /// Gives the supervisor an order and waits for its answer.
    fn order(&self, order: &str) {
        let mut supervisor = lock(&self.supervisor);
        let orders = supervisor.orders.as_mut().expect("the supervisor listens");
        writeln!(orders, "{order}").expect("order the supervisor");
        let mut answer = String::new();
        supervisor
            .answers
            .read_line(&mut answer)
            .expect("hear the supervisor");
        if let Some(pid) = answer.trim().strip_prefix("started ") {
            supervisor.postmaster = pid.parse().expect("a process id");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut supervisor = lock(&self.supervisor);
        supervisor.orders = None; // end of input: it stops the server and removes the folder
        let _ = supervisor.child.wait();
    }
}

/// A failed test leaves its locks poisoned; what they guard is still sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
