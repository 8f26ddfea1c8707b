//! User code that fails late or says too much, and tables of kmig that somebody has touched (fault matrix, rows 19, 22, 23).

use std::fs;

use crate::support::case::{Case, EMPTY, expect};
use crate::support::kmig::Running;
use crate::support::server::Server;

const BASE: (&str, &str) = ("migrations/core/001_base/up.sql", "create table t (a int);");

const UP: &str = "migrations/core/002_more/up.sql";

/// A project whose second migration is this, on a database that has the first.
fn based(text: &str) -> Case {
    let case = Case::new(&[EMPTY, BASE]);
    case.run("kmig bootstrap", 0);
    case.project.write(UP, text);
    case
}

#[test]
fn an_event_trigger_that_raises_is_told_at_its_statement() {
    if !Server::available() {
        return;
    }
    let case = based("create table more ();\ncreate view never as select 1;");
    case.sql(
        "create function refuse() returns event_trigger language plpgsql as $$ begin raise exception 'no views here' using hint = 'ask the owner'; end $$; \
         create event trigger refuse on ddl_command_end when tag in ('CREATE VIEW') execute function refuse()",
    );
    let before = case.sql("select m from schema_meta m where number = 1");
    case.says(
        "kmig up",
        1,
        &[
            "no views here",
            "P0001",
            "ask the owner",
            "002_more/up.sql:2:1",
            "rolled back",
        ],
    );
    assert_eq!(
        case.sql("select m from schema_meta m where number = 1"),
        before
    );
    assert_eq!(case.sql("select to_regclass('more') is null"), "t");
    // One that refuses kmig's own tables is told, too, and leaves nothing.
    let fresh = Case::new(&[EMPTY, BASE]);
    fresh.sql(
        "create function refuse() returns event_trigger language plpgsql as $$ begin raise exception 'no tables here'; end $$; \
         create event trigger refuse on ddl_command_end when tag in ('CREATE TABLE') execute function refuse()",
    );
    fresh.says("kmig bootstrap", 1, &["no tables here", "nothing was run"]);
    assert_eq!(fresh.picture(), "");
    case.sql("drop event trigger refuse");
    fresh.sql("drop event trigger refuse");
    case.run("kmig up", 0);
    fresh.run("kmig bootstrap", 0);
}

#[test]
fn a_block_that_raises_is_told_with_its_context() {
    if !Server::available() {
        return;
    }
    let case = based(
        "create table more ();\ndo $$\nbegin\n  perform 1;\n  raise exception 'too late' using detail = 'a detail', hint = 'a hint';\nend $$;",
    );
    case.says(
        "kmig up",
        1,
        &[
            "too late",
            "a detail",
            "a hint",
            "P0001",
            "line 4 at RAISE",
            "002_more/up.sql:2:1",
            "rolled back",
        ],
    );
    assert_eq!(case.sql("select to_regclass('more') is null"), "t");
    case.project.write(UP, "create table more ();");
    case.run("kmig up", 0);
}

#[test]
fn an_error_of_megabytes_is_told() {
    if !Server::available() {
        return;
    }
    let case = based(
        "create table more ();\ndo $$ begin raise exception 'begin % end', repeat('x', 4000000) using detail = repeat('y', 4000000); end $$;",
    );
    let output = case.says(
        "kmig up",
        1,
        &["begin x", "P0001", "002_more/up.sql:2:1", "next:"],
    );
    assert!(
        output.stderr.trim_end().ends_with("where it stopped"),
        "the way on is at the end"
    );
    let json = case.kmig("kmig up --json").run();
    let document: serde_json::Value = serde_json::from_str(&json.stdout).expect("one document");
    assert_eq!(document["error"]["server"]["sqlstate"], "P0001");
    case.project.write(UP, "create table more ();");
    case.run("kmig up", 0);
}

/// The most memory that a run has had, in KiB, as it was last seen before its end.
fn peak(mut running: Running) -> u64 {
    let status = format!("/proc/{}/status", running.pid());
    let mut peak = 0;
    while !running.has_ended() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let seen = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = seen.unwrap_or(0).max(peak);
    }
    let output = running.wait();
    assert_eq!(output.code, 0, "{output}");
    peak
}

