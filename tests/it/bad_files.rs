//! Files as they should not be: each is refused at its place, with nothing done.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::case::{Case, EMPTY, document, expect, unprivileged};
use crate::support::server::Server;

const GOOD: (&str, &str) = ("migrations/core/001_good/up.sql", "create table good ();");

/// Name, file, its bytes, and what must be said of it.
type Refused = (&'static str, &'static str, Vec<u8>, &'static [&'static str]);

/// A string in UTF-16, low byte first or high byte first, with or without its mark.
fn utf16(text: &str, low_first: bool, mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xFEFF);
    let units = mark.into_iter().chain(text.encode_utf16());
    units
        .flat_map(|unit| {
            if low_first {
                unit.to_le_bytes()
            } else {
                unit.to_be_bytes()
            }
        })
        .collect()
}

fn refused() -> Vec<Refused> {
    const UP: &str = "migrations/core/002_x/up.sql";
    const TABLE: &str = "create table x ();\n";
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            "UTF-16, low byte first",
            UP,
            utf16(TABLE, true, true),
            &["002_x/up.sql", "UTF-16", "UTF-8"],
        ),
        (
            "UTF-16, high byte first",
            UP,
            utf16(TABLE, false, true),
            &["002_x/up.sql", "UTF-16"],
        ),
        (
            "UTF-16 without its mark",
            UP,
            utf16(TABLE, true, false),
            &["up.sql:1:2", "NUL"],
        ),
        (
            "Latin-1",
            UP,
            b"create table x ();\ncomment on table x is 'gr\xFC\xDFe';".to_vec(),
            &["002_x/up.sql:2:26", "not UTF-8", "0xFC", "Latin-1"],
        ),
        (
            "a NUL",
            UP,
            text("select 1;\nselect '\0';"),
            &["up.sql:2:9", "NUL"],
        ),
        (
            "an open string",
            UP,
            text("create table x ();\n  select 'oops;\n"),
            &["up.sql:2:10", "never closed", "^"],
        ),
        (
            "an open name",
            UP,
            text("select \"oops;"),
            &["up.sql:1:8", "quoted name is never closed"],
        ),
        (
            "an open dollar quote",
            UP,
            text("do $body$ begin end"),
            &["up.sql:1:4", "dollar quote is never closed"],
        ),
        (
            "an open comment",
            UP,
            text("/* a /* b */ select 1;"),
            &["up.sql:1:1", "comment is never closed"],
        ),
        (
            "behind other characters",
            UP,
            text("/* größer */ select 'é', 'oops;"),
            &["up.sql:1:26", "never closed"],
        ),
        (
            "BEGIN",
            UP,
            text("begin;\ncreate table x ();"),
            &["up.sql:1:1", "controls the transaction"],
        ),
        (
            "COMMIT",
            UP,
            text("create table x ();\ncommit;"),
            &["up.sql:2:1", "controls the transaction"],
        ),
        (
            "ROLLBACK",
            UP,
            text("create table x (); ROLLBACK"),
            &["up.sql:1:20", "controls the transaction"],
        ),
        (
            "psql's commands",
            UP,
            text("\\i other.sql\n"),
            &["up.sql:1:1", "`\\i` is a command of psql"],
        ),
        (
            "DISCARD ALL",
            UP,
            text("discard all;"),
            &["up.sql:1:1", "DISCARD"],
        ),
        (
            "an unknown part",
            "migrations/core/002_x/down.sql",
            text("select 1"),
            &["002_x/down.sql", "unknown part", "undo"],
        ),
        (
            "a part in capitals",
            "migrations/core/002_x/Up.sql",
            text("select 1"),
            &["002_x/Up.sql", "unknown part"],
        ),
        (
            "the same number",
            "migrations/core/1_b/up.sql",
            text("select 1"),
            &["core/001_good", "core/1_b", "the number 1"],
        ),
        (
            "no name",
            "migrations/core/002/up.sql",
            text("select 1"),
            &["core/002", "_name"],
        ),
        (
            "nineteen digits",
            "migrations/core/1234567890123456789_x/up.sql",
            text(""),
            &["1234567890123456789_x", "eighteen"],
        ),
        (
            "refinery with one underscore",
            "migrations/V2_x.sql",
            text("select 1"),
            &["migrations/V2_x.sql", "V1__name.sql"],
        ),
        (
            "refinery with a small v",
            "migrations/v2__x.sql",
            text("select 1"),
            &["migrations/v2__x.sql", "V1__name.sql"],
        ),
        (
            "refinery with a hyphen",
            "migrations/core/V2__a-b.sql",
            text("select 1"),
            &["core/V2__a-b.sql", "letters, digits and _"],
        ),
        (
            "refinery in capitals",
            "migrations/V2__X.SQL",
            text("select 1"),
            &["migrations/V2__X.SQL", "unknown file"],
        ),
        (
            "a file of no migration",
            "migrations/core/dump.sql",
            text("select 1"),
            &["core/dump.sql", "unknown file"],
        ),
    ]
}

#[test]
fn a_bad_file_is_refused_at_its_place() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[EMPTY, GOOD]);
    for (name, path, bytes, texts) in refused() {
        case.project.write(path, "");
        fs::write(case.project.path().join(path), bytes).expect("write the bad file");
        expect(name, case.kmig("kmig check").run(), 2, texts);
        expect(name, case.kmig("kmig bootstrap").run(), 2, texts);
        assert_eq!(case.picture(), "", "{name} left something");
        let top = path.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        case.project.remove(&top);
    }
    // The same project without them is fine: nothing but the bad file was refused.
    case.run("kmig bootstrap", 0);
}

