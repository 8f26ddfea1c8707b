//! The name of one run of kmig, in application_name and in the journal: it tells a run apart from all others, and lets
//! a later run on the same machine prove that its process is dead (traps P16). Pure.

use std::fmt;

/// NAMEDATALEN - 1: the server cuts longer names.
const NAME_MAX: usize = 63;

/// How a machine is told apart: this many digits of base 36.
const MACHINE_DIGITS: usize = 8;

/// `<machine>.<pid>.<start>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunId {
    /// A short hash of what tells this boot of this machine, and the namespaces that its processes are counted in, from
    /// all others; nothing where the system does not tell.
    pub machine: Option<String>,
    /// The process.
    pub pid: u32,
    /// When it was started, in the system's ticks; any number where the system does not tell.
    pub start: u64,
}

/// What the system says of a process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// There is no such process, or only its zombie.
    Gone,
    /// There is one, started then.
    Since(u64),
    /// The system does not tell.
    Unknown,
}

impl RunId {
    /// The run that announced itself so, if it was one of kmig's. A pooler may have appended something.
    pub fn of_application(name: &str) -> Option<RunId> {
        let mut words = name.strip_prefix("kmig/")?.split_ascii_whitespace();
        let _version = words.next()?;
        RunId::parse(words.next()?)
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<RunId> {
        let mut fields = text.split('.');
        let (machine, pid, start) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() {
            return None;
        }
        let digits = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
        };
        let machine = match machine {
            "-" => None,
            hash if hash.len() == MACHINE_DIGITS && digits(hash) => Some(hash.to_string()),
            _ => return None,
        };
        if start.is_empty() || !digits(start) {
            return None;
        }
        Some(RunId {
            machine,
            pid: pid.parse().ok().filter(|pid| *pid > 0)?,
            start: u64::from_str_radix(start, 36).ok()?,
        })
    }

    /// How kmig announces itself: `kmig/0.1.0 k3j9x0aa.4711.2f4k9 user@host`, ASCII, and cut at its end.
    pub fn application(&self, who: &str) -> String {
        let mut name = format!("kmig/{} {self} ", env!("CARGO_PKG_VERSION"));
        name.extend(who.chars().filter(char::is_ascii_graphic));
        name.truncate(NAME_MAX);
        name
    }

    /// Whether both ran under the same kernel, with process ids that mean the same.
    pub fn beside(&self, other: &RunId) -> bool {
        self.machine.is_some() && self.machine == other.machine
    }

    /// Whether the run is over, as far as what the system says of its process id proves it.
    pub fn ended(&self, process: Process) -> bool {
        match process {
            Process::Gone => true,
            Process::Since(start) => start != self.start,
            Process::Unknown => false,
        }
    }
}

/// The digits that tell a machine apart, from a hash of what does.
pub fn machine_digits(hash: u64) -> String {
    let modulus = 36_u64.pow(MACHINE_DIGITS as u32);
    format!("{:0>MACHINE_DIGITS$}", base36(hash % modulus))
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        // The remainder is below 36, and so always a digit.
        digits.push(char::from_digit((number % 36) as u32, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.machine.as_deref().unwrap_or("-");
        write!(f, "{machine}.{}.{}", self.pid, base36(self.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(machine: Option<&str>, pid: u32, start: u64) -> RunId {
        RunId {
            machine: machine.map(str::to_string),
            pid,
            start,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for id in [
            run(Some("0a1b2c3d"), 1, 0),
            run(Some("zzzzzzzz"), 4_194_304, u64::MAX),
            run(None, u32::MAX, 35),
        ] {
            assert_eq!(RunId::parse(&id.to_string()), Some(id.clone()));
            for who in [
                "app@host",
                "",
                "an user with a very long name@and.a.very.long.host.example",
            ] {
                let name = id.application(who);
                assert!(name.len() <= 63 && name.is_ascii(), "{name}");
                assert_eq!(RunId::of_application(&name), Some(id.clone()), "{name}");
            }
        }
        let pooled = "kmig/0.1.0 0a1b2c3d.7.z app@host - 10.0.0.1:4711";
        assert_eq!(
            RunId::of_application(pooled),
            Some(run(Some("0a1b2c3d"), 7, 35))
        );
        assert_eq!(
            run(Some("0a1b2c3d"), 7, 35).application("zoë\t@ho st"),
            format!("kmig/{} 0a1b2c3d.7.z zo@host", env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn what_is_no_run_is_none() {
        for name in [
            "",
            "psql",
            "kmig/0.1.0",
            "kmig/0.1.0 root@vm 4711",
            "kmig/0.1.0 0a1b2c3.7.z app@host",
            "kmig/0.1.0 0A1B2C3D.7.z app@host",
            "kmig/0.1.0 0a1b2c3d.0.z app@host",
            "kmig/0.1.0 0a1b2c3d.-7.z app@host",
            "kmig/0.1.0 0a1b2c3d.7. app@host",
            "kmig/0.1.0 0a1b2c3d.7.+z app@host",
            "kmig/0.1.0 0a1b2c3d.7.z.8 app@host",
            "kmig/0.1.0 0a1b2c3d.99999999999.z app@host",
            "pgcat/0.1.0 0a1b2c3d.7.z app@host",
        ] {
            assert_eq!(RunId::of_application(name), None, "{name}");
        }
    }

    #[test]
    fn only_a_process_that_is_known_to_be_gone_ends_a_run() {
        let id = run(Some("0a1b2c3d"), 7, 35);
        assert!(id.ended(Process::Gone));
        assert!(id.ended(Process::Since(36)));
        assert!(!id.ended(Process::Since(35)));
        assert!(!id.ended(Process::Unknown));
        assert!(id.beside(&run(Some("0a1b2c3d"), 8, 1)));
        assert!(!id.beside(&run(Some("0a1b2c3e"), 7, 35)));
        assert!(!run(None, 7, 35).beside(&run(None, 7, 35)));
    }

    #[test]
    fn a_machine_has_eight_digits() {
        assert_eq!(machine_digits(0), "00000000");
        assert_eq!(machine_digits(36_u64.pow(8) - 1), "zzzzzzzz");
        assert_eq!(machine_digits(u64::MAX).len(), 8);
    }
}
