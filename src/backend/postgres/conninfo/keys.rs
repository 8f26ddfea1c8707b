//! Every parameter libpq knows (libpq documentation, "Parameter Key Words" and "Environment Variables", up to
//! version 18), and what kmig does with it.

/// A connection parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name in connection strings and service files.
    pub name: &'static str,
    /// The environment variable that serves where it is not set.
    pub variable: Option<&'static str>,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// What kmig does with it.
    pub treatment: Treatment,
}

/// What kmig does with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Does what libpq does.
    Used,
    /// Has no bearing on a connection that kmig can make; accepted.
    Harmless,
    /// Ignoring it would weaken what was asked for. Refused unless the value, if any, is in `allowed`.
    Refused {
        /// Values that ask for nothing special.
        allowed: &'static [&'static str],
        /// What to do instead.
        help: &'static str,
    },
}

const fn used(name: &'static str, variable: &'static str) -> Key {
    Key {
        name,
        variable: Some(variable),
        secret: false,
        treatment: Treatment::Used,
    }
}

const fn used_here(name: &'static str) -> Key {
    Key {
        name,
        variable: None,
        secret: false,
        treatment: Treatment::Used,
    }
}

const fn harmless(name: &'static str, variable: Option<&'static str>) -> Key {
    Key {
        name,
        variable,
        secret: false,
        treatment: Treatment::Harmless,
    }
}

const fn refused(
    name: &'static str,
    variable: Option<&'static str>,
    allowed: &'static [&'static str],
    help: &'static str,
) -> Key {
    Key {
        name,
        variable,
        secret: false,
        treatment: Treatment::Refused { allowed, help },
    }
}

const fn secret(key: Key) -> Key {
    Key {
        secret: true,
        ..key
    }
}

const NO_CRL: &str =
    "kmig does not check certificate revocation lists; remove the setting if that is acceptable";
const NO_GSS: &str = "kmig has no GSSAPI; use TLS (sslmode=verify-full) instead";
const NO_OAUTH: &str = "kmig does not log in with OAuth; use a password or a client certificate";
const NO_SCRAM_KEYS: &str =
    "kmig logs in with the password itself: set password, PGPASSWORD or a passfile";
const NO_PROTOCOL: &str = "kmig speaks version 3.0 of the protocol";

/// All parameters, by name.
pub const KEYS: &[Key] = &[
    used("application_name", "PGAPPNAME"),
    used("channel_binding", "PGCHANNELBINDING"),
    // kmig sends and reads UTF-8 only. PGCLIENTENCODING is about what a terminal shows and has no bearing on that.
    refused(
        "client_encoding",
        None,
        &["", "auto", "utf8", "utf-8", "unicode"],
        "kmig talks UTF-8 to the server; remove client_encoding",
    ),
    used("connect_timeout", "PGCONNECT_TIMEOUT"),
    used("dbname", "PGDATABASE"),
    used_here("fallback_application_name"),
    harmless("gssdelegation", Some("PGGSSDELEGATION")),
    refused(
        "gssencmode",
        Some("PGGSSENCMODE"),
        &["disable", "prefer"],
        NO_GSS,
    ),
    harmless("gsslib", Some("PGGSSLIB")),
    used("host", "PGHOST"),
    used("hostaddr", "PGHOSTADDR"),
    used_here("keepalives"),
    used_here("keepalives_count"),
    used_here("keepalives_idle"),
    used_here("keepalives_interval"),
    harmless("krbsrvname", Some("PGKRBSRVNAME")),
    used("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    refused(
        "max_protocol_version",
        Some("PGMAXPROTOCOLVERSION"),
        &["", "3.0", "3.2", "latest"],
        NO_PROTOCOL,
    ),
    refused(
        "min_protocol_version",
        Some("PGMINPROTOCOLVERSION"),
        &["", "3.0"],
        NO_PROTOCOL,
    ),
    secret(refused("oauth_client_id", None, &[""], NO_OAUTH)),
    secret(refused("oauth_client_secret", None, &[""], NO_OAUTH)),
    refused("oauth_issuer", None, &[""], NO_OAUTH),
    refused("oauth_scope", None, &[""], NO_OAUTH),
    used("options", "PGOPTIONS"),
    used("passfile", "PGPASSFILE"),
    secret(used("password", "PGPASSWORD")),
    used("port", "PGPORT"),
    refused(
        "replication",
        None,
        &["", "off", "false", "no", "0"],
        "kmig runs SQL; a replication connection cannot",
    ),
    refused(
        "require_auth",
        Some("PGREQUIREAUTH"),
        &[""],
        "kmig cannot restrict the way of logging in; channel_binding=require insists on SCRAM over TLS",
    ),
    refused(
        "requirepeer",
        Some("PGREQUIREPEER"),
        &[""],
        "kmig cannot check the owner of a socket; connect over TLS with sslmode=verify-full",
    ),
    secret(refused("scram_client_key", None, &[""], NO_SCRAM_KEYS)),
    secret(refused("scram_server_key", None, &[""], NO_SCRAM_KEYS)),
    used("service", "PGSERVICE"),
    used("servicefile", "PGSERVICEFILE"),
    used("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    used("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    used("sslcert", "PGSSLCERT"),
    used("sslcertmode", "PGSSLCERTMODE"),
    harmless("sslcompression", Some("PGSSLCOMPRESSION")),
    refused("sslcrl", Some("PGSSLCRL"), &[""], NO_CRL),
    refused("sslcrldir", Some("PGSSLCRLDIR"), &[""], NO_CRL),
    used("sslkey", "PGSSLKEY"),
    secret(refused(
        "sslkeylogfile",
        None,
        &[""],
        "kmig writes no TLS keys to files",
    )),
    used("sslmode", "PGSSLMODE"),
    used("sslnegotiation", "PGSSLNEGOTIATION"),
    // Only encrypted key files need it, and those are refused when they are read.
    secret(harmless("sslpassword", None)),
    used("sslrootcert", "PGSSLROOTCERT"),
    used("sslsni", "PGSSLSNI"),
    used("target_session_attrs", "PGTARGETSESSIONATTRS"),
    used_here("tcp_user_timeout"),
    used("user", "PGUSER"),
];

/// The parameter of that name, spelled exactly.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Up to three known names that look like `name`, nearest first.
pub fn close_to(name: &str) -> Vec<&'static str> {
    let mut near: Vec<(usize, &str)> = KEYS
        .iter()
        .map(|key| (distance(&name.to_lowercase(), key.name), key.name))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
        .collect();
    near.sort();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Levenshtein distance. Long names are cut: they are no spelling mistakes.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, r) in right.chars().enumerate() {
            let replaced = diagonal + usize::from(*l != r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(KEYS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn misspellings_find_their_key() {
        assert_eq!(close_to("pasword"), ["password"]);
        assert_eq!(close_to("sslmod"), ["sslmode"]);
        assert_eq!(close_to("db_name"), ["dbname"]);
        assert_eq!(close_to("HOST"), ["host"]);
        assert!(close_to("zzzzzzzz").is_empty());
    }
}
