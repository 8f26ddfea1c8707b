use super::*;

fn types() -> Types {
    Types::from([(
        "addr".to_string(),
        vec![("street".to_string(), "text".to_string())],
    )])
}

/// `users(id int P, at int C, s int S, name text)`: a table, as a test writes it.
fn shape(text: &str) -> Shape {
    let (name, columns) = text.split_once(": ").expect("a name");
    let columns = columns.split("; ").map(|column| {
        let mut words = column.splitn(3, ' ');
        let role = match words.next() {
            Some("P") => Role::Partition,
            Some("C") => Role::Clustering,
            Some("S") => Role::Static,
            _ => Role::Regular,
        };
        let name = words.next().expect("a name");
        let kind = words.next().expect("a type");
        Column::read(name, role, kind, &types()).expect("a column")
    });
    Shape {
        name: name.to_string(),
        id: String::new(),
        columns: columns.collect(),
    }
}

fn planned(mapping: &str, source: &[&str], target: &[&str]) -> Result<Mapping, Vec<String>> {
    let text = SourceFile {
        path: "mapping.toml".to_string(),
        text: mapping.to_string(),
    };
    let file = read(&text).expect("a right file");
    let shapes = |all: &[&str]| all.iter().map(|text| shape(text)).collect::<Vec<_>>();
    let rules = (!mapping.is_empty()).then_some((&text, &file));
    plan(rules, &shapes(source), &shapes(target), &types()).map_err(|problems| {
        let told = problems.iter().map(|problem| {
            let place = problem.place.as_ref().map(Place::label);
            format!("{} {}", place.unwrap_or_default(), problem.message)
        });
        told.collect()
    })
}

#[track_caller]
fn refused(mapping: &str, source: &[&str], target: &[&str], expected: &[&str]) {
    let told = planned(mapping, source, target).expect_err("refused");
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.contains(expected), "{told:#?}");
    }
}

const USERS: &str = "users: P id int; R age int; R name text";

#[test]
fn the_same_table_needs_no_mapping() {
    let mapping = planned("", &[USERS], &[USERS, "other: P id int"]).expect("a mapping");
    let [table] = &mapping.tables[..] else {
        panic!("{mapping:?}");
    };
    assert_eq!(table.moves.len(), 3);
    assert!(table.keeps_keys());
    assert!(table.moves.iter().all(|moved| moved.cast == Cast::Same));
}

#[test]
fn everything_can_be_said() {
    let text = "[users]\nto = \"accounts\"\nrename = { name = \"full_name\" }\ncast = { age = \"bigint\" }\n\
        constant = { tenant = \"acme\" }\ndrop = { nick = \"unused\" }\n[old]\nskip = \"gone\"\n";
    let mapping = planned(
        text,
        &[
            "users: P id int; R age int; R name text; R nick text",
            "old: P id int",
        ],
        &["accounts: P tenant text; P id int; R age bigint; R full_name text; R born date"],
    )
    .expect("a mapping");
    assert_eq!(mapping.skipped, [("old".to_string(), "gone".to_string())]);
    let table = &mapping.tables[0];
    assert_eq!(table.target.name, "accounts");
    let moves: Vec<(usize, usize)> = table
        .moves
        .iter()
        .map(|moved| (moved.from, moved.to))
        .collect();
    assert_eq!(moves, [(0, 1), (1, 2), (2, 3)]);
    assert_ne!(table.moves[1].cast, Cast::Same);
    assert_eq!(table.constants, [(0, b"acme".to_vec())]);
    assert_eq!(table.dropped, [("nick".to_string(), "unused".to_string())]);
    assert!(!table.keeps_keys());
}

#[test]
fn all_that_is_not_accounted_for_is_told_at_once() {
    refused(
        "",
        &[
            "users: P id int; R age int; R name text; R nick text",
            "gone: P id int",
        ],
        &["users: P id int; R age bigint; R name text"],
        &[
            "users.age is int, and users.age is bigint",
            "users.nick is neither mapped nor dropped",
            "the keyspace has no table gone for gone",
        ],
    );
}

#[test]
fn places_are_those_of_the_mapping() {
    refused(
        "[users]\nrename = { nobody = \"x\", name = \"nowhere\" }\ncast = { age = \"text\" }\nconstant = { a = 1, age = 2 }\n[ghost]\n",
        &[USERS],
        &["users: P id int; R age bigint; R name text"],
        &[
            "mapping.toml:5:2 the export has no table ghost",
            "mapping.toml:2:12 users of the export has no column nobody",
            "mapping.toml:3:16 users.age is of the type bigint, not text",
            "mapping.toml:2:33 users.name is neither mapped nor dropped",
            "mapping.toml:4:14 users has no column a",
        ],
    );
}

#[test]
fn keys_stay_keys_and_are_filled() {
    refused(
        "[users]\ndrop = { id = \"no\" }\n",
        &[USERS],
        &[USERS],
        &["part of the key"],
    );
    refused(
        "",
        &["t: P a int; C b int; R v int"],
        &["t: P a int; R b int; R v int"],
        &["t.b is part of the key, and t.b is a regular column"],
    );
    refused(
        "",
        &["t: P a int; R v int"],
        &["t: P a int; C b int; R v int"],
        &["t.b is part of the key, and nothing fills it"],
    );
    refused(
        "",
        &["t: P a int; R v int"],
        &["t: P a int; C v int"],
        &["t.v is a regular column, and t.v is part of the key"],
    );
    refused(
        "",
        &["t: P a int; C b int; S s int"],
        &["t: P a int; C b int; R s int"],
        &["t.s is static, and t.s is a regular column"],
    );
    let turned = planned(
        "",
        &["t: P a int; C b int; R v int"],
        &["t: P b int; C a int; R v int"],
    );
    assert!(!turned.expect("a mapping").tables[0].keeps_keys());
    refused(
        "",
        &["t: P a int; C b int; S s int"],
        &["t: P b int; C a int; S s int"],
        &["t has static columns, and b makes its partitions others"],
    );
}

#[test]
fn nothing_is_filled_twice() {
    refused(
        "[users]\nrename = { years = \"age\" }\n",
        &["users: P id int; R age int; R years int"],
        &[USERS],
        &["users.age and users.years both become users.age"],
    );
    refused(
        "[users]\nconstant = { age = 1 }\n",
        &[USERS],
        &[USERS],
        &["users.age has the values of a column of the export"],
    );
    refused(
        "[b]\nto = \"a\"\n",
        &["a: P id int", "b: P id int"],
        &["a: P id int"],
        &["a and b both become a"],
    );
}

#[test]
fn frozen_or_not_and_grown_types_need_no_word() {
    let mapping = planned(
        "",
        &["t: P id int; R a frozen<list<int>>; R b frozen<addr>"],
        &["t: P id int; R a list<int>; R b addr"],
    );
    let mapping = mapping.expect("a mapping");
    assert!(
        mapping.tables[0]
            .moves
            .iter()
            .all(|moved| moved.cast == Cast::Same)
    );
}

#[test]
fn counters_stay_counters() {
    refused(
        "",
        &["t: P id int; R n bigint"],
        &["t: P id int; R n counter"],
        &["t.n is bigint, and t.n is counter"],
    );
}
