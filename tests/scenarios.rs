//! Runs the scenarios: each folder in `tests/scenarios/` is a case, and a case is data.
//!
//! ```text
//! tests/scenarios/<name>/
//!   kmig.toml, migrations/   the project as the first step finds it
//!   steps.toml               what is done, and what must come of it (see `scenarios_runner/step.rs`)
//!   <anything else>/         files that a step `add`s to the project later
//!   status.json              where it is there: what `kmig status --json` must say at the end, normalised
//!   status.cassandra.json    the same, where Cassandra must say something else
//! ```
//!
//! A case runs on each backend that its `on` names, as `postgres::<name>`, `cassandra::<name>` and, on the older release,
//! `cassandra_41::<name>`, on an empty database or keyspace of its own; kmig finds it in `KMIG_URL`. In every text of a step `{url}` and `{database}` stand for these, and `{ext}`
//! for the ending of the backend's parts, sql or cql. `UPDATE=1` rewrites each status file: review the difference.

mod scenarios_runner;
#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use scenarios_runner::backend::Backend;
use scenarios_runner::step::Case;
use scenarios_runner::world::World;

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
    let case = Arc::new(case);
    let trial = |backend: Backend| {
        let folder = folder.to_owned();
        Trial::test(format!("{}::{name}", backend.name()), {
            let case = Arc::clone(&case);
            move || World::new(backend, &folder, &case).play(&case)
        })
        .with_ignored_flag(case.pending.is_some() || !backend.available())
    };
    // What runs on one release of Cassandra runs on the other.
    let older = case.on.contains(&Backend::Cassandra);
    let older = older.then_some(Backend::Cassandra41);
    let all = case.on.iter().copied().chain(older);
    all.filter(|backend| !case.not_on.contains(backend))
        .map(trial)
        .collect()
}
