//! Runs the scenarios: each folder in `tests/scenarios/` is a case, and a case is data.
//!
//! ```text
//! tests/scenarios/<name>/
//!   kmig.toml, migrations/   the project as the first step finds it
//!   steps.toml               what is done, and what must come of it (see `Step` below)
//!   <anything else>/         files that a step `add`s to the project later
//!   status.json              where it is there: what `kmig status --json` must say at the end, normalised
//! ```
//!
//! A case runs on each backend that its `on` names, as `postgres::<name>`, on a database of its own; kmig finds it in
//! `KMIG_URL`. `{url}` and `{database}` stand for them in every text of a step. `UPDATE=1` rewrites each status.json:
//! review the difference.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde_json::Value;

use support::kmig::{Kmig, Output, Project, Running, project, words};
use support::server::Server;

/// How long a case waits for what must come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// A case, as its steps.toml says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// One sentence: the promise that this case would see broken.
    #[expect(
        dead_code,
        reason = "for the reader of the file, who must find it there"
    )]
    about: String,
    /// What kmig lacks for it to pass: the case shows as ignored, and runs with `--include-ignored`.
    pending: Option<String>,
    /// The backends it runs on.
    #[serde(default = "postgres_only")]
    on: Vec<Backend>,
    /// A project of the repository that stands for files of the case's own: `.` is the sample.
    project: Option<PathBuf>,
    #[serde(rename = "step")]
    steps: Vec<Step>,
}

fn postgres_only() -> Vec<Backend> {
    vec![Backend::Postgres]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Backend {
    Postgres,
}

impl Backend {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
        }
    }

    fn available(self) -> bool {
        match self {
            Self::Postgres => Server::available(),
        }
    }
}

/// A step does one thing; the key that is its verb names it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "toml::Table")]
enum Step {
    Run(Run),
    Sql(Sql),
    Write(File),
    Edit(Edit),
    Remove(String),
    Rename(Rename),
    /// Copies a folder of the case over the project.
    Add(String),
    Hold(Hold),
    Release(String),
    Start(Start),
    Stop(Stop),
    /// Bootstraps a second database and compares the schemas. Its value is `true`.
    SameAsBootstrap(bool),
}

impl TryFrom<toml::Table> for Step {
    type Error = String;

    /// By hand, so that an error names the key that is wrong.
    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        fn whole<T: serde::de::DeserializeOwned>(table: toml::Table) -> Result<T, String> {
            table.try_into().map_err(|error| error.to_string())
        }
        if table.contains_key("run") {
            return whole(table).map(Self::Run);
        }
        if table.contains_key("sql") {
            return whole(table).map(Self::Sql);
        }
        let keys: Vec<String> = table.keys().cloned().collect();
        let [verb] = keys.as_slice() else {
            return Err(format!("one verb is wanted, not {keys:?}"));
        };
        fn inner<T: serde::de::DeserializeOwned>(value: toml::Value) -> Result<T, String> {
            value.try_into().map_err(|error| error.to_string())
        }
        let value = table.remove(verb).ok_or("no value")?;
        match verb.as_str() {
            "write" => inner(value).map(Self::Write),
            "edit" => inner(value).map(Self::Edit),
            "remove" => inner(value).map(Self::Remove),
            "rename" => inner(value).map(Self::Rename),
            "add" => inner(value).map(Self::Add),
            "hold" => inner(value).map(Self::Hold),
            "release" => inner(value).map(Self::Release),
            "start" => inner(value).map(Self::Start),
            "stop" => inner(value).map(Self::Stop),
            "same_as_bootstrap" => inner(value).map(Self::SameAsBootstrap),
            other => Err(format!("no such verb: {other}")),
        }
    }
}

/// Runs kmig.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    /// A command line; several are started at the same time, and must all end the same way.
    run: OneOrMany,
    /// The exit code.
    #[serde(default)]
    exit: i32,
    /// Texts that standard output must hold.
    #[serde(default)]
    stdout: Vec<String>,
    /// Texts that standard error must hold.
    #[serde(default)]
    stderr: Vec<String>,
    /// Texts that one of the two must hold.
    #[serde(default)]
    says: Vec<String>,
    /// Texts that neither may hold.
    #[serde(default)]
    not: Vec<String>,
    /// More environment.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Runs SQL through psql.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sql {
    sql: String,
    /// The rows that come back, `|` between columns.
    expect: Option<String>,
    /// A text of the error that must come instead.
    fails: Option<String>,
}

/// Writes a file of the project.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    text: String,
}

/// Replaces a text in a file of the project, where it stands exactly once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    path: String,
    find: String,
    put: String,
}

/// Renames a file or folder of the project.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    from: String,
    to: String,
}

/// Opens a session that stays: a client of the application, or somebody in the way. `release` ends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hold {
    name: String,
    #[serde(default)]
    sql: String,
    /// Its application_name.
    #[serde(default)]
    app: String,
}

