use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

/// A connection string with environment variables and files, all made up.
#[derive(Default)]
struct World {
    variables: BTreeMap<&'static str, String>,
    files: BTreeMap<&'static str, (String, u32)>,
    read: RefCell<Vec<PathBuf>>,
}

impl World {
    fn with(variables: &[(&'static str, &str)]) -> Self {
        let variables = variables.iter().map(|(k, v)| (*k, v.to_string())).collect();
        World {
            variables,
            ..World::default()
        }
    }

    fn file(mut self, path: &'static str, contents: &str, mode: u32) -> Self {
        self.files.insert(path, (contents.to_owned(), mode));
        self
    }

    fn target(&self, text: &str) -> Result<Target, ConnInfoError> {
        target(
            text,
            &Surroundings {
                variable: &|name| self.variables.get(name).cloned(),
                file: &|path| {
                    self.read.borrow_mut().push(path.to_owned());
                    Ok(self
                        .files
                        .get(path.to_str().unwrap())
                        .map(|(contents, mode)| FoundFile {
                            contents: contents.clone().into_bytes(),
                            mode: *mode,
                            owner: 1000,
                            regular: true,
                        }))
                },
                os_user: Some("osuser".to_owned()),
                home: Some(PathBuf::from("/home/me")),
                socket_dir: Some("/var/run/postgresql".to_owned()),
                sysconf_dir: PathBuf::from("/etc/pg"),
                fallback_application_name: "kmig",
            },
        )
    }
}

fn described(text: &str) -> String {
    World::default()
        .target(text)
        .map_or_else(|error| error.message, |target| target.describe())
}

fn password(target: &Target) -> Option<&str> {
    let host = target.hosts[0].password.as_ref();
    target
        .password
        .as_ref()
        .or(host)
        .map(|password| password.expose_secret())
}

#[test]
fn decides_where_to_connect() {
    for (text, expected) in [
        (
            "",
            "postgres://osuser@/osuser?host=/var/run/postgresql&port=5432",
        ),
        (
            "postgres://",
            "postgres://osuser@/osuser?host=/var/run/postgresql&port=5432",
        ),
        (
            "postgres://app:x@localhost/app",
            "postgres://app@localhost:5432/app",
        ),
        (
            "postgres://app@h1:1,h2,[::1]:3/d",
            "postgres://app@h1:1,h2:5432,[::1]:3/d",
        ),
        ("postgres://app@h1,h2:7/d", "postgres://app@h1:5432,h2:7/d"),
        ("host=h1,h2 port=7 user=a", "postgres://a@h1:7,h2:7/a"),
        (
            "host=,h2 user=a",
            "postgres://a@%2Fvar%2Frun%2Fpostgresql:5432,h2:5432/a",
        ),
        ("hostaddr=::1 user=a", "postgres://a@[::1]:5432/a"),
        ("hostaddr=10.0.0.1 host=db user=a", "postgres://a@db:5432/a"),
        (
            "user='a b' dbname='x/y' host=h",
            "postgres://a%20b@h:5432/x%2Fy",
        ),
        ("host=h1 host=h2 user=a", "postgres://a@h2:5432/a"),
        (
            "user='' dbname='' host=h",
            "postgres://osuser@h:5432/osuser",
        ),
        (
            "host=a,b hostaddr=::1",
            "2 host names do not match 1 hostaddr values",
        ),
        ("host=a,b port=1,2,3", "3 port numbers do not match 2 hosts"),
        ("host=a port=0", "invalid port=0"),
        ("host=a port=65536", "invalid port=65536"),
        ("host=a port=x", "invalid port=x"),
        ("hostaddr=localhost", "invalid hostaddr=localhost"),
        (
            "app",
            "a word of the connection string has no \"=\" behind it",
        ),
        ("sslmod=require", "unknown connection parameter \"sslmod\""),
        (
            "postgres://h?sslmod=require",
            "unknown connection parameter \"sslmod\"",
        ),
        ("sslmode=", "invalid sslmode="),
        ("sslmode=verify_full", "invalid sslmode=verify_full"),
        ("connect_timeout=soon", "invalid connect_timeout=soon"),
        (
            "sslrootcert=system sslmode=require",
            "sslmode=require is too weak for sslrootcert=system",
        ),
        (
            "sslnegotiation=direct",
            "sslmode=prefer is too weak for sslnegotiation=direct",
        ),
        (
            "ssl_max_protocol_version=TLSv1.1",
            "kmig does not support ssl_max_protocol_version=TLSv1.1",
        ),
        (
            "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
            "ssl_min_protocol_version is above ssl_max_protocol_version",
        ),
        (
            "gssencmode=require",
            "kmig does not support gssencmode=require",
        ),
        (
            "requirepeer=postgres",
            "kmig does not support requirepeer=postgres",
        ),
        ("sslcrl=f", "kmig does not support sslcrl=f"),
        (
            "require_auth=scram-sha-256",
            "kmig does not support require_auth=scram-sha-256",
        ),
        (
            "replication=database",
            "kmig does not support replication=database",
        ),
        (
            "client_encoding=LATIN1",
            "kmig does not support client_encoding=LATIN1",
        ),
        (
            "sslcertmode=require",
            "kmig does not support sslcertmode=require",
        ),
        (
            "host=h user=a gssencmode=disable krbsrvname=x sslcompression=1 sslsni=0 requirepeer='' client_encoding=UTF8",
            "postgres://a@h:5432/a",
        ),
        ("service=nope", "definition of service \"nope\" not found"),
    ] {
        assert_eq!(described(text), expected, "{text}");
    }
}

#[test]
fn help_names_close_matches() {
    let error = World::default().target("pasword=secret").unwrap_err();
    assert_eq!(error.message, "unknown connection parameter \"pasword\"");
    assert_eq!(error.help.as_deref(), Some("did you mean password?"));
}

#[test]
fn sources_have_their_order() {
    let world = World::with(&[
        ("PGSERVICE", "prod"),
        ("PGUSER", "env"),
        ("PGPORT", "9"),
        ("PGPASSWORD", "envpw"),
        ("PGAPPNAME", "envapp"),
        ("PGSSLMODE", "disable"),
        ("PGCONNECT_TIMEOUT", "1"),
        ("PGTZ", "Europe/Vienna x"),
        ("PGOPTIONS", "-c a=b"),
    ])
    .file("/home/me/.pg_service.conf", "[other]\nhost=o\n", 0o644)
    .file(
        "/etc/pg/pg_service.conf",
        "[prod]\nhost=svc\nport=8\nuser=svc\n",
        0o644,
    );
    let target = world.target("port=7").unwrap();
    assert_eq!(target.describe(), "postgres://svc@svc:7/svc");
    assert_eq!(password(&target), Some("envpw"));
    assert_eq!(target.application_name, "envapp");
    assert_eq!(target.ssl.mode, SslMode::Disable);
    assert_eq!(
        target.connect_timeout,
        Some(std::time::Duration::from_secs(2))
    );
    assert_eq!(
        target.options.as_deref(),
        Some("-c a=b -c timezone=Europe/Vienna\\ x")
    );
    assert_eq!(
        World::default().target("").unwrap().application_name,
        "kmig"
    );
    let bad = World::with(&[("PGSSLMODE", "always")])
        .target("")
        .unwrap_err();
    assert_eq!(bad.message, "invalid sslmode=always (from PGSSLMODE)");
    let missing = World::with(&[("PGSERVICEFILE", "/x"), ("PGSERVICE", "s")])
        .target("")
        .unwrap_err();
    assert_eq!(missing.message, "service file \"/x\" not found");
    let nested = World::default()
        .file("/home/me/.pg_service.conf", "[s]\nservice=t\n", 0o644)
        .target("service=s");
    assert_eq!(
        nested.unwrap_err().message,
        "service file \"/home/me/.pg_service.conf\", line 2: a service cannot name another service"
    );
}

#[test]
fn passfile_serves_each_host() {
    let lines =
        "h1:*:*:*:one\nlocalhost:*:*:*:socket\n/tmp/x:*:*:*:other\n10.0.0.1:5432:app:app:ip\n";
    let world = World::default().file("/home/me/.pgpass", lines, 0o600);
    for (text, expected) in [
        ("host=h1", Some("one")),
        ("host=h1 password=mine", Some("mine")),
        ("", Some("socket")),
        ("host=/tmp/x", Some("other")),
        ("host=/tmp/y", None),
        ("hostaddr=10.0.0.1 user=app", Some("ip")),
        ("hostaddr=10.0.0.1 host=h1", Some("one")),
        ("host=h3", None),
    ] {
        assert_eq!(password(&world.target(text).unwrap()), expected, "{text}");
    }
    let open = World::with(&[("PGPASSFILE", "/p")])
        .file("/p", lines, 0o644)
        .target("host=h1")
        .unwrap();
    assert_eq!(password(&open), None);
    assert_eq!(open.warnings.len(), 1);
    let explicit = World::default()
        .file("/p", lines, 0o600)
        .target("host=h1 passfile=/p")
        .unwrap();
    assert_eq!(password(&explicit), Some("one"));
}

#[test]
fn tls_files_have_defaults() {
    let ssl = |text| World::default().target(text).unwrap().ssl;
    let home = PathBuf::from("/home/me/.postgresql");
    assert_eq!(ssl("").root, Some(RootCert::File(home.join("root.crt"))));
    assert_eq!(ssl("").cert, Some(home.join("postgresql.crt")));
    assert_eq!(ssl("").mode, SslMode::Prefer);
    assert_eq!(ssl("sslcertmode=disable").cert, None);
    assert_eq!(ssl("sslrootcert=system").mode, SslMode::VerifyFull);
    assert_eq!(ssl("sslrootcert=system").root, Some(RootCert::System));
    assert_eq!(
        ssl("sslrootcert=/ca").root,
        Some(RootCert::File("/ca".into()))
    );
    assert!(!ssl("sslsni=0").sni);
}

/// Everything that could be shown of a connection string.
fn everything_shown(text: &str) -> String {
    let shown = match World::default().target(text) {
        Ok(target) => format!("{target} {}", target.warnings.join(" ")),
        Err(error) => format!("{error} {error:?}"),
    };
    format!("{shown} {}", redacted(text))
}

/// Both ends of a password that is looked for; neither occurs elsewhere.
const MARKS: [&str; 2] = ["Zq7J", "Xk9W"];

fn marked() -> impl Strategy<Value = String> {
    let signs = prop_oneof!["[ -~]{0,12}", "[@:/?&=%#,'\\\\ \\[\\]]{0,6}", "\\PC{0,8}",];
    signs.prop_map(|middle| format!("{}{middle}{}", MARKS[0], MARKS[1]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_raw_password_is_never_shown(password in marked(), form in 0usize..9) {
        // "postgres://app:one@two" is a password and a host, whatever was meant.
        prop_assume!(form != 8 || !password.contains('@'));
        let text = match form {
            0 => format!("postgres://app:{password}@host/db"),
            1 => format!("postgres://app:{password}@host:5432/db?sslmode=bogus"),
            2 => format!("postgres://app@host/db?password={password}"),
            3 => format!("postgres://host/db?bogus=1&password={password}&sslmode=x"),
            4 => format!("host=h password={password} dbname=d"),
            5 => format!("host=h password='{password}' dbname=d bogus=x"),
            6 => format!("cassandra://app:{password}@host/ks"),
            7 => format!(" postgres://app:{password}@host/db?sslmode=x"),
            _ => format!("postgres://app:{password}"),
        };
        let shown = redacted(&text);
        let error = World::default().target(&text).err().map(|error| format!("{error} {error:?}"));
        for mark in MARKS {
            prop_assert!(!shown.contains(mark), "{text} -> {shown}");
            prop_assert!(!error.as_ref().is_some_and(|error| error.contains(mark)), "{text} -> {error:?}");
        }
    }

    #[test]
    fn an_encoded_password_arrives_and_is_never_shown(password in marked(), form in 0usize..4) {
        prop_assume!(!password.contains('\0'));
        let url = percent_encoding::utf8_percent_encode(&password, percent_encoding::NON_ALPHANUMERIC);
        let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
        let text = match form {
            0 => format!("postgres://app:{url}@host/db"),
            1 => format!("postgres://host/db?user=app&password={url}"),
            2 => format!("host=host password='{quoted}' user=app dbname=db"),
            _ => format!("host=host password = {} user=app", quoted.replace(|c: char| c.is_ascii_whitespace(), "\\ ")),
        };
        let target = World::default().target(&text).unwrap();
        if form < 3 {
            prop_assert_eq!(target.password.as_ref().map(|p| p.expose_secret()), Some(password.as_str()));
        }
        let shown = format!("{target:?} {}", everything_shown(&text));
        for mark in MARKS {
            prop_assert!(!shown.contains(mark), "{text} -> {shown}");
        }
    }

    #[test]
    fn no_text_panics(text: String, tail in "[ -~]{0,40}") {
        for text in [text.clone(), tail.clone(), format!("postgres://{text}"), format!("postgres://{tail}"), format!("host={text} {tail}")] {
            everything_shown(&text);
        }
    }
}
