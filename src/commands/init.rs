//! `kmig init`.

use crate::error::reason;
use crate::error::{Error, Result};
use crate::report::Answer;
use crate::settings::FILE;
use crate::source::Dialect;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::Path;

const CONFIG: &str = r#"# Every value is also an environment variable: KMIG_URL, KMIG_APP_VERSION, … kmig config shows what is in force.

{url}
migrations = "migrations"

[app]
# name = "gateway"        # the name of the application, shown by kmig status
# version = "1.0"         # the version of the application that these files belong to
{more}"#;

const POSTGRES_URL: &str = "# url = \"postgres://app@localhost/app\"    # KMIG_URL or DATABASE_URL serve as well; passwords belong there, or into ~/.pgpass";

const CASSANDRA_URL: &str = "# url = \"cassandra://host1,host2:9042/app\"    # or KMIG_URL; contact points, then the keyspace";

const CASSANDRA: &str = r#"
[cassandra]
# replication = { class = "NetworkTopologyStrategy", dc1 = 3 }    # of the keyspace, where kmig bootstrap makes it
"#;

const POSTGRES_UP: &str = "-- The first migration. kmig bootstrap runs it on an empty database.
--
-- CREATE TABLE customers (
--     id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
--     name text NOT NULL
-- );
";

const CASSANDRA_UP: &str = "-- The first migration. kmig bootstrap runs it in an empty keyspace.
--
-- CREATE TABLE customers (
--     id   uuid PRIMARY KEY,
--     name text
-- );
";

/// Makes kmig.toml and a first migration in the dialect given; never writes over a file.
pub fn run(directory: &Path, config: Option<&Path>, dialect: Dialect) -> Result<Answer> {
    if config.is_some() {
        return Err(
            Error::usage("init makes a kmig.toml and takes no --config").next("kmig init FOLDER")
        );
    }
    let (url, more, up) = match dialect {
        Dialect::Postgres => (POSTGRES_URL, "", POSTGRES_UP),
        Dialect::Cassandra => (CASSANDRA_URL, CASSANDRA, CASSANDRA_UP),
    };
    let config = CONFIG.replace("{url}", url).replace("{more}", more);
    let first = format!("migrations/core/001_base/up.{}", dialect.extension());
    let files = [
        (directory.join(FILE), config.as_str()),
        (directory.join(&first), up),
    ];
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(Error::usage(format!("{} is there already", path.display()))
            .now("nothing was written")
            .next("kmig new NAME writes the next migration"));
    }
    let mut written = Vec::new();
    for (path, text) in &files {
        write(path, text)?;
        written.push(path.display().to_string());
    }
    let there = match directory {
        here if here == Path::new(".") => String::new(),
        there => format!("cd {}, ", there.display()),
    };
    Ok(Answer::line(format!(
        "Wrote {}.\nNext: {there}write {first}, set KMIG_URL, then kmig bootstrap",
        written.join(" and "),
    ))
    .with("written", json!(written)))
}

/// Writes a file that is not there yet, and the folders above it.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::usage(format!(
            "{} cannot be written: {}",
            path.display(),
            reason(&error)
        ))
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
