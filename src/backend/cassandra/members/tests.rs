use super::*;

#[test]
fn who_is_not_known_to_all_is_disputed() {
    let [one, two, three] = [1, 2, 3].map(Uuid::from_u128);
    let all = BTreeSet::from([one, two, three]);
    let few = BTreeSet::from([two, three]);
    assert_eq!(difference(&all, [&all, &all].into_iter()), BTreeSet::new());
    // The coordinator does not know of one, or another does not.
    let odd = BTreeSet::from([one]);
    assert_eq!(difference(&few, [&few, &all].into_iter()), odd);
    assert_eq!(difference(&all, [&few, &all].into_iter()), odd);
}

#[test]
fn members_that_have_left_do_not_count() {
    // As nodetool removenode, assassinate and decommission leave them in system_views.gossip_info.
    for status in [
        "removed,d20676c1-a3c5-43db-a64c-35b9052e21c6,1795548000000",
        "removing,d20676c1-a3c5-43db-a64c-35b9052e21c6",
        "LEFT,-9223372036854775808,1795548000000",
    ] {
        assert!(gone(status), "{status}");
    }
    // One that is down, starts, moves or leaves still has its part of the schema.
    for status in [
        "NORMAL,-9223372036854775808",
        "shutdown,true",
        "BOOT,1",
        "LEAVING,1",
        "MOVING,1",
        "hibernate,true",
        "",
    ] {
        assert!(!gone(status), "{status}");
    }
}

fn member(release: &str, state: State) -> Member {
    Member {
        id: Uuid::nil(),
        address: "127.0.0.1".into(),
        datacenter: "dc1".into(),
        release: release.into(),
        state,
    }
}

#[test]
fn one_that_is_silent_never_agrees() {
    let one = Uuid::from_u128(1);
    let up = || member("5.0.9", State::Up(one));
    assert!(agreed(&[up(), up()]));
    assert!(!agreed(&[up(), member("5.0.9", State::Up(Uuid::nil()))]));
    // Also where its last version, as others have heard it, is the same (cassandra.md §3.1).
    let silent = member("5.0.9", State::Silent(Some(one), "down".into()));
    assert!(!agreed(&[up(), silent]));
    assert!(!agreed(&[]));
}

#[test]
fn only_major_and_minor_version_must_be_one() {
    let ring = |releases: [&str; 2]| {
        let members = releases.map(|release| member(release, State::Up(Uuid::nil())));
        one_version(&members).is_ok()
    };
    assert!(ring(["5.0.9", "5.0.2"]));
    assert!(ring(["5.0.9", "5.0-rc1"]));
    assert!(!ring(["5.0.9", "4.1.10"]));
    assert!(!ring(["4.1.10", "4.0.19"]));
}
