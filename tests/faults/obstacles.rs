//! Who stands in the way of kmig: transactions that never end, prepared ones, other tools, the application's own order of locks, and
//! settings of a role that end whatever takes a moment (fault matrix, rows 8, 9, 16, 27; traps P10, P11).

use std::sync::OnceLock;

use crate::support::case::{Case, EMPTY, Hold, document, expect};
use crate::support::kmig::{Kmig, project};
use crate::support::server::{Server, ServerOptions};

const UP: &str = "migrations/core/002_x/up.sql";

const BASE: (&str, &str) = (
    "migrations/core/001_base/up.sql",
    "create table t (a int, b int); insert into t select g, g from generate_series(1, 100) g; create index t_b on t (b);\n\
     create table u (a int); insert into u values (1);\n\
     create table p (a int) partition by range (a); create table p1 partition of p for values from (0) to (10);",
);

/// Nothing of the second migration, and nobody in the middle of anything.
const UNTOUCHED: &str = "select count(*) from schema_meta_journal where kind = 'intent'; \
     select count(*) from pg_index where not indisvalid; \
     select count(*) from pg_locks l join pg_class c on c.oid = l.relation where c.relname in ('t', 'u') and not l.granted";

/// A server that takes prepared transactions.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        Server::start(&ServerOptions {
            conf: ["max_prepared_transactions = 10", "wal_level = logical"]
                .map(str::to_owned)
                .into(),
            ..ServerOptions::default()
        })
    })
}

fn stage(up: &str) -> Case {
    let server = server();
    let case = Case {
        server,
        project: project(&[EMPTY, BASE]),
        database: server.database(),
    };
    case.run("kmig bootstrap", 0);
    case.project.write(UP, up);
    case
}

/// A run to which every transaction is an old one.
fn strict(case: &Case, line: &str) -> Kmig {
    case.kmig(line).env("KMIG_POSTGRES_OLD_TRANSACTION", "0s")
}

#[test]
fn what_would_hold_a_build_up_is_named_before_it_begins() {
    if !Server::available() {
        return;
    }
    let build = "create index concurrently t_a on t (a)";
    let drop = "-- kmig:allow drop-index because the test wants it\ndrop index concurrently t_b";
    let rebuild = "reindex index concurrently t_b";
    let detach = "-- kmig:allow detach-partition because the test wants it\nalter table p detach partition p1 concurrently";
    let validation = "alter table t validate constraint later";
    let snapshot = "set transaction isolation level repeatable read; select from u";
    let reader = "select from t limit 1";
    let writer = "update t set b = b where a = 1";
    let shape = "lock table t in share update exclusive mode";
    // As it was tried on a server: what waits for whom.
    for (up, holding, waits) in [
        (build, snapshot, true),
        (build, reader, false),
        (build, writer, true),
        (build, "update u set a = a", false),
        (drop, snapshot, false),
        (drop, reader, true),
        (rebuild, snapshot, true),
        (rebuild, reader, true),
        (detach, "select from p limit 1", true),
        (detach, reader, false),
        (validation, writer, false),
        (validation, shape, true),
    ] {
        let case = stage(up);
        case.sql("alter table t add constraint later check (a > 0) not valid");
        let mut hold = Hold::new(&case, holding);
        let what = format!("{up} beside {holding}");
        let line = "kmig up --ddl-deadline 300ms";
        if waits {
            let output = strict(&case, line).run();
            let texts = [
                "002_x/up.sql:",
                "not begun",
                "psql (server process",
                "idle in transaction",
                "SELECT pg_terminate_backend(",
                "--ddl-deadline",
            ];
            expect(&what, output, 1, &texts);
            assert_eq!(case.sql(UNTOUCHED), "0\n0\n0", "{what}");
            // Whoever goes away is waited for.
            let mut running = strict(&case, "kmig up").start();
            running.await_line("in the way");
            hold.end();
            expect(&what, running.wait(), 0, &[]);
        } else {
            expect(&what, strict(&case, line).run(), 0, &[]);
        }
        case.run("kmig status --exit-code", 0);
    }
}

