//! What kmig makes of a connection: kinds of errors, notices, the process id, cancelling.

use super::*;
use std::net::TcpListener;

#[test]
fn kinds_notices_and_cancelling() {
    let authority = Authority::new("kmig test authority");
    let server = tls_server(
        &authority.sign(&named("localhost", &["localhost"])),
        &authority.pem,
        "host all scram all scram-sha-256\nhost all nobody all reject\nhost all all all trust\n",
    );
    server.sql("create role scram login password 'pw'");
    server.sql("create role full login connection limit 0");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let port = server.port;
    let me = Person::new();
    let watching = format!("postgres://postgres@localhost:{port}/postgres");
    runtime().block_on(async {
        use ConnectErrorKind::{
            Auth, Config, NoDatabase, TimedOut, Tls, TooManyConnections, Unreachable,
        };
        for (text, expected) in [
            (
                format!("postgres://scram:secret@localhost:{port}/postgres"),
                Auth,
            ),
            (format!("postgres://scram@localhost:{port}/postgres"), Auth),
            (format!("postgres://nobody@localhost:{port}/postgres"), Auth),
            (
                format!("postgres://full@localhost:{port}/postgres"),
                TooManyConnections,
            ),
            (
                format!("postgres://postgres@localhost:{port}/nope"),
                NoDatabase,
            ),
            (
                format!("postgres://postgres@localhost:{port}/postgres?options=-c%20nosuch%3D1"),
                Config,
            ),
            (
                format!("postgres://postgres@localhost:{port}/postgres?sslmode=verify-full"),
                Tls,
            ),
            (
                format!(
                    "postgres://postgres@localhost:{port}/postgres?target_session_attrs=standby"
                ),
                Unreachable,
            ),
            (
                format!("postgres://postgres@/postgres?host=/nonexistent&port={port}"),
                Unreachable,
            ),
            (
                "postgres://postgres@nowhere.invalid/postgres".to_owned(),
                Unreachable,
            ),
        ] {
            let (kind, message) = me.connect(&text).await.err().unwrap();
            assert_eq!(kind, Some(expected), "{text}: {message}");
            assert!(
                !message.contains("secret") && !message.contains("db error"),
                "{message}"
            );
        }
        let waiting = format!("postgres://a@127.0.0.1:{silent_port}/a?connect_timeout=1");
        assert_eq!(me.connect(&waiting).await.err().unwrap().0, Some(TimedOut));

        let watch = me.connect(&watching).await.unwrap().client;
        for mode in ["disable", "require"] {
            let text = format!("postgres://scram:pw@localhost:{port}/postgres?sslmode={mode}");
            let mut connection = me.connect(&text).await.unwrap();
            assert_eq!(connection.encrypted, mode == "require");
            assert!(connection.parameters["server_version"].starts_with(char::is_numeric));
            let row = connection
                .client
                .query_one("select pg_backend_pid()", &[])
                .await
                .unwrap();
            assert_eq!(row.get::<_, i32>(0), connection.backend_pid);
            let raise = "do $$ begin raise warning 'hello' using detail = 'd', hint = 'h'; end $$";
            connection.client.batch_execute(raise).await.unwrap();
            let notice = connection.messages.recv().await.unwrap();
            assert_eq!(
                (notice.severity.as_str(), notice.message.as_str()),
                ("WARNING", "hello")
            );
            assert_eq!(
                (notice.detail.as_deref(), notice.hint.as_deref()),
                (Some("d"), Some("h"))
            );
            assert!(notice.context.is_some() && notice.code == "01000");

            let sleep = connection.client.batch_execute("select pg_sleep(3600)");
            let cancel = async {
                let asleep = "select from pg_stat_activity where wait_event = 'PgSleep'";
                while watch.simple_query(asleep).await.unwrap().len() < 3 {
                    tokio::task::yield_now().await;
                }
                connection.cancel.cancel().await
            };
            let (slept, cancelled) = tokio::join!(sleep, cancel);
            cancelled.unwrap();
            assert_eq!(slept.unwrap_err().code().unwrap().code(), "57014");

            let _ = connection
                .client
                .batch_execute("select pg_terminate_backend(pg_backend_pid())")
                .await;
            let why = connection.ended.await.unwrap();
            assert!(why.is_none_or(|why| why.contains("FATAL") || why.contains("closed")));
        }
    });
}
