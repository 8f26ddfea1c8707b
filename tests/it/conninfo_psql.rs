//! Connecting as libpq does: `psql` is the oracle. Each case runs psql and kmig with the same connection string,
//! environment and home directory against the same server, and compares whether they get in and as whom.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where its preparation fails"
)]

mod certificates;
mod passwords;
mod plain;
mod session;
mod several;
mod tls;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use kmig::backend::postgres::connect::{ConnectErrorKind, Connection, connect};
use kmig::backend::postgres::environment;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;
use tokio_postgres::SimpleQueryMessage;

use crate::support::server::{self, DataFile, ServerOptions};

/// A throw-away server that trusts nobody but its superuser on the socket.
struct Server {
    _server: server::Server,
    port: u16,
    socket_dir: String,
}

/// Starts a server with these settings, `pg_hba.conf` and files in its data directory.
fn start(conf: &str, hba: &str, files: &[(&str, &[u8])]) -> Server {
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    let mut rules: Vec<String> = lines(&format!("local all postgres trust\n{hba}"));
    // The harness trusts whoever no rule has decided on; here nobody else gets in.
    rules.extend(["local all all reject", "host all all all reject"].map(str::to_owned));
    let server = server::Server::start(&ServerOptions {
        conf: lines(conf),
        hba: rules,
        files: files
            .iter()
            .map(|(name, contents)| DataFile {
                name: (*name).to_owned(),
                contents: contents.to_vec(),
                mode: 0o600,
            })
            .collect(),
        ..ServerOptions::default()
    });
    Server {
        port: server.port(),
        socket_dir: server.socket_dir().display().to_string(),
        _server: server,
    }
}

impl Server {
    fn socket_dir(&self) -> &str {
        &self.socket_dir
    }

    fn sql(&self, text: &str) {
        let output = Command::new(psql())
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres"])
            .args(["-h", self.socket_dir(), "-p", &self.port.to_string()])
            .args(["-c", text])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// psql itself. Debian's /usr/bin/psql is a wrapper that sets PGHOST, so it is taken from the server's own folder.
fn psql() -> PathBuf {
    server::Server::shared().program("psql")
}

/// What a person has around a connection string.
struct Person {
    home: TempDir,
    variables: BTreeMap<String, String>,
}

/// In, as whom, or not.
type Verdict = Result<String, String>;

const WHO: &str = "select current_user, current_database(), (select ssl from pg_stat_ssl where pid = pg_backend_pid()), \
                   current_setting('application_name'), current_setting('timezone')";

impl Person {
    fn new() -> Self {
        Person {
            home: TempDir::new().unwrap(),
            variables: BTreeMap::new(),
        }
    }

    /// Puts a file into the home directory.
    fn file(&self, name: &str, contents: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn set(&mut self, name: &str, value: impl ToString) {
        self.variables.insert(name.to_owned(), value.to_string());
    }

    fn psql(&self, text: &str) -> Verdict {
        let output = Command::new(psql())
            .args(["-X", "-A", "-t", "-q", "-w", "-c", WHO, "-d", text])
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", self.home.path())
            .envs(&self.variables)
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout)
                .unwrap()
                .trim_end()
                .to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    async fn connect(&self, text: &str) -> Result<Connection, (Option<ConnectErrorKind>, String)> {
        let variable = |name: &str| match name {
            "HOME" => Some(self.home.path().display().to_string()),
            _ => self.variables.get(name).cloned(),
        };
        let target = environment::target_among(text, "psql", &variable)
            .map_err(|error| (None, error.message))?;
        connect(&target)
            .await
            .map_err(|error| (Some(error.kind), error.message))
    }

    fn kmig(&self, text: &str) -> Verdict {
        runtime().block_on(async {
            let connection = self
                .connect(text)
                .await
                .map_err(|(kind, message)| format!("{kind:?}: {message}"))?;
            let answer = connection.client.simple_query(WHO).await.unwrap();
            let row = answer.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let row = row.unwrap();
            let fields: Vec<&str> = (0..row.len())
                .map(|at| row.get(at).unwrap_or_default())
                .collect();
            Ok(fields.join("|"))
        })
    }

    /// psql and kmig agree; gives their verdict.
    fn agreed(&self, text: &str) -> Verdict {
        let (psql, kmig) = (self.psql(text), self.kmig(text));
        match (&psql, &kmig) {
            (Ok(psql), Ok(kmig)) => assert_eq!(psql, kmig, "{text} {:?}", self.variables),
            (Err(_), Err(_)) => {}
            _ => panic!(
                "{text} {:?}\npsql: {psql:?}\nkmig: {kmig:?}",
                self.variables
            ),
        }
        kmig
    }

    /// They agree, and get in with TLS on (`t`) or off (`f`), or not at all (`-`).
    fn expect(&self, text: &str, expected: char) {
        let verdict = self.agreed(text);
        let found = match &verdict {
            Ok(row) => row.split('|').nth(2).and_then(|ssl| ssl.chars().next()),
            Err(_) => Some('-'),
        };
        assert_eq!(found, Some(expected), "{text}: {verdict:?}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A certificate authority.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { params, key, pem }
    }

    /// Certificate and key, in PEM.
    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        (
            params.signed_by(&key, &issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }
}

fn named(common_name: &str, alternatives: &[&str]) -> CertificateParams {
    let names: Vec<String> = alternatives.iter().map(|name| name.to_string()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

fn tls_server(certificate: &(String, String), root: &str, hba: &str) -> Server {
    let conf =
        "ssl=on\nssl_cert_file='server.crt'\nssl_key_file='server.key'\nssl_ca_file='root.crt'";
    start(
        conf,
        hba,
        &[
            ("server.crt", certificate.0.as_bytes()),
            ("server.key", certificate.1.as_bytes()),
            ("root.crt", root.as_bytes()),
        ],
    )
}

const MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];
