//! What takes something away is found in whatever form it is written.

use super::{Known, refused};

/// The same statement, as nobody but an adversary writes it.
fn spellings(statement: &str) -> Vec<String> {
    let shouted = statement.to_uppercase();
    let mixed: String = statement
        .chars()
        .enumerate()
        .map(|(at, letter)| match at % 2 {
            0 => letter.to_ascii_uppercase(),
            _ => letter.to_ascii_lowercase(),
        })
        .collect();
    let commented = statement.replace(' ', " /* ; -- ' $$ */\n\t");
    let lined = statement.replace(' ', " -- a comment; '\n");
    let quoted = statement.replace(" users", " \"users\"");
    let escaped = statement.replace(" users", " U&\"\\0075sers\"");
    let qualified = statement.replace(" users", " public . \"users\"");
    vec![
        statement.to_string(),
        shouted,
        mixed,
        commented,
        lined,
        quoted,
        escaped,
        qualified,
        format!("select 1; {statement}"),
        format!("create table users2 (a int); {statement}"),
        format!("copy other from stdin;\nx; y '\n\\.\n{statement}"),
        format!("do $$ begin {statement} end $$;"),
        format!("do 'begin {} end';", statement.replace('\'', "''")),
        format!(
            "do $a$ begin if true then begin {statement} exception when others then null; end; end if; end $a$;"
        ),
        format!("do $a$ begin do $b$ begin {statement} end $b$; end $a$;"),
        format!(
            "create function f() returns void language plpgsql as $$ begin {statement} end $$; select f();"
        ),
        format!(
            "create function f() returns void language sql as $$ {statement} $$; select 1 from f();"
        ),
        format!("create procedure p() language plpgsql as $$ begin {statement} end $$; call p();"),
        format!(
            "create function f() returns int language plpgsql as $$ begin {statement} return 1; end $$; create function g() returns int language sql return f(); select * from pg_class where g() = 1;"
        ),
        format!(
            "create function f() returns int language plpgsql as $$ begin {statement} return 1; end $$; insert into other values (f());"
        ),
        format!(
            "create schema s; set search_path = s, public; create table users (a int); reset search_path; {statement}"
        ),
        format!("create temp table users3 (a int); {statement}"),
    ]
}

#[test]
fn no_spelling_lets_destruction_pass() {
    for (statement, rule) in [
        ("drop table users;", "drop-table"),
        ("drop view users;", "drop-view"),
        ("alter table users drop column old;", "drop-column"),
        (
            "alter table users rename column old to new;",
            "rename-column",
        ),
        ("alter table users rename to people;", "rename-table"),
        (
            "alter table users alter column old set not null;",
            "set-not-null",
        ),
        (
            "alter table users alter column old type bigint;",
            "change-column-type",
        ),
        ("alter table users drop constraint old;", "drop-constraint"),
        ("truncate users;", "truncate"),
        ("delete from users where true;", "delete-rows"),
        ("update users set old = 1;", "update-rows"),
        ("drop index users;", "drop-index"),
        ("revoke select on users from public;", "revoke"),
    ] {
        for text in spellings(statement) {
            let found = refused(&text, &Known::default());
            assert!(
                found.contains(rule),
                "{rule} is not found: {found:?}\n{text}"
            );
        }
    }
}
