//! Where a demo plays: the project, how kmig is run in it, and how things are told.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::application::{Count, Counted, STATES, Version};
use super::support::kmig::{Kmig, Project, binary, project, words};

/// The project of the sample, and the database that it is for.
pub struct Stage {
    project: Project,
    source: PathBuf,
    url: String,
    kmig: PathBuf,
    colours: bool,
}

/// Plays a story to its end, unless it is interrupted.
pub async fn play(story: impl Future<Output = Result<(), String>>) -> ExitCode {
    let since = Instant::now();
    let outcome = tokio::select! {
        outcome = story => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    match outcome {
        Ok(()) => {
            println!(
                "\nDone in {:.1} s; servers, data and project are removed.",
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

impl Stage {
    /// Version 1.0 of the sample, for the database of a url; `settings` stand below those of its kmig.toml.
    pub fn build(url: String, settings: &str) -> Result<Self, String> {
        let kmig = std::env::args_os()
            .nth(1)
            .map_or_else(binary, PathBuf::from);
        let kmig = kmig
            .canonicalize()
            .map_err(|error| format!("{}: {error}; build it first", kmig.display()))?;
        let stage = Self {
            project: project(&[]),
            source: Path::new(env!("CARGO_MANIFEST_DIR")).to_owned(),
            url,
            kmig,
            colours: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        for subsystem in ["core", "acl"] {
            let base = format!("migrations/{subsystem}/001_base");
            stage.project.copy(&stage.source.join(&base), &base);
        }
        let two = std::fs::read_to_string(stage.source.join("kmig.toml"))
            .map_err(|error| error.to_string())?;
        let one = two.replace("version = \"2.0\"", "version = \"1.0\"");
        stage
            .project
            .write("kmig.toml", &format!("{one}{settings}"));
        Ok(stage)
    }

    /// Puts the whole sample into the project.
    pub fn release_two(&self) {
        self.project
            .copy(&self.source.join("migrations"), "migrations");
        let one = self.project.read("kmig.toml");
        let two = one.replace("version = \"1.0\"", "version = \"2.0\"");
        self.project.write("kmig.toml", &two);
    }

    /// A heading.
    pub fn chapter(&self, title: &str) {
        println!("\n{}", self.paint("1;36", &format!("── {title} ──")));
    }

    /// A line.
    pub fn say(&self, text: &str) {
        println!("{text}");
    }

    /// Runs a command, shows what it prints as it prints it, and what the clients noticed of it.
    pub async fn kmig(
        &self,
        line: &str,
        code: i32,
        clients: &[&dyn Counted],
    ) -> Result<(), String> {
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
            self.meanwhile(*application, &before);
        }
        if output.code == code {
            Ok(())
        } else {
            Err(format!("kmig {line}: exit {}, not {code}", output.code))
        }
    }

    /// What the clients counted so far.
    pub fn so_far(&self, clients: &[&dyn Counted]) {
        for application in clients {
            let now = application.count();
            self.counted(
                *application,
                "so far",
                now.requests,
                now.errors,
                now.slowest,
            );
        }
    }

    /// What they counted since a moment, and what was slowest since then.
    fn meanwhile(&self, application: &dyn Counted, before: &Count) {
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
        application: &dyn Counted,
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

    /// Rows as `a|b`, below their columns.
    pub fn rows(&self, columns: &[&str], rows: &str) {
        for row in std::iter::once(columns.join("|").as_str()).chain(rows.lines()) {
            let cells: String = row.split('|').map(|cell| format!("{cell:<18}")).collect();
            println!("    {}", cells.trim_end());
        }
    }

    /// What the clients of both versions counted in all, and how many of the consumers that 1.0 `made` are there in the
    /// state that they were given last.
    ///
    /// # Errors
    /// A client saw an error, or a row was lost.
    pub fn closing(&self, counts: [Count; 2], kept: usize, made: usize) -> Result<(), String> {
        self.chapter("What the clients saw");
        println!(
            "    {:<14}{:>10}{:>9}{:>12}",
            "", "requests", "errors", "slowest"
        );
        for (version, count) in [Version::One, Version::Two].into_iter().zip(&counts) {
            println!(
                "    {:<14}{:>10}{:>9}{:>9.1} ms",
                version.name(),
                count.requests,
                count.errors,
                count.slowest.as_secs_f64() * 1000.0
            );
        }
        println!(
            "\n    {kept} of the {made} consumers that gateway/1.0 made are there, in the state it gave them last."
        );
        for count in counts {
            if let Some(error) = count.first_error {
                return Err(format!("{} errors, the first: {error}", count.errors));
            }
        }
        if kept == made {
            Ok(())
        } else {
            Err("rows of gateway/1.0 were lost".to_owned())
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Whether a state is the one that was written.
pub fn is_state(written: Option<&usize>, state: &str) -> bool {
    written.is_some_and(|&written| STATES[written] == state)
}
