//! steps.toml: a case and its steps, as values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::backend::Backend;

/// A case, as its steps.toml says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// One sentence: the promise that this case would see broken.
    #[expect(
        dead_code,
        reason = "for the reader of the file, who must find it there"
    )]
    about: String,
    /// What kmig lacks for it to pass: the case shows as ignored, and runs with `--include-ignored`.
    pub pending: Option<String>,
    /// The backends it runs on.
    #[serde(default = "postgres_only")]
    pub on: Vec<Backend>,
    /// Those that it cannot run on all the same: a release that lacks something.
    #[serde(default)]
    pub not_on: Vec<Backend>,
    /// A project of the repository that stands for files of the case's own: `.` is the sample.
    pub project: Option<PathBuf>,
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

fn postgres_only() -> Vec<Backend> {
    vec![Backend::Postgres]
}

/// A step does one thing; the key that is its verb names it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct Step {
    /// The backend that it is for, where it is not for all of the case. `sql` and `cql` have theirs by nature.
    pub on: Option<Backend>,
    pub verb: Verb,
}

#[derive(Debug)]
pub enum Verb {
    Run(Run),
    /// `sql` and `cql`, each for its backend, and `query`, whose text both understand.
    Query(Query),
    There(There),
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

/// Runs kmig.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// A command line; several are started at the same time, and must all end the same way.
    pub run: OneOrMany,
    /// The exit code.
    #[serde(default)]
    pub exit: i32,
    /// Texts that standard output must hold.
    #[serde(default)]
    pub stdout: Vec<String>,
    /// Texts that standard error must hold.
    #[serde(default)]
    pub stderr: Vec<String>,
    /// What it must hold on Postgres alone: its codes, a column that it knows.
    #[serde(default)]
    pub stderr_sql: Vec<String>,
    /// The same for Cassandra.
    #[serde(default)]
    pub stderr_cql: Vec<String>,
    /// Texts that one of the two must hold.
    #[serde(default)]
    pub says: Vec<String>,
    /// Texts that neither may hold.
    #[serde(default)]
    pub not: Vec<String>,
    /// More environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Runs statements past kmig: SQL through psql, CQL through the driver.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    #[serde(alias = "sql", alias = "cql")]
    pub query: String,
    /// The rows that come back, `|` between columns.
    pub expect: Option<String>,
    /// A text of the error that must come instead.
    pub fails: Option<String>,
}

/// Looks for objects by name: a table, view or index by its own, a column as `table.column`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct There {
    /// What must be there.
    #[serde(default)]
    pub there: Vec<String>,
    /// What must not be there.
    #[serde(default)]
    pub gone: Vec<String>,
}

/// Writes a file of the project.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub path: String,
    pub text: String,
}

/// Replaces a text in a file of the project, where it stands exactly once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    pub path: String,
    pub find: String,
    pub put: String,
}

/// Renames a file or folder of the project.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    pub from: String,
    pub to: String,
}

/// Opens a session that stays: a client of the application, or somebody in the way. `release` ends it. On Postgres
/// it runs the SQL, on Cassandra it prepares it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    pub name: String,
    #[serde(default)]
    pub sql: String,
    /// Its application_name.
    #[serde(default)]
    pub app: String,
}

/// Starts kmig, and goes on while it runs. `stop` ends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    pub name: String,
    pub run: String,
    /// The next step comes once it has written a line that holds this. Without this one, there is one for each backend:
    pub says: Option<String>,
    /// SQL: the next step comes once this answers `t`.
    pub until: Option<String>,
    /// CQL: how a statement begins. The next step comes once the server has done it; its answer never comes, so kmig waits
    /// for as long as the statement's `kmig:timeout` says, as it would for a long one. Everything else passes.
    pub unanswered: Option<String>,
}

/// Waits for the end of a kmig that was started.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    pub name: String,
    /// A signal that it is sent before, `KILL` or `TERM`.
    pub signal: Option<String>,
    /// Its exit code; 128 + n where signal n ended it.
    pub exit: i32,
}

impl TryFrom<toml::Table> for Step {
    type Error = String;

    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        let on = table.remove("on").map(inner).transpose()?;
        let own = match () {
            () if table.contains_key("sql") => Some(Backend::Postgres),
            () if table.contains_key("cql") => Some(Backend::Cassandra),
            () => None,
        };
        if own.is_some() && on.is_some() {
            return Err("sql and cql say by themselves where they run".to_owned());
        }
        let verb = Verb::try_from(table)?;
        let on = on.or(own);
        Ok(Self { on, verb })
    }
}

impl TryFrom<toml::Table> for Verb {
    type Error = String;

    /// By hand, so that an error names the key that is wrong.
    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        let has = |keys: &[&str]| keys.iter().any(|key| table.contains_key(*key));
        if has(&["run"]) {
            return inner(toml::Value::Table(table)).map(Self::Run);
        }
        if has(&["sql", "cql", "query"]) {
            return inner(toml::Value::Table(table)).map(Self::Query);
        }
        if has(&["there", "gone"]) {
            return inner(toml::Value::Table(table)).map(Self::There);
        }
        let keys: Vec<String> = table.keys().cloned().collect();
        let [verb] = keys.as_slice() else {
            return Err(format!("one verb is wanted, not {keys:?}"));
        };
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

fn inner<T: serde::de::DeserializeOwned>(value: toml::Value) -> Result<T, String> {
    value.try_into().map_err(|error| error.to_string())
}

impl Verb {
    /// What an error calls the step.
    pub fn title(&self) -> String {
        match self {
            Self::Run(run) => match &run.run {
                OneOrMany::One(line) => line.clone(),
                OneOrMany::Many(lines) => lines.join(" & "),
            },
            Self::Query(query) => query.query.trim().to_owned(),
            other => format!("{other:?}"),
        }
    }
}
