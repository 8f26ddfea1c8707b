//! The two spellings of a connection string: URI and `key=value`, taken apart as libpq takes them apart
//! ("Connection Strings" in libpq's documentation; `conninfo_uri_parse` and `conninfo_parse` in its source).
//!
//! The result is a plain list of pairs; what the keys mean is decided elsewhere. Faults never quote the text, because
//! a misplaced piece of a password may stand anywhere in it.

/// The two prefixes that make a connection string a URI for libpq.
const PREFIXES: [&str; 2] = ["postgresql://", "postgres://"];

/// Where the list of hosts and ports goes wrong, or what else cannot be read. Carries no text of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A word of a `key=value` string has no `=` behind it.
    NoEquals,
    /// A quote is opened and not closed.
    OpenQuote,
    /// `[` without `]`.
    OpenBracket,
    /// `[]`.
    EmptyBracket,
    /// Something other than `:`, `/`, `?` or `,` behind `]`.
    AfterBracket,
    /// A host with an `@`: the rest of a password that was not encoded, which libpq would look up and show as a host.
    AtSign,
    /// A query parameter with more than one `=`.
    ExtraEquals,
    /// A query parameter without `=`.
    QueryNoEquals,
    /// `%` without two hexadecimal digits.
    BadPercent,
    /// `%00`.
    ZeroByte,
    /// Percent-encoded bytes that are not UTF-8.
    NotUtf8,
}

impl Fault {
    /// The fault in words, without any of the text.
    pub fn message(self) -> &'static str {
        match self {
            Fault::NoEquals => "a word of the connection string has no \"=\" behind it",
            Fault::OpenQuote => "a quoted value of the connection string does not end",
            Fault::OpenBracket => "the \"[\" of an IPv6 address in the connection URI has no \"]\"",
            Fault::EmptyBracket => "the connection URI has an empty IPv6 address \"[]\"",
            Fault::AfterBracket => {
                "the connection URI goes on in an unexpected way behind the \"]\""
            }
            Fault::AtSign => "the connection URI has a second \"@\" in front of its host",
            Fault::ExtraEquals => "a query parameter of the connection URI has a second \"=\"",
            Fault::QueryNoEquals => "a query parameter of the connection URI has no \"=\"",
            Fault::BadPercent => "the connection URI has a \"%\" without two hexadecimal digits",
            Fault::ZeroByte => "the connection URI has the forbidden value %00",
            Fault::NotUtf8 => "the percent-encoded bytes in the connection URI are not UTF-8",
        }
    }

    /// What to do about it.
    pub fn help(self) -> &'static str {
        match self {
            Fault::NoEquals => {
                "write key=value pairs (a value with spaces in single quotes), or a URI: postgres://user@host:port/database"
            }
            Fault::OpenQuote => {
                "close the single quote; a quote or backslash inside a value is written \\' or \\\\"
            }
            Fault::AtSign => {
                "write an @ of the password as %40, or put the password into ~/.pgpass"
            }
            Fault::OpenBracket | Fault::EmptyBracket | Fault::AfterBracket => {
                "an IPv6 address is written [::1], with its port [::1]:5432"
            }
            Fault::ExtraEquals
            | Fault::QueryNoEquals
            | Fault::BadPercent
            | Fault::ZeroByte
            | Fault::NotUtf8 => {
                "percent-encode special signs: % is %25, @ is %40, & is %26, = is %3D, / is %2F, ? is %3F"
            }
        }
    }
}

/// The text behind a URI prefix that libpq knows.
pub fn uri_rest(text: &str) -> Option<&str> {
    PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix))
}

/// Takes a connection string apart. A key may come several times; the last one counts.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, Fault> {
    match uri_rest(text) {
        Some(rest) => uri(rest),
        None => key_values(text),
    }
}

