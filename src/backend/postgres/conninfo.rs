//! What a connection string means, as libpq understands it (libpq documentation, "Database Connection Control
//! Functions", "Environment Variables", "The Connection Service File", "The Password File").
//!
//! A parameter comes from the string, else from the service file, else from the environment, else from a default. What
//! libpq knows and kmig cannot do is accepted only where nothing of what was asked for is lost; else it is refused with
//! what to do instead. No file system and no environment here: both come in as closures.

mod keys;
mod redact;
mod settings;
mod ssl;
mod syntax;
mod target;

use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::{passfile, service};
pub use crate::backend::files::FoundFile;
pub use redact::redacted;
use settings::Settings;
pub use target::{
    Address, ChannelBinding, Host, Keepalives, RootCert, Ssl, SslMode, SslNegotiation, Target,
    TargetSessionAttrs, TlsVersion,
};

/// What libpq would find around it.
pub struct Surroundings<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// A file; `None` if there is none of that name.
    pub file: &'a dyn Fn(&Path) -> io::Result<Option<FoundFile>>,
    /// The name of the operating system's user.
    pub os_user: Option<String>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// The directory of the local server's socket, e.g. `/var/run/postgresql`; `None` goes to localhost over TCP.
    pub socket_dir: Option<String>,
    /// Where `pg_service.conf` is when `PGSYSCONFDIR` does not say.
    pub sysconf_dir: PathBuf,
    /// The session's name where neither string nor environment give one.
    pub fallback_application_name: &'a str,
}

/// A connection string, or what stands in for it, that cannot be used. Never contains a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnInfoError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl std::fmt::Display for ConnInfoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnInfoError {}

impl ConnInfoError {
    fn new(message: impl Into<String>) -> Self {
        ConnInfoError {
            message: message.into(),
            help: None,
        }
    }

    fn help(self, help: impl Into<String>) -> Self {
        ConnInfoError {
            help: Some(help.into()),
            ..self
        }
    }
}

/// Decides where and how to connect. The empty string leaves everything to environment and defaults.
pub fn target(text: &str, around: &Surroundings<'_>) -> Result<Target, ConnInfoError> {
    let mut settings = Settings::from_text(text)?;
    if let Some(name) = settings.peek("service", around.variable) {
        from_service(&name, &mut settings, around)?;
    }
    settings.fill_from(around.variable)?;

    let mut warnings = Vec::new();
    let user = match settings.text("user") {
        Some(user) => user,
        None => around.os_user.clone().ok_or_else(|| {
            ConnInfoError::new("no user is given, and the operating system's user has no name")
                .help("set user in the connection string, or PGUSER")
        })?,
    };
    let dbname = settings.text("dbname").unwrap_or_else(|| user.clone());
    let password = settings.text("password").map(SecretString::from);
    let mut hosts = settings.hosts(around.socket_dir.as_deref())?;
    if password.is_none() {
        from_passfile(&mut hosts, &user, &dbname, &settings, around, &mut warnings)?;
    }
    let in_home = |name: &str| {
        around
            .home
            .as_ref()
            .map(|home| home.join(".postgresql").join(name))
    };
    Ok(Target {
        ssl: settings.ssl(&in_home)?,
        hosts,
        user,
        dbname,
        password,
        options: settings.server_options(around.variable),
        application_name: settings
            .text("application_name")
            .or_else(|| settings.text("fallback_application_name"))
            .unwrap_or_else(|| around.fallback_application_name.to_owned()),
        connect_timeout: settings.connect_timeout()?,
        keepalives: settings.keepalives()?,
        tcp_user_timeout: settings.tcp_user_timeout()?,
        target_session_attrs: settings.target_session_attrs()?,
        channel_binding: settings.channel_binding()?,
        load_balance_hosts: settings.load_balance_hosts()?,
        warnings,
    })
}

/// Adds the settings of a service: of the user's file, and where it does not have the service, of the system's.
fn from_service(
    name: &str,
    settings: &mut Settings,
    around: &Surroundings<'_>,
) -> Result<(), ConnInfoError> {
    let named = settings
        .peek("servicefile", around.variable)
        .map(PathBuf::from);
    let explicit = named.is_some();
    let own = named.or_else(|| {
        around
            .home
            .as_ref()
            .map(|home| home.join(".pg_service.conf"))
    });
    let system = match (around.variable)("PGSYSCONFDIR") {
        Some(directory) => PathBuf::from(directory),
        None => around.sysconf_dir.clone(),
    }
    .join("pg_service.conf");
    for (path, must_exist) in own
        .map(|path| (path, explicit))
        .into_iter()
        .chain([(system, false)])
    {
        let shown = path.display();
        let found = (around.file)(&path).map_err(|error| {
            ConnInfoError::new(format!("service file \"{shown}\" cannot be read: {error}"))
        })?;
        let Some(found) = found else {
            if must_exist {
                return Err(
                    ConnInfoError::new(format!("service file \"{shown}\" not found"))
                        .help("PGSERVICEFILE names it"),
                );
            }
            continue;
        };
        let contents = String::from_utf8_lossy(&found.contents);
        let pairs = service::settings(&contents, name).map_err(|fault| {
            ConnInfoError::new(format!(
                "service file \"{shown}\", line {}: {}",
                fault.line, fault.what
            ))
        })?;
        if let Some(pairs) = pairs {
            return settings.fill_from_service(pairs, &shown.to_string());
        }
    }
    Err(ConnInfoError::new(format!(
        "definition of service \"{}\" not found",
        settings.quotable(name)
    ))
    .help("services are defined in ~/.pg_service.conf, or in the file that PGSERVICEFILE names"))
}

/// Gives each host the password that the passfile has for it.
fn from_passfile(
    hosts: &mut [Host],
    user: &str,
    dbname: &str,
    settings: &Settings,
    around: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), ConnInfoError> {
    let in_home = || around.home.as_ref().map(|home| home.join(".pgpass"));
    let Some(path) = settings
        .text("passfile")
        .map(PathBuf::from)
        .or_else(in_home)
    else {
        return Ok(());
    };
    // Like libpq: a passfile that is absent or cannot be opened is no passfile.
    let Ok(Some(found)) = (around.file)(&path) else {
        return Ok(());
    };
    let shown = path.display().to_string();
    if let Some(objection) = passfile::objection(&shown, found.regular, found.mode) {
        warnings.push(objection);
        return Ok(());
    }
    for host in hosts {
        let name = match &host.address {
            Address::Socket(directory) if Some(directory) == around.socket_dir.as_ref() => {
                "localhost".to_owned()
            }
            Address::Socket(name)
            | Address::Name(name)
            | Address::Ip {
                name: Some(name), ..
            } => name.clone(),
            Address::Ip { ip, name: None } => ip.to_string(),
        };
        let wanted = passfile::Wanted {
            host: &name,
            port: host.port,
            dbname,
            user,
        };
        host.password = match passfile::lookup(&found.contents, wanted) {
            None => None,
            Some(password) => Some(SecretString::from(String::from_utf8(password).map_err(
                |_| {
                    ConnInfoError::new(format!(
                        "the password that \"{shown}\" has for {host} is not UTF-8"
                    ))
                },
            )?)),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests;