#[test]
fn prepared_transactions_are_named_and_slots_are_not_waited_for() {
    if !Server::available() {
        return;
    }
    let case = stage("create index concurrently t_a on t (a)");
    case.sql("select pg_create_logical_replication_slot(current_database() || '_slot', 'test_decoding'), pg_create_physical_replication_slot(current_database() || '_physical', true)");
    case.sql("begin; update u set a = a; prepare transaction 'harmless'");
    case.sql("begin; update t set b = b where a = 1; prepare transaction 'it''s mine'");
    let texts = [
        "not begun",
        "the prepared transaction it's mine of postgres",
        "ROLLBACK PREPARED 'it''s mine'",
    ];
    let output = strict(&case, "kmig up --ddl-deadline 300ms").run();
    let output = expect("a prepared transaction", output, 1, &texts);
    assert!(!output.stderr.contains("harmless"), "{output}");
    assert_eq!(case.sql(UNTOUCHED), "0\n0\n0");
    // To a run that does not look ahead it is named while the build waits.
    let mut running = case.kmig("kmig up").start();
    let line = running.await_line("in the way");
    assert!(line.contains("it's mine"), "{line}");
    case.sql("rollback prepared 'it''s mine'");
    expect("the build", running.wait(), 0, &[]);
    case.sql("rollback prepared 'harmless'; select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like current_database() || '%'");
    // DDL that makes way for one names it as well.
    let case = stage("alter table t add column x int");
    case.sql("begin; update t set b = b where a = 1; prepare transaction 'held'");
    case.says(
        "kmig up --ddl-deadline 2s",
        1,
        &["the prepared transaction held of postgres, prepared"],
    );
    case.sql("rollback prepared 'held'");
    case.run("kmig up", 0);
}

#[test]
fn an_idle_writer_for_ever_is_named_and_nothing_is_left() {
    if !Server::available() {
        return;
    }
    let case = stage(
        "create table made ();\nalter table u add column x int;\nalter table t add column x int",
    );
    let mut hold = Hold::new(
        &case,
        "set application_name = 'forgotten'; update t set b = b where a = 1",
    );
    let before = case.picture();
    let texts = [
        "002_x/up.sql:3:1",
        "lock timeout",
        "in the way: forgotten (server process",
        "idle in transaction",
        "a migration of its own",
        "kmig up",
    ];
    case.says("kmig up --ddl-deadline 2s", 1, &texts);
    let after = case.picture();
    assert!(!after.contains("made"), "{after}");
    assert_eq!(case.sql("select count(*) from pg_attribute where attname = 'x' and attrelid in ('t'::regclass, 'u'::regclass)"), "0");
    assert_eq!(case.sql(UNTOUCHED), "0\n0\n0");
    assert!(after.starts_with(before.lines().next().expect("a line")));
    hold.end();
    case.run("kmig up", 0);
}

#[test]
fn an_alter_by_another_tool_is_waited_for() {
    if !Server::available() {
        return;
    }
    let case = stage("alter table t add column x int");
    let mut hold = Hold::new(&case, "alter table t add column theirs int");
    let mut running = case.kmig("kmig up").start();
    running.await_line("in the way");
    hold.end();
    expect("kmig up", running.wait(), 0, &[]);
    assert_eq!(case.sql("select count(*) from pg_attribute where attname in ('x', 'theirs') and attrelid = 't'::regclass"), "2");
}

/// The application locks u, then t; kmig t, then u.
#[test]
fn a_deadlock_is_tried_again_and_the_application_is_not_its_victim() {
    if !Server::available() {
        return;
    }
    let application = "set statement_timeout = '60s'; begin; update u set a = a; \
        do $$ begin while not exists (select from pg_locks where relation = 't'::regclass and mode = 'AccessExclusiveLock' and granted) \
        loop perform pg_sleep(0.01); end loop; end $$; update t set b = b where a = 1; commit;";
    for (line, pause, said) in [
        // By default kmig makes way before the server looks for deadlocks (deadlock_timeout, a second).
        ("kmig up", "0", "lock timeout"),
        // The server looks once for each wait, a second after its begin: here only kmig's wait is that late.
        ("kmig up --lock-timeout 60s", "3", "deadlock"),
    ] {
        let up = format!(
            "alter table t add column x int;\nselect pg_sleep({pause});\nalter table u add column x int"
        );
        let case = stage(&up);
        std::thread::scope(|scope| {
            let told = scope.spawn(|| case.server.try_psql(&case.database, application));
            case.server.await_rows(
                &case.database,
                "select count(*) from pg_locks where relation = 'u'::regclass and mode = 'RowExclusiveLock' and granted",
                "1",
            );
            case.says(line, 0, &[said, "trying again"]);
            let told = told.join().expect("the application");
            assert!(told.is_ok(), "{line}: {told:?}");
        });
    }
}

/// A unique build that waits for a snapshot; its index is already rejecting writes.
fn building(case: &Case) -> (Hold, crate::support::kmig::Running) {
    let hold = Hold::new(
        case,
        "set transaction isolation level repeatable read; select from u",
    );
    let running = case.kmig("kmig up").start();
    case.server.await_rows(
        &case.database,
        "select indisready from pg_index where indexrelid = to_regclass('t_a')",
        "t",
    );
    (hold, running)
}

