//! Flag over environment over file over default, written down as it is decided. Pure.

use super::{Effective, Origin};
use secrecy::SecretString;

/// Decides value by value and remembers where each came from.
pub struct Layers<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    /// All values so far.
    pub effective: Vec<Effective>,
}

impl<'a> Layers<'a> {
    /// No value yet.
    pub fn new(env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Layers {
            env,
            effective: Vec::new(),
        }
    }

    /// A text value.
    pub fn text(
        &mut self,
        key: &str,
        flag: Option<String>,
        file: Option<String>,
        default: Option<&str>,
    ) -> Option<String> {
        let (value, origin) = self.pick(key, flag, file, default);
        self.effective.push(Effective {
            key: key.to_string(),
            value: value.clone(),
            origin,
        });
        value
    }

    /// A list; in the environment its entries stand between commas. Urls in it are shown without their passwords.
    pub fn list(&mut self, key: &str, file: Option<Vec<String>>) -> Vec<String> {
        let (environment, origin) = self.pick(key, None, None, None);
        let (entries, origin) = match (environment, file) {
            (Some(text), _) => {
                let entries = text.split(',').map(|entry| entry.trim().to_string());
                let entries = entries.filter(|entry| !entry.is_empty());
                (Some(entries.collect::<Vec<String>>()), origin)
            }
            (None, Some(entries)) => (Some(entries), Origin::File),
            (None, None) => (None, origin),
        };
        let masked = entries.as_ref().map(|entries| {
            let masked: Vec<String> = entries.iter().map(|entry| shown(entry)).collect();
            masked.join(",")
        });
        self.effective.push(Effective {
            key: key.to_string(),
            value: masked,
            origin,
        });
        entries.unwrap_or_default()
    }

    /// The url: `DATABASE_URL` serves where none is set. Shown without its password.
    pub fn url(&mut self, flag: Option<String>, file: Option<String>) -> Option<String> {
        let (mut value, mut origin) = self.pick("url", flag, file, None);
        if value.is_none() {
            value = (self.env)("DATABASE_URL").filter(|url| !url.is_empty());
            if value.is_some() {
                origin = Origin::Environment("DATABASE_URL".into());
            }
        }
        self.effective.push(Effective {
            key: "url".into(),
            value: value.as_deref().map(shown),
            origin,
        });
        value
    }

    /// A secret, which only the environment may hold: kmig.toml is committed. Shown as a mask.
    pub fn secret(&mut self, key: &str) -> Option<SecretString> {
        let (value, origin) = self.pick(key, None, None, None);
        self.effective.push(Effective {
            key: key.to_string(),
            value: value.as_ref().map(|_| "***".to_string()),
            origin,
        });
        value.map(Into::into)
    }

    fn pick(
        &self,
        key: &str,
        flag: Option<String>,
        file: Option<String>,
        default: Option<&str>,
    ) -> (Option<String>, Origin) {
        let name = format!("KMIG_{}", key.to_uppercase().replace('.', "_"));
        let env = (self.env)(&name).filter(|value| !value.is_empty());
        if flag.is_some() {
            (flag, Origin::Flag)
        } else if env.is_some() {
            (env, Origin::Environment(name))
        } else if file.is_some() {
            (file, Origin::File)
        } else {
            (default.map(str::to_string), Origin::Default)
        }
    }
}

/// A value that may be a url, without its password.
fn shown(value: &str) -> String {
    crate::backend::postgres::conninfo::redacted(value)
}
