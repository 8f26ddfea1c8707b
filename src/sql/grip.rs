//! What a statement takes hold of, as far as the application's traffic could notice. Read from its tokens; what they do
//! not show counts as the strongest.

use super::head::Head;
use super::{Class, Grip, Verb};
use crate::place::Span;

/// Kinds of objects whose CREATE touches nothing that is there. What it replaces is no table.
const MADE: [&str; 13] = [
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "DOMAIN",
    "FUNCTION",
    "OPERATOR",
    "PROCEDURE",
    "ROLE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "TYPE",
    "USER",
];

/// What the statement at `span` takes hold of.
pub fn grip(text: &str, span: Span, verb: Verb, class: &Class) -> Grip {
    match verb {
        Verb::Setting => return Grip::Nothing,
        Verb::Other => {}
        _ => return Grip::Light,
    }
    if matches!(class, Class::Bare(_)) {
        return Grip::Strong;
    }
    let head = Head::new(text, span);
    match head.word(0).to_ascii_uppercase().as_str() {
        "CREATE" => create(&Head::whole(text, span)),
        "COMMENT" | "GRANT" | "REVOKE" | "SECURITY" => Grip::Light,
        "ALTER" if validates(&head) && validates_only(&Head::whole(text, span)) => Grip::Validate,
        _ => Grip::Strong,
    }
}

fn create(head: &Head) -> Grip {
    // The foreign key locks its target against writes, a partition its parent, wherever they stand.
    let touches =
        (2..head.len()).any(|at| head.is(at, "REFERENCES") || head.has(at, &["PARTITION", "OF"]));
    if touches {
        return Grip::Strong;
    }
    let replaces = head.has(1, &["OR", "REPLACE"]);
    let mut at = head.behind(1, &["OR", "REPLACE"]);
    while head.is_any(
        at,
        &[
            "GLOBAL",
            "LOCAL",
            "TEMP",
            "TEMPORARY",
            "UNLOGGED",
            "MATERIALIZED",
        ],
    ) {
        at += 1;
    }
    if head.is_any(at, &MADE) {
        return Grip::Nothing;
    }
    match head.word(at).to_ascii_uppercase().as_str() {
        "TABLE" if reads(head, at) => Grip::Light,
        "TABLE" => Grip::Nothing,
        "VIEW" if !replaces => Grip::Light,
        "STATISTICS" => Grip::Light,
        _ => Grip::Strong,
    }
}

/// Whether a CREATE TABLE looks at other tables.
fn reads(head: &Head, table: usize) -> bool {
    (table..head.len()).any(|at| head.is_any(at, &["INHERITS", "LIKE", "AS"]))
}

/// Where the actions of an ALTER TABLE begin.
fn actions(head: &Head) -> Option<usize> {
    if !head.has(0, &["ALTER", "TABLE"]) {
        return None;
    }
    let at = head.behind(head.behind(2, &["IF", "EXISTS"]), &["ONLY"]);
    let (_, behind) = head.name(at)?;
    Some(behind + usize::from(head.text(behind) == "*"))
}

fn validates(head: &Head) -> bool {
    actions(head).is_some_and(|at| head.has(at, &["VALIDATE", "CONSTRAINT"]))
}

/// The lock of an ALTER TABLE is the strongest that one of its actions needs.
fn validates_only(head: &Head) -> bool {
    let Some(mut at) = actions(head) else {
        return false;
    };
    loop {
        if !head.has(at, &["VALIDATE", "CONSTRAINT"]) {
            return false;
        }
        let Some((_, behind)) = head.name(at + 2) else {
            return false;
        };
        if behind >= head.len() {
            return true;
        }
        if head.text(behind) != "," {
            return false;
        }
        at = behind + 1;
    }
}

/// The table of a statement that only validates constraints.
pub fn validated(text: &str, span: Span) -> Option<super::Name> {
    let head = Head::new(text, span);
    let at = head.behind(head.behind(2, &["IF", "EXISTS"]), &["ONLY"]);
    validates(&head)
        .then(|| head.name(at))?
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::split;

    fn check(text: &str, expected: Grip) {
        let script = split(text);
        assert_eq!(script.statements.len(), 1, "{text}");
        assert_eq!(script.statements[0].grip, expected, "{text}");
    }

    #[test]
    fn what_is_new_touches_nobody() {
        check("create table t (id int primary key)", Grip::Nothing);
        check(
            "create unlogged table if not exists a.t (x text)",
            Grip::Nothing,
        );
        check(
            "create or replace function f() returns int language sql as 'select 1'",
            Grip::Nothing,
        );
        check("create type e as enum ('a')", Grip::Nothing);
        check("create sequence s", Grip::Nothing);
        check("set search_path to a", Grip::Nothing);
        check("select set_config('a.b', 'c', false)", Grip::Nothing);
    }

    #[test]
    fn rows_and_maintenance_are_light() {
        check("insert into t values (1)", Grip::Light);
        check("update t set a = 1", Grip::Light);
        check("select 1", Grip::Light);
        check("copy t to stdout", Grip::Light);
        check("comment on table t is 'x'", Grip::Light);
        check("create table u (like t)", Grip::Light);
        check("create table u as select 1", Grip::Light);
        check("create view v as select * from t", Grip::Light);
        check("analyze t", Grip::Light);
    }

    #[test]
    fn what_the_traffic_queues_behind_is_strong() {
        check("alter table t add column a int", Grip::Strong);
        check("create index on t (a)", Grip::Strong);
        check("create table u (t_id int references t)", Grip::Strong);
        check("create table p1 partition of p default", Grip::Strong);
        check("create or replace view v as select 1", Grip::Strong);
        check(
            "create trigger g before insert on t execute function f()",
            Grip::Strong,
        );
        check("drop table t", Grip::Strong);
        check("truncate t", Grip::Strong);
        check("lock table t", Grip::Strong);
        check("do $$ begin end $$", Grip::Strong);
        check(
            "alter table t validate constraint a, add column b int",
            Grip::Strong,
        );
    }

    #[test]
    fn a_validation_alone_blocks_nobody() {
        check("alter table t validate constraint a", Grip::Validate);
        check(
            "ALTER TABLE IF EXISTS ONLY s.t VALIDATE CONSTRAINT \"a b\", validate constraint c",
            Grip::Validate,
        );
        let text = "alter table only s.t validate constraint a";
        let name = validated(text, Span::new(0, text.len())).expect("a name");
        assert_eq!(
            (name.schema.as_deref(), name.name.as_str()),
            (Some("s"), "t")
        );
    }
}
