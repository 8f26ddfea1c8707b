//! Every sslmode, root certificates, channel binding and client certificates.

use super::*;
use std::path::Path;

#[test]
fn a_server_with_tls() {
    let authority = Authority::new("kmig test authority");
    let stranger = Authority::new("stranger");
    let server = tls_server(
        &authority.sign(&named("other.example", &["localhost"])),
        &authority.pem,
        "local all all trust\nhostssl all sslonly all trust\nhostnossl all plainonly all trust\nhostssl all certuser all cert\n\
         host all scram all scram-sha-256\nhost all app all trust\n",
    );
    for role in ["app", "sslonly", "plainonly", "certuser"] {
        server.sql(&format!("create role {role} login"));
    }
    server.sql("create role scram login password 'pw'");
    let (port, directory) = (server.port, server.socket_dir());
    let me = Person::new();
    let root = me.file("ca.crt", &authority.pem, 0o644);
    let wrong = me.file("stranger.crt", &stranger.pem, 0o644);
    let both = me.file(
        "both.crt",
        format!("{}{}", stranger.pem, authority.pem),
        0o644,
    );
    let empty = me.file("empty.crt", "", 0o644);
    let base =
        |user: &str, host: &str| format!("host={host} port={port} dbname=postgres user={user}");
    let root_text = |path: &Path| format!("sslrootcert={}", path.display());
    for (user, expected) in [
        ("app", ['f', 'f', 't', 't', '-', '-']),
        ("sslonly", ['-', 't', 't', 't', '-', '-']),
        ("plainonly", ['f', 'f', 'f', '-', '-', '-']),
    ] {
        for (mode, expected) in MODES.iter().zip(expected) {
            me.expect(
                &format!("{} sslmode={mode}", base(user, "localhost")),
                expected,
            );
            me.expect(&format!("{} sslmode={mode}", base(user, directory)), 'f');
        }
    }
    // With the right authority, a foreign one, both, none in the file, and no file.
    for (path, host, expected) in [
        (root.as_path(), "localhost", ['f', 'f', 't', 't', 't', 't']),
        (root.as_path(), "127.0.0.1", ['f', 'f', 't', 't', 't', '-']),
        (wrong.as_path(), "localhost", ['f', 'f', 'f', '-', '-', '-']),
        (both.as_path(), "localhost", ['f', 'f', 't', 't', 't', 't']),
        (empty.as_path(), "localhost", ['f', 'f', 'f', '-', '-', '-']),
        (
            Path::new("/nonexistent"),
            "localhost",
            ['f', 'f', 't', 't', '-', '-'],
        ),
    ] {
        for (mode, expected) in MODES.iter().zip(expected) {
            me.expect(
                &format!("{} sslmode={mode} {}", base("app", host), root_text(path)),
                expected,
            );
        }
    }
    let full = format!("sslmode=verify-full {}", root_text(&root));
    me.expect(
        &format!("{} hostaddr=127.0.0.1 {full}", base("app", "localhost")),
        't',
    );
    me.expect(
        &format!("{} hostaddr=127.0.0.1 {full}", base("app", "db.example")),
        '-',
    );
    me.expect(
        &format!("hostaddr=127.0.0.1 port={port} dbname=postgres user=app {full}"),
        '-',
    );
    me.expect(
        &format!("{} {full} sslsni=0", base("app", "localhost")),
        't',
    );
    for (range, expected) in [
        ("ssl_min_protocol_version=TLSv1.3", 't'),
        ("ssl_max_protocol_version=TLSv1.2", 't'),
        (
            "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
            '-',
        ),
        ("ssl_min_protocol_version=TLSv9", '-'),
    ] {
        me.expect(
            &format!("{} {full} {range}", base("app", "localhost")),
            expected,
        );
    }
    for (binding, mode, password, expected) in [
        ("require", "require", "pw", 't'),
        ("require", "prefer", "pw", 't'),
        ("require", "disable", "pw", '-'),
        ("require", "require", "no", '-'),
        ("prefer", "require", "pw", 't'),
        ("disable", "require", "pw", 't'),
        ("prefer", "prefer", "no", '-'),
        ("prefer", "allow", "no", '-'),
        ("maybe", "require", "pw", '-'),
    ] {
        me.expect(
            &format!(
                "{} password={password} sslmode={mode} channel_binding={binding}",
                base("scram", "localhost")
            ),
            expected,
        );
    }
    me.expect(
        &format!(
            "{} sslmode=require channel_binding=require",
            base("app", "localhost")
        ),
        '-',
    );

    // Client certificates.
    let (cert, key) = authority.sign(&named("certuser", &[]));
    let (foreign, foreign_key) = stranger.sign(&named("certuser", &[]));
    let cert = me.file("client.crt", cert, 0o644);
    let foreign = me.file("foreign.crt", foreign, 0o644);
    let text = |cert: &Path, key: &Path| {
        format!(
            "{} {full} sslcert={} sslkey={}",
            base("certuser", "localhost"),
            cert.display(),
            key.display()
        )
    };
    // Files of root may be readable to its group, others not; the tests run as one or the other.
    for (mode, expected) in [(0o600, 't'), (0o400, 't'), (0o604, '-'), (0o660, '-')] {
        me.expect(&text(&cert, &me.file("client.key", &key, mode)), expected);
    }
    let group = me.file("group.key", &key, 0o640);
    let _ = me.agreed(&text(&cert, &group));
    let private = me.file("private.key", &key, 0o600);
    let foreign_private = me.file("foreign.key", foreign_key, 0o600);
    me.expect(&text(&foreign, &foreign_private), '-');
    me.expect(&text(&cert, &foreign_private), '-');
    me.expect(&text(&cert, Path::new("/nonexistent")), '-');
    me.expect(&text(Path::new("/nonexistent"), &private), '-');
    me.expect(&format!("{} {full}", base("certuser", "localhost")), '-');
    // The same from the places where libpq looks unasked.
    me.file(".postgresql/root.crt", &authority.pem, 0o644);
    me.file(
        ".postgresql/postgresql.crt",
        fs::read(&cert).unwrap(),
        0o644,
    );
    me.file(".postgresql/postgresql.key", &key, 0o600);
    me.expect(
        &format!("{} sslmode=verify-full", base("certuser", "localhost")),
        't',
    );
    me.expect(
        &format!("{} sslmode=require", base("certuser", "localhost")),
        't',
    );
    me.file(".postgresql/root.crt", &stranger.pem, 0o644);
    me.expect(
        &format!("{} sslmode=require", base("certuser", "localhost")),
        '-',
    );
    me.expect(&format!("{} sslmode=prefer", base("app", "localhost")), 'f');
}
