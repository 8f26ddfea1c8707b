//! What a `cassandra://` url means: `cassandra://user:password@host1,host2:9042,[::1]/keyspace`. Pure.

use crate::error::Error;
use crate::run::RunId;
use crate::settings::{Cassandra, Level, SerialLevel, Source, Tls};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

/// Where Cassandra listens unless it is told otherwise.
pub const PORT: u16 = 9042;

/// Longest name of a keyspace, in bytes: it names folders on disk (`SchemaConstants.NAME_LENGTH`).
const KEYSPACE_MAX: usize = 48;

/// Where a login may come from, and the one of a second keyspace.
const LOGINS: &str = "user and password come from the url, from KMIG_CASSANDRA_USER and KMIG_CASSANDRA_PASSWORD, or from user and password_file in [cassandra]";
const LOGINS_BESIDE: &str = "user and password come from the url of --source, the password also from KMIG_SOURCE_PASSWORD; where it names no user, they are those of the project's url and of [cassandra]";

/// Where the url's form is shown.
const FORM: &str = "cassandra://user@host1,host2:9042/keyspace";

/// A keyspace, and how to reach it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where to ask first; at least one.
    pub contacts: Vec<Contact>,
    /// The port of every node: the driver takes the first node's for all it hears of.
    pub port: u16,
    /// The keyspace, as it stands in `system_schema`: unquoted, its case kept.
    pub keyspace: String,
    /// The role, where the cluster wants one.
    pub user: Option<String>,
    /// The role's password.
    pub password: Password,
    /// Where user and password may come from, for who lacks them.
    pub logins: &'static str,
    /// How to encrypt; nothing for a plain connection.
    pub tls: Option<Tls>,
    /// The datacenter whose nodes are asked first.
    pub local_datacenter: Option<String>,
    /// At which level kmig reads and writes.
    pub consistency: Level,
    /// At which level conditional writes are decided.
    pub serial_consistency: SerialLevel,
    /// How long connecting may take in all.
    pub connect_timeout: Duration,
    /// How long the answer to a request is awaited.
    pub request_timeout: Duration,
    /// The run, as `system_views.clients` shows it.
    pub run: RunId,
}

/// A host of the url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// By address.
    Ip(IpAddr),
    /// By name.
    Name(String),
}

/// Where the password comes from.
#[derive(Debug, Clone)]
pub enum Password {
    /// There is none.
    None,
    /// From the url or the environment.
    Given(SecretString),
    /// The first line of a file that nobody else may read.
    File(PathBuf),
}

impl Target {
    /// Reads a url. User and password of the url go before those of the settings.
    ///
    /// # Errors
    /// What is wrong with it, never with its password.
    pub fn read(url: &str, settings: &Cassandra, run: &RunId) -> Result<Self, Error> {
        let wrong = |why: String| Error::usage(why).next(FORM);
        let rest = url
            .strip_prefix("cassandra://")
            .ok_or_else(|| wrong("the url of a keyspace begins with cassandra://".to_string()))?;
        if let Some((_, query)) = rest.split_once('?') {
            // What stands there may be a password's end, so it is not shown.
            let _ = query;
            return Err(wrong(
                "a cassandra:// url has no parameters: what would stand behind ? is set in [cassandra] of kmig.toml (a ? of a password is written %3F)".to_string(),
            ));
        }
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((before, after)) => (Some(before), after),
            None => (None, rest),
        };
        if credentials.is_some_and(|text| text.contains(['@', '/'])) {
            return Err(wrong(
                "the user or password in the url holds @ or /: write %40 and %2F".to_string(),
            ));
        }
        let (hosts, keyspace) = place.split_once('/').unwrap_or((place, ""));
        let (contacts, port) = hosts_of(hosts).map_err(wrong)?;
        let keyspace = decoded(keyspace, "keyspace").map_err(wrong)?;
        refuse(&keyspace).map_or(Ok(()), |why| Err(wrong(why)))?;
        let (user, password) = match credentials.map(|text| text.split_once(':').ok_or(text)) {
            None => (None, None),
            Some(Err(user)) => (Some(decoded(user, "user").map_err(wrong)?), None),
            Some(Ok((user, password))) => (
                Some(decoded(user, "user").map_err(wrong)?),
                Some(decoded(password, "password").map_err(wrong)?),
            ),
        };
        let user = user
            .filter(|user| !user.is_empty())
            .or(settings.user.clone());
        let password = match password.filter(|password| !password.is_empty()) {
            Some(password) => Password::Given(password.into()),
            None => match (&settings.password, &settings.password_file) {
                (Some(password), _) => Password::Given(password.clone()),
                (None, Some(path)) => Password::File(path.clone()),
                (None, None) => Password::None,
            },
        };
        if user.is_none() && matches!(password, Password::Given(_) | Password::File(_)) {
            return Err(wrong(
                "there is a password, but no user for it: name it in the url, in cassandra.user or in KMIG_CASSANDRA_USER".to_string(),
            ));
        }
        Ok(Target {
            contacts,
            port,
            keyspace,
            user,
            password,
            logins: LOGINS,
            tls: settings.tls.clone(),
            local_datacenter: settings.local_datacenter.clone(),
            consistency: settings.consistency,
            serial_consistency: settings.serial_consistency,
            connect_timeout: settings.connect_timeout,
            request_timeout: settings.request_timeout,
            run: run.clone(),
        })
    }

    /// Reads the url of a second keyspace, which is read beside this one. All is as the settings have it, but for what
    /// `source` has otherwise. A url without a user logs in as this one does; the password of this one's user goes to no
    /// other user.
    ///
    /// # Errors
    /// As [`Target::read`].
    pub fn beside(&self, url: &str, settings: &Cassandra, source: &Source) -> Result<Self, Error> {
        let mut own = settings.clone();
        (own.user, own.password, own.password_file) = (None, None, None);
        if source.local_datacenter.is_some() {
            own.local_datacenter = source.local_datacenter.clone();
        }
        let mut beside = Target::read(url, &own, &self.run)?;
        beside.logins = LOGINS_BESIDE;
        let user = beside.user.take().or(self.user.clone());
        beside.password = match (beside.password, &source.password) {
            (Password::None, Some(password)) => Password::Given(password.clone()),
            (Password::None, None) if user == self.user => self.password.clone(),
            (password, _) => password,
        };
        beside.user = user;
        Ok(beside)
    }

    /// The keyspace and where it is, without user and password, for people.
    pub fn describe(&self) -> String {
        let hosts: Vec<String> = self.contacts.iter().map(Contact::to_string).collect();
        let port = match self.port {
            PORT => String::new(),
            port => format!(":{port}"),
        };
        format!("cassandra://{}{port}/{}", hosts.join(","), self.keyspace)
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contact::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Contact::Ip(ip) => write!(f, "{ip}"),
            Contact::Name(name) => f.write_str(name),
        }
    }
}