#[test]
fn what_is_no_file_is_refused() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[EMPTY, GOOD]);
    let at = |path: &str| case.project.path().join(path);
    let refused = |what: &str, texts: &[&str]| {
        expect(what, case.kmig("kmig bootstrap").run(), 2, texts);
        assert_eq!(case.picture(), "", "{what} left something");
        case.project.remove("migrations/core/002_x");
    };

    fs::create_dir_all(at("migrations/core/002_x/up.sql")).expect("a folder");
    refused("a folder", &["002_x/up.sql", "this is a folder"]);

    fs::create_dir_all(at("migrations/core/002_x")).expect("a folder");
    symlink("up.sql", at("migrations/core/002_x/up.sql")).expect("a link to itself");
    refused(
        "a loop of links",
        &["002_x/up.sql", "cannot be read", "symbolic links"],
    );

    symlink("../core", at("migrations/core/002_x")).expect("a link to what it lies in");
    expect(
        "a loop of folders",
        case.kmig("kmig bootstrap").run(),
        2,
        &["core/002_x"],
    );
    fs::remove_file(at("migrations/core/002_x")).expect("remove the link");

    fs::create_dir_all(at("migrations/core/002_x")).expect("a folder");
    symlink("nowhere.sql", at("migrations/core/002_x/up.sql")).expect("a link to nothing");
    refused("a broken link", &["002_x/up.sql", "cannot be read"]);

    let odd = at("migrations/core").join(OsStr::from_bytes(b"002_\xFF"));
    fs::create_dir_all(&odd).expect("a folder");
    expect(
        "a name in bytes",
        case.kmig("kmig bootstrap").run(),
        2,
        &["core/002_\u{FFFD}", "UTF-8"],
    );
    fs::remove_dir_all(&odd).expect("remove the odd folder");

    // Root reads everything, so this one runs as somebody else.
    let url = case.server.url(&case.database);
    case.project
        .write("migrations/core/002_x/up.sql", "create table x ();");
    for (path, mode) in [("", 0o755), ("migrations/core/002_x/up.sql", 0o000)] {
        fs::set_permissions(at(path), fs::Permissions::from_mode(mode)).expect("set permissions");
    }
    let run = || {
        unprivileged(case.project.path(), "\"$KMIG\" bootstrap")
            .env("KMIG_URL", &url)
            .run()
    };
    expect(
        "no right to read",
        run(),
        2,
        &["002_x/up.sql", "cannot be read: Permission denied"],
    );
    assert_eq!(case.picture(), "");
    fs::set_permissions(
        at("migrations/core/002_x/up.sql"),
        fs::Permissions::from_mode(0o644),
    )
    .expect("set permissions");
    expect("the right to read", run(), 0, &[]);
}

#[test]
fn all_that_is_wrong_is_reported_at_once() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[
        (
            "kmig.toml",
            "[subsystem.core]\ndepends_on = [\"acl\"]\n[subsystem.acl]\ndepends_on = [\"core\", \"gone\"]\n[subsystem.ghost]\n",
        ),
        GOOD,
        ("migrations/core/002_x/up.sql", "select 'a;\n"),
        (
            "migrations/core/003_y/up.sql",
            "create table y ();\n\tcommit;\n  rollback;",
        ),
        ("migrations/core/003_z/forwards.sql", ""),
        ("migrations/acl/001_base/check.sql", "delete from good"),
    ]);
    let texts = [
        "core/002_x/up.sql:1:8",
        "core/003_y/up.sql:2:2",
        "core/003_y/up.sql:3:3",
        "core/003_z/forwards.sql",
        "acl/001_base/check.sql:1:1",
        "depend on each other in a circle: acl -> core -> acl",
        "\"gone\"",
        " --> kmig.toml",
    ];
    let output = case.says("kmig up", 2, &texts);
    // A caret under each place, and nothing twice.
    assert!(output.stderr.matches('^').count() >= 4, "{output}");
    assert_eq!(
        output.stderr.matches("003_y/up.sql:2:2").count(),
        1,
        "{output}"
    );
    assert_eq!(case.picture(), "");

    let output = case.run("kmig check --json", 2);
    let document = document("check --json", &output);
    let problems = document["error"]["problems"].as_array().expect("problems");
    let place = |problem: &serde_json::Value| {
        let place = &problem["place"];
        format!(
            "{}:{}:{}",
            place["path"].as_str().unwrap_or_default(),
            place["line"],
            place["column"]
        )
    };
    let places: Vec<String> = problems.iter().map(place).collect();
    assert!(
        places.contains(&"migrations/core/003_y/up.sql:3:3".to_owned()),
        "{places:?}"
    );
    assert_eq!(problems.len(), 8, "{document:#}");
}

#[test]
fn an_unknown_subsystem_is_a_warning() {
    if !Server::available() {
        return;
    }
    let case = Case::new(&[
        ("kmig.toml", "[subsystem.ghost]\ndepends_on = [\"core\"]"),
        GOOD,
    ]);
    case.says("kmig bootstrap", 0, &["subsystem.ghost"]);
}
