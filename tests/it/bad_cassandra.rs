//! Clusters, keyspaces and logins as they should not be: what is said, and that nothing was done.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::support::case::expect;
use crate::support::cassandra::{self, ClientTls, Cluster, Options};
use crate::support::kmig::{Kmig, Output, Project, project, words};

const UP: &str = "migrations/core/001_base/up.cql";

const BASE: (&str, &str) = (UP, "CREATE TABLE users (id int PRIMARY KEY);");

fn kmig(project: &Project, url: &str, line: &str) -> Kmig {
    let words = words(line).expect("a command line").split_off(1);
    project.kmig(words).env("KMIG_URL", url)
}

#[track_caller]
fn says(project: &Project, url: &str, line: &str, code: i32, texts: &[&str]) -> Output {
    expect(line, kmig(project, url, line).run(), code, texts)
}

fn files() -> Project {
    project(&[("kmig.toml", ""), BASE])
}

/// Tables of a keyspace.
fn tables(cluster: &Cluster, keyspace: &str) -> String {
    cluster.run(
        "",
        &format!("select table_name from system_schema.tables where keyspace_name = '{keyspace}'"),
    )
}

/// A server that says this to whoever greets it, and then nothing.
fn server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut greeting = [0; 9];
            let _ = client.read_exact(&mut greeting);
            let _ = client.write_all(answer);
            open.push(client);
        }
    });
    port
}

#[test]
fn what_is_no_cassandra_is_told() {
    let project = files();
    let nothing = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = nothing.local_addr().expect("its address").port();
    drop(nothing);
    for (port, why) in [
        (closed, "onnection refused"),
        (
            server(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "is no Cassandra",
        ),
        (server(b""), "no answer within 2 s"),
    ] {
        let url = format!("cassandra://127.0.0.1:{port}/app");
        for line in ["kmig status", "kmig bootstrap"] {
            let run = kmig(&project, &url, line).env("KMIG_CASSANDRA_CONNECT_TIMEOUT", "2s");
            let at = format!("127.0.0.1:{port}");
            expect(
                line,
                run.run(),
                1,
                &["no connection to Cassandra", &at, why],
            );
        }
    }
    let run = kmig(&project, "cassandra://nosuch.invalid/app", "kmig status");
    expect(
        "kmig status",
        run.run(),
        1,
        &["no connection to Cassandra", "nosuch.invalid:9042"],
    );
}

#[test]
fn hosts_of_the_url_that_are_down_are_passed_over() {
    if !cassandra::available() {
        return;
    }
    let (cluster, project) = (cassandra::shared(), files());
    let keyspace = cluster.create_keyspace();
    let node = cluster.contact(1).ip().to_string();
    let nobody = format!("{}.77", node.rsplit_once('.').expect("an address").0);
    let url = format!("cassandra://{nobody},{node}/{keyspace}");
    says(&project, &url, "kmig bootstrap", 0, &[]);
    says(&project, &url, "kmig status --exit-code", 0, &[]);
}

#[test]
fn a_keyspace_that_is_not_there_needs_a_bootstrap() {
    if !cassandra::available() {
        return;
    }
    let (cluster, project) = (cassandra::shared(), files());
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace);
    says(&project, &url, "kmig status", 0, &["kmig bootstrap"]);
    says(&project, &url, "kmig status --exit-code", 3, &[]);
    says(&project, &url, "kmig up", 3, &["kmig bootstrap"]);
    let texts = [
        &*keyspace,
        "replicated",
        "[cassandra] replication",
        "nothing was made",
    ];
    says(&project, &url, "kmig bootstrap", 2, &texts);
    let there = format!(
        "select keyspace_name from system_schema.keyspaces where keyspace_name = '{keyspace}'"
    );
    assert_eq!(cluster.run("", &there), "");

    // What the cluster cannot serve is not made.
    for (replication, why) in [
        (
            "{'class': 'NetworkTopologyStrategy', 'nosuch': 3}",
            "nosuch",
        ),
        ("{'class': 'SimpleStrategy', 'replication_factor': 3}", "3"),
    ] {
        let run =
            kmig(&project, &url, "kmig bootstrap").env("KMIG_CASSANDRA_REPLICATION", replication);
        let texts = ["cannot be served by this cluster", why, "nothing was made"];
        expect(replication, run.run(), 2, &texts);
        assert_eq!(cluster.run("", &there), "");
    }

    // As kmig.toml has it: no number, but a map of CQL as a text.
    project.write("kmig.toml", "[cassandra]\nreplication = 3\n");
    let texts = ["kmig.toml:2:15", "NetworkTopologyStrategy", "CQL map"];
    says(&project, &url, "kmig bootstrap", 2, &texts);
    project.write(
        "kmig.toml",
        "[cassandra]\nreplication = \"{'class': 'SimpleStrategy', 'replication_factor': 1}\"\n",
    );
    says(&project, &url, "kmig bootstrap", 0, &[]);
    assert!(tables(cluster, &keyspace).contains("users"));
}

