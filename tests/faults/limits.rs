//! A server that runs out of something: it is said with its code and what to do, nothing is half recorded, and the same
//! command goes on once there is room (fault matrix, rows 15 and 17).

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::case::{Case, EMPTY, Hold, expect};
use crate::support::kmig::{Output, project};
use crate::support::server::{Server, ServerOptions};

const BASE: (&str, &str) = (
    "migrations/core/001_base/up.sql",
    "create table t (a int, b text);",
);

#[test]
fn temporary_space_that_runs_out_in_a_build_is_told() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[EMPTY, BASE]);
    let role = format!("small_{}", case.database);
    case.sql(&format!(
        "create role {role} login; grant create on schema public to {role}; \
         alter role {role} set temp_file_limit = '64kB'; alter role {role} set maintenance_work_mem = '1MB'; \
         alter role {role} set max_parallel_maintenance_workers = 0"
    ));
    let url = case.server.url_as(&role, &case.database);
    let run = |line: &str, code: i32, texts: &[&str]| {
        let output = case
            .project
            .kmig(line.split(' '))
            .env("KMIG_URL", &url)
            .run();
        expect(line, output, code, texts)
    };
    run("bootstrap", 0, &[]);
    case.sql("insert into t select n, repeat(md5(n::text), 4) from generate_series(1, 40000) n");
    // In a transaction, and outside.
    for (name, how) in [("002_plain", ""), ("003_outside", "concurrently")] {
        let path = format!("migrations/core/{name}/up.sql");
        let text = format!(
            "-- kmig:allow index-not-concurrent because the test wants it\ncreate index {how} i{name} on t (b, a);"
        );
        case.project.write(&path, &text);
        let before = case.sql("select count(*) from pg_class where relname like 'i0%'");
        run("up", 1, &["53400", &path, "kmig up"]);
        assert_eq!(
            case.sql("select count(*) from pg_class where relname like 'i0%'"),
            before,
            "{name} leaves an index"
        );
        run("status --exit-code", 5, &[]);
        case.sql(&format!("alter role {role} set temp_file_limit = -1"));
        run("up", 0, &[]);
        run("status --exit-code", 0, &[]);
        case.sql(&format!("alter role {role} set temp_file_limit = '64kB'"));
    }
    assert_eq!(
        case.sql(
            "select bool_and(indisvalid), count(*) from pg_index where indrelid = 't'::regclass"
        ),
        "t|2"
    );
}

#[test]
fn a_server_without_a_free_connection_is_told() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions {
        conf: vec![
            "max_connections = 6".to_owned(),
            "superuser_reserved_connections = 2".to_owned(),
            "max_wal_senders = 0".to_owned(),
            "client_connection_check_interval = 100".to_owned(),
        ],
        ..ServerOptions::default()
    });
    server.psql(
        "postgres",
        "create role plain login createdb; create database app owner plain",
    );
    let project = project(&[EMPTY, BASE]);
    let run = |role: &str| -> Output {
        let url = format!("postgres://{role}@127.0.0.1:{}/app", server.port());
        project.kmig(["bootstrap"]).env("KMIG_URL", url).run()
    };
    // A session that is there for certain: it has answered once. One that is slow to go may stand in its way.
    let hold = || loop {
        let mut command = server.psql_command("postgres");
        command.args(["-c", "select 1", "-c", "select pg_sleep(600)"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("start psql");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("its output");
        let read = BufReader::new(output).read_line(&mut line);
        if read.is_ok_and(|bytes| bytes > 0) {
            break child;
        }
        let _ = child.wait();
    };
    // Only the slots of superusers are left.
    let mut children: Vec<_> = (0..4).map(|_| hold()).collect();
    expect(
        "reserved",
        run("plain"),
        1,
        &["53300", "nothing was run", "next:"],
    );
    // A superuser's run needs one of them, and has it.
    expect("a superuser", run("postgres"), 0, &[]);
    // None at all is left.
    children.extend([hold(), hold()]);
    expect(
        "none",
        run("postgres"),
        1,
        &["53300", "nothing was run", "next:"],
    );
    for child in &mut children {
        let _ = child.kill();
        let _ = child.wait();
    }
    while server.try_psql("postgres", "select 1").is_err() {}
    expect("room again", run("postgres"), 0, &["Already bootstrapped"]);
}

/// Who blocks is asked from a second connection: where there is none, the run goes on without.
#[test]
fn a_role_with_one_connection_waits_for_a_lock_all_the_same() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[EMPTY, BASE]);
    let role = format!("single_{}", case.database);
    case.sql(&format!(
        "create role {role} login connection limit 1; grant create on schema public to {role}"
    ));
    let url = case.server.url_as(&role, &case.database);
    let kmig = |line: &str| case.project.kmig(line.split(' ')).env("KMIG_URL", &url);
    expect("bootstrap", kmig("bootstrap").run(), 0, &[]);
    case.project.write(
        "migrations/core/002_more/up.sql",
        "alter table t add c int;",
    );
    let mut reader = Hold::new(&case, "select from t");
    let mut running = kmig("up --lock-timeout 50ms").start();
    for _ in 0..3 {
        running.await_line("trying again");
    }
    reader.end();
    expect("up", running.wait(), 0, &[]);
    expect("status", kmig("status --exit-code").run(), 0, &[]);
}

#[test]
fn more_locks_than_the_server_has_room_for_are_told() {
    if !Server::available() {
        return;
    }
    let server = Server::start(&ServerOptions {
        conf: vec![
            "max_connections = 10".to_owned(),
            "max_locks_per_transaction = 10".to_owned(),
        ],
        ..ServerOptions::default()
    });
    let database = server.database();
    let project = project(&[
        EMPTY,
        (
            "migrations/core/001_base/up.sql",
            "create table p (a int) partition by list (a);",
        ),
    ]);
    let run = |line: &str, code: i32, texts: &[&str]| {
        let url = server.url(&database);
        let output = project.kmig(line.split(' ')).env("KMIG_URL", url).run();
        expect(line, output, code, texts)
    };
    run("bootstrap", 0, &[]);
    // Two hundred in a transaction: there is room for so many, and not for all of them.
    for piece in 0..15 {
        let from = piece * 200;
        let sql = format!(
            "do $$ begin for n in {from}..{} loop execute format('create table p%s partition of p for values in (%s)', n, n); end loop; end $$",
            from + 199
        );
        server.psql(&database, &sql);
    }
    project.write("migrations/core/002_first/up.sql", "create table first ();");
    project.write(
        "migrations/core/003_all/up.sql",
        "create table before ();\nalter table p add b int;",
    );
    run(
        "up",
        1,
        &[
            "53200",
            "003_all/up.sql:2:1",
            "max_locks_per_transaction",
            "rolled back",
            "kmig up",
        ],
    );
    assert_eq!(
        server.psql(
            &database,
            "select to_regclass('first') is not null, to_regclass('before') is null; \
             select number, state, part, statements_done from schema_meta order by 1"
        ),
        "t|t\n1|executed||0\n2|executed||0\n3|expanding|up|0"
    );
    server.psql(
        "postgres",
        "alter system set max_locks_per_transaction = 1000",
    );
    server.stop_fast();
    server.start_again();
    run("up", 0, &[]);
    run("status --exit-code", 0, &[]);
}