/// Starts kmig, and goes on while it runs. `stop` ends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    name: String,
    run: String,
    /// SQL: the next step comes once this answers `t`.
    until: String,
}

/// Waits for the end of a kmig that was started.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stop {
    name: String,
    /// A signal that it is sent before, `KILL` or `TERM`.
    signal: Option<String>,
    /// Its exit code; 128 + n where signal n ended it.
    exit: i32,
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    libtest_mimic::run(&args, trials(&folder)).exit_code()
}

fn trials(folder: &Path) -> Vec<Trial> {
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .expect("read tests/scenarios")
        .map(|entry| entry.expect("read tests/scenarios").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases.into_iter().flat_map(|path| case(&path)).collect()
}

/// The trials of one folder. One that does not parse is a trial that fails, never one that is passed over.
fn case(folder: &Path) -> Vec<Trial> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let text = fs::read_to_string(folder.join("steps.toml")).map_err(|error| error.to_string());
    let parsed = text.and_then(|text| toml::from_str(&text).map_err(|error| error.to_string()));
    let case: Case = match parsed {
        Ok(case) => case,
        Err(error) => {
            let failed = format!("{}: {error}", folder.join("steps.toml").display());
            return vec![Trial::test(name, move || Err(failed.into()))];
        }
    };
    let case = std::sync::Arc::new(case);
    let trial = |&backend: &Backend| {
        let folder = folder.to_owned();
        Trial::test(format!("{}::{name}", backend.name()), {
            let case = std::sync::Arc::clone(&case);
            move || World::new(&folder, &case).play(&case)
        })
        .with_ignored_flag(case.pending.is_some() || !backend.available())
    };
    case.on.iter().map(trial).collect()
}

/// What a case acts on.
struct World {
    folder: PathBuf,
    project: Project,
    database: String,
    held: BTreeMap<String, Session>,
    running: BTreeMap<String, Running>,
}

