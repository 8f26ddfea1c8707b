//! Passwords of every sign, from every source, by every method.

use super::*;

#[test]
fn passwords_of_all_signs() {
    let server = start(
        "",
        "local all all scram-sha-256\nhost all md5 all md5\nhost all plain all password\nhost all all all scram-sha-256\n",
        &[],
    );
    let (port, directory) = (server.port, server.socket_dir());
    let password: String = (' '..='~').chain("äß€漢".chars()).collect();
    let literal = password.replace('\'', "''");
    server.sql(&format!("create role app login password '{literal}'"));
    server.sql(&format!("create role plain login password '{literal}'"));
    server.sql(&format!(
        "set password_encryption = md5; create role md5 login password '{literal}'"
    ));
    let encoded = utf8_percent_encode(&password, NON_ALPHANUMERIC).to_string();
    let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
    let mut me = Person::new();
    for user in ["app", "md5", "plain"] {
        me.expect(
            &format!("postgres://{user}:{encoded}@localhost:{port}/postgres"),
            'f',
        );
        me.expect(
            &format!("postgres://localhost:{port}/postgres?user={user}&password={encoded}"),
            'f',
        );
        me.expect(
            &format!("host=localhost port={port} dbname=postgres user={user} password='{quoted}'"),
            'f',
        );
        me.expect(
            &format!("postgres://{user}:{encoded}x@localhost:{port}/postgres"),
            '-',
        );
        me.expect(&format!("postgres://{user}@localhost:{port}/postgres"), '-');
    }
    let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
    let lines = format!(
        "# comment\nlocalhost:{port}:*:nobody:x\nlocalhost:{port}:postgres:app:{escaped}\n{directory}:*:*:app:{escaped}\n127.0.0.1:*:*:*:wrong\n"
    );
    let passfile = me.file(".pgpass", &lines, 0o600);
    let other = me.file("other", &lines, 0o600);
    me.expect(&format!("postgres://app@localhost:{port}/postgres"), 'f');
    me.expect(&format!("postgres://app@localhost:{port}/template1"), '-');
    me.expect(&format!("postgres://app@127.0.0.1:{port}/postgres"), '-');
    me.expect(
        &format!("host={directory} port={port} user=app dbname=template1"),
        'f',
    );
    me.expect(
        &format!("host=localhost hostaddr=127.0.0.1 port={port} user=app dbname=postgres"),
        'f',
    );
    me.expect(
        &format!("hostaddr=127.0.0.1 port={port} user=app dbname=postgres"),
        '-',
    );
    fs::set_permissions(&passfile, Permissions::from_mode(0o640)).unwrap();
    me.expect(&format!("postgres://app@localhost:{port}/postgres"), '-');
    me.expect(
        &format!(
            "postgres://app@localhost:{port}/postgres?passfile={}",
            other.display()
        ),
        'f',
    );
    me.set("PGPASSFILE", other.display());
    me.expect(&format!("postgres://app@localhost:{port}/postgres"), 'f');
    me.set("PGPASSWORD", "wrong");
    me.expect(&format!("postgres://app@localhost:{port}/postgres"), '-');
    me.set("PGPASSWORD", &password);
    me.expect(&format!("postgres://app@localhost:{port}/postgres"), 'f');
}
