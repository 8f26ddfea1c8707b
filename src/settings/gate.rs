//! `[gate]`: whom `finish` and `undo` look for, and where. Pure.

use super::file;
use super::layers::Layers;
use secrecy::SecretString;
use std::time::Duration;

/// `[gate]`, checked.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Patterns of client names that belong to no application.
    pub ignore: Vec<String>,
    /// How long nobody may be seen who is in the way.
    pub window: Duration,
    /// Admin consoles of the poolers between the application and Postgres; they may hold passwords.
    pub poolers: Vec<SecretString>,
    /// The servers that receive what is written.
    pub replicas: Replicas,
    /// Roles of the old version, where clients announce no name.
    pub old_roles: Vec<String>,
    /// Whether the old roles lose CONNECT before the first destructive step.
    pub revoke_connect: bool,
}

/// `replicas`.
#[derive(Debug, Clone)]
pub enum Replicas {
    /// Each of these is looked at as well; they may hold passwords.
    Urls(Vec<SecretString>),
    /// Nobody reads there.
    NoReaders,
}

/// The word for [`Replicas::NoReaders`].
const NO_READERS: &str = "no-readers";

/// The values as texts, written down by [`Layers`] but not checked yet.
pub(super) struct Raw {
    ignore: Vec<String>,
    window: Option<String>,
    poolers: Vec<String>,
    replicas: Vec<String>,
    old_roles: Vec<String>,
    revoke_connect: Option<String>,
}

impl Raw {
    /// Environment over file over default, value by value.
    pub(super) fn read(layers: &mut Layers<'_>, values: file::Gate) -> Raw {
        Raw {
            ignore: layers.list("gate.ignore", values.ignore),
            window: layers.text("gate.window", None, values.window, Some("10s")),
            poolers: layers.list("gate.poolers", values.poolers),
            replicas: layers.list("gate.replicas", values.replicas.map(file::Replicas::list)),
            old_roles: layers.list("gate.old_roles", values.old_roles),
            revoke_connect: layers.text(
                "gate.revoke_connect",
                None,
                values.revoke_connect.map(|on| on.to_string()),
                Some("false"),
            ),
        }
    }

    /// Checks them.
    ///
    /// # Errors
    /// The key of the value that does not fit, and why.
    pub(super) fn check(self) -> Result<Gate, (&'static str, String)> {
        let window = super::duration::read(self.window.as_deref().unwrap_or_default())
            .map_err(|why| ("gate.window", why))?;
        let words = self
            .replicas
            .iter()
            .filter(|entry| !entry.contains(['/', '=']));
        let replicas = match words.collect::<Vec<_>>().as_slice() {
            [] => Replicas::Urls(self.replicas.into_iter().map(Into::into).collect()),
            [word] if *word == NO_READERS && self.replicas.len() == 1 => Replicas::NoReaders,
            _ => {
                return Err((
                    "gate.replicas",
                    format!(
                        "write a list of urls, or {NO_READERS:?} where no replica serves readers"
                    ),
                ));
            }
        };
        let revoke_connect = match self.revoke_connect.as_deref() {
            None | Some("false" | "off" | "0") => false,
            Some("true" | "on" | "1") => true,
            Some(other) => {
                return Err((
                    "gate.revoke_connect",
                    format!("{other:?} is neither true nor false"),
                ));
            }
        };
        if revoke_connect && self.old_roles.is_empty() {
            return Err((
                "gate.revoke_connect",
                "it takes CONNECT from the roles in old_roles, and that list is empty".to_string(),
            ));
        }
        Ok(Gate {
            ignore: self.ignore,
            window,
            poolers: self.poolers.into_iter().map(Into::into).collect(),
            replicas,
            old_roles: self.old_roles,
            revoke_connect,
        })
    }
}
