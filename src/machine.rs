//! What the system tells of this machine and its processes: the one place that reads `/proc`. Where there is none, no
//! process is ever known to be gone.

use crate::run::{Process, RunId, machine_digits};
use sha2::{Digest, Sha256};
use std::fs;
use std::time::Duration;

/// The name of this run.
pub fn this_run() -> RunId {
    let pid = std::process::id();
    match (machine(), stat("self")) {
        (Some(machine), Some((_, start))) => RunId {
            machine: Some(machine),
            pid,
            start,
        },
        _ => RunId {
            machine: None,
            pid,
            start: u64::from(fastrand::u32(..)),
        },
    }
}

/// Time since the machine was started, the time in which it slept included: a lease goes on meanwhile (traps C8).
pub fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    // It begins with 0, and has less than a second of nanoseconds.
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Whether a run is proved dead: it ran on this machine, and its process is gone.
pub fn proves_dead(run: &RunId, this: &RunId) -> bool {
    run.beside(this) && run.ended(process(run.pid))
}

/// Whether a run is known to be there: it runs on this machine, and its process is seen.
pub fn proves_alive(run: &RunId, this: &RunId) -> bool {
    run.beside(this) && matches!(process(run.pid), Process::Since(start) if start == run.start)
}

/// What tells the process ids and times that this process sees from those of others: the boot, the namespaces, and the
/// host's name, which the clones of a snapshotted machine are likely to be told apart by.
fn machine() -> Option<String> {
    // A /proc of another namespace counts other processes.
    let own = fs::read_link("/proc/self").ok()?;
    if own.to_str()?.parse() != Ok(std::process::id()) {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(fs::read("/proc/sys/kernel/random/boot_id").ok()?);
    let link = |name: &str| fs::read_link(format!("/proc/self/ns/{name}"));
    hash.update(link("pid").ok()?.as_os_str().as_encoded_bytes());
    // Start times are told by the clock of the reader's time namespace; kernels before 5.6 have none.
    if let Ok(time) = link("time") {
        hash.update(time.as_os_str().as_encoded_bytes());
    }
    hash.update(fs::read("/proc/sys/kernel/hostname").ok()?);
    let digest: [u8; 32] = hash.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    Some(machine_digits(u64::from_be_bytes(first)))
}

/// What the system says of a process id.
fn process(pid: u32) -> Process {
    match stat(&pid.to_string()) {
        // A zombie has no sockets any more.
        Some(('Z' | 'X', _)) => Process::Gone,
        Some((_, start)) => Process::Since(start),
        None => match i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            // A /proc that hides others' processes hides living ones too; the kernel itself is asked.
            Some(pid) => match rustix::process::test_kill_process(pid) {
                Err(rustix::io::Errno::SRCH) => Process::Gone,
                _ => Process::Unknown,
            },
            None => Process::Unknown,
        },
    }
}

/// State and start time of a process (proc(5), fields 3 and 22 of `/proc/PID/stat`).
fn stat(process: &str) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name stands in parentheses, and may hold any.
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some((state, start))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_run_is_dead_once_its_process_is() {
        let this = this_run();
        assert!(this.machine.is_some());
        assert_eq!(this, this_run());
        assert!(!proves_dead(&this, &this));
        assert!(proves_alive(&this, &this));
        let mut child = Command::new("sleep").arg("600").spawn().expect("a process");
        let Process::Since(start) = process(child.id()) else {
            panic!("a process that lives is not seen");
        };
        let run = RunId {
            pid: child.id(),
            start,
            ..this.clone()
        };
        assert!(!proves_dead(&run, &this));
        let earlier = RunId {
            start: start - 1,
            ..run.clone()
        };
        assert!(proves_dead(&earlier, &this));
        assert!(!proves_alive(&earlier, &this));
        let elsewhere = RunId {
            machine: Some("00000000".into()),
            ..earlier
        };
        assert!(!proves_dead(&elsewhere, &this));
        child.kill().expect("kill it");
        // Not waited for yet, it becomes a zombie.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !proves_dead(&run, &this) {
            assert!(
                std::time::Instant::now() < deadline,
                "a zombie counts as alive"
            );
            std::thread::yield_now();
        }
        child.wait().expect("its end");
        assert!(proves_dead(&run, &this));
    }
}
