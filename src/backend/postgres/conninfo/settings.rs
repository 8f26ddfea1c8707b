//! The parameters gathered from all sources, and the typed reading of each. What libpq checks in `connectOptions2`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::keys::{self, Treatment};
use super::target::{Address, ChannelBinding, Host, Keepalives, TargetSessionAttrs};
use super::{ConnInfoError, redact, syntax};

/// libpq waits for ever, or for as long as the system does; a migration must not hang on a dead line, so kmig has
/// defaults of its own: an idle line that is dead is noticed in 40 s, one with unacknowledged data in 30 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVES_IDLE: Duration = Duration::from_secs(20);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVES_COUNT: i32 = 2;
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) type Result<T> = std::result::Result<T, ConnInfoError>;

/// A value and where it came from, for messages.
struct Setting {
    value: String,
    origin: Origin,
}

enum Origin {
    Text,
    Service(String),
    Variable(&'static str),
}

/// Parameters by name.
pub struct Settings {
    values: BTreeMap<&'static str, Setting>,
    /// What may be shown of the connection string. A word of it is quoted in a message only if it stands here.
    visible: String,
}

impl Settings {
    /// The settings of a connection string.
    pub fn from_text(text: &str) -> Result<Self> {
        let mut settings = Settings {
            values: BTreeMap::new(),
            visible: redact::redacted(text),
        };
        let pairs = syntax::pairs(text)
            .map_err(|fault| ConnInfoError::new(fault.message()).help(fault.help()))?;
        for (name, value) in pairs {
            let Some(key) = keys::find(&name) else {
                return Err(unknown(settings.quotable(&name), ""));
            };
            settings.values.insert(
                key.name,
                Setting {
                    value,
                    origin: Origin::Text,
                },
            );
        }
        settings.refuse_what_cannot_be_done()?;
        Ok(settings)
    }

