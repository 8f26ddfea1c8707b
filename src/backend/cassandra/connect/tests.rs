use super::*;
use crate::run::RunId;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The target of a url whose hosts are all here, at this port.
fn target(hosts: usize, port: u16) -> Target {
    Target {
        logins: "",
        contacts: vec![Contact::Ip(Ipv4Addr::LOCALHOST.into()); hosts],
        port,
        keyspace: "k".into(),
        user: None,
        password: Password::None,
        tls: None,
        local_datacenter: None,
        consistency: Level::Quorum,
        serial_consistency: SerialLevel::Serial,
        connect_timeout: Duration::from_secs(60),
        request_timeout: Duration::from_secs(60),
        run: RunId {
            machine: None,
            pid: 1,
            start: 1,
        },
    }
}

/// What is said of a server that answers a request with this, and then ends the connection.
async fn said_of(answer: Vec<u8>, tls: Option<Tls>) -> Error {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = server.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            let mut request = [0; 9];
            let _ = stream.read_exact(&mut request).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    let target = Target {
        tls,
        ..target(1, port)
    };
    match connect(&target).await {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

/// A frame of the server: version, opcode and body.
fn frame(version: u8, opcode: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&[version, 0, 0, 0, opcode], &length[..], body].concat()
}

#[tokio::test]
async fn what_is_no_cassandra_is_told() {
    let scylla = b"\0\x01\0\x0cSCYLLA_SHARD\0\0";
    for (answer, why) in [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            "is no Cassandra",
        ),
        (Vec::new(), "without a word"),
        (vec![0x15, 3, 3, 0, 2, 2, 40], "TLS only"),
        (frame(0x84, 6, scylla), "ScyllaDB"),
        (frame(0x83, 0, b"\0\0\0\x0a\0\0"), "version 4"),
        (frame(0x84, 9, b""), "is no Cassandra"),
        (frame(0x84, 6, b"\0\x02\0"), "is no Cassandra"),
        (
            vec![0x84, 0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff],
            "is no Cassandra",
        ),
    ] {
        let error = said_of(answer, None).await;
        assert!(error.message.contains(why), "{}", error.message);
        assert_eq!(error.now.as_deref(), Some("nothing was run"));
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let tls = Tls {
        ca: None,
        cert: None,
        key: None,
        verify: crate::settings::Verify::None,
    };
    let error = said_of(frame(0x84, 0, b"\0\0\0\x0a\0\0"), Some(tls)).await;
    assert!(
        error.message.contains("does not speak TLS"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn every_host_says_why() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = closed.local_addr().expect("its address").port();
    drop(closed);
    let Err(error) = connect(&target(2, port)).await else {
        panic!("connected");
    };
    assert_eq!(
        error.message.matches("refused").count(),
        2,
        "{}",
        error.message
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("its address").port();
    let target = Target {
        connect_timeout: Duration::from_millis(50),
        ..target(1, port)
    };
    let Err(error) = connect(&target).await else {
        panic!("connected");
    };
    assert!(error.message.contains("answer"), "{}", error.message);
}

#[test]
fn a_password_file_is_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    let with = |text: &str, mode: u32| {
        std::fs::write(&path, text).expect("a file");
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, mode).expect("a mode");
        password_in(&path)
    };
    let read = with("s p\u{e4}ss \nmore", 0o600).map(|secret| secret.expose_secret().to_string());
    assert_eq!(read.as_deref(), Ok("s p\u{e4}ss "));
    for (text, mode) in [
        ("secret", 0o640),
        ("secret", 0o604),
        ("", 0o600),
        ("\n", 0o600),
    ] {
        let error = with(text, mode).expect_err("a refusal");
        assert!(!error.message.contains("secret\n"), "{}", error.message);
    }
    assert!(password_in(folder.path()).is_err());
    assert!(password_in(&folder.path().join("none")).is_err());
}

#[test]
fn versions_are_compared_as_numbers() {
    for (text, number) in [
        ("4.0.19", (4, 0)),
        ("5.0-beta1", (5, 0)),
        ("3.11.17", (3, 11)),
        ("x", (0, 0)),
    ] {
        assert_eq!(Version::read(text.to_string()).number, number);
    }
    assert!((3, 11) < OLDEST && OLDEST <= (4, 0));
}
