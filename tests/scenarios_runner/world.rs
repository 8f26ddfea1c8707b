//! What a case acts on: a project, a database, and what runs beside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use super::backend::Backend;
use super::session::Session;
use super::status;
use super::step::{Case, Edit, OneOrMany, Query, Run, Start, Stop, There, Verb};
use crate::support::cassandra::Cluster;
use crate::support::frame_proxy::{At, FrameProxy, Harm};
use crate::support::kmig::{Kmig, Output, Project, Running, project, words};

/// How long a case waits for what must come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a case acts on.
pub struct World {
    backend: Backend,
    folder: PathBuf,
    project: Project,
    database: String,
    held: BTreeMap<String, Session>,
    running: BTreeMap<String, Started>,
}

/// A kmig that runs, and the line that it comes by where that is one of its own.
type Started = (Running, Option<FrameProxy>);

impl World {
    /// The case's project, and an empty database.
    pub fn new(backend: Backend, folder: &Path, case: &Case) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let start = case.project.as_ref().map(|project| root.join(project));
        let start = start.as_deref().unwrap_or(folder);
        let project = project(&[]);
        for part in ["kmig.toml", "migrations"] {
            let path = start.join(part);
            if path.exists() {
                project.copy(&path, part);
            }
        }
        Self {
            backend,
            folder: folder.to_owned(),
            project,
            database: backend.database(),
            held: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// Does the steps that are for its backend, then compares the status.
    pub fn play(mut self, case: &Case) -> Result<(), Failed> {
        for (number, step) in (1..).zip(&case.steps) {
            if step.on.is_none_or(|on| on == self.backend.kind()) {
                self.step(&step.verb)
                    .map_err(|error| format!("step {number}, {}: {error}", step.verb.title()))?;
            }
        }
        self.compare_status()
            .map_err(|error| format!("status: {error}").into())
    }

    fn step(&mut self, verb: &Verb) -> Result<(), String> {
        match verb {
            Verb::Run(run) => return self.run(run),
            Verb::Query(query) => return self.query(query),
            Verb::There(there) => return self.look(there),
            Verb::Write(file) => self
                .project
                .write(&self.fill(&file.path), &self.fill(&file.text)),
            Verb::Edit(edit) => return self.edit(edit),
            Verb::Remove(path) => self.project.remove(&self.fill(path)),
            Verb::Rename(rename) => self
                .project
                .rename(&self.fill(&rename.from), &self.fill(&rename.to)),
            Verb::Add(folder) => self.project.copy(&self.folder.join(folder), ""),
            Verb::Hold(hold) => {
                let (app, sql) = (self.fill(&hold.app), self.fill(&hold.sql));
                let session = Session::open(self.backend, &self.database, &app, &sql)?;
                self.held.insert(hold.name.clone(), session);
            }
            Verb::Release(name) => {
                let session = self.held.remove(name);
                drop(session.ok_or_else(|| format!("nothing is held as {name:?}"))?);
            }
            Verb::Start(start) => {
                let running = self.start(start)?;
                self.running.insert(start.name.clone(), running);
            }
            Verb::Stop(stop) => return self.stop(stop),
            Verb::SameAsBootstrap(false) => return Err("its value is true".to_owned()),
            Verb::SameAsBootstrap(true) => return self.compare_with_bootstrap(),
        }
        Ok(())
    }

    fn edit(&self, edit: &Edit) -> Result<(), String> {
        let path = self.fill(&edit.path);
        let (find, put) = (self.fill(&edit.find), self.fill(&edit.put));
        let text = self.project.read(&path);
        let times = text.matches(&find).count();
        if times != 1 {
            return Err(format!("{find:?} stands {times} times in {path}"));
        }
        self.project.write(&path, &text.replacen(&find, &put, 1));
        Ok(())
    }

    fn run(&self, run: &Run) -> Result<(), String> {
        let lines = match &run.run {
            OneOrMany::One(line) => std::slice::from_ref(line),
            OneOrMany::Many(lines) => lines,
        };
        let mut running = Vec::new();
        for line in lines {
            let mut kmig = self.kmig(&self.fill(line))?;
            for (name, value) in &run.env {
                kmig = kmig.env(name, self.fill(value));
            }
            running.push(kmig.start());
        }
        running
            .into_iter()
            .try_for_each(|one| self.judge(run, &one.wait()))
    }

    fn start(&self, start: &Start) -> Result<Started, String> {
        let kmig = self.kmig(&self.fill(&start.run))?;
        if let Some(text) = &start.says {
            let mut running = kmig.start();
            running.await_line(&self.fill(text));
            return Ok((running, None));
        }
        match self.backend.cluster() {
            None => Ok((self.start_until(kmig, start)?, None)),
            Some(cluster) => self.start_unanswered(cluster, kmig, start),
        }
    }

    fn start_until(&self, kmig: Kmig, start: &Start) -> Result<Running, String> {
        let until = self.fill(start.until.as_deref().ok_or("it has no until")?);
        let mut running = kmig.start();
        let since = Instant::now();
        loop {
            if self.backend.ask(&self.database, &until)? == "t" {
                return Ok(running);
            }
            if running.has_ended() {
                return Err(format!("kmig ended before it was so\n{}", running.wait()));
            }
            if since.elapsed() > PATIENCE {
                return Err(format!("never true: {until}\n{}", running.kill()));
            }
        }
    }

    fn start_unanswered(
        &self,
        cluster: &'static Cluster,
        kmig: Kmig,
        start: &Start,
    ) -> Result<Started, String> {
        let begin = start.unanswered.as_deref().ok_or("it has no unanswered")?;
        let line = FrameProxy::beside(cluster);
        line.harm(At::Statement(self.fill(begin)), Harm::Swallow);
        let mut running = kmig.env("KMIG_URL", line.url(&self.database)).start();
        let since = Instant::now();
        if line.struck_or(|| running.has_ended() || since.elapsed() > PATIENCE) {
            while !line.swallowed_all() && since.elapsed() < PATIENCE {
                std::thread::yield_now();
            }
            return Ok((running, Some(line)));
        }
        Err(format!("{begin:?} was never sent\n{}", running.kill()))
    }

    fn stop(&mut self, stop: &Stop) -> Result<(), String> {
        let running = self.running.remove(&stop.name);
        let (running, line) = running.ok_or_else(|| format!("nothing runs as {:?}", stop.name))?;
        if let Some(signal) = &stop.signal {
            running.signal(signal);
        }
        // It need not wait any longer for what is never answered, and connects again.
        if let Some(line) = &line {
            line.cut();
        }
        let output = running.wait();
        if output.code == stop.exit {
            Ok(())
        } else {
            Err(format!("exit {}, not {}\n{output}", output.code, stop.exit))
        }
    }

    fn judge(&self, run: &Run, output: &Output) -> Result<(), String> {
        let both = format!("{}{}", output.stdout, output.stderr);
        let mut wrong = Vec::new();
        if output.code != run.exit {
            wrong.push(format!("exit {}, not {}", output.code, run.exit));
        }
        let own = match self.backend.kind() {
            Backend::Postgres => &run.stderr_sql,
            _ => &run.stderr_cql,
        };
        let wanted = [
            ("stdout", &run.stdout, &output.stdout),
            ("stderr", &run.stderr, &output.stderr),
            ("stderr", own, &output.stderr),
            ("the output", &run.says, &both),
        ];
        for (name, texts, actual) in wanted {
            for text in texts.iter().map(|text| self.fill(text)) {
                if !actual.contains(&text) {
                    wrong.push(format!("{name} does not say {text:?}"));
                }
            }
        }
        for text in run.not.iter().map(|text| self.fill(text)) {
            if both.contains(&text) {
                wrong.push(format!("the output says {text:?}"));
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(format!("{}\n{output}", wrong.join("; ")))
        }
    }

    fn query(&self, step: &Query) -> Result<(), String> {
        let outcome = self.backend.ask(&self.database, &self.fill(&step.query));
        match (outcome, &step.fails) {
            (Ok(rows), None) => match &step.expect {
                Some(expect) if rows != self.fill(expect).trim() => Err(format!(
                    "expected\n{}\nbut the rows are\n{rows}",
                    expect.trim()
                )),
                _ => Ok(()),
            },
            (Ok(rows), Some(text)) => Err(format!("no error {text:?}, but {rows:?}")),
            (Err(error), Some(text)) if error.contains(text) => Ok(()),
            (Err(error), _) => Err(error),
        }
    }

    fn look(&self, step: &There) -> Result<(), String> {
        let mut wrong = Vec::new();
        for (names, wanted, word) in [
            (&step.there, true, "is not there"),
            (&step.gone, false, "is there"),
        ] {
            for name in names {
                if self.backend.is_there(&self.database, name)? != wanted {
                    wrong.push(format!("{name} {word}"));
                }
            }
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("; ")),
        }
    }

    /// An upgraded database and a freshly bootstrapped one of the same files have one schema.
    fn compare_with_bootstrap(&self) -> Result<(), String> {
        let fresh = self.backend.database();
        let output = self
            .kmig("kmig bootstrap")?
            .env("KMIG_URL", self.backend.url(&fresh))
            .run();
        if output.code != 0 {
            return Err(format!(
                "the bootstrap of a second database failed\n{output}"
            ));
        }
        let upgraded = self.backend.schema(&self.database)?;
        let bootstrapped = self.backend.schema(&fresh)?;
        if upgraded == bootstrapped {
            Ok(())
        } else {
            Err(format!(
                "the schemas differ; upgraded:\n{upgraded}\nbootstrapped:\n{bootstrapped}"
            ))
        }
    }

    fn compare_status(&self) -> Result<(), String> {
        let Some(path) = status::file(&self.folder, self.backend) else {
            return Ok(());
        };
        let output = self.kmig("kmig status --json")?.run();
        let masks = [
            (self.backend.url(&self.database), "[url]"),
            (self.database.clone(), "[database]"),
        ];
        status::compare(&path, &output.stdout, &masks)
            .map_err(|error| format!("{}: {error}\n{}", path.display(), output.stderr))
    }

    /// A command line as a step gives it: `kmig` and its arguments, with quotes as in a shell.
    fn kmig(&self, line: &str) -> Result<Kmig, String> {
        let mut words = words(line)?.into_iter();
        if words.next().as_deref() != Some("kmig") {
            return Err(format!("{line:?} does not begin with kmig"));
        }
        let url = self.backend.url(&self.database);
        let kmig = self.project.kmig(words).env("KMIG_URL", url);
        let env = self.backend.env().iter();
        Ok(env.fold(kmig, |kmig, (name, value)| kmig.env(name, value)))
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{url}", &self.backend.url(&self.database))
            .replace("{database}", &self.database)
            .replace("{ext}", self.backend.ext())
    }
}