#[test]
fn a_million_notices_cost_no_memory() {
    if !Server::available() || !cfg!(target_os = "linux") {
        return;
    }
    let say = |count: usize| {
        let case = based(&format!(
            "do $$ begin for n in 1..{count} loop raise notice 'a notice of some length, number %', n; end loop; end $$;\nselect pg_sleep(0.5);"
        ));
        peak(case.kmig("kmig up").start())
    };
    let (few, many) = (say(1), say(1_000_000));
    assert!(few > 0);
    assert!(
        many < 2 * few,
        "{few} KiB with one notice, {many} with a million"
    );
    let case =
        based("do $$ begin for n in 1..5000 loop raise notice 'notice %', n; end loop; end $$;");
    case.says(
        "kmig up",
        0,
        &["notice: notice 1\n", "more messages of the server"],
    );
}

#[test]
fn rows_that_a_policy_hides_are_not_taken_for_new() {
    if !Server::available() {
        return;
    }
    for table in ["schema_meta", "schema_meta_journal"] {
        let case = based("create table more ();");
        let role = format!("veiled_{}", case.database);
        case.sql(&format!(
            "create role {role} login; grant create on schema public to {role}; \
             grant all on schema_meta, schema_meta_journal, schema_meta_history to {role}; \
             alter table {table} enable row level security"
        ));
        let url = case.server.url_as(&role, &case.database);
        let before = case.picture();
        for line in [
            "status",
            "up",
            "bootstrap",
            "finish -y",
            "undo -y",
            "adopt --baseline core/1",
        ] {
            let output = case
                .project
                .kmig(line.split(' '))
                .env("KMIG_URL", &url)
                .run();
            expect(
                line,
                output,
                1,
                &["row-level security", "nothing was run", "BYPASSRLS"],
            );
        }
        assert_eq!(case.picture(), before);
        // Its owner is not subject to it.
        case.run("kmig up", 0);
    }
}

#[test]
fn a_table_of_another_owner_is_told_and_nothing_is_half_done() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[EMPTY, BASE]);
    let role = format!("tenant_{}", case.database);
    case.sql(&format!(
        "create role {role} login; grant create on schema public to {role}; create table theirs ()"
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
    case.project
        .write(UP, "create table more ();\nalter table theirs add a int;");
    run(
        "up",
        1,
        &[
            "42501",
            "must be owner of table theirs",
            "002_more/up.sql:2:",
            "rolled back",
        ],
    );
    assert_eq!(case.sql("select to_regclass('more') is null"), "t");
    case.sql(&format!("alter table theirs owner to {role}"));
    run("up", 0, &[]);
    run("status --exit-code", 0, &[]);
}

#[test]
fn touched_tables_are_never_up_to_date() {
    if !Server::available() {
        return;
    }
    for (damage, code, texts) in [
        (
            "alter table schema_meta drop constraint schema_meta_pkey; insert into schema_meta select * from schema_meta",
            1,
            &["damaged", "core/001_base is recorded twice"][..],
        ),
        ("truncate schema_meta_journal", 1, &["damaged", "no batch"]),
        (
            "insert into schema_meta select subsystem, 99, '099_unknown', state, part, statements_done, batch, origin, app_version, checksums, started_at, finished_at, executed_by, kmig_version from schema_meta",
            9,
            &["core/099_unknown"],
        ),
        (
            "insert into schema_meta select 'other', number, name, state, part, statements_done, batch, origin, app_version, checksums, started_at, finished_at, executed_by, kmig_version from schema_meta",
            9,
            &["other/001_base"],
        ),
        (
            "update schema_meta set checksums = '{\"up\": \"sha256:0\"}'",
            8,
            &["core/001_base changed"],
        ),
        (
            "update schema_meta set checksums = '{\"up\": 1}'",
            1,
            &["damaged", "checksums"],
        ),
        (
            "delete from schema_meta",
            1,
            &["damaged", "none is recorded"],
        ),
    ] {
        let case = Case::new(&[EMPTY, BASE]);
        case.run("kmig bootstrap", 0);
        case.sql(damage);
        expect(
            damage,
            case.kmig("kmig status --exit-code").run(),
            code,
            if code == 1 { texts } else { &[] },
        );
        for line in ["kmig finish -y", "kmig undo -y", "kmig check --db"] {
            expect(damage, case.kmig(line).run(), code, texts);
        }
    }
}
