//! What a run took: seconds, processor time of the client and of the server, and the client's peak memory.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a run took.
#[derive(Clone, Copy, Default)]
pub struct Run {
    pub seconds: f64,
    /// Of the processor, in the client; of its own process, not of those that it starts.
    pub client: f64,
    /// Of the processor, in the server.
    pub server: f64,
    /// The client's peak memory in MB.
    pub memory: f64,
}

/// Runs a program to its end, beside the server of that process id.
///
/// # Panics
/// When it fails.
pub fn measured(command: &mut Command, server: u32) -> Run {
    let shown = format!("{command:?}");
    let told = tempfile::tempfile().expect("a file");
    let before = processor(server).unwrap_or_default();
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(told.try_clone().expect("a file"))
        .spawn()
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    let mut run = Run::default();
    loop {
        run.memory = peak(child.id()).unwrap_or(run.memory);
        run.client = processor(child.id()).unwrap_or_default().max(run.client);
        if let Some(status) = child.try_wait().expect("wait") {
            run.seconds = began.elapsed().as_secs_f64();
            run.server = processor(server).unwrap_or_default() - before;
            assert!(status.success(), "{shown}: {status}\n{}", text(told));
            return run;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a file holds.
fn text(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().expect("a file");
    file.read_to_string(&mut text).expect("a file");
    text
}

/// Does something in this process, beside the server of that process id. Its memory is not known: this process has more.
pub async fn here<T>(server: u32, work: impl Future<Output = T>) -> (Run, T) {
    let us = std::process::id();
    let before = (processor(us), processor(server));
    let began = Instant::now();
    let done = work.await;
    let spent = |of: u32, before: Option<f64>| {
        processor(of).unwrap_or_default() - before.unwrap_or_default()
    };
    let run = Run {
        seconds: began.elapsed().as_secs_f64(),
        client: spent(us, before.0),
        server: spent(server, before.1),
        memory: 0.0,
    };
    (run, done)
}

/// Seconds of the processor that a process has taken (proc(5)).
fn processor(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{process}/stat"))).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    // Of a hundred a second, on every Linux that there is.
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Peak memory of a process in MB; nothing once it has ended.
fn peak(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// The run in the middle.
pub fn median(mut runs: Vec<Run>) -> Option<Run> {
    runs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    runs.get(runs.len() / 2).copied()
}

/// Of all files below a folder.
pub fn megabytes(folder: &Path) -> f64 {
    let mut bytes = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(_) => {}
            }
        }
    }
    bytes as f64 / 1e6
}
