//! Random migrations for the random walk: each of a few pieces, a piece being what up does, what backfill and finish add,
//! and what takes it back.

use fastrand::Rng;

use crate::support::kmig::Project;

/// Tables that all pieces work on. Those of `side` have the same names: a search path that is lost shows.
pub const BASE: &str = "\
create schema side;
create table log (line text);
create table b0 (id int primary key, v text);
create table b1 (id int primary key, v text);
create table side.b0 (id int, v text);
create table side.b1 (id int, v text);
insert into b0 select n, 'v' || n from generate_series(1, 30) n;
insert into b1 select n, 'v' || n from generate_series(1, 30) n;
";

/// What up, backfill, finish and undo say of one piece; empty where nothing.
type Piece = [String; 4];

/// How many kinds of pieces there are.
const KINDS: usize = 15;

/// A piece of a kind. `x` is a number that no other piece has, `b` a table.
fn piece(kind: usize, x: usize, b: usize) -> Piece {
    let text = |sql: &str| {
        sql.replace("{x}", &x.to_string())
            .replace("{b}", &format!("b{b}"))
    };
    let [up, backfill, finish, undo] = match kind {
        0 => [
            "create table t{x} (id int primary key, v text default 'd{x}');\ncreate index t{x}_v on t{x} (v);",
            "",
            "drop index t{x}_v;",
            "drop table t{x};",
        ],
        1 => [
            "alter table {b} add column c{x} int;",
            "update {b} set c{x} = id where c{x} is null and id < 10;\nupdate {b} set c{x} = -id where c{x} is null;",
            "alter table {b} alter column c{x} set not null;",
            "alter table {b} drop column c{x};",
        ],
        2 => [
            "create index concurrently i{x} on public.{b} (id, v);",
            "",
            "drop index concurrently i{x};",
            "drop index concurrently i{x};",
        ],
        3 => [
            "-- kmig:allow unique-index because of the walk\ncreate unique index concurrently if not exists u{x} on public.{b} (id);",
            "",
            "",
            "drop index concurrently u{x};",
        ],
        4 => [
            "-- kmig:allow locks-with-work because of the walk\ncopy log from stdin;\nfirst {x}\nsecond {x}\n\\.",
            "",
            "",
            "delete from log where line in ('first {x}', 'second {x}');",
        ],
        5 => [
            "create type e{x} as enum ('a', 'c');\nalter type e{x} add value 'b' before 'c';\ncreate table te{x} (e e{x} default 'b');\ninsert into te{x} default values;",
            "",
            "",
            "drop table te{x};\ndrop type e{x};",
        ],
        6 => ["reindex index concurrently {b}_pkey;", "", "", ""],
        7 => [
            "reindex table concurrently public.{b};",
            "",
            "reindex (concurrently) table public.{b};",
            "",
        ],
        8 => ["vacuum (analyze) public.{b};", "", "vacuum public.{b};", ""],
        9 => [
            "-- kmig:allow locks-with-work because of the walk\ndo $$ begin insert into log values ('done {x}'); end $$;",
            "",
            "insert into log values ('finished {x}');",
            "delete from log where line = 'done {x}';",
        ],
        10 => [
            "set search_path to side, public;\ncreate index concurrently s{x} on {b} (id);\n-- kmig:allow locks-with-work because of the walk\ninsert into log select 'side {x} ' || count(*) from {b};\nreset search_path;",
            "",
            "",
            "delete from log where line like 'side {x} %';\ndrop index concurrently side.s{x};",
        ],
        11 => [
            "alter table {b} add constraint k{x} check (id > -{x}) not valid;",
            "",
            "alter table {b} validate constraint k{x};",
            "alter table {b} drop constraint k{x};",
        ],
        12 => [
            "create function f{x}() returns int language sql as 'select {x}';\ncreate view v{x} as select f{x}() as f;\ncomment on view v{x} is 'of {x}';",
            "",
            "drop view v{x};",
            "drop view v{x};\ndrop function f{x}();",
        ],
        13 => [
            "-- kmig:allow locks-with-work because of the walk\ncreate materialized view m{x} as select id from {b};\ncreate unique index on m{x} (id);\n-- kmig:allow locks-with-work because of the walk\nrefresh materialized view concurrently m{x};",
            "",
            "drop materialized view m{x};",
            "drop materialized view m{x};",
        ],
        _ => [
            "create table p{x} (id int) partition by range (id);\ncreate table p{x}_1 partition of p{x} for values from (1) to (9);\ninsert into p{x} values (1), (8);",
            "insert into log select 'filled {x}' where not exists (select from log where line = 'filled {x}');",
            "alter table p{x} detach partition p{x}_1 concurrently;\ndrop table p{x}_1;",
            "drop table p{x};\ndelete from log where line = 'filled {x}';",
        ],
    };
    [text(up), text(backfill), text(finish), text(undo)]
}

/// Writes a migration of one to four pieces.
pub fn migration(rng: &mut Rng, project: &Project, number: usize) {
    let folder = format!("migrations/core/{number:03}_walk");
    let mut parts: Piece = [
        format!("insert into log values ('begun {number}');\n"),
        String::new(),
        String::new(),
        String::new(),
    ];
    for nth in 0..rng.usize(1..=4) {
        let piece = piece(rng.usize(..KINDS), number * 10 + nth, rng.usize(..2));
        for (part, text) in parts.iter_mut().zip(&piece).take(3) {
            *part += text;
            part.push('\n');
        }
        // What was done last is taken back first.
        parts[3] = format!("{}\n{}", piece[3], parts[3]);
    }
    parts[3] += &format!("delete from log where line = 'begun {number}';\n");
    for (name, text) in ["up", "backfill", "finish", "undo"].iter().zip(&parts) {
        if !text.trim().is_empty() {
            project.write(&format!("{folder}/{name}.sql"), text);
        }
    }
}
