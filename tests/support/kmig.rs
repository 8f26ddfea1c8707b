//! Runs the kmig program as a user would, in a clean environment, on a project of its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long one command may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long it may take to come to the point where a proxy stops it.
const STRUCK: Duration = Duration::from_secs(60);

/// The kmig program that was built with this test, or beside this example.
pub fn binary() -> PathBuf {
    // Cargo sets the variable for tests and benches, not for examples.
    option_env!("CARGO_BIN_EXE_kmig").map_or_else(
        || {
            let this = std::env::current_exe().expect("this program's path");
            let profile = this
                .parent()
                .and_then(Path::parent)
                .expect("target/<profile>");
            profile.join("kmig")
        },
        PathBuf::from,
    )
}

/// Splits a command line into words; '…' and "…" keep blanks together, as in a shell.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(format!("a quote is not closed in {line:?}"));
    }
    words.extend(word);
    Ok(words)
}

/// A project folder that is removed when it is dropped.
#[derive(Debug)]
pub struct Project {
    folder: TempDir,
}

/// Makes a project of these files, each a path in it and its text.
pub fn project(files: &[(&str, &str)]) -> Project {
    let project = Project {
        folder: TempDir::with_prefix("kmig-project-").expect("make a project folder"),
    };
    for (path, text) in files {
        project.write(path, text);
    }
    project
}

impl Project {
    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, folders included.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("make a folder");
        fs::write(&path, text).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }

    /// Reads a file.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path))
            .unwrap_or_else(|error| panic!("read {path}: {error}"))
    }

    /// Removes a file, or a folder and what is in it.
    pub fn remove(&self, path: &str) {
        let full = self.path().join(path);
        let done = if full.is_dir() {
            fs::remove_dir_all(&full)
        } else {
            fs::remove_file(&full)
        };
        done.unwrap_or_else(|error| panic!("remove {path}: {error}"));
    }

    /// Renames a file or a folder.
    pub fn rename(&self, from: &str, to: &str) {
        let to = self.path().join(to);
        fs::create_dir_all(to.parent().expect("a file has a folder")).expect("make a folder");
        fs::rename(self.path().join(from), to)
            .unwrap_or_else(|error| panic!("rename {from}: {error}"));
    }

    /// Copies a folder, or a file, of another place into the project.
    pub fn copy(&self, from: &Path, to: &str) {
        copy(from, &self.path().join(to));
    }

    /// A command of kmig, run in this project.
    pub fn kmig<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Kmig {
        Kmig::new(self.path()).args(args)
    }
}

fn copy(from: &Path, to: &Path) {
    let fail = |error: std::io::Error| -> ! { panic!("copy {}: {error}", from.display()) };
    if from.is_dir() {
        fs::create_dir_all(to).unwrap_or_else(|error| fail(error));
        for entry in fs::read_dir(from).unwrap_or_else(|error| fail(error)) {
            let entry = entry.unwrap_or_else(|error| fail(error));
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().expect("a file has a folder")).expect("make a folder");
        fs::copy(from, to).unwrap_or_else(|error| fail(error));
    }
}

/// One run of kmig, being put together.
#[derive(Debug)]
pub struct Kmig {
    command: Command,
    stdin: Option<Vec<u8>>,
    line: String,
}

/// What a run of kmig came to.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; 128 + n where signal n ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A kmig that runs while the test goes on; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<(Stream, String)>,
    seen: Output,
    line: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Error,
}

impl Kmig {
    /// The program that was built with this test, started in a folder.
    pub fn new(folder: &Path) -> Self {
        Self::with_binary(&binary(), folder)
    }

