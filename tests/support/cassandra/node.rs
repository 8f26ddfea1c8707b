//! One node: its folder, its process, its log.
//!
//! As for Postgres (`server.rs`) a supervisor waits for orders on a pipe. When the pipe closes, because the [`Node`] was
//! dropped or because the test process was killed, it kills the node and removes the folder.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use super::{PATIENCE, pause_a_moment};

/// `$1` is the folder, the rest is the node's command line.
const SUPERVISOR: &str = r#"
folder=$1; shift
pid=
end() { [ -z "$pid" ] || { kill -s KILL "$pid"; wait "$pid"; pid=; }; } 2>/dev/null
while read -r order; do
    case $order in
        start) "$@" </dev/null >>"$folder/log" 2>&1 & pid=$!; echo "$pid" ;;
        kill) end; echo 0 ;;
        *) kill -s "$order" "$pid" 2>/dev/null; echo "$pid" ;;
    esac
done
end
cd / && rm -rf "$folder"
"#;

/// A node's process, killed and removed with its folder when it is dropped.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
    supervisor: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pid: u32,
    paused: bool,
}

impl Node {
    /// Prepares a node in a folder of its own; `claim` is kept open as long as the supervisor lives.
    pub fn new(folder: PathBuf, command: &[String], claim: &File) -> Self {
        let mut supervisor = Command::new("sh");
        supervisor
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        let mut supervisor = supervisor
            .args(["-c", SUPERVISOR, "kmig-test-node"])
            .arg(&folder)
            .args(command)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(claim.try_clone().expect("share the claim"))
            .process_group(0)
            .spawn()
            .expect("start the supervisor");
        Self {
            orders: supervisor.stdin.take(),
            answers: BufReader::new(supervisor.stdout.take().expect("the answers")),
            supervisor,
            folder,
            pid: 0,
            paused: false,
        }
    }

    /// Starts the process; it does not answer yet.
    pub fn launch(&mut self) {
        assert_eq!(self.pid, 0, "the node runs already");
        self.pid = self.order("start");
    }

    /// Ends the process at once, as a crash would. Data and commit log stay.
    pub fn kill(&mut self) {
        self.pid = self.order("kill");
        self.paused = false;
    }

    /// Stops the process where it is (`true`), or lets it go on.
    pub fn pause(&mut self, pause: bool) {
        assert!(self.runs(), "the node does not run");
        self.order(if pause { "STOP" } else { "CONT" });
        let since = Instant::now();
        while (self.state() == Some('T')) != pause {
            assert!(since.elapsed() < PATIENCE, "the signal has no effect");
            pause_a_moment();
        }
        self.paused = pause;
    }

    /// The process id; 0 where none runs.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where its data, its configuration and its log are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the process is there, paused or not.
    pub fn runs(&self) -> bool {
        self.pid != 0 && !matches!(self.state(), None | Some('Z'))
    }

    /// Whether the process is there and not paused.
    pub fn works(&self) -> bool {
        self.runs() && !self.paused
    }

    /// Everything that the node has logged, over all its starts.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The letter by which the system tells what the process does (proc_pid_stat(5)); none where it is gone.
    fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// Gives the supervisor an order; the process id that it answers.
    fn order(&mut self, order: &str) -> u32 {
        let orders = self.orders.as_mut().expect("the supervisor listens");
        writeln!(orders, "{order}").expect("order the supervisor");
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .expect("hear the supervisor");
        answer.trim().parse().expect("a process id")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.orders = None; // end of input: it kills the node and removes the folder
        let _ = self.supervisor.wait();
    }
}