    /// A word of the connection string, or dots if it may be part of a password.
    pub fn quotable<'a>(&self, word: &'a str) -> &'a str {
        if self.visible.contains(word) {
            word
        } else {
            "…"
        }
    }

    /// A value that is needed before the environment is filled in.
    pub fn peek(&self, name: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        match self.values.get(name) {
            Some(setting) => Some(setting.value.clone()),
            None => keys::find(name)?.variable.and_then(variable),
        }
    }

    /// Adds what a service file has and the connection string has not.
    pub fn fill_from_service(&mut self, pairs: Vec<(String, String)>, path: &str) -> Result<()> {
        for (name, value) in pairs {
            let key =
                keys::find(&name).ok_or_else(|| unknown(&name, &format!(" in \"{path}\"")))?;
            let origin = Origin::Service(path.to_owned());
            self.values
                .entry(key.name)
                .or_insert(Setting { value, origin });
        }
        self.refuse_what_cannot_be_done()
    }

    /// Adds what the environment has and the sources before it have not.
    pub fn fill_from(&mut self, variable: &dyn Fn(&str) -> Option<String>) -> Result<()> {
        for key in keys::KEYS {
            let Some(name) = key.variable else { continue };
            if !self.values.contains_key(key.name)
                && let Some(value) = variable(name)
            {
                self.values.insert(
                    key.name,
                    Setting {
                        value,
                        origin: Origin::Variable(name),
                    },
                );
            }
        }
        self.refuse_what_cannot_be_done()
    }

    fn refuse_what_cannot_be_done(&self) -> Result<()> {
        for (name, setting) in &self.values {
            let Some(key) = keys::find(name) else {
                continue;
            };
            if let Treatment::Refused { allowed, help } = key.treatment
                && !allowed
                    .iter()
                    .any(|value| value.eq_ignore_ascii_case(&setting.value))
            {
                return Err(ConnInfoError::new(format!(
                    "kmig does not support {}{}",
                    self.shown(name),
                    self.origin(name)
                ))
                .help(help));
            }
        }
        Ok(())
    }

    /// `name=value`, without the value where it may be secret.
    pub(super) fn shown(&self, name: &str) -> String {
        let secret = keys::find(name).is_none_or(|key| key.secret);
        match self.values.get(name) {
            Some(setting) if !secret => match setting.origin {
                Origin::Text => format!("{name}={}", self.quotable(&setting.value)),
                _ => format!("{name}={}", setting.value),
            },
            _ => name.to_owned(),
        }
    }

    /// Where the value came from, if not from the connection string.
    pub(super) fn origin(&self, name: &str) -> String {
        match self.values.get(name).map(|setting| &setting.origin) {
            Some(Origin::Service(path)) => format!(" (from \"{path}\")"),
            Some(Origin::Variable(variable)) => format!(" (from {variable})"),
            Some(Origin::Text) | None => String::new(),
        }
    }

    pub(super) fn invalid(&self, name: &str, expected: &str) -> ConnInfoError {
        ConnInfoError::new(format!("invalid {}{}", self.shown(name), self.origin(name)))
            .help(expected)
    }

    /// A value; an empty one counts as none.
    pub fn text(&self, name: &str) -> Option<String> {
        self.values
            .get(name)
            .map(|setting| setting.value.clone())
            .filter(|value| !value.is_empty())
    }

    /// One of several words. As in libpq an empty value is no word.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &str,
        default: T,
        choices: &[(&str, T)],
    ) -> Result<T> {
        let Some(setting) = self.values.get(name) else {
            return Ok(default);
        };
        choices
            .iter()
            .find(|(word, _)| *word == setting.value)
            .map(|(_, choice)| *choice)
            .ok_or_else(|| {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                self.invalid(name, &format!("it is one of {}", words.join(", ")))
            })
    }

    /// A whole number of C's `int`, with blanks around it.
    fn number(&self, name: &str) -> Result<Option<i32>> {
        let Some(setting) = self.values.get(name) else {
            return Ok(None);
        };
        setting
            .value
            .trim()
            .parse()
            .map(Some)
            .map_err(|_| self.invalid(name, "it is a whole number"))
    }

    /// A number of seconds; zero and less mean "not set".
    fn seconds(&self, name: &str) -> Result<Option<Duration>> {
        Ok(self
            .number(name)?
            .and_then(|n| u64::try_from(n).ok())
            .filter(|n| *n > 0)
            .map(Duration::from_secs))
    }

    /// [`Settings::seconds`], and kmig's own default where nothing is said.
    fn seconds_or(&self, name: &str, default: Duration) -> Result<Option<Duration>> {
        let said = self.number(name)?.is_some();
        Ok(self.seconds(name)?.or((!said).then_some(default)))
    }

    /// `connect_timeout`; one second is too short to be told from none, libpq waits two.
    pub fn connect_timeout(&self) -> Result<Option<Duration>> {
        Ok(self
            .seconds_or("connect_timeout", CONNECT_TIMEOUT)?
            .map(|timeout| timeout.max(Duration::from_secs(2))))
    }

    /// `keepalives…`.
    pub fn keepalives(&self) -> Result<Keepalives> {
        let count = self.number("keepalives_count")?;
        Ok(Keepalives {
            enabled: self.number("keepalives")?.is_none_or(|n| n != 0),
            idle: self.seconds_or("keepalives_idle", KEEPALIVES_IDLE)?,
            interval: self.seconds_or("keepalives_interval", KEEPALIVES_INTERVAL)?,
            count: u32::try_from(count.unwrap_or(KEEPALIVES_COUNT))
                .ok()
                .filter(|n| *n > 0),
        })
    }

    /// `tcp_user_timeout`, in milliseconds.
    pub fn tcp_user_timeout(&self) -> Result<Option<Duration>> {
        let Some(milliseconds) = self.number("tcp_user_timeout")? else {
            return Ok(Some(TCP_USER_TIMEOUT));
        };
        let milliseconds = u64::try_from(milliseconds).ok();
        Ok(milliseconds.filter(|n| *n > 0).map(Duration::from_millis))
    }

    /// `target_session_attrs`.
    pub fn target_session_attrs(&self) -> Result<TargetSessionAttrs> {
        use TargetSessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
        self.choice(
            "target_session_attrs",
            Any,
            &[
                ("any", Any),
                ("read-write", ReadWrite),
                ("read-only", ReadOnly),
                ("primary", Primary),
                ("standby", Standby),
                ("prefer-standby", PreferStandby),
            ],
        )
    }

    /// `channel_binding`.
    pub fn channel_binding(&self) -> Result<ChannelBinding> {
        use ChannelBinding::{Disable, Prefer, Require};
        self.choice(
            "channel_binding",
            Prefer,
            &[
                ("disable", Disable),
                ("prefer", Prefer),
                ("require", Require),
            ],
        )
    }

    /// `load_balance_hosts`.
    pub fn load_balance_hosts(&self) -> Result<bool> {
        self.choice(
            "load_balance_hosts",
            false,
            &[("disable", false), ("random", true)],
        )
    }

    /// `options`, and the server settings that libpq takes from `PGDATESTYLE`, `PGTZ` and `PGGEQO`.
    pub fn server_options(&self, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let mut options: Vec<String> = self.text("options").into_iter().collect();
        for (name, setting) in [
            ("PGDATESTYLE", "datestyle"),
            ("PGTZ", "timezone"),
            ("PGGEQO", "geqo"),
        ] {
            // libpq: the value "default" leaves the server's own.
            if let Some(value) =
                variable(name).filter(|value| !value.eq_ignore_ascii_case("default"))
            {
                options.push(format!("-c {setting}={}", escaped_option(&value)));
            }
        }
        (!options.is_empty()).then(|| options.join(" "))
    }

    /// The servers to try.
    pub fn hosts(&self, socket_dir: Option<&str>) -> Result<Vec<Host>> {
        let list = |name: &str| {
            self.text(name)
                .map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>())
        };
        let names = list("host");
        let ips = list("hostaddr");
        if let (Some(names), Some(ips)) = (&names, &ips)
            && names.len() != ips.len()
        {
            let message = format!(
                "{} host names do not match {} hostaddr values",
                names.len(),
                ips.len()
            );
            return Err(ConnInfoError::new(message)
                .help("give one hostaddr for each host, or only one of the two"));
        }
        let count = ips.as_ref().or(names.as_ref()).map_or(1, Vec::len);
        let ports = self.ports(count)?;
        let piece = |list: &Option<Vec<String>>, at: usize| {
            list.as_ref()
                .and_then(|list| list.get(at))
                .filter(|piece| !piece.is_empty())
                .cloned()
        };
        (0..count)
            .zip(ports)
            .map(|(at, port)| {
                let name = piece(&names, at);
                let address = match (piece(&ips, at), name) {
                    (Some(ip), name) => Address::Ip {
                        ip: self.ip(&ip)?,
                        name,
                    },
                    (None, Some(name)) if name.starts_with(['/', '@']) => Address::Socket(name),
                    (None, Some(name)) => Address::Name(name),
                    (None, None) => match socket_dir {
                        Some(directory) => Address::Socket(directory.to_owned()),
                        None => Address::Name("localhost".to_owned()),
                    },
                };
                Ok(Host {
                    address,
                    port,
                    password: None,
                })
            })
            .collect()
    }

    fn ip(&self, text: &str) -> Result<IpAddr> {
        text.parse().map_err(|_| {
            self.invalid(
                "hostaddr",
                "it is an IPv4 or IPv6 address; names belong in host",
            )
        })
    }

    /// One port for each host.
    fn ports(&self, hosts: usize) -> Result<Vec<u16>> {
        const DEFAULT: u16 = 5432;
        let Some(text) = self.text("port") else {
            return Ok(vec![DEFAULT; hosts]);
        };
        let ports = text
            .split(',')
            .map(|port| match port.trim() {
                "" => Ok(DEFAULT),
                port => port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(|| {
                    self.invalid("port", "a port is a number from 1 to 65535; in a URI percent-encode a password's : / @")
                }),
            })
            .collect::<Result<Vec<u16>>>()?;
        match ports.as_slice() {
            [port] => Ok(vec![*port; hosts]),
            _ if ports.len() == hosts => Ok(ports),
            _ => Err(ConnInfoError::new(format!(
                "{} port numbers do not match {hosts} hosts",
                ports.len()
            ))
            .help("give one port, or one for each host")),
        }
    }
}

/// A value inside `options`, where blanks part words (server documentation, `options` start-up parameter).
fn escaped_option(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for sign in value.chars() {
        if sign == '\\' || sign.is_ascii_whitespace() {
            escaped.push('\\');
        }
        escaped.push(sign);
    }
    escaped
}

fn unknown(name: &str, place: &str) -> ConnInfoError {
    let error = ConnInfoError::new(format!("unknown connection parameter \"{name}\"{place}"));
    match keys::close_to(name).as_slice() {
        [] => error.help("the parameters are those of libpq: host, port, dbname, user, sslmode, …"),
        near => error.help(format!("did you mean {}?", near.join(" or "))),
    }
}