/// A psql that was told to stay.
struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl World {
    fn new(folder: &Path, case: &Case) -> Self {
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
            folder: folder.to_owned(),
            project,
            database: Server::shared().database(),
            held: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    fn play(mut self, case: &Case) -> Result<(), Failed> {
        for (number, step) in (1..).zip(&case.steps) {
            self.step(step)
                .map_err(|error| format!("step {number}, {}: {error}", step.title()))?;
        }
        self.compare_status()
            .map_err(|error| format!("status.json: {error}").into())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Run(run) => return self.run(run),
            Step::Sql(sql) => return self.sql(sql),
            Step::Write(file) => self.project.write(&file.path, &file.text),
            Step::Edit(edit) => {
                let text = self.project.read(&edit.path);
                let times = text.matches(&edit.find).count();
                if times != 1 {
                    return Err(format!(
                        "{:?} stands {times} times in {}",
                        edit.find, edit.path
                    ));
                }
                self.project
                    .write(&edit.path, &text.replacen(&edit.find, &edit.put, 1));
            }
            Step::Remove(path) => self.project.remove(path),
            Step::Rename(rename) => self.project.rename(&rename.from, &rename.to),
            Step::Add(folder) => self.project.copy(&self.folder.join(folder), ""),
            Step::Hold(hold) => {
                let session = Session::open(&self.database, hold)?;
                self.held.insert(hold.name.clone(), session);
            }
            Step::Release(name) => {
                let session = self.held.remove(name);
                drop(session.ok_or_else(|| format!("nothing is held as {name:?}"))?);
            }
            Step::Start(start) => {
                let running = self.start(start)?;
                self.running.insert(start.name.clone(), running);
            }
            Step::Stop(stop) => {
                let running = self.running.remove(&stop.name);
                let running = running.ok_or_else(|| format!("nothing runs as {:?}", stop.name))?;
                if let Some(signal) = &stop.signal {
                    running.signal(signal);
                }
                let output = running.wait();
                if output.code != stop.exit {
                    return Err(format!("exit {}, not {}\n{output}", output.code, stop.exit));
                }
            }
            Step::SameAsBootstrap(false) => return Err("its value is true".to_owned()),
            Step::SameAsBootstrap(true) => return self.compare_with_bootstrap(),
        }
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

    fn start(&self, start: &Start) -> Result<Running, String> {
        let mut running = self.kmig(&self.fill(&start.run))?.start();
        let since = Instant::now();
        while Server::shared().psql(&self.database, &start.until) != "t" {
            if running.has_ended() {
                return Err(format!("kmig ended before it was so\n{}", running.wait()));
            }
            if since.elapsed() > PATIENCE {
                return Err(format!("never true: {}\n{}", start.until, running.kill()));
            }
        }
        Ok(running)
    }

    fn judge(&self, run: &Run, output: &Output) -> Result<(), String> {
        let both = format!("{}{}", output.stdout, output.stderr);
        let mut wrong = Vec::new();
        if output.code != run.exit {
            wrong.push(format!("exit {}, not {}", output.code, run.exit));
        }
        let wanted = [
            ("stdout", &run.stdout, &output.stdout),
            ("stderr", &run.stderr, &output.stderr),
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

    fn sql(&self, step: &Sql) -> Result<(), String> {
        let outcome = Server::shared().try_psql(&self.database, &self.fill(&step.sql));
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

    /// An upgraded database and a freshly bootstrapped one of the same files have one schema.
    fn compare_with_bootstrap(&self) -> Result<(), String> {
        let fresh = Server::shared().database();
        let output = self
            .kmig("kmig bootstrap")?
            .env("KMIG_URL", Server::shared().url(&fresh))
            .run();
        if output.code != 0 {
            return Err(format!(
                "the bootstrap of a second database failed\n{output}"
            ));
        }
        let (upgraded, bootstrapped) = (
            Server::shared().schema(&self.database),
            Server::shared().schema(&fresh),
        );
        if upgraded == bootstrapped {
            Ok(())
        } else {
            Err(format!(
                "the schemas differ; upgraded:\n{upgraded}\nbootstrapped:\n{bootstrapped}"
            ))
        }
    }

    fn compare_status(&self) -> Result<(), String> {
        let path = self.folder.join("status.json");
        if !path.exists() {
            return Ok(());
        }
        let output = self.kmig("kmig status --json")?.run();
        let mut status: Value = serde_json::from_str(&output.stdout)
            .map_err(|error| format!("not JSON: {error}\n{output}"))?;
        self.normalise("", &mut status);
        let actual = format!("{status:#}\n");
        if std::env::var_os("UPDATE").is_some() {
            return fs::write(&path, actual).map_err(|error| error.to_string());
        }
        let golden = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        if golden == actual {
            Ok(())
        } else {
            Err(format!("expected\n{golden}\nbut it is\n{actual}"))
        }
    }

    /// Masks what differs from run to run and from machine to machine.
    fn normalise(&self, key: &str, value: &mut Value) {
        const MASKED: &[&str] = &[
            "by", "host", "pid", "kmig", "user", "server", "age", "duration",
        ];
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.normalise(key, item)),
            Value::Object(fields) => fields
                .iter_mut()
                .for_each(|(key, value)| self.normalise(key, value)),
            Value::Null => {}
            _ if MASKED
                .iter()
                .any(|masked| key.split('_').any(|word| word == *masked)) =>
            {
                *value = Value::String(format!("[{key}]"));
            }
            Value::String(text) if is_time(text) => *text = "[time]".to_owned(),
            Value::String(text) => {
                *text = text
                    .replace(&Server::shared().url(&self.database), "[url]")
                    .replace(&self.database, "[database]");
            }
            _ => {}
        }
    }

    /// A command line as a step gives it: `kmig` and its arguments, with quotes as in a shell.
    fn kmig(&self, line: &str) -> Result<Kmig, String> {
        let mut words = words(line)?.into_iter();
        if words.next().as_deref() != Some("kmig") {
            return Err(format!("{line:?} does not begin with kmig"));
        }
        let url = Server::shared().url(&self.database);
        Ok(self.project.kmig(words).env("KMIG_URL", url))
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{url}", &Server::shared().url(&self.database))
            .replace("{database}", &self.database)
    }
}

impl Step {
    fn title(&self) -> String {
        match self {
            Self::Run(run) => match &run.run {
                OneOrMany::One(line) => line.clone(),
                OneOrMany::Many(lines) => lines.join(" & "),
            },
            Self::Sql(sql) => sql.sql.trim().to_owned(),
            other => format!("{other:?}"),
        }
    }
}

impl Session {
    fn open(database: &str, hold: &Hold) -> Result<Self, String> {
        let mut child = Server::shared()
            .psql_command(database)
            .env("PGAPPNAME", &hold.app)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut stdin = child.stdin.take().expect("psql's input");
        let stdout = BufReader::new(child.stdout.take().expect("psql's output"));
        let mut session = Self { child, stdin: None };
        writeln!(stdin, "{};\n\\echo held", hold.sql).map_err(|error| error.to_string())?;
        session.stdin = Some(stdin);
        let held = stdout
            .lines()
            .map_while(Result::ok)
            .any(|line| line == "held");
        if held {
            Ok(session)
        } else {
            Err("the session ended by itself".to_owned())
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stdin = None; // psql leaves at the end of its input, and its transaction is rolled back
        let _ = self.child.wait();
    }
}

/// `2026-03-01T12:00:00…`, with T or a blank.
fn is_time(text: &str) -> bool {
    let shape: String = text
        .chars()
        .take(19)
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    ["0000-00-00T00:00:00", "0000-00-00 00:00:00"].contains(&shape.as_str())
}