/// The hosts of a url, and the port that they share.
fn hosts_of(text: &str) -> Result<(Vec<Contact>, u16), String> {
    let mut contacts = Vec::new();
    let mut port = None;
    for host in text.split(',') {
        let (contact, own) = host_of(host)?;
        if let (Some(own), Some(other)) = (own, port)
            && own != other
        {
            return Err(format!(
                "the url names the ports {other} and {own}: all nodes must listen on one port"
            ));
        }
        port = own.or(port);
        contacts.push(contact);
    }
    Ok((contacts, port.unwrap_or(PORT)))
}

/// One host, and its port where it has one.
fn host_of(text: &str) -> Result<(Contact, Option<u16>), String> {
    let (name, behind) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest
                .split_once(']')
                .ok_or("an IPv6 address in the url lacks its closing ]")?;
            let ip: Ipv6Addr = address
                .parse()
                .map_err(|_| "what stands between [ and ] in the url is no IPv6 address")?;
            (Contact::Ip(ip.into()), behind)
        }
        None => {
            let (name, behind) = text.split_at(text.find(':').unwrap_or(text.len()));
            let name = decoded(name, "host")?;
            if name.is_empty() {
                return Err("a host of the url is empty".to_string());
            }
            let contact = name
                .parse()
                .map_or_else(|_| Contact::Name(name), Contact::Ip);
            (contact, behind)
        }
    };
    let port =
        match behind.strip_prefix(':') {
            None if behind.is_empty() => None,
            Some("") => None,
            // What looks like a port may be a password that lacks its @, so it is not shown.
            Some(port) => Some(port.parse().ok().filter(|&port| port != 0).ok_or_else(|| {
                format!("what stands behind {contact}: is no port", contact = name)
            })?),
            None => return Err("behind ] only :port can stand".to_string()),
        };
    Ok((name, port))
}

/// A piece of the url with its %XX undone.
fn decoded(text: &str, what: &str) -> Result<String, String> {
    // A % that begins no code is left as it is by the decoder; a password may well hold one.
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| format!("the {what} in the url is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(format!("the {what} in the url holds a NUL"));
    }
    Ok(decoded.into_owned())
}

/// Why a name can be no keyspace of an application; nothing where it can.
fn refuse(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("the url names no keyspace".to_string())
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Some(format!(
            "{name:?} can be no keyspace: Cassandra allows letters, digits and _ only"
        ))
    } else if name.len() > KEYSPACE_MAX {
        Some(format!(
            "{name} is longer than the {KEYSPACE_MAX} bytes that Cassandra allows"
        ))
    } else if is_system(name) {
        Some(format!("{name} is Cassandra's own keyspace"))
    } else {
        None
    }
}

/// Keyspaces of the server (`SchemaConstants`), and those of its offspring.
fn is_system(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "system" || name.starts_with("system_")
}

#[cfg(test)]
mod tests;
