//! Several servers: a standby, a primary, one that is starting up, and things that are no server.

use std::io::{Read, Write};

use super::*;
use std::net::TcpListener;

/// Something that listens and gives one answer to every start-up message, after declining TLS.
fn fake(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 1024];
            while let Ok(read) = stream.read(&mut request)
                && read > 0
            {
                // A request for TLS has 8 bytes.
                let done = if read == 8 {
                    stream.write_all(b"N")
                } else {
                    stream.write_all(&answer)
                };
                if done.is_err() || read != 8 {
                    break;
                }
            }
        }
    });
    port
}

/// `ErrorResponse` with this SQLSTATE.
fn refusal(code: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0Mthe database system is not ready\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat()
}

#[test]
fn standby_and_primary() {
    let hba = "host all all all trust\n";
    let primary = start("", hba, &[]);
    let standby = start("hot_standby=on", hba, &[("standby.signal", b"")]);
    let starting = fake(refusal("57P03"));
    let refusing = fake(refusal("28000"));
    let (p, s) = (primary.port, standby.port);
    let me = Person::new();
    let conninfo = |ports: &str, wanted: &str| {
        let hosts = vec!["127.0.0.1"; ports.split(',').count()].join(",");
        format!(
            "host={hosts} port={ports} user=postgres dbname=postgres target_session_attrs={wanted}"
        )
    };
    for (ports, wanted, chosen) in [
        (format!("{s},{p}"), "any", Some(s)),
        (format!("{s},{p}"), "primary", Some(p)),
        (format!("{s},{p}"), "read-write", Some(p)),
        (format!("{p},{s}"), "standby", Some(s)),
        (format!("{p},{s}"), "read-only", Some(s)),
        (format!("{p},{s}"), "prefer-standby", Some(s)),
        (format!("{p}"), "prefer-standby", Some(p)),
        (format!("{p}"), "standby", None),
        (format!("{s}"), "read-write", None),
        (format!("{starting},{p}"), "any", Some(p)),
        (format!("{starting}"), "any", None),
        (format!("{refusing},{p}"), "any", None),
    ] {
        let text = conninfo(&ports, wanted);
        let verdict = me.agreed(&text);
        assert_eq!(verdict.is_ok(), chosen.is_some(), "{text}: {verdict:?}");
        if let Some(chosen) = chosen {
            let found = runtime().block_on(async {
                let connection = me.connect(&text).await.unwrap();
                let row = connection
                    .client
                    .query_one("select inet_server_port()", &[])
                    .await
                    .unwrap();
                row.get::<_, i32>(0)
            });
            assert_eq!(found, i32::from(chosen), "{text}");
        }
    }
}

#[test]
fn things_that_are_no_server() {
    use ConnectErrorKind::{Auth, Other, StartingUp, Unreachable};
    let me = Person::new();
    for (answer, expected) in [
        (refusal("57P03"), StartingUp),
        (refusal("28P01"), Auth),
        (refusal("XX000"), Other),
        (Vec::new(), Unreachable),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Unreachable),
        // A server that wants Kerberos, and one that sends rows before the login.
        (b"R\0\0\0\x08\0\0\0\x07".to_vec(), Auth),
        (b"D\0\0\0\x06\0\0".to_vec(), Other),
    ] {
        let text = format!(
            "host=127.0.0.1 port={} user=a password=secret connect_timeout=3",
            fake(answer.clone())
        );
        me.expect(&text, '-');
        let (kind, message) = runtime().block_on(me.connect(&text)).err().unwrap();
        assert_eq!(kind, Some(expected), "{answer:?}: {message}");
        assert!(!message.contains("secret"), "{message}");
    }
}
