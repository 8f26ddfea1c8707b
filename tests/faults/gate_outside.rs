//! Clients that the server itself does not show (fault matrix, row 26; traps P3, P14): on a standby, behind a pooler, hidden from
//! the role, in no session at all. What cannot be seen closes the gate, and is named.

use crate::gate::{Client, FILES, pending};
use crate::support::case::{Case, expect};
use crate::support::kmig::{Kmig, project};
use crate::support::pgbouncer::PgBouncer;
use crate::support::server::{Server, ServerOptions};

const FINISH: &str = "kmig finish -y";

/// A database on a server of its own that owes the finish.
fn pending_on(server: &'static Server) -> Case {
    let case = Case {
        server,
        project: project(&FILES[..2]),
        database: server.database(),
    };
    case.run("kmig bootstrap", 0);
    for (path, text) in &FILES[2..] {
        case.project.write(path, text);
    }
    case.project
        .write("kmig.toml", "[app]\nname = \"gw\"\nversion = \"2.0\"\n");
    case.run("kmig up", 0);
    case
}

/// A server that lives as long as the test program: a case holds on to it.
fn own_server(lines: &[&str]) -> &'static Server {
    Box::leak(Box::new(Server::start(&ServerOptions {
        conf: lines.iter().map(|line| (*line).to_owned()).collect(),
        ..ServerOptions::default()
    })))
}

#[track_caller]
fn untouched(case: &Case) {
    let sql = "select count(*) from schema_meta where state = 'pending'";
    assert_eq!(case.sql(sql), "3");
}

/// Without pg_read_all_stats others' sessions are half hidden, and a filter on what is NULL would lose them.
#[test]
fn sessions_that_are_hidden_from_the_role_close_it() {
    if !Server::available() {
        return;
    }
    let case = pending();
    let role = format!("migrator_{}", case.database);
    case.sql(
        &format!("create role {role} login; reassign owned by postgres to {role}").replace(
            "reassign owned by postgres to",
            "grant all on schema public to",
        ),
    );
    case.sql(&format!(
        "do $$ declare r text; begin for r in select oid::regclass::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' \
         loop execute format('alter table %s owner to {role}', r); end loop; end $$"
    ));
    let url = case.server.url_as(&role, &case.database);
    let as_role = |line| case.kmig(line).env("KMIG_URL", &url);
    let client = Client::open(case.server, &case.database, "gw/2.0");
    let texts = [
        "hidden from this role",
        "sessions of postgres",
        "GRANT pg_read_all_stats",
    ];
    expect(FINISH, as_role(FINISH).run(), 7, &texts);
    untouched(&case);
    let old = Client::open(case.server, &case.database, "gw/1.0");
    expect(FINISH, as_role(FINISH).run(), 7, &["gw/1.0"]);
    drop(old);
    case.sql(&format!("grant pg_read_all_stats to {role}"));
    expect(FINISH, as_role(FINISH).run(), 0, &["1 × gw/2.0"]);
    drop(client);
}

#[test]
fn clients_of_other_databases_are_not_in_the_way() {
    if !Server::available() {
        return;
    }
    let case = pending();
    let other = Client::open(case.server, "postgres", "gw/1.0");
    let output = case.run(FINISH, 0);
    assert!(!output.stderr.contains("gw/1.0"), "{output}");
    drop(other);
}

#[test]
fn readers_of_a_standby_are_seen_there() {
    if !Server::available() {
        return;
    }
    let primary = own_server(&[]);
    let case = pending_on(primary);
    let standby = Server::standby(primary);
    primary.await_rows("postgres", "select count(*) from pg_stat_replication", "1");
    let texts = [
        "1 receiver may serve readers",
        "standby",
        "no-readers",
        "replicas",
    ];
    case.says(FINISH, 7, &texts);
    untouched(&case);
    let url = standby.url(&case.database);
    let finish = |replicas: &str| case.kmig(FINISH).env("KMIG_GATE_REPLICAS", replicas);
    // The standby has the database, and an old client reads there.
    standby.await_rows(
        "postgres",
        &format!(
            "select count(*) from pg_database where datname = '{}'",
            case.database
        ),
        "1",
    );
    let reader = Client::open(&standby, &case.database, "gw/1.0");
    expect(FINISH, finish(&url).run(), 7, &["gw/1.0", &url]);
    drop(reader);
    // A url that leads to the server itself is no replica.
    let own = primary.url(&case.database);
    expect(
        FINISH,
        finish(&own).run(),
        7,
        &["leads to this server itself"],
    );
    expect(
        FINISH,
        finish("postgres://127.0.0.1:1/x").run(),
        7,
        &[
            "a replica could not be looked at",
            "postgres://127.0.0.1:1/x",
        ],
    );
    untouched(&case);
    expect(
        FINISH,
        finish(&url).run(),
        0,
        &["1 replica looked at as well"],
    );
    let case = pending_on(primary);
    expect(
        FINISH,
        case.kmig(FINISH)
            .env("KMIG_GATE_REPLICAS", "no-readers")
            .run(),
        0,
        &[],
    );
}

