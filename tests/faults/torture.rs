//! A random walk: random migrations, random commands, random harm at a random message, the same command again until it is
//! done. A second database gets the same commands undisturbed and says what must come of it.
//!
//! `make torture` walks for `KMIG_MINUTES`; `KMIG_SEED` repeats a walk from the seed that its failure names. Without these
//! it is a short walk, the same each time.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::every_kind::{Verb, assert_nothing_left};
use crate::grammar::{self, BASE};
use crate::inside::Session;
use crate::support::fingerprint::{difference, fingerprint};
use crate::support::kmig::{Output, Project, project};
use crate::support::server::{Server, ServerOptions};
use crate::support::wire_proxy::{At, Harm, WireProxy};

/// Rounds of the short walk, and its seed.
const ROUNDS: u64 = 3;
const SEED: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Killed,
    Cut,
    Reset,
    AnswerLost,
    ServerCrashed,
    Cancelled,
    Terminated,
    AskedToStop,
    LockedOut,
}

const FAULTS: [Fault; 9] = [
    Fault::Killed,
    Fault::Cut,
    Fault::Reset,
    Fault::AnswerLost,
    Fault::ServerCrashed,
    Fault::Cancelled,
    Fault::Terminated,
    Fault::AskedToStop,
    Fault::LockedOut,
];

#[test]
fn a_random_walk() {
    if !Server::available() {
        return;
    }
    let number = |name: &str| -> Option<u64> {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse()
                .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        )
    };
    let minutes = number("KMIG_MINUTES");
    let first = number("KMIG_SEED").unwrap_or_else(|| match minutes {
        Some(_) => fastrand::u64(..1_000_000_000),
        None => SEED,
    });
    let until = minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let server = Server::start(&ServerOptions::default());
    let mut faults = 0;
    let mut seed = first;
    while until.map_or(seed < first + ROUNDS, |until| Instant::now() < until) {
        println!("KMIG_SEED={seed}");
        let mut walk = Walk::new(&server, seed);
        walk.round();
        faults += walk.faults;
        seed += 1;
    }
    println!("{} rounds, {faults} faults", seed - first);
}

/// One round: a project, and the two databases that it is run on.
struct Walk<'a> {
    server: &'a Server,
    project: Project,
    rng: Rng,
    seed: u64,
    disturbed: String,
    undisturbed: String,
    faults: usize,
}

impl<'a> Walk<'a> {
    fn new(server: &'a Server, seed: u64) -> Self {
        Self {
            server,
            project: project(&[("migrations/core/001_base/up.sql", BASE)]),
            rng: Rng::with_seed(seed),
            seed,
            disturbed: server.database(),
            undisturbed: server.database(),
            faults: 0,
        }
    }

    fn round(&mut self) {
        let mut number = 2;
        for version in 1..=3 {
            let app = format!("[app]\nname = \"walk\"\nversion = \"{version}.0\"\n");
            self.project.write("kmig.toml", &app);
            for _ in 0..self.rng.usize(1..=3) {
                grammar::migration(&mut self.rng, &self.project, number);
                number += 1;
            }
            if version == 1 {
                self.command(Verb::Bootstrap);
                continue;
            }
            self.command(Verb::Up);
            if self.rng.usize(..3) == 0 {
                self.command(Verb::Undo);
                self.command(Verb::Up);
            }
            self.command(Verb::Finish);
        }
        for database in [&self.disturbed, &self.undisturbed] {
            let sql = format!("drop database \"{database}\" with (force)");
            self.server.psql("postgres", &sql);
        }
    }

    /// Runs a command on both databases, and on the one with harm until it is done.
    fn command(&mut self, verb: Verb) {
        let line = WireProxy::start(self.server.port());
        let output = self.run(&line.url(&self.undisturbed), verb.args());
        assert_eq!(
            output.code, 0,
            "KMIG_SEED={}, {verb:?}: {output}",
            self.seed
        );
        let messages = line.messages();
        let mut title = format!("KMIG_SEED={}, {verb:?}", self.seed);
        for _ in 0..self.rng.usize(1..=3) {
            let fault = FAULTS[self.rng.usize(..FAULTS.len())];
            let point = self.rng.usize(1..=messages);
            title += &format!(", {fault:?} at {point}");
            self.faults += 1;
            let output = self.harm(verb, fault, point);
            assert!([0, 1, 137, 143].contains(&output.code), "{title}: {output}");
        }
        let output = self.run(&self.server.url(&self.disturbed), verb.args());
        assert_eq!(output.code, 0, "{title}, and again: {output}");
        assert_nothing_left(self.server, &self.disturbed, &title);
        let expected = fingerprint(self.server, &self.undisturbed);
        let found = fingerprint(self.server, &self.disturbed);
        if let Some(difference) = difference(&expected, &found) {
            panic!("{title}: {difference}\n{output}");
        }
        let status = ["status", "--exit-code"];
        let [a, b] = [&self.undisturbed, &self.disturbed]
            .map(|database| self.run(&self.server.url(database), &status).code);
        assert_eq!(a, b, "{title}");
    }

    fn run(&self, url: &str, args: &[&str]) -> Output {
        self.project.kmig(args).env("KMIG_URL", url).run()
    }

    /// Runs a command that comes to harm, or ends before it does.
    fn harm(&mut self, verb: Verb, fault: Fault, point: usize) -> Output {
        let line = WireProxy::start(self.server.port());
        match fault {
            Fault::Cut => line.harm(At::After(point), Harm::Cut),
            Fault::Reset => line.harm(At::After(point), Harm::Reset),
            Fault::AnswerLost => line.harm(At::CommitAnswer(1 + point / 4), Harm::Cut),
            _ => line.harm(At::After(point), Harm::Hold),
        }
        let table = format!("b{}", self.rng.usize(..2));
        let locks = format!("begin; lock table {table} in row exclusive mode; select 'there';");
        let there = verb != Verb::Bootstrap && fault == Fault::LockedOut;
        let in_the_way = there.then(|| Session::open(self.server, &self.disturbed, &locks));
        let mut running = self
            .project
            .kmig(verb.args())
            .env("KMIG_URL", line.url(&self.disturbed))
            .start();
        let struck = line.struck_or(|| running.has_ended() || there && self.waits());
        if !struck {
            // It may come to its point yet.
            drop(in_the_way);
            line.struck_or(|| running.has_ended());
            line.release();
            return running.wait();
        }
        match fault {
            Fault::Killed => {
                let output = running.kill();
                line.release();
                output
            }
            Fault::ServerCrashed => {
                self.server.stop_immediate();
                line.release();
                self.server.start_again();
                running.wait()
            }
            Fault::Cancelled | Fault::Terminated => {
                let function = match fault {
                    Fault::Cancelled => "pg_cancel_backend",
                    _ => "pg_terminate_backend",
                };
                let sql = format!(
                    "select {function}(pid) from pg_stat_activity where datname = current_database() and application_name ~ 'kmig'"
                );
                self.server.psql(&self.disturbed, &sql);
                line.release();
                running.wait()
            }
            Fault::AskedToStop => {
                running.signal("TERM");
                line.release();
                running.wait()
            }
            Fault::LockedOut => {
                drop(in_the_way);
                line.release();
                running.wait()
            }
            Fault::Cut | Fault::Reset | Fault::AnswerLost => running.wait(),
        }
    }

    /// Whether a session of kmig waits for a lock.
    fn waits(&self) -> bool {
        let sql = "select count(*) from pg_stat_activity where datname = current_database() \
                   and application_name ~ 'kmig' and wait_event_type = 'Lock'";
        self.server.psql(&self.disturbed, sql) != "0"
    }
}
