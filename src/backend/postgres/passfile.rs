//! The password file (libpq documentation, "The Password File"; `passwordFromFile` in libpq's source). Pure.

use crate::backend::files::GROUP_AND_WORLD;

/// What a line must match.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The host as it was given; `localhost` for the default socket directory, see libpq's documentation.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The database.
    pub dbname: &'a str,
    /// The role.
    pub user: &'a str,
}

/// Why a passfile is not to be used, for a warning; `None` if it may be. `mode` is `st_mode`'s permission bits.
pub fn objection(path: &str, regular: bool, mode: u32) -> Option<String> {
    if !regular {
        Some(format!(
            "password file \"{path}\" is not a plain file and is ignored"
        ))
    } else if mode & GROUP_AND_WORLD != 0 {
        Some(format!(
            "password file \"{path}\" has group or world access and is ignored; permissions should be u=rw (0600) or less"
        ))
    } else {
        None
    }
}

/// The password of the first line that matches, `host:port:database:user:password`, as bytes.
pub fn lookup(contents: &[u8], wanted: Wanted<'_>) -> Option<Vec<u8>> {
    let port = wanted.port.to_string();
    contents
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.starts_with(b"#"))
        .find_map(|line| {
            let end = line
                .iter()
                .rposition(|&byte| byte != b'\r')
                .map_or(0, |at| at + 1);
            let mut rest = &line[..end];
            for token in [wanted.host, &port, wanted.dbname, wanted.user] {
                rest = matched(rest, token.as_bytes())?;
            }
            Some(unescaped(rest))
        })
}

/// What follows the field at the start of `line`, if the field is `*` or, unescaped, is `token`.
fn matched<'a>(line: &'a [u8], token: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let (mut line, mut token) = (line, token.iter());
    loop {
        match line {
            [b':', rest @ ..] if token.len() == 0 => return Some(rest),
            [b'\\', sign, rest @ ..] | [sign, rest @ ..] => {
                if token.next() != Some(sign) {
                    return None;
                }
                line = rest;
            }
            [] => return None,
        }
    }
}

/// The password: up to a bare colon, without the backslashes.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut password = Vec::with_capacity(field.len());
    let mut rest = field.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b':' => break,
            b'\\' => password.push(rest.next().copied().unwrap_or(b'\\')),
            other => password.push(other),
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(contents: &str, expected: Option<&str>) {
        let wanted = Wanted {
            host: "db:1",
            port: 5432,
            dbname: "app",
            user: "me",
        };
        let found = lookup(contents.as_bytes(), wanted);
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{contents}");
    }

    #[test]
    fn finds_the_first_line_that_matches() {
        check("", None);
        check("*:*:*:*:pw", Some("pw"));
        check("*:*:*:*:pw\r\n", Some("pw"));
        check(
            "# *:*:*:*:no\ndb\\:1:5432:app:me:yes\n*:*:*:*:later",
            Some("yes"),
        );
        // As in libpq, a colon that the wanted host has itself needs no backslash.
        check("db:1:5432:app:me:yes", Some("yes"));
        check("*:5433:*:*:no\n*:*:other:*:no\n*:*:*:you:no", None);
        check("*:*:*:*:a\\:b\\\\c:rest", Some("a:b\\c"));
        check("*:*:*:*:", Some(""));
        check("*:*:*:*:a\\", Some("a\\"));
        check("*:*:*:mee:x\n*:*:*:m:x\n*:*:*:me", None);
    }

    #[test]
    fn refuses_what_others_can_read() {
        assert_eq!(objection("f", true, 0o600), None);
        assert_eq!(objection("f", true, 0o400), None);
        assert!(objection("f", true, 0o640).is_some());
        assert!(objection("f", true, 0o604).is_some());
        assert!(objection("f", false, 0o600).is_some());
    }

    proptest! {
        #[test]
        fn any_password_comes_back(password in "[^\n\r\0]*") {
            let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
            let line = format!("db\\:1:5432:app:me:{escaped}\n");
            let wanted = Wanted { host: "db:1", port: 5432, dbname: "app", user: "me" };
            prop_assert_eq!(lookup(line.as_bytes(), wanted), Some(password.into_bytes()));
        }

        #[test]
        fn never_panics(contents: Vec<u8>, host: String) {
            let _ = lookup(&contents, Wanted { host: &host, port: 1, dbname: "", user: "" });
        }
    }
}