/// `host=localhost password='it\'s'`.
pub fn key_values(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = rest
            .find(|c| c == '=' || is_space(c))
            .ok_or(Fault::NoEquals)?;
        let (key, behind) = rest.split_at(end);
        let behind = behind
            .trim_start_matches(is_space)
            .strip_prefix('=')
            .ok_or(Fault::NoEquals)?;
        let (value, behind) = value(behind.trim_start_matches(is_space))?;
        pairs.push((key.to_owned(), value));
        rest = behind.trim_start_matches(is_space);
    }
    Ok(pairs)
}

/// The value at the start of `text`, unescaped, and what follows it.
fn value(text: &str) -> Result<(String, &str), Fault> {
    let quoted = text.strip_prefix('\'');
    let body = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut signs = body.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => value.extend(signs.next().map(|(_, escaped)| escaped)),
            '\'' if quoted.is_some() => return Ok((value, &body[at + 1..])),
            space if quoted.is_none() && is_space(space) => return Ok((value, &body[at..])),
            other => value.push(other),
        }
    }
    match quoted {
        Some(_) => Err(Fault::OpenQuote),
        None => Ok((value, "")),
    }
}

/// What C's `isspace` accepts.
fn is_space(sign: char) -> bool {
    matches!(sign, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// `user:password@host:port,host:port/dbname?key=value&…`.
fn uri(rest: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut pairs = Vec::new();
    let mut rest = rest;
    if let Some(at) = rest.find(['@', '/'])
        && rest[at..].starts_with('@')
    {
        let (user, password) = match rest[..at].split_once(':') {
            Some((user, password)) => (user, password),
            None => (&rest[..at], ""),
        };
        store(&mut pairs, "user", user)?;
        store(&mut pairs, "password", password)?;
        rest = &rest[at + 1..];
    }

    let (hosts, ports, behind) = authority(rest)?;
    if hosts.contains('@') {
        return Err(Fault::AtSign);
    }
    store(&mut pairs, "host", &hosts)?;
    store(&mut pairs, "port", &ports)?;

    let (path, query) = match behind.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (behind, None),
    };
    store(&mut pairs, "dbname", path.strip_prefix('/').unwrap_or(path))?;
    if let Some(query) = query {
        parameters(query, &mut pairs)?;
    }
    Ok(pairs)
}

/// The comma lists of hosts and ports at the start of `rest`, still encoded, and what follows them.
fn authority(mut rest: &str) -> Result<(String, String, &str), Fault> {
    let (mut hosts, mut ports) = (String::new(), String::new());
    loop {
        if let Some(inside) = rest.strip_prefix('[') {
            let end = inside.find(']').ok_or(Fault::OpenBracket)?;
            if end == 0 {
                return Err(Fault::EmptyBracket);
            }
            hosts.push_str(&inside[..end]);
            rest = &inside[end + 1..];
            if !rest.is_empty() && !rest.starts_with([':', '/', '?', ',']) {
                return Err(Fault::AfterBracket);
            }
        } else {
            let end = rest.find([':', '/', '?', ',']).unwrap_or(rest.len());
            hosts.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        if let Some(behind) = rest.strip_prefix(':') {
            let end = behind.find(['/', '?', ',']).unwrap_or(behind.len());
            ports.push_str(&behind[..end]);
            rest = &behind[end..];
        }
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return Ok((hosts, ports, rest)),
        }
        hosts.push(',');
        ports.push(',');
    }
}

/// The query behind `?`.
fn parameters(query: &str, pairs: &mut Vec<(String, String)>) -> Result<(), Fault> {
    // libpq stops at the end of the text, so an empty query and a trailing "&" are fine.
    for parameter in query.strip_suffix('&').unwrap_or(query).split('&') {
        if parameter.is_empty() && query.is_empty() {
            return Ok(());
        }
        let (key, value) = parameter.split_once('=').ok_or(Fault::QueryNoEquals)?;
        if value.contains('=') {
            return Err(Fault::ExtraEquals);
        }
        let (key, value) = (decode(key)?, decode(value)?);
        // The spelling of JDBC, which libpq accepts in URIs only.
        if key == "ssl" && value == "true" {
            pairs.push(("sslmode".to_owned(), "require".to_owned()));
        } else {
            pairs.push((key, value));
        }
    }
    Ok(())
}

/// Keeps a decoded piece of a URI; an absent piece leaves the setting to the environment.
fn store(pairs: &mut Vec<(String, String)>, key: &str, encoded: &str) -> Result<(), Fault> {
    if !encoded.is_empty() {
        pairs.push((key.to_owned(), decode(encoded)?));
    }
    Ok(())
}

/// Percent-decoding; unlike in HTML forms, `+` stays `+`.
pub fn decode(encoded: &str) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(Fault::BadPercent);
        };
        match u8::try_from(high * 16 + low) {
            Ok(0) => return Err(Fault::ZeroByte),
            Ok(decoded) => bytes.push(decoded),
            Err(_) => return Err(Fault::BadPercent),
        }
    }
    String::from_utf8(bytes).map_err(|_| Fault::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        assert_eq!(pairs(text), Ok(expected), "{text}");
    }

    #[test]
    fn reads_what_libpq_reads() {
        check("", &[]);
        check(
            "  host = localhost  port=5433 ",
            &[("host", "localhost"), ("port", "5433")],
        );
        check(
            r"user='a b' password=it\'s\ me",
            &[("user", "a b"), ("password", "it's me")],
        );
        check(
            r"password='\\\''dbname=x",
            &[("password", r"\'"), ("dbname", "x")],
        );
        check("host= user=x", &[("host", "user=x")]);
        check("host='' user=x", &[("host", ""), ("user", "x")]);
        check("postgres://", &[]);
        check("postgresql:///app", &[("dbname", "app")]);
        check("postgres://h", &[("host", "h")]);
        check("postgres://u@", &[("user", "u")]);
        check(
            "postgres://u:p%40%2F@h:1/d?sslmode=require&",
            &[
                ("user", "u"),
                ("password", "p@/"),
                ("host", "h"),
                ("port", "1"),
                ("dbname", "d"),
                ("sslmode", "require"),
            ],
        );
        check(
            "postgres://u:a:b@h",
            &[("user", "u"), ("password", "a:b"), ("host", "h")],
        );
        check(
            "postgres://[::1]:5433,b:1,c/d",
            &[("host", "::1,b,c"), ("port", "5433,1,"), ("dbname", "d")],
        );
        check(
            "postgres://%2Ftmp%2Fx/d",
            &[("host", "/tmp/x"), ("dbname", "d")],
        );
        check(
            "postgres:///d?host=/tmp/x&port=7",
            &[("dbname", "d"), ("host", "/tmp/x"), ("port", "7")],
        );
        check(
            "postgres://h?ssl=true",
            &[("host", "h"), ("sslmode", "require")],
        );
        check("postgres://h?a=1+1", &[("host", "h"), ("a", "1+1")]);
        check("postgres://h/?", &[("host", "h")]);
    }

    #[test]
    fn refuses_what_libpq_refuses() {
        for (text, fault) in [
            ("app", Fault::NoEquals),
            ("host=x app", Fault::NoEquals),
            ("host=x app y=z", Fault::NoEquals),
            ("host='x", Fault::OpenQuote),
            (r"host='x\'", Fault::OpenQuote),
            ("postgres://[::1", Fault::OpenBracket),
            ("postgres://[]", Fault::EmptyBracket),
            ("postgres://[::1]x", Fault::AfterBracket),
            ("postgres://u:p@ss@h/d", Fault::AtSign),
            ("postgres://h?a=b=c", Fault::ExtraEquals),
            ("postgres://h?a", Fault::QueryNoEquals),
            ("postgres://h?a=1&&b=2", Fault::QueryNoEquals),
            ("postgres://h?&", Fault::QueryNoEquals),
            ("postgres://h%2", Fault::BadPercent),
            ("postgres://h%zz", Fault::BadPercent),
            ("postgres://h%00", Fault::ZeroByte),
            ("postgres://h%ff", Fault::NotUtf8),
        ] {
            assert_eq!(pairs(text), Err(fault), "{text}");
        }
    }
}