    /// A given program, started in a folder. Its environment holds nothing of the user's: no `PG*`, no `KMIG_*`, no
    /// home, no colours.
    pub fn with_binary(binary: &Path, folder: &Path) -> Self {
        let mut command = Command::new(binary);
        command.current_dir(folder).env_clear();
        for name in ["PATH", "TMPDIR", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", folder)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            // A test that is about the window sets its own.
            .env("KMIG_GATE_WINDOW", "200ms");
        Self {
            command,
            stdin: None,
            line: "kmig".to_owned(),
        }
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        for arg in args {
            let arg: OsString = arg.as_ref().to_owned();
            self.line.push(' ');
            self.line.push_str(&arg.to_string_lossy());
            self.command.arg(arg);
        }
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads from standard input; without this there is none.
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.as_bytes().to_vec());
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Output {
        self.start().wait()
    }

    /// Starts it, and returns while it runs.
    pub fn start(mut self) -> Running {
        let input = match self.stdin {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        };
        let mut child = self
            .command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("start {}: {error}", self.command.get_program().display())
            });
        if let Some(text) = self.stdin {
            let mut stdin = child.stdin.take().expect("its input");
            std::thread::spawn(move || stdin.write_all(&text));
        }
        let (send, lines) = channel();
        let stdout: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("its output"));
        let stderr: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("its errors"));
        for (stream, pipe) in [(Stream::Out, stdout), (Stream::Error, stderr)] {
            let send = send.clone();
            std::thread::spawn(move || {
                let mut pipe = BufReader::new(pipe);
                let mut bytes = Vec::new();
                while pipe.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
                    let line = String::from_utf8_lossy(&bytes).into_owned();
                    bytes.clear();
                    if send.send((stream, line)).is_err() {
                        return;
                    }
                }
            });
        }
        Running {
            child,
            lines,
            seen: Output {
                code: -1,
                stdout: String::new(),
                stderr: String::new(),
            },
            line: self.line,
        }
    }
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has written a line that holds the text, on either stream.
    ///
    /// # Panics
    /// When it ends without one.
    pub fn await_line(&mut self, text: &str) -> String {
        match self.line_or_end(text) {
            Some(line) => line,
            None => panic!("{} ended without {text:?}:\n{}", self.line, self.seen),
        }
    }

    /// Waits until it has written a line that holds the text, or has ended without one.
    pub fn line_or_end(&mut self, text: &str) -> Option<String> {
        loop {
            let line = self.next_line()?;
            if line.contains(text) {
                return Some(line);
            }
        }
    }

    /// Waits until a proxy has stopped it: `stopped` returns whether one has, once it has or its argument says that it will not.
    ///
    /// # Panics
    /// When it ends before, with all that it said.
    pub fn awaits(mut self, stopped: impl FnOnce(&mut dyn FnMut() -> bool) -> bool) -> Self {
        let since = Instant::now();
        if !stopped(&mut || self.has_ended() || since.elapsed() > STRUCK) {
            panic!("it did not come to the point: {}", self.kill());
        }
        self
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("look at kmig").is_some()
    }

    /// Kills it as `kill -9` does, and waits for its end.
    pub fn kill(mut self) -> Output {
        let _ = self.child.kill();
        self.finish()
    }

    /// Sends it a signal by name, `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", name])
            .arg(self.pid().to_string())
            .status()
            .expect("send a signal");
        assert!(status.success(), "kill -s {name} failed");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Output {
        self.finish()
    }

    /// Waits for its end, and shows each line, of either stream, as it comes.
    pub fn wait_showing(mut self, mut show: impl FnMut(&str)) -> Output {
        while let Some(line) = self.next_line() {
            show(line.trim_end());
        }
        self.finish()
    }

    fn finish(&mut self) -> Output {
        use std::os::unix::process::ExitStatusExt;
        while self.next_line().is_some() {}
        let status = self.child.wait().expect("wait for kmig");
        self.seen.code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        self.seen.clone()
    }

    fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok((stream, line)) => {
                match stream {
                    Stream::Out => self.seen.stdout.push_str(&line),
                    Stream::Error => self.seen.stderr.push_str(&line),
                }
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                panic!(
                    "{} said nothing for {PATIENCE:?}:\n{}",
                    self.line, self.seen
                );
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "exit {}", self.code)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            for line in text.lines() {
                writeln!(f, "  {name}| {line}")?;
            }
        }
        Ok(())
    }
}
