//! A server without TLS: hosts, names, options, environment, service files.

use super::*;
use std::net::TcpListener;

#[test]
fn a_server_without_tls() {
    let server = start(
        "",
        "local all all trust\nhost all scram all scram-sha-256\nhost all all all trust\n",
        &[],
    );
    server.sql("create role app login");
    server.sql("create database app");
    server.sql("create role ro login");
    server.sql("alter role ro set default_transaction_read_only = on");
    server.sql("create role scram login password 'pw'");
    server.sql("create role full login connection limit 0");
    let (port, directory) = (server.port, server.socket_dir());
    let encoded = utf8_percent_encode(directory, NON_ALPHANUMERIC).to_string();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut me = Person::new();
    me.file("root.crt", Authority::new("any").pem, 0o644);
    for (mode, expected) in MODES.iter().zip(['f', 'f', 'f', '-', '-', '-']) {
        me.expect(
            &format!("postgres://app@localhost:{port}/app?sslmode={mode}"),
            expected,
        );
        me.expect(
            &format!("postgres://app@/app?host={directory}&port={port}&sslmode={mode}"),
            'f',
        );
    }
    for (text, expected) in [
        (format!("postgresql://app@127.0.0.1:{port}"), 'f'),
        (format!("postgresql://app@127.0.0.1:{port}/nope"), '-'),
        (format!("postgresql://nope@127.0.0.1:{port}/app"), '-'),
        (format!("postgresql://full@127.0.0.1:{port}/app"), '-'),
        (
            format!("postgres://app@{encoded}:{port}/app?application_name=x%20y"),
            'f',
        ),
        (
            format!("postgres:///app?user=app&host={encoded}&port={port}"),
            'f',
        ),
        (
            format!("host = '{directory}' port={port} user=app dbname = app"),
            'f',
        ),
        (
            format!("host=localhost port={port} user=app options='-c timezone=Asia/Tokyo'"),
            'f',
        ),
        (
            format!("host=localhost port={port} user=app options='-c nosuch=1'"),
            '-',
        ),
        (
            format!("host=nowhere.invalid hostaddr=127.0.0.1 port={port} user=app"),
            'f',
        ),
        (format!("host=nowhere.invalid port={port} user=app"), '-'),
        (
            format!("host=nowhere.invalid,localhost port={port} user=app"),
            'f',
        ),
        (
            format!("postgres://app@127.0.0.1:{closed},127.0.0.1:{port}/app"),
            'f',
        ),
        (format!("postgres://app@127.0.0.1:{closed}/app"), '-'),
        (
            format!("postgres://scram@127.0.0.1:{port},127.0.0.1:{port}/app"),
            '-',
        ),
        (format!("postgres://scram:pw@127.0.0.1:{port}/app"), 'f'),
        (format!("postgres://scram:no@127.0.0.1:{port}/app"), '-'),
        (
            format!("postgres://scram:pw@127.0.0.1:{port}/app?channel_binding=require"),
            '-',
        ),
        (
            format!("postgres://app@127.0.0.1:{port}/app?channel_binding=require"),
            '-',
        ),
        (
            format!("postgres://app@127.0.0.1:{port}/app?target_session_attrs=read-write"),
            'f',
        ),
        (
            format!("postgres://app@127.0.0.1:{port}/app?target_session_attrs=read-only"),
            '-',
        ),
        (
            format!("postgres://ro@127.0.0.1:{port}/app?target_session_attrs=read-write"),
            '-',
        ),
        (
            format!("postgres://ro@127.0.0.1:{port}/app?target_session_attrs=read-only"),
            'f',
        ),
        (
            format!("postgres://app@127.0.0.1:{port}/app?target_session_attrs=primary"),
            'f',
        ),
        (
            format!("postgres://app@127.0.0.1:{port}/app?target_session_attrs=standby"),
            '-',
        ),
        (
            format!("postgres://app@127.0.0.1:{port}/app?target_session_attrs=prefer-standby"),
            'f',
        ),
        (
            format!("postgres://app@127.0.0.1:{port}/app?target_session_attrs=sometimes"),
            '-',
        ),
        (format!("postgres://app@127.0.0.1:{port}/app?ssl=true"), '-'),
        (
            format!("postgres://app@127.0.0.1:{port}/app?nonsense=1"),
            '-',
        ),
        (
            format!("postgres://app@127.0.0.1:{port}/app?application_name=a=b"),
            '-',
        ),
        (format!("postgres://app@[127.0.0.1:{port}/app"), '-'),
        (format!("postgres://app@127.0.0.1:{port}/a%pp"), '-'),
        (
            format!(
                "host=127.0.0.1 port={port} user=app keepalives_idle=60 keepalives_interval=5 keepalives_count=3 tcp_user_timeout=9000"
            ),
            'f',
        ),
        (
            format!("host=127.0.0.1 port={port} user=app keepalives=no"),
            '-',
        ),
        (
            format!("host=127.0.0.1 port={port} user=app connect_timeout=x"),
            '-',
        ),
        (format!("host=127.0.0.1 port=x user=app dbname={port}"), '-'),
        (
            format!("host=127.0.0.1,127.0.0.1 port={port},1,2 user=app"),
            '-',
        ),
        (
            format!(
                "host=127.0.0.1 port={port} user=app gssencmode=prefer krbsrvname=x sslcompression=1 client_encoding=UTF8"
            ),
            'f',
        ),
    ] {
        me.expect(&text, expected);
    }

    for (variables, text, expected) in [
        (
            vec![("PGHOST", directory), ("PGUSER", "app")],
            "application_name=x",
            'f',
        ),
        (
            vec![
                ("PGHOSTADDR", "127.0.0.1"),
                ("PGUSER", "app"),
                ("PGDATABASE", "postgres"),
            ],
            "application_name=x",
            'f',
        ),
        (
            vec![
                ("PGHOST", "localhost"),
                ("PGUSER", "nope"),
                ("PGAPPNAME", "env"),
                ("PGTZ", "Asia/Tokyo"),
            ],
            "user=app",
            'f',
        ),
        (
            vec![
                ("PGHOST", "localhost"),
                ("PGUSER", "app"),
                ("PGAPPNAME", "env"),
                ("PGOPTIONS", "-c timezone=GMT"),
            ],
            "postgres:///postgres",
            'f',
        ),
        (
            vec![
                ("PGHOST", "localhost"),
                ("PGUSER", "app"),
                ("PGSSLMODE", "require"),
            ],
            "dbname=app",
            '-',
        ),
        (
            vec![
                ("PGHOST", "localhost"),
                ("PGUSER", "app"),
                ("PGSSLMODE", "require"),
            ],
            "dbname=app sslmode=prefer",
            'f',
        ),
        (
            vec![
                ("PGHOST", "localhost"),
                ("PGUSER", "app"),
                ("PGSSLMODE", ""),
            ],
            "dbname=app",
            '-',
        ),
        (
            vec![
                ("PGHOST", "localhost"),
                ("PGUSER", "app"),
                ("PGCONNECT_TIMEOUT", ""),
            ],
            "dbname=app",
            '-',
        ),
        (
            vec![
                ("PGHOST", "localhost"),
                ("PGUSER", "scram"),
                ("PGPASSWORD", "pw"),
            ],
            "dbname=app",
            'f',
        ),
        (
            vec![
                ("PGHOST", "localhost"),
                ("PGUSER", "app"),
                ("PGTARGETSESSIONATTRS", "standby"),
            ],
            "dbname=app",
            '-',
        ),
        (
            vec![("PGHOST", "localhost"), ("PGUSER", ""), ("PGDATABASE", "")],
            "user=app",
            'f',
        ),
        (vec![("PGSERVICE", "s")], "dbname=app", 'f'),
        (
            vec![("PGSERVICE", "s"), ("PGAPPNAME", "env"), ("PGUSER", "nope")],
            "application_name=text",
            'f',
        ),
        (vec![("PGSERVICE", "none")], "dbname=app", '-'),
        (vec![("PGSERVICE", "broken")], "dbname=app", '-'),
        (vec![("PGSERVICE", "nested")], "dbname=app", '-'),
        (vec![], "service=s dbname=app", 'f'),
        (vec![], "postgres:///?service=s", 'f'),
        (vec![("PGSERVICEFILE", "/nonexistent")], "service=s", '-'),
    ] {
        me.file(
            ".pg_service.conf",
            format!("[s]\nhost=localhost\nport={port}\nuser=app\napplication_name=svc\n[broken]\nhost\n[nested]\nservice=s\n"),
            0o644,
        );
        me.variables = variables
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        me.set("PGPORT", port);
        me.expect(text, expected);
    }
}
