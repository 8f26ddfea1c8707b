//! An upgrade from start to end, on a throw-away server, under live clients of both versions.
//!
//! `make demo`, or `cargo build && cargo run --example demo [-- path/to/kmig]`. It is over when everything is shown, ends with
//! an error where a client saw one, and removes what it made.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a demo is its output"
)]

#[path = "../tests/support/mod.rs"]
mod support;

mod clients;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clients::{Application, Count, STATES, Version, Wrote};
use support::kmig::{Kmig, Project, binary, project, words};
use support::server::{Server, ServerOptions};

/// How many requests each client makes between two steps.
const BETWEEN: u64 = 200;

#[tokio::main]
async fn main() -> ExitCode {
    let since = Instant::now();
    let outcome = tokio::select! {
        outcome = show() => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    match outcome {
        Ok(()) => {
            println!(
                "\nDone in {:.1} s; server, database and project are removed.",
                since.elapsed().as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\ndemo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn show() -> Result<(), String> {
    if !Server::available() {
        return Err("the demo needs a Postgres server: scripts/ensure-postgres".to_owned());
    }
    let stage = Stage::build()?;

    stage.chapter("Version 1.0 of the gateway");
    stage.say("The project holds the migrations of 1.0, the database is empty.");
    stage.kmig("bootstrap", 0, &[]).await?;
    let mut old = Application::start(Version::One, &stage.url, 4).await?;
    old.more_requests(BETWEEN).await?;
    stage.say("Four clients of gateway/1.0 read and write from now on:");
    stage.so_far(&[&old]);

    stage.chapter("The files of version 2.0 appear");
    stage.release_two();
    stage.kmig("plan up", 0, &[&old]).await?;

    stage.chapter("Expand: nothing that 1.0 needs is touched");
    stage.kmig("up", 0, &[&old]).await?;
    stage.kmig("status", 0, &[&old]).await?;

    stage.chapter("Side by side");
    let mut new = Application::start(Version::Two, &stage.url, 4).await?;
    old.more_requests(BETWEEN).await?;
    new.more_requests(BETWEEN).await?;
    stage
        .say("gateway/2.0 has joined; each version sees what the other writes, in its own column:");
    stage.rows(
        &["username", "status (1.0)", "state (2.0)"],
        "select username, status, state from consumers where username like '%-0-0' order by id",
    );
    stage.so_far(&[&old, &new]);

    stage.chapter("Contract, too early");
    stage.say("1.0 is still at work. kmig does not take its columns away:");
    stage.kmig("finish -y", 7, &[&old, &new]).await?;
    old.more_requests(BETWEEN).await?;
    new.more_requests(BETWEEN).await?;

    stage.chapter("Version 1.0 leaves, then contract");
    let (counted_old, wrote) = old.leave().await;
    stage.say("The clients of gateway/1.0 are gone.");
    let finish = "finish --assume-gone --reason \"gateway/1.0 was shut down\" -y";
    stage.kmig(finish, 0, &[&new]).await?;
    stage.kmig("status", 0, &[&new]).await?;
    new.more_requests(BETWEEN).await?;
    let (counted_new, _) = new.leave().await;

    stage.chapter("What the clients saw");
    println!(
        "    {:<14}{:>10}{:>9}{:>12}",
        "", "requests", "errors", "slowest"
    );
    for (version, count) in [(Version::One, &counted_old), (Version::Two, &counted_new)] {
        println!(
            "    {:<14}{:>10}{:>9}{:>9.1} ms",
            version.name(),
            count.requests,
            count.errors,
            count.slowest.as_secs_f64() * 1000.0
        );
    }
    let kept = stage.kept(&wrote).await?;
    println!(
        "\n    {kept} of the {} consumers that gateway/1.0 made are there, in the state it gave them last.",
        wrote.len()
    );
    for count in [counted_old, counted_new] {
        if let Some(error) = count.first_error {
            return Err(format!("{} errors, the first: {error}", count.errors));
        }
    }
    if kept == wrote.len() {
        Ok(())
    } else {
        Err("rows of gateway/1.0 were lost".to_owned())
    }
}

/// Where it plays: the server, the project, and how things are told.
struct Stage {
    server: Arc<Server>,
    project: Project,
    source: PathBuf,
    url: String,
    kmig: PathBuf,
    colours: bool,
}

impl Stage {
    fn build() -> Result<Self, String> {
        let kmig = std::env::args_os()
            .nth(1)
            .map_or_else(binary, PathBuf::from);
        let kmig = kmig
            .canonicalize()
            .map_err(|error| format!("{}: {error}; build it first", kmig.display()))?;
        let server = Server::start(&ServerOptions::default());
        server.create_database("gateway");
        let stage = Self {
            url: server.url("gateway"),
            server: Arc::new(server),
            project: project(&[]),
            source: Path::new(env!("CARGO_MANIFEST_DIR")).to_owned(),
            kmig,
            colours: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        println!(
            "A throw-away server: {}",
            stage.server.psql("gateway", "show server_version")
        );
        for subsystem in ["core", "acl"] {
            let base = format!("migrations/{subsystem}/001_base");
            stage.project.copy(&stage.source.join(&base), &base);
        }
        let two = std::fs::read_to_string(stage.source.join("kmig.toml"))
            .map_err(|error| error.to_string())?;
        let one = two.replace("version = \"2.0\"", "version = \"1.0\"");
        stage.project.write("kmig.toml", &one);
        Ok(stage)
    }

    /// Puts the whole sample into the project.
    fn release_two(&self) {
        for part in ["kmig.toml", "migrations"] {
            self.project.copy(&self.source.join(part), part);
        }
    }

    fn chapter(&self, title: &str) {
        println!("\n{}", self.paint("1;36", &format!("── {title} ──")));
    }

    fn say(&self, text: &str) {
        println!("{text}");
    }

    /// Runs a command, shows what it prints as it prints it, and what the clients noticed of it.
    async fn kmig(&self, line: &str, code: i32, clients: &[&Application]) -> Result<(), String> {
        println!("\n{}", self.paint("1", &format!("$ kmig {line}")));
        clients
            .iter()
            .for_each(|application| application.look_anew());
        let before: Vec<Count> = clients
            .iter()
            .map(|application| application.count())
            .collect();
        let kmig = Kmig::with_binary(&self.kmig, self.project.path())
            .args(words(line)?)
            .env("KMIG_URL", &self.url);
        let run = move || kmig.start().wait_showing(|line| println!("  {line}"));
        let output = tokio::task::spawn_blocking(run)
            .await
            .map_err(|error| error.to_string())?;
        if code != 0 || output.code != 0 {
            println!(
                "  {}",
                self.paint("2", &format!("exit code {}", output.code))
            );
        }
        for (application, before) in clients.iter().zip(before) {
            self.meanwhile(application, &before);
        }
        if output.code == code {
            Ok(())
        } else {
            Err(format!("kmig {line}: exit {}, not {code}", output.code))
        }
    }

    /// What the clients counted so far.
    fn so_far(&self, clients: &[&Application]) {
        for application in clients {
            let now = application.count();
            self.counted(application, "so far", now.requests, now.errors, now.slowest);
        }
    }

    /// What they counted since a moment, and what was slowest since then.
    fn meanwhile(&self, application: &Application, before: &Count) {
        let now = application.count();
        let (requests, errors) = (now.requests - before.requests, now.errors - before.errors);
        self.counted(
            application,
            "meanwhile",
            requests,
            errors,
            now.slowest_lately,
        );
    }

    fn counted(
        &self,
        application: &Application,
        when: &str,
        requests: u64,
        errors: u64,
        slowest: Duration,
    ) {
        let line = format!(
            "    {} {when}: {requests} requests, {errors} errors, slowest {:.1} ms",
            application.name(),
            slowest.as_secs_f64() * 1000.0
        );
        println!(
            "{}",
            self.paint(if errors == 0 { "32" } else { "31" }, &line)
        );
    }

    fn rows(&self, columns: &[&str], sql: &str) {
        let rows = self.server.psql("gateway", sql);
        for row in std::iter::once(columns.join("|").as_str()).chain(rows.lines()) {
            let cells: String = row.split('|').map(|cell| format!("{cell:<18}")).collect();
            println!("    {}", cells.trim_end());
        }
    }

    /// How many of the consumers are there in the state that they were given last.
    async fn kept(&self, wrote: &Wrote) -> Result<usize, String> {
        let client = self.server.client("gateway").await;
        let rows = client
            .query("select id, state from consumers", &[])
            .await
            .map_err(|error| error.to_string())?;
        let right = rows.iter().filter(|row| {
            let (id, state): (i64, &str) = (row.get("id"), row.get("state"));
            wrote
                .get(&id)
                .is_some_and(|&written| STATES[written] == state)
        });
        Ok(right.count())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
