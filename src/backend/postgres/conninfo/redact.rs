//! Connection strings that may be shown: no password, whatever the input.
//!
//! The rule is doubt: what is not surely something else may be a piece of a password, for a password with an unencoded
//! `@`, `/`, `&` or space ends up in strange places. So the text is cut at the first secret or unknown parameter, and a
//! URI in which the end of the password is not certain shows nothing but its scheme.

use super::keys;
use super::syntax;

/// What stands in place of a secret.
const MASK: &str = "***";

/// The connection string with its password masked, for people. Works for any URL (also Cassandra's) and any
/// `key=value` string, and for text that is neither.
pub fn redacted(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => format!("{scheme}://{}", url_rest(rest)),
        _ => key_values(text),
    }
}

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// What stands behind `scheme://`.
fn url_rest(rest: &str) -> String {
    let (credentials, tail) = match rest.split_once('@') {
        None => (None, rest),
        // A second "@", or a "/" or "?" before the first: where the password ends is a guess.
        Some((before, after)) if after.contains('@') || before.contains(['/', '?']) => {
            return MASK.to_owned();
        }
        Some((before, after)) => (Some(before), after),
    };
    let mut shown = String::new();
    if let Some(credentials) = credentials {
        match credentials.split_once(':') {
            Some((user, _)) => shown.push_str(&format!("{user}:{MASK}@")),
            None => shown.push_str(&format!("{credentials}@")),
        }
    }
    let end = tail.find(['/', '?']).unwrap_or(tail.len());
    let (hosts, behind) = tail.split_at(end);
    if !hosts.split(',').all(has_plain_port) {
        // "postgres://app:secret" without "@": what looks like a port is the password.
        shown.push_str(MASK);
        return shown;
    }
    shown.push_str(hosts);
    let (path, query) = match behind.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (behind, None),
    };
    shown.push_str(path);
    if let Some(query) = query {
        shown.push('?');
        shown.push_str(&parameters(query));
    }
    shown
}

/// Whether what looks like `host:port` has a number, or nothing, for a port, and brackets only around an address.
fn has_plain_port(host: &str) -> bool {
    let behind = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, behind)) => {
            if !address
                .chars()
                .all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.')
            {
                return false;
            }
            behind
        }
        None => host.find(':').map_or("", |colon| &host[colon..]),
    };
    match behind.strip_prefix(':') {
        Some(port) => port.chars().all(|c| c.is_ascii_digit()),
        None => behind.is_empty(),
    }
}

/// The query of a URI up to the first parameter that is secret, unknown or malformed.
fn parameters(query: &str) -> String {
    let mut shown = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some((key, value)) if is_public(key, value) => shown.push(parameter.to_owned()),
            Some((key, _)) if is_word(key) => {
                shown.push(format!("{key}={MASK}"));
                break;
            }
            _ => {
                shown.push(MASK.to_owned());
                break;
            }
        }
    }
    shown.join("&")
}

/// A `key=value` string up to the first pair that is secret or unknown.
fn key_values(text: &str) -> String {
    let Ok(pairs) = syntax::key_values(text) else {
        return MASK.to_owned();
    };
    let mut shown = Vec::new();
    for (key, value) in &pairs {
        if is_public(key, value) {
            shown.push(format!("{key}={}", quoted(value)));
        } else {
            shown.push(match is_word(key) {
                true => format!("{key}={MASK}"),
                false => MASK.to_owned(),
            });
            break;
        }
    }
    shown.join(" ")
}

/// Whether a setting may be shown: a known key that holds no secret, and a value that is no URL with one.
fn is_public(key: &str, value: &str) -> bool {
    keys::find(key).is_some_and(|key| !key.secret)
        && !value.contains("://")
        && !(value.contains('@') && value.contains(':'))
}

/// A name as a person may have mistyped it, and not a piece of a URL.
fn is_word(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A value as it is written in a `key=value` string.
fn quoted(value: &str) -> String {
    if !value.is_empty() && !value.contains([' ', '\'', '\\', '\t', '\n', '\r', '\x0b', '\x0c']) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_passwords() {
        for (text, expected) in [
            (
                "postgres://app:pw@h:5432/db?sslmode=require",
                "postgres://app:***@h:5432/db?sslmode=require",
            ),
            ("postgres://app@h/db", "postgres://app@h/db"),
            (
                "postgres://h/db?user=u&password=pw&sslmode=x",
                "postgres://h/db?user=u&password=***",
            ),
            ("postgres://h/db?%70assword=pw", "postgres://h/db?***"),
            ("postgres://h/db?pasword=pw", "postgres://h/db?pasword=***"),
            ("postgres://app:pw", "postgres://***"),
            ("postgres://app:p/w@h/db", "postgres://***"),
            ("postgres://app:p@w@h/db", "postgres://***"),
            ("postgres://[::1]:5433,h2/db", "postgres://[::1]:5433,h2/db"),
            (
                "cassandra://u:pw@h1,h2:9042/ks",
                "cassandra://u:***@h1,h2:9042/ks",
            ),
            (
                "host=h user='a b' password=pw dbname=d",
                "host=h user='a b' password=***",
            ),
            ("host=h password=a b", "***"),
            (" postgres://u:pw@h/db?sslmode=x", "***"),
            ("host=postgres://u:pw@h/db", "host=***"),
            ("secret", "***"),
            ("", ""),
        ] {
            assert_eq!(redacted(text), expected, "{text}");
        }
    }
}
