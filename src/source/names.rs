//! What the names of folders and files mean. Pure.

use super::{MigrationId, PartKind};

/// The subsystem of migrations that lie in no subsystem folder.
pub const DEFAULT_SUBSYSTEM: &str = "core";

/// Reads `NNN_name`: one to eighteen digits, an underscore, and a name of letters, digits, `_`, `-` or `.`.
pub fn migration(name: &str) -> Result<u64, String> {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = name.split_at(digits);
    if digits == 0 {
        return Err("a migration folder is called NNN_name, for example 001_base".into());
    }
    if digits > 18 {
        return Err(format!(
            "the number of {name} has {digits} digits; eighteen are the most"
        ));
    }
    let Some(rest) = rest.strip_prefix('_').filter(|rest| !rest.is_empty()) else {
        return Err(format!(
            "a migration folder is called NNN_name; {name} lacks the _name"
        ));
    };
    if let Some(odd) = rest
        .chars()
        .find(|&c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
    {
        return Err(format!(
            "{odd:?} cannot be part of a migration's name; letters, digits, _, - and . can"
        ));
    }
    // At most eighteen digits always fit in 64 bits.
    number.parse().map_err(|_| format!("{number} is no number"))
}

/// Whether a name claims to be a migration's folder: it begins with a digit.
pub fn is_migration(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_digit())
}

/// The part after the number, which names the change: `base` of `001_base`.
pub fn change(name: &str) -> &str {
    name.trim_start_matches(|c: char| c.is_ascii_digit())
        .trim_start_matches('_')
}

/// Whether a subsystem may be called so: a letter, then letters, digits, `_` or `-`; at most 63 bytes.
pub fn subsystem(name: &str) -> Result<(), String> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 63
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if fits {
        Ok(())
    } else {
        Err("a subsystem's folder has a name of ASCII letters, digits, _ and -, and begins with a letter; a migration's folder is called NNN_name".into())
    }
}

/// Names that are passed over: those that start with a dot, and README files.
pub fn ignored(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    name.starts_with('.') || upper == "README" || upper.starts_with("README.")
}

/// Stem and extension of a part's file, `up.sql`.
pub fn part(name: &str) -> Option<(PartKind, &str)> {
    let (stem, extension) = name.rsplit_once('.')?;
    if !matches!(extension, "sql" | "cql") {
        return None;
    }
    Some((PartKind::from_name(stem)?, extension))
}

/// Reads `core/019_x`, `core/019` or `core/19` as a person types it: the identity, and the name where one was typed.
pub fn identity(text: &str) -> Result<(MigrationId, Option<String>), String> {
    let (subsystem, rest) = text.rsplit_once('/').unwrap_or((DEFAULT_SUBSYSTEM, text));
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let number = rest[..digits]
        .parse()
        .map_err(|_| format!("{text} names no migration; write subsystem/NNN_name"))?;
    let id = MigrationId {
        subsystem: subsystem.to_string(),
        number,
    };
    match &rest[digits..] {
        "" => Ok((id, None)),
        name if name.starts_with('_') => Ok((id, Some(rest.to_string()))),
        _ => Err(format!(
            "{text} names no migration; write subsystem/NNN_name"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migration_names() {
        assert_eq!(migration("001_base"), Ok(1));
        assert_eq!(migration("1_b"), Ok(1));
        assert_eq!(
            migration("999999999999999999_x"),
            Ok(999_999_999_999_999_999)
        );
        for wrong in [
            "base",
            "001",
            "001_",
            "001-base",
            "1234567890123456789_x",
            "001_a b",
            "",
        ] {
            assert!(migration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn part_names() {
        assert_eq!(part("up.sql"), Some((PartKind::Up, "sql")));
        assert_eq!(part("ready.cql"), Some((PartKind::Ready, "cql")));
        for wrong in ["Up.sql", "up.SQL", "up", "down.sql", "up.sql.bak"] {
            assert_eq!(part(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn typed_identities() {
        let id = |subsystem: &str, number| MigrationId {
            subsystem: subsystem.into(),
            number,
        };
        assert_eq!(identity("acl/002"), Ok((id("acl", 2), None)));
        assert_eq!(identity("002_x"), Ok((id("core", 2), Some("002_x".into()))));
        assert!(identity("acl/x").is_err());
    }
}