#[test]
fn a_keyspace_is_found_by_its_exact_name() {
    if !cassandra::available() {
        return;
    }
    let (cluster, project) = (cassandra::shared(), files());
    let lower = cluster.create_keyspace();
    let upper = lower.to_uppercase();
    let url = cluster.url(&upper);
    says(&project, &url, "kmig up", 3, &[]);
    says(&project, &url, "kmig bootstrap", 2, &[&upper]);
    assert_eq!(tables(cluster, &lower), "");
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    let run = kmig(&project, &url, "kmig bootstrap").env("KMIG_CASSANDRA_REPLICATION", replication);
    expect("kmig bootstrap", run.run(), 0, &[]);
    assert_eq!(tables(cluster, &lower), "");
    assert!(tables(cluster, &upper).contains("users"));
    project.write(
        "migrations/core/002_next/up.cql",
        "ALTER TABLE users ADD a int; INSERT INTO users (id, a) VALUES (1, 2)",
    );
    says(&project, &url, "kmig up", 0, &[]);
    assert_eq!(cluster.run(&upper, "select id, a from users"), "1|2");
}

#[test]
fn types_that_no_driver_knows_do_no_harm() {
    if !cassandra::available() {
        return;
    }
    let (cluster, project) = (cassandra::shared(), files());
    let odd = "org.apache.cassandra.db.marshal";
    let dynamic = format!("'{odd}.DynamicCompositeType(s=>{odd}.UTF8Type,i=>{odd}.Int32Type)'");
    let partitioner = format!("'{odd}.LexicalUUIDType'");
    let other = cluster.create_keyspace();
    cluster.run(
        &other,
        &format!("create table odd (a int primary key, b {dynamic}, c {partitioner})"),
    );
    let keyspace = cluster.create_keyspace();
    cluster.run(
        &keyspace,
        &format!("create table odd (a int primary key, b {dynamic})"),
    );
    let url = cluster.url(&keyspace);
    says(&project, &url, "kmig bootstrap", 0, &[]);
    project.write(
        "migrations/core/002_next/up.cql",
        &format!("CREATE TABLE more (a int PRIMARY KEY, b {dynamic});\nALTER TABLE odd ADD d int;\n-- kmig:allow drop-column because test\nALTER TABLE odd DROP b;"),
    );
    says(&project, &url, "kmig up", 0, &[]);
    assert!(tables(cluster, &keyspace).contains("more"));
}