const UNIQUE: &str = "-- kmig:allow unique-index because the test wants it\ncreate unique index concurrently t_a on t (a)";
const INVALID: &str = "select indexrelid::regclass from pg_index where not indisvalid";

#[test]
fn a_killed_unique_build_is_the_first_that_status_says() {
    if !Server::available() {
        return;
    }
    let case = stage(UNIQUE);
    let (mut hold, running) = building(&case);
    let at_work = case.run("kmig status", 0);
    assert!(!at_work.stdout.contains("INVALID"), "{at_work}");
    running.kill();
    case.server.await_rows(
        &case.database,
        "select count(*) from pg_stat_activity where application_name like 'kmig/%' and datname = current_database()",
        "0",
    );
    let refused = case
        .server
        .try_psql(&case.database, "insert into t values (1, 2)");
    assert!(refused.is_err_and(|error| error.contains("t_a")));
    let status = case.run("kmig status", 0);
    let lines: Vec<&str> = status.stdout.lines().collect();
    assert!(
        lines[2].contains("the index public.t_a on public.t is INVALID"),
        "{status}"
    );
    assert!(
        lines[3].contains("23505") && lines[3].contains("kmig up"),
        "{status}"
    );
    let json = document("status", &case.run("kmig status --json", 0));
    let found = &json["invalid_indexes"][0];
    assert_eq!(found["index"], "public.t_a");
    assert_eq!(found["table"], "public.t");
    assert_eq!(found["unique"], true);
    assert_eq!(found["migration"], "core/002_x");
    hold.end();
    case.run("kmig up", 0);
    let status = case.run("kmig status", 0);
    assert!(!status.stdout.contains("INVALID"), "{status}");
    assert_eq!(case.sql(INVALID), "");
    assert!(
        case.server
            .try_psql(&case.database, "insert into t values (1, 2)")
            .is_err()
    );
}

#[test]
fn a_build_that_is_stopped_by_a_signal_leaves_no_index() {
    if !Server::available() {
        return;
    }
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let case = stage(UNIQUE);
        let (mut hold, running) = building(&case);
        running.signal(signal);
        expect(signal, running.wait(), code, &[]);
        assert_eq!(case.sql(INVALID), "", "{signal}");
        case.sql("insert into t values (1, 2); delete from t where b = 2 and a = 1");
        let status = case.run("kmig status", 0);
        assert!(!status.stdout.contains("INVALID"), "{status}");
        hold.end();
        case.run("kmig up", 0);
    }
}

/// What holds the build up may hold up the drop of its index as well.
#[test]
fn an_index_that_cannot_be_dropped_is_named() {
    if !Server::available() {
        return;
    }
    let case = stage(&format!("-- kmig:timeout 1s\n{UNIQUE}"));
    let mut hold = Hold::new(
        &case,
        "set transaction isolation level repeatable read; select from t limit 1",
    );
    let texts = ["57014", "t_a\" is left INVALID", "kmig up as soon as"];
    case.says("kmig up", 1, &texts);
    assert_eq!(case.sql(INVALID), "t_a");
    case.says(
        "kmig status",
        0,
        &["the index public.t_a on public.t is INVALID"],
    );
    hold.end();
    case.run("kmig up", 0);
    assert_eq!(case.sql(INVALID), "");
}

#[test]
fn timeouts_of_a_role_or_database_are_overridden_and_leave_no_index() {
    if !Server::available() {
        return;
    }
    for of in ["role", "database"] {
        let case = stage(UNIQUE);
        let role = format!("hurried_{}", case.database);
        case.sql(&format!(
            "create role {role} login superuser; alter table t owner to {role}; update t set b = b"
        ));
        let whom = match of {
            "role" => format!("role {role}"),
            _ => format!("database {}", case.database),
        };
        for setting in [
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "idle_session_timeout",
        ] {
            let value = if setting == "idle_session_timeout" {
                "200ms"
            } else {
                "1ms"
            };
            case.server.psql(
                "postgres",
                &format!("alter {whom} set {setting} = '{value}'"),
            );
        }
        let url = case.server.url_as(&role, &case.database);
        let output = case.kmig("kmig up").env("KMIG_URL", &url).run();
        expect(of, output, 0, &[]);
        case.server.psql(
            "postgres",
            &format!("alter database {} reset all", case.database),
        );
        assert_eq!(case.sql(INVALID), "");
        case.run("kmig status --exit-code", 0);
    }
}
