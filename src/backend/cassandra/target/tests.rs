use super::*;
use crate::backend::postgres::conninfo::redacted;
use crate::settings::{Flags, Settings};
use secrecy::ExposeSecret;

/// The settings that these variables make.
fn settings(variables: &[(&str, &str)]) -> Cassandra {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("kmig.toml"), "").expect("a file");
    let flags = Flags {
        config: Some(folder.path().to_path_buf()),
        ..Flags::default()
    };
    let env = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name)?;
        Some(found.1.to_string())
    };
    Settings::load(&flags, &env).expect("settings").cassandra
}

fn run() -> RunId {
    RunId {
        machine: None,
        pid: 1,
        start: 2,
    }
}

fn target(url: &str) -> Result<Target, Error> {
    Target::read(url, &settings(&[]), &run())
}

fn password(target: &Target) -> Option<&str> {
    match &target.password {
        Password::Given(secret) => Some(secret.expose_secret()),
        _ => None,
    }
}

#[test]
fn everything_that_a_url_holds() {
    let read = target("cassandra://ap%70:s%3Ae%40c@db1,10.0.0.2:9142,[::1]/My_App").expect("a url");
    assert_eq!(read.contacts.len(), 3);
    assert_eq!(read.contacts[0], Contact::Name("db1".into()));
    assert_eq!(read.contacts[1].to_string(), "10.0.0.2");
    assert_eq!(read.contacts[2].to_string(), "[::1]");
    assert_eq!((read.port, read.keyspace.as_str()), (9142, "My_App"));
    assert_eq!(read.user.as_deref(), Some("app"));
    assert_eq!(password(&read), Some("s:e@c"));
    assert_eq!(
        read.describe(),
        "cassandra://db1,10.0.0.2,[::1]:9142/My_App"
    );
}

#[test]
fn the_url_goes_before_the_settings() {
    let both = settings(&[
        ("KMIG_CASSANDRA_USER", "other"),
        ("KMIG_CASSANDRA_PASSWORD", "theirs"),
        ("KMIG_CASSANDRA_PASSWORD_FILE", "/p"),
    ]);
    for (url, user, secret) in [
        ("cassandra://h/k", "other", "theirs"),
        ("cassandra://app@h/k", "app", "theirs"),
        ("cassandra://app:mine@h/k", "app", "mine"),
    ] {
        let read = Target::read(url, &both, &run()).expect(url);
        assert_eq!(
            (read.user.as_deref(), password(&read)),
            (Some(user), Some(secret)),
            "{url}"
        );
    }
    let file = settings(&[
        ("KMIG_CASSANDRA_USER", "u"),
        ("KMIG_CASSANDRA_PASSWORD_FILE", "/p"),
    ]);
    let read = Target::read("cassandra://h/k", &file, &run()).expect("a file");
    assert!(matches!(read.password, Password::File(path) if path.to_str() == Some("/p")));
    let alone = settings(&[("KMIG_CASSANDRA_PASSWORD", "x")]);
    assert!(Target::read("cassandra://h/k", &alone, &run()).is_err());
}

#[test]
fn what_cannot_be_used_is_refused_and_no_password_is_told() {
    let long = format!("cassandra://u:secret@h/{}", "k".repeat(49));
    for (url, why) in [
        ("postgres://u:secret@h/k", "begins with"),
        ("cassandra://u:secret@h", "names no keyspace"),
        ("cassandra://u:secret@h/", "names no keyspace"),
        ("cassandra://u:secret@/k", "is empty"),
        ("cassandra://u:secret@a,,b/k", "is empty"),
        ("cassandra://u:secret@a:1,b:2/k", "one port"),
        ("cassandra://u:secret@a:0/k", "no port"),
        ("cassandra://u:secret@[::1/k", "closing ]"),
        ("cassandra://u:secret@[::x]/k", "no IPv6"),
        ("cassandra://u:secret@[::1]9/k", "only :port"),
        ("cassandra://u:secret@h/my-app", "letters, digits"),
        ("cassandra://u:secret@h/k/more", "letters, digits"),
        ("cassandra://u:secret@h/system", "own keyspace"),
        ("cassandra://u:secret@h/SYSTEM_auth", "own keyspace"),
        ("cassandra://u:secret@h/k?tls=true", "no parameters"),
        ("cassandra://u:secret/1@h/k", "%2F"),
        ("cassandra://u:secret@1@h/k", "%40"),
        ("cassandra://u:secret%ff@h/k", "not UTF-8"),
        ("cassandra://u:secret/k", "no port"),
        (long.as_str(), "longer than"),
    ] {
        let error = target(url).expect_err(url);
        assert!(error.message.contains(why), "{url}: {}", error.message);
        let told = format!("{error:?} {}", redacted(url));
        assert!(!told.contains("secret"), "{url}: {told}");
    }
}

#[test]
fn a_target_is_shown_without_its_password() {
    let read = target("cassandra://u:secret@h/k").expect("a url");
    assert!(!format!("{read:?} {}", read.describe()).contains("secret"));
    assert_eq!(
        redacted("cassandra://u:secret@h/k"),
        "cassandra://u:***@h/k"
    );
}

#[test]
fn a_second_keyspace_has_a_login_of_its_own_or_this_one() {
    let of_project = settings(&[("KMIG_CASSANDRA_LOCAL_DATACENTER", "dc1")]);
    let main = Target::read("cassandra://app:mine@db/new", &of_project, &run()).expect("a url");
    let beside = |url: &str, source: &Source| {
        let beside = main.beside(url, &of_project, source).expect("a url");
        let password = password(&beside).map(str::to_string);
        (beside.user, password, beside.local_datacenter)
    };
    let told = |user: &str, password: Option<&str>, datacenter: &str| {
        (
            Some(user.to_string()),
            password.map(str::to_string),
            Some(datacenter.to_string()),
        )
    };
    let nothing = Source::default();
    let own = Source {
        password: Some("theirs".into()),
        local_datacenter: Some("dc9".into()),
    };
    for (url, source, expected) in [
        (
            "cassandra://db/old",
            &nothing,
            told("app", Some("mine"), "dc1"),
        ),
        (
            "cassandra://app@far/old",
            &nothing,
            told("app", Some("mine"), "dc1"),
        ),
        // Another user's password is nobody else's business.
        (
            "cassandra://reader@far/old",
            &nothing,
            told("reader", None, "dc1"),
        ),
        (
            "cassandra://reader@far/old",
            &own,
            told("reader", Some("theirs"), "dc9"),
        ),
        (
            "cassandra://far/old",
            &own,
            told("app", Some("theirs"), "dc9"),
        ),
        ("cassandra://a:b@far/old", &own, told("a", Some("b"), "dc9")),
    ] {
        assert_eq!(beside(url, source), expected, "{url}");
    }
    let wrong = main.beside("postgres://db/old", &of_project, &nothing);
    assert!(wrong.is_err());
}