#[test]
fn logins_and_rights_that_are_missing_are_told() {
    if !cassandra::available() {
        return;
    }
    let cluster = Cluster::start(Options {
        auth: true,
        // What is granted and revoked counts at once.
        yaml: ["permissions", "roles", "credentials"]
            .map(|what| format!("{what}_validity: 0ms"))
            .to_vec(),
        ..Options::default()
    });
    let keyspace = cluster.create_keyspace();
    let project = files();
    let host = cluster.contact(1).to_string();
    let url = |login: &str| format!("cassandra://{login}{host}/{keyspace}");
    says(
        &project,
        &url(""),
        "kmig status",
        1,
        &["wants a login", "no user is given"],
    );
    says(
        &project,
        &url("cassandra@"),
        "kmig status",
        1,
        &["wants a login", "no password for cassandra"],
    );
    let refused = [
        "refused the login of cassandra",
        "password_file",
        "nothing was run",
    ];
    let output = says(&project, &url("cassandra:s3cret@"), "kmig up", 1, &refused);
    assert!(!output.to_string().contains("s3cret"));

    // A role gets its rights one by one, each as kmig has told it.
    cluster.run(
        "",
        "create role app with login = true and password = 'p@ss'",
    );
    project.write("secret", "p@ss\n");
    let file = project.path().join("secret");
    let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode));
    let as_app = |line: &str| {
        kmig(&project, &url(""), line)
            .env("KMIG_CASSANDRA_USER", "app")
            .env("KMIG_CASSANDRA_PASSWORD_FILE", &file)
    };
    mode(0o644).expect("the file's mode");
    expect(
        "kmig status",
        as_app("kmig status").run(),
        2,
        &["may be read by others", "chmod 0600"],
    );
    mode(0o600).expect("the file's mode");
    let before = tables(&cluster, &keyspace);
    let output = as_app("kmig bootstrap").run();
    expect("kmig bootstrap", output, 1, &["GRANT", &keyspace]);
    assert_eq!(tables(&cluster, &keyspace), before);

    for right in ["create", "alter", "drop", "select"] {
        cluster.run("", &format!("grant {right} on keyspace {keyspace} to app"));
    }
    cluster.run("", "grant select on keyspace system_views to app");
    let output = as_app("kmig bootstrap").run();
    let grant = format!("GRANT MODIFY ON KEYSPACE \"{keyspace}\" TO \"app\"");
    let texts = [&*grant, "nothing was run"];
    expect("kmig bootstrap without MODIFY", output, 1, &texts);
    assert_eq!(tables(&cluster, &keyspace), before);
    cluster.run("", &grant);
    expect("kmig bootstrap", as_app("kmig bootstrap").run(), 0, &[]);

    // In another keyspace it has none.
    let other = cluster.create_keyspace();
    cluster.run(&other, "create table t (a int primary key)");
    project.write(
        "migrations/core/002_next/up.cql",
        &format!("CREATE TABLE more (a int PRIMARY KEY);\nINSERT INTO {other}.t (a) VALUES (1);"),
    );
    let output = as_app("kmig up").run();
    let texts = [
        "002_next/up.cql:2",
        "2100 (unauthorized)",
        "no MODIFY permission",
    ];
    expect("kmig up", output, 1, &texts);
    cluster.run("", &format!("grant modify on keyspace {other} to app"));
    expect("kmig up", as_app("kmig up").run(), 0, &[]);
    assert_eq!(cluster.run(&other, "select a from t"), "1");

    // The password of the url goes before.
    says(
        &project,
        &url("app:p%40ss@"),
        "kmig status --exit-code",
        0,
        &[],
    );
    let output = as_app("kmig status")
        .env("KMIG_CASSANDRA_PASSWORD", "wrong")
        .run();
    expect("kmig status", output, 1, &["refused the login of app"]);
}

#[test]
fn tls_with_a_certificate_of_the_client() {
    if !cassandra::available() {
        return;
    }
    let cluster = Cluster::start(Options {
        tls: ClientTls::Mutual,
        ..Options::default()
    });
    let tls = cluster.tls().expect("certificates");
    let keyspace = cluster.create_keyspace();
    let (project, url) = (files(), cluster.url(&keyspace));
    let mode = std::fs::set_permissions(&tls.client_key, PermissionsExt::from_mode(0o600));
    mode.expect("the key's mode");
    let with = |line: &str, keys: &[(&str, &std::path::Path)]| {
        let run = kmig(&project, &url, line);
        let run = keys.iter().fold(run, |run, (name, path)| {
            run.env(&format!("KMIG_CASSANDRA_TLS_{name}"), path)
        });
        run.run()
    };
    let (ca, cert, key) = (
        ("CA", tls.authority.as_path()),
        ("CERT", tls.client_certificate.as_path()),
        ("KEY", tls.client_key.as_path()),
    );
    expect("all", with("kmig bootstrap", &[ca, cert, key]), 0, &[]);
    expect(
        "all",
        with("kmig status --exit-code", &[ca, cert, key]),
        0,
        &[],
    );
    expect(
        "plain",
        with("kmig status", &[]),
        1,
        &["no connection to Cassandra", "TLS"],
    );
    let texts = ["no connection to Cassandra", "tls.cert and tls.key"];
    expect("no certificate", with("kmig status", &[ca]), 1, &texts);
    // A certificate that is no authority's: another one signed the nodes'.
    let texts = [
        "its certificate is not accepted",
        "tls.ca must name the authority",
    ];
    let wrong = rcgen::generate_simple_self_signed(["other".to_owned()]).expect("a certificate");
    project.write("other.pem", &wrong.cert.pem());
    let other = project.path().join("other.pem");
    expect(
        "wrong",
        with("kmig status", &[("CA", &other), cert, key]),
        1,
        &texts,
    );
    let none = ("VERIFY", std::path::Path::new("none"));
    let output = with(
        "kmig status --exit-code",
        &[("CA", &other), none, cert, key],
    );
    expect("not verified", output, 0, &[]);
}