#[test]
fn a_slot_without_its_receiver_closes_it() {
    if !Server::available() {
        return;
    }
    let case = pending_on(own_server(&["wal_level = logical"]));
    case.sql("select pg_create_physical_replication_slot('backup')");
    case.sql("select pg_create_logical_replication_slot('feed', 'pgoutput')");
    let texts = [
        "2 receivers may serve readers",
        "standby of the slot backup, which is not connected",
        "logical subscriber of the slot feed",
    ];
    case.says(FINISH, 7, &texts);
    untouched(&case);
    // An archiver is named among what is no application.
    let finish = case.kmig(FINISH).env("KMIG_GATE_IGNORE", "backup,feed");
    expect(FINISH, finish.run(), 0, &[]);
}

#[test]
fn a_prepared_transaction_is_of_nobody_that_can_be_told() {
    if !Server::available() {
        return;
    }
    let case = pending_on(own_server(&["max_prepared_transactions = 4"]));
    case.sql("begin; insert into t (id) values (7); prepare transaction 'half'");
    let finish = |window: &str| case.kmig(FINISH).env("KMIG_GATE_WINDOW", window);
    expect(
        FINISH,
        finish("0").run(),
        7,
        &["half by postgres", "ROLLBACK PREPARED"],
    );
    untouched(&case);
    case.sql("rollback prepared 'half'");
    expect(FINISH, finish("0").run(), 0, &[]);
}

#[test]
fn roles_tell_old_from_new_and_lose_their_way_in() {
    if !Server::available() {
        return;
    }
    let case = pending();
    let (old, new) = (
        format!("old_{}", case.database),
        format!("new_{}", case.database),
    );
    case.sql(&format!("create role {old} login; create role {new} login"));
    let url = |role: &str| case.server.url_as(role, &case.database);
    let finish = |line: &str| {
        case.kmig(line)
            .env("KMIG_GATE_OLD_ROLES", &old)
            .env("KMIG_GATE_REVOKE_CONNECT", "true")
    };
    let (client, other) = (
        Client::by(case.server, &url(&old), ""),
        Client::by(case.server, &url(&new), ""),
    );
    let texts = ["(no name)", "is a role of the old version"];
    let output = expect(FINISH, finish(FINISH).run(), 7, &texts);
    assert!(!output.stderr.contains(&new), "{output}");
    drop(client);
    // Everybody may connect by default: the role would still have a way in.
    let texts = ["may connect: through PUBLIC", "REVOKE CONNECT"];
    expect(FINISH, finish(FINISH).run(), 7, &texts);
    untouched(&case);
    case.sql(&format!(
        "revoke connect on database \"{0}\" from public; grant connect on database \"{0}\" to {old}, {new}",
        case.database
    ));
    expect(FINISH, finish(FINISH).run(), 0, &[]);
    let may = |role: &str| {
        case.sql(&format!(
            "select has_database_privilege('{role}', current_database(), 'CONNECT')"
        ))
    };
    assert_eq!((may(&old).as_str(), may(&new).as_str()), ("f", "t"));
    drop(other);
    let config = case
        .kmig("kmig config")
        .env("KMIG_GATE_REVOKE_CONNECT", "true");
    expect(
        "kmig config",
        config.run(),
        2,
        &["gate.revoke_connect", "old_roles"],
    );
}

/// Clients of a pooler share server sessions, of which the server shows the last one's name only.
#[test]
fn clients_behind_a_pooler_are_seen_through_its_console() {
    if !PgBouncer::available() {
        return;
    }
    let case = pending();
    let lines = ["stats_users = postgres", "default_pool_size = 1"];
    let pooler = PgBouncer::start(case.server, "transaction", &lines);
    let console = pooler.url("pgbouncer");
    let finish = |poolers: &str| -> Kmig { case.kmig(FINISH).env("KMIG_GATE_POOLERS", poolers) };
    let old = Client::by(case.server, &pooler.url(&case.database), "gw/1.0");
    let new = Client::by(case.server, &pooler.url(&case.database), "gw/2.0");
    // The server shows one session, of the client that used it last.
    let names = "select string_agg(application_name, ',') from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    assert_eq!(case.sql(names), "gw/2.0");
    let output = expect(FINISH, finish(&console).run(), 7, &["gw/1.0", &console]);
    assert!(!output.stderr.contains("1 × gw/2.0"), "{output}");
    untouched(&case);
    // Now it is the session that has the name of a client that has left.
    let again = Client::by(case.server, &pooler.url(&case.database), "gw/1.0");
    assert_eq!(case.sql(names), "gw/1.0");
    drop((old, again));
    expect(
        FINISH,
        finish("postgres://127.0.0.1:1/pgbouncer").run(),
        7,
        &["a pooler could not be looked through", "127.0.0.1:1"],
    );
    untouched(&case);
    expect(FINISH, finish(&console).run(), 0, &["1 × gw/2.0"]);
    drop(new);
}

/// A pooler that nobody has named is told by what it appends, and by kmig's own way through it.
#[test]
fn a_pooler_that_is_not_named_closes_it() {
    if !PgBouncer::available() {
        return;
    }
    let case = pending();
    let lines = ["application_name_add_host = 1"];
    let pooler = PgBouncer::start(case.server, "session", &lines);
    let client = Client::by(case.server, &pooler.url(&case.database), "gw/2.0");
    let texts = ["clients come through a pooler", "gw/2.0 - ", "poolers"];
    case.says(FINISH, 7, &texts);
    drop(client);
    let through = case
        .kmig(FINISH)
        .env("KMIG_URL", pooler.url(&case.database));
    expect(
        FINISH,
        through.run(),
        7,
        &["kmig itself is connected through a pooler", "poolers"],
    );
    untouched(&case);
}
