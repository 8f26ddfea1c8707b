//! How a keyspace is replicated, as it stands in kmig.toml, in the environment and in CQL. Pure.

use std::collections::BTreeMap;

/// A replication map, `class` among its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication(BTreeMap<String, String>);

impl Replication {
    /// Reads a TOML table, `{ class = "NetworkTopologyStrategy", dc1 = 3 }`, or a map of CQL,
    /// `{'class': 'NetworkTopologyStrategy', 'dc1': 3}`.
    ///
    /// # Errors
    /// What was expected.
    pub fn read(text: &str) -> Result<Self, String> {
        let map = match toml::from_str::<BTreeMap<String, BTreeMap<String, toml::Value>>>(&format!("map = {text}")) {
            Ok(mut tables) if tables.len() == 1 => plain(&tables.remove("map").unwrap_or_default())?,
            _ => cql(text).ok_or(
                "it is neither a TOML table nor a CQL map; write { class = \"NetworkTopologyStrategy\", dc1 = 3 }",
            )?,
        };
        if !map.contains_key("class") {
            return Err(
                "class is missing; write { class = \"NetworkTopologyStrategy\", dc1 = 3 }"
                    .to_string(),
            );
        }
        Ok(Replication(map))
    }

    /// Its keys and values.
    pub fn map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// As CQL writes it.
    pub fn cql(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let entries: Vec<String> = self
            .0
            .iter()
            .map(|(key, value)| format!("{}: {}", quoted(key), quoted(value)))
            .collect();
        format!("{{{}}}", entries.join(", "))
    }
}

/// A table of kmig.toml as one text that [`Replication::read`] reads.
pub(super) fn shown(table: &BTreeMap<String, toml::Value>) -> String {
    let entries: Vec<String> = table
        .iter()
        .map(|(key, value)| format!("{} = {value}", toml::Value::String(key.clone())))
        .collect();
    format!("{{ {} }}", entries.join(", "))
}

fn plain(table: &BTreeMap<String, toml::Value>) -> Result<BTreeMap<String, String>, String> {
    table
        .iter()
        .map(|(key, value)| match value {
            toml::Value::String(text) => Ok((key.clone(), text.clone())),
            toml::Value::Integer(number) => Ok((key.clone(), number.to_string())),
            other => Err(format!("{key}: {other} is neither a text nor a number")),
        })
        .collect()
}

/// A CQL map of texts and numbers.
fn cql(text: &str) -> Option<BTreeMap<String, String>> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut map = BTreeMap::new();
    while !rest.is_empty() {
        let (key, behind) = literal(rest)?;
        let (value, behind) = literal(behind.trim_start().strip_prefix(':')?.trim_start())?;
        map.insert(key, value);
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if behind.is_empty() => behind,
            None => return None,
        };
    }
    Some(map)
}

/// A quoted text or a number, and what stands behind it.
fn literal(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('\'') else {
        let end = text.bytes().take_while(u8::is_ascii_digit).count();
        return (end > 0).then(|| (text[..end].to_string(), &text[end..]));
    };
    let mut value = String::new();
    loop {
        let (piece, behind) = rest.split_once('\'')?;
        value.push_str(piece);
        match behind.strip_prefix('\'') {
            Some(next) => {
                value.push('\'');
                rest = next;
            }
            None => return Some((value, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_cql_mean_the_same() {
        let wanted = "{'class': 'NetworkTopologyStrategy', 'dc1': '3', 'it''s': '2'}";
        for text in [
            r#"{ class = "NetworkTopologyStrategy", dc1 = 3, "it's" = "2" }"#,
            "{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'it''s' : '2'}",
            wanted,
        ] {
            assert_eq!(
                Replication::read(text).map(|map| map.cql()).as_deref(),
                Ok(wanted),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for text in [
            "",
            "3",
            "{}",
            "{ dc1 = 3 }",
            "{'class': 'X'",
            "{'class' 'X'}",
            "{ class = [1] }",
            "{'class': 'X'} or 1",
            "{ class = \"X\" }\nother = { class = \"Y\" }",
        ] {
            assert!(Replication::read(text).is_err(), "{text}");
        }
    }
}
