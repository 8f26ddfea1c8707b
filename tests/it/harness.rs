//! The harness itself: a test of kmig proves nothing on a server that is not what it says.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::kmig::project;
use crate::support::proxy::Proxy;
use crate::support::server::{DataFile, Server, ServerOptions};

#[test]
fn a_server_starts_survives_a_crash_and_is_removed() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions::default());
    let database = server.database();
    server.psql(
        &database,
        "create table t (a int); insert into t values (1), (2)",
    );
    let before = server.pid();

    server.stop_immediate();
    assert!(server.try_psql(&database, "select 1").is_err());
    server.start_again();
    assert_ne!(server.pid(), before);
    assert_eq!(server.psql(&database, "select sum(a) from t"), "3");

    let (folder, pid) = (server.folder().to_owned(), server.pid());
    drop(server);
    assert!(!folder.exists());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_server_is_made_as_its_options_say() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions {
        conf: vec!["work_mem = '7MB'".to_owned()],
        hba: vec!["host all stranger 127.0.0.1/32 reject".to_owned()],
        files: vec![DataFile {
            name: "secret.key".to_owned(),
            contents: b"key".to_vec(),
            mode: 0o600,
        }],
        fsync: true,
        ..ServerOptions::default()
    });
    assert_eq!(server.psql("postgres", "show work_mem"), "7MB");
    assert_eq!(server.psql("postgres", "show fsync"), "on");
    server.psql("postgres", "create role stranger login");
    let stranger = format!("postgres://stranger@127.0.0.1:{}/postgres", server.port());
    let refused = server
        .psql_command("postgres")
        .args(["-d", &stranger])
        .stdin(Stdio::null())
        .output()
        .expect("run psql");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("pg_hba.conf rejects"));
    let key = std::fs::metadata(server.folder().join("data/secret.key")).expect("the key is there");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert!(
        server
            .socket_dir()
            .join(format!(".s.PGSQL.{}", server.port()))
            .exists()
    );
}

#[test]
fn databases_are_apart() {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    let (one, other) = (server.database(), server.database());
    server.psql(&one, "create table t ()");
    assert_eq!(server.psql(&other, "select to_regclass('t') is null"), "t");
}

/// The test starts itself once more, with the variable set: that child starts a server and is then killed.
#[test]
fn a_server_does_not_outlive_a_killed_test() {
    const CHILD: &str = "KMIG_HARNESS_CHILD";
    if !Server::available() {
        return;
    }
    if std::env::var_os(CHILD).is_some() {
        let server = Server::start(&ServerOptions::default());
        println!("\nfolder {}", server.folder().display());
        loop {
            std::thread::park();
        }
    }
    let mut child = Command::new(std::env::current_exe().expect("this test's path"))
        .args([
            "--exact",
            "--nocapture",
            "harness::a_server_does_not_outlive_a_killed_test",
        ])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the child");
    let folder = BufReader::new(child.stdout.take().expect("the child's output"))
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("folder ").map(PathBuf::from))
        .expect("the child names its folder");
    assert!(folder.join("data/postmaster.pid").exists());
    child.kill().expect("kill the child");
    child.wait().expect("wait for the child");
    let since = Instant::now();
    while folder.exists() {
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "{} is still there",
            folder.display()
        );
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn the_proxy_delays_keeps_order_and_counts_round_trips() {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    let target = ([127, 0, 0, 1], server.port()).into();
    let proxy = Proxy::start(target, Duration::ZERO).await;
    let url = format!("postgres://postgres@{}/postgres", proxy.address());
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .expect("connect through the proxy");
    let connection = tokio::spawn(connection);

    proxy.reset();
    proxy.set_delay(Duration::from_millis(20));
    let since = Instant::now();
    for _ in 0..3 {
        client.batch_execute("select 1").await.expect("a query");
    }
    assert_eq!(proxy.round_trips(), 3);
    assert!(since.elapsed() >= Duration::from_millis(120));

    // Far more than one piece, in both directions: an order mixed up would not survive the checksum.
    let text: String = (0..200_000).map(|n| format!("{n},")).collect();
    let row = client
        .query_one("select $1::text as back", &[&text])
        .await
        .expect("a long query");
    assert_eq!(row.get::<_, String>("back"), text);
    drop(client);
    connection
        .await
        .expect("the connection's task")
        .expect("a clean end");
}

#[test]
fn a_project_is_a_folder_of_files() {
    let project = project(&[
        ("kmig.toml", ""),
        ("migrations/core/001_a/up.sql", "select 1"),
    ]);
    project.rename("migrations/core/001_a", "migrations/acl/002_b");
    assert_eq!(project.read("migrations/acl/002_b/up.sql"), "select 1");
    project.remove("migrations/acl");
    let folder = project.path().to_owned();
    assert!(!folder.join("migrations/acl").exists());
    drop(project);
    assert!(!folder.exists());
}
