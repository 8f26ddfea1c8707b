//! The real environment and file system for [`conninfo`](super::conninfo): the only file here that reads either.

use std::path::{Path, PathBuf};

use super::conninfo::{self, ConnInfoError, Surroundings, Target};
use crate::backend::files::read;

/// The directories of a local server's socket: Debian's and upstream's default.
const SOCKET_DIRS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Debian's place for `pg_service.conf`, and that of a build from source.
const SYSCONF_DIRS: [&str; 2] = ["/etc/postgresql-common", "/usr/local/pgsql/etc"];

/// Decides where and how to connect, from a connection string and this process' environment.
pub fn target(text: &str, fallback_application_name: &str) -> Result<Target, ConnInfoError> {
    target_among(text, fallback_application_name, &|name| {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    })
}

/// The same with other environment variables.
pub fn target_among(
    text: &str,
    fallback_application_name: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Target, ConnInfoError> {
    let home = variable("HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
        .or_else(std::env::home_dir);
    conninfo::target(
        text,
        &Surroundings {
            variable,
            file: &read,
            os_user: whoami::username().ok(),
            home,
            socket_dir: existing(&SOCKET_DIRS).map(str::to_owned),
            sysconf_dir: PathBuf::from(existing(&SYSCONF_DIRS).unwrap_or(SYSCONF_DIRS[0])),
            fallback_application_name,
        },
    )
}

fn existing<'a>(directories: &[&'a str]) -> Option<&'a str> {
    directories
        .iter()
        .copied()
        .find(|directory| Path::new(directory).is_dir())
}
