//! Statements of SQL that destroy or break, and places where they run.

use super::spell::{Place, Spell};

/// What an older batch made.
pub const OLD: &str = "
    create table t (a int, c int); create table u (a text); create view v as select 1 as a;
    create function f() returns int language sql as 'select 1';";

/// The destructive table: each of these runs only once the old version is gone. `t` and `u` are old tables, `c` an old
/// column, the other names old objects of their kind.
pub const DESTRUCTIVE: &[&str] = &[
    "DROP TABLE <t>",
    "DROP TABLE IF EXISTS <t> , <u>",
    "DROP TABLE <t> CASCADE",
    "DROP SCHEMA <s> RESTRICT",
    "DROP VIEW IF EXISTS <v>",
    "DROP MATERIALIZED VIEW <m>",
    "DROP SEQUENCE <q>",
    "DROP TYPE <k>",
    "DROP DOMAIN IF EXISTS <k>",
    "DROP FUNCTION <f>",
    "DROP FUNCTION IF EXISTS <f> ( int , text )",
    "DROP PROCEDURE <f>",
    "DROP ROUTINE <f>",
    "DROP AGGREGATE <f> ( * )",
    "DROP EXTENSION <e>",
    "DROP ROLE <r>",
    "DROP USER IF EXISTS <r>",
    "DROP OWNED BY <r>",
    "DROP INDEX <i>",
    "DROP TRIGGER <g> ON <t>",
    "DROP POLICY IF EXISTS <g> ON <t>",
    "DROP RULE <g> ON <t>",
    "DROP OPERATOR + ( <k> , <k> )",
    "DROP CAST ( <k> AS text )",
    "DROP COLLATION <k>",
    "DROP PUBLICATION <g>",
    "DROP STATISTICS <g>",
    "ALTER TABLE <t> DROP COLUMN <c>",
    "ALTER TABLE <t> DROP <c>",
    "ALTER TABLE IF EXISTS ONLY <t> DROP COLUMN IF EXISTS <c> RESTRICT",
    "ALTER TABLE <t> ADD COLUMN x int , DROP COLUMN <c> , ADD y int",
    "ALTER TABLE <t> * DROP <c> CASCADE",
    "ALTER TABLE <t> DROP CONSTRAINT <g>",
    "ALTER TABLE ONLY <t> DROP CONSTRAINT IF EXISTS <g>",
    "ALTER TABLE <t> RENAME TO <n>",
    "ALTER TABLE <t> RENAME COLUMN <c> TO <n>",
    "ALTER TABLE <t> RENAME <c> TO <n>",
    "ALTER TABLE <t> RENAME CONSTRAINT <g> TO <n>",
    "ALTER TABLE <t> SET SCHEMA <s>",
    "ALTER TABLE <t> ALTER COLUMN <c> TYPE bigint",
    "ALTER TABLE <t> ALTER <c> SET DATA TYPE bigint USING 1",
    "ALTER TABLE <t> ALTER <c> SET NOT NULL",
    "ALTER TABLE <t> ALTER COLUMN <c> DROP DEFAULT",
    "ALTER TABLE <t> ALTER <c> SET DEFAULT 3",
    "ALTER TABLE <t> ALTER <c> DROP IDENTITY",
    "ALTER TABLE <t> ALTER <c> DROP EXPRESSION",
    "ALTER TABLE <t> ADD UNIQUE ( <c> )",
    "ALTER TABLE <t> ADD COLUMN x int NOT NULL",
    "ALTER TABLE <t> ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE <t> FORCE ROW LEVEL SECURITY",
    "ALTER TABLE <t> DISABLE TRIGGER ALL",
    "ALTER TABLE <t> OWNER TO <r>",
    "ALTER TABLE <t> DETACH PARTITION <u>",
    "ALTER TABLE <t> SET UNLOGGED",
    "ALTER TABLE <t> NO INHERIT <u>",
    "ALTER TABLE ALL IN TABLESPACE <s> SET TABLESPACE <n>",
    "ALTER VIEW <v> RENAME TO <n>",
    "ALTER SEQUENCE <q> RESTART WITH 1",
    "ALTER SEQUENCE <q> AS smallint",
    "ALTER TYPE <k> RENAME VALUE 'a' TO 'b'",
    "ALTER TYPE <k> DROP ATTRIBUTE <c>",
    "ALTER TYPE <k> RENAME TO <n>",
    "ALTER DOMAIN <k> SET NOT NULL",
    "ALTER DOMAIN <k> ADD CHECK ( value > 0 )",
    "ALTER FUNCTION <f> ( int ) RENAME TO <n>",
    "ALTER FUNCTION <f> ( int ) SECURITY DEFINER",
    "ALTER SCHEMA <s> RENAME TO <n>",
    "ALTER ROLE <r> NOLOGIN",
    "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM <r>",
    "REVOKE SELECT ON <t> FROM <r>",
    "REVOKE <r> FROM <n>",
    "REASSIGN OWNED BY <r> TO <n>",
    "TRUNCATE <t>",
    "TRUNCATE TABLE ONLY <t> RESTART IDENTITY CASCADE",
    "TRUNCATE <t> * , <u>",
    "DELETE FROM <t>",
    "DELETE FROM ONLY <t> WHERE <c> = 1",
    "DELETE FROM ONLY ( <t> ) USING <u> WHERE true RETURNING 1",
    "DELETE FROM <t> * AS x WHERE x.a IN ( SELECT 1 )",
    "UPDATE <t> SET <c> = NULL",
    "UPDATE ONLY <t> AS x SET ( <c> ) = ROW ( NULL )",
    "WITH gone AS ( DELETE FROM <t> RETURNING * ) SELECT 1 FROM gone",
    "WITH a AS ( SELECT 1 ) , gone AS MATERIALIZED ( WITH b AS ( SELECT 2 ) DELETE FROM <t> RETURNING 1 ) INSERT INTO <u> SELECT 1",
    "WITH a AS ( SELECT 1 ) DELETE FROM <t>",
    "INSERT INTO <u> WITH gone AS ( DELETE FROM <t> RETURNING * ) SELECT 1 FROM gone",
    "INSERT INTO <t> VALUES ( 1 ) ON CONFLICT ( <c> ) DO UPDATE SET <c> = 2",
    "MERGE INTO <t> USING <u> ON true WHEN MATCHED THEN DELETE",
    "MERGE INTO <t> USING <u> ON true WHEN NOT MATCHED THEN INSERT VALUES ( 1 ) WHEN MATCHED THEN UPDATE SET <c> = 1",
    "CREATE OR REPLACE VIEW <v> AS SELECT 1",
    "CREATE OR REPLACE FUNCTION <f> ( ) RETURNS int LANGUAGE sql AS 'select 1'",
    "CREATE RULE <g> AS ON INSERT TO <t> DO INSTEAD NOTHING",
    "CREATE TRIGGER <g> BEFORE INSERT ON <t> FOR EACH ROW EXECUTE FUNCTION <f> ( )",
    "CREATE POLICY <g> ON <t> USING ( false )",
    "LOCK TABLE <t>",
    "CLUSTER <t> USING <i>",
    "ALTER SYSTEM SET fsync = off",
    "COPY <t> FROM PROGRAM 'true'",
    "SELECT <f> ( 1 )",
    "SELECT pg_catalog.lo_unlink ( 1 )",
    "SELECT pg_advisory_unlock_all ( )",
    "SELECT * FROM <f> ( )",
    "CALL <f> ( )",
    "EXPLAIN ANALYZE DELETE FROM <t>",
    "EXPLAIN ( ANALYZE , COSTS off ) UPDATE <t> SET <c> = 1",
    "PREPARE gone AS DELETE FROM <t>",
    "EXECUTE gone",
    "CREATE TABLE made AS WITH gone AS ( DELETE FROM <t> RETURNING * ) SELECT 1 AS a FROM gone",
    "CREATE TABLE made AS EXECUTE gone",
    "SET session_replication_role = replica",
    "IMPORT FOREIGN SCHEMA <s> FROM SERVER <n> INTO public",
];

/// Where they run.
pub const PLACES: &[Place] = &[
    Place {
        name: "alone",
        text: alone,
        transparent: true,
    },
    Place {
        name: "among others",
        text: among,
        transparent: true,
    },
    Place {
        name: "behind data",
        text: behind_data,
        transparent: true,
    },
    Place {
        name: "in a block",
        text: block,
        transparent: true,
    },
    Place {
        name: "in a block in quotes",
        text: quoted_block,
        transparent: true,
    },
    Place {
        name: "in a branch of a block",
        text: branch,
        transparent: false,
    },
    Place {
        name: "in a block of a block",
        text: nested_block,
        transparent: true,
    },
    Place {
        name: "in a function that is called",
        text: called,
        transparent: true,
    },
    Place {
        name: "in a function that a block calls",
        text: performed,
        transparent: false,
    },
    Place {
        name: "in a function that a function calls",
        text: deep,
        transparent: false,
    },
    Place {
        name: "in a procedure that is called",
        text: procedure,
        transparent: false,
    },
    Place {
        name: "in a function that an INSERT calls",
        text: inserted,
        transparent: false,
    },
    Place {
        name: "in a function that a default calls",
        text: default,
        transparent: false,
    },
    Place {
        name: "in a function that an index calls",
        text: indexed,
        transparent: false,
    },
    Place {
        name: "in a function that a view calls",
        text: viewed,
        transparent: false,
    },
    Place {
        name: "in a trigger that fires",
        text: triggered,
        transparent: false,
    },
    Place {
        name: "in a text that is executed",
        text: executed,
        transparent: false,
    },
    Place {
        name: "in a text that is put together",
        text: formatted,
        transparent: false,
    },
];

fn alone(spell: &mut Spell, words: &str) -> String {
    let end = spell.one(&[";", "", "\n;\n", " ; -- done", ";;"]);
    format!("{}{end}", spell.statement(words))
}

fn among(spell: &mut Spell, words: &str) -> String {
    let before = spell.one(&[
        "create table made (a int);",
        "-- drop nothing\n\n",
        "insert into u (a) values ('it''s; fine');",
        "select $q$;$q$;",
        "select E'\\';';",
        "set search_path = public;",
        "/* ; */",
    ]);
    let behind = spell.one(&["", "\nselect 1;", "\ncreate table made_too (a int);"]);
    format!("{before}\n{};{behind}", spell.statement(words))
}

fn behind_data(spell: &mut Spell, words: &str) -> String {
    let data = spell.one(&[
        "1\ttwo",
        "drop table t;",
        "\\N\t'",
        "$$",
        "/*",
        "--",
        "'\"\\\\.",
    ]);
    format!(
        "create table made (a text);\ncopy made from stdin;\n{data}\n\\.\n{};",
        spell.statement(words)
    )
}

/// A body of PL/pgSQL around a statement.
fn body(spell: &mut Spell, words: &str) -> String {
    let declare = spell.one(&["", "declare n int := 1; "]);
    // A query throws its rows away in a block, or is no statement of it.
    let statement = spell.statement(words);
    let selects = words.split(' ').next() == Some("SELECT");
    let statement = match selects {
        true => format!("perform{}", &statement["select".len()..]),
        false => statement,
    };
    format!("{declare}begin {statement}; end")
}

fn block(spell: &mut Spell, words: &str) -> String {
    let (tag, language) = (
        spell.one(&["$$", "$x$", "$do$"]),
        spell.one(&["", " language plpgsql"]),
    );
    let body = body(spell, words);
    match spell.one(&["front", "behind"]) {
        "front" if !language.is_empty() => format!("DO{language} {tag} {body} {tag};"),
        _ => format!("do {tag}{body};{tag}{language};"),
    }
}

fn quoted_block(spell: &mut Spell, words: &str) -> String {
    let body = body(spell, words);
    match spell.one(&["plain", "escapes", "unicode"]) {
        "plain" => format!("do '{}';", body.replace('\'', "''")),
        "escapes" => {
            let body = body
                .replace('\\', "\\\\")
                .replace('\'', "\\'")
                .replace('\n', "\\n");
            format!("do E'{body}';")
        }
        _ => format!("do U&'{}';", body.replace('\\', "\\\\").replace('\'', "''")),
    }
}

fn branch(spell: &mut Spell, words: &str) -> String {
    let statement = body(spell, words);
    let (before, behind) =
        match spell.one(&["if", "else", "loop", "for", "case", "exception", "block"]) {
            "if" => ("if true then", "end if;"),
            "else" => ("if false then null; elsif false then null; else", "end if;"),
            "loop" => ("loop exit when false;", "exit; end loop;"),
            "for" => ("for i in 1..2 loop", "end loop;"),
            "case" => ("case 1 when 1 then", "else null; end case;"),
            "exception" => ("raise 'x'; exception when others then", ""),
            _ => ("begin null; end;", ""),
        };
    format!("do $$ begin {before} {statement}; {behind} end $$;")
}

fn nested_block(spell: &mut Spell, words: &str) -> String {
    let inner = body(spell, words);
    format!("do $a$ begin do $b$ {inner} $b$; end $a$;")
}

/// A function `made()` with a statement in it.
fn function(spell: &mut Spell, words: &str, returns: &str) -> String {
    let body = body(spell, words).replace(" end", " return null; end");
    let body = match returns {
        "void" => body.replace(" return null;", ""),
        _ => body,
    };
    let options = spell.one(&[
        "language plpgsql",
        "language plpgsql volatile security invoker",
    ]);
    match spell.one(&["front", "behind"]) {
        "front" => format!("create function made() returns {returns} {options} as $f$ {body} $f$;"),
        _ => format!("create function made() returns {returns} as $f$ {body} $f$ {options};"),
    }
}

fn called(spell: &mut Spell, words: &str) -> String {
    let call = spell.one(&[
        "select made();",
        "select * from made();",
        "select public.made();",
        "select \"made\"() where true;",
        "values (made()::text);",
        "with x as (select made()) select * from x;",
        "select 1 from u where made() is null;",
        "select case when true then made() end;",
        "select (select made());",
        "select count(*) filter (where made() is null) from u;",
        "select 1 order by made();",
    ]);
    format!("{}\n{call}", function(spell, words, "void"))
}

fn performed(spell: &mut Spell, words: &str) -> String {
    let call = spell.one(&[
        "perform made();",
        "x := made();",
        "if made() is null then null; end if;",
        "for x in select made() loop end loop;",
        "return; perform made();",
        "select made() into x;",
    ]);
    format!(
        "{}\ndo $$ declare x text; begin {call} end $$;",
        function(spell, words, "text")
    )
}

fn deep(spell: &mut Spell, words: &str) -> String {
    let inner = function(spell, words, "text");
    format!(
        "{inner}\ncreate function outer_one() returns text language sql as 'select made()';\nselect outer_one();"
    )
}

fn procedure(spell: &mut Spell, words: &str) -> String {
    let body = body(spell, words);
    format!("create procedure made() language plpgsql as $p$ {body} $p$; call made();")
}

fn inserted(spell: &mut Spell, words: &str) -> String {
    let function = function(spell, words, "text");
    let insert = spell.one(&[
        "insert into u (a) values (made());",
        "insert into u select made();",
        "insert into u (a) values (1) returning made();",
    ]);
    format!("{function}\n{insert}")
}

fn default(spell: &mut Spell, words: &str) -> String {
    let function = function(spell, words, "text");
    let run = spell.one(&[
        "alter table u add column x text default made();",
        "create table n (a int, b text default made()); insert into n (a) values (1);",
        "create table n (a int, b text check (made() is null)); insert into n values (1, 'x');",
        "create table n (a text); alter table n alter a set default made(); insert into n default values;",
    ]);
    format!("{function}\n{run}")
}

fn indexed(spell: &mut Spell, words: &str) -> String {
    let function = function(spell, words, "text").replace("made()", "made(x text)");
    let function = function.replace("volatile", "immutable");
    let run = spell.one(&[
        "create index concurrently n_a on u (made(a));",
        "create table n (a text); insert into n values ('x'); create index n_a on n (made(a));",
        "create table n (a text); insert into n values ('x'); create index n_a on n (a) where made(a) is null;",
        "create table n (a text, b text generated always as (made(a)) stored); insert into n (a) values ('x');",
    ]);
    format!("{function}\n{run}")
}

fn viewed(spell: &mut Spell, words: &str) -> String {
    let function = function(spell, words, "text");
    let run = spell.one(&[
        "create view n as select made() as a; select * from n;",
        "create materialized view n as select made() as a;",
        "create table n as select made() as a;",
        "select made() as a into n;",
    ]);
    format!("{function}\n{run}")
}

fn triggered(spell: &mut Spell, words: &str) -> String {
    let function = function(spell, words, "trigger");
    let when = spell.one(&["before insert", "after insert or update"]);
    let each = spell.one(&["for each row", "for each statement", ""]);
    format!(
        "{function}\ncreate table n (a int); create trigger n_made {when} on n {each} execute function made(); insert into n values (1);"
    )
}

fn executed(spell: &mut Spell, words: &str) -> String {
    let statement = spell.statement(words).replace('\'', "''");
    match spell.one(&["block", "string", "prepared", "function"]) {
        "block" => format!("do $$ begin execute '{statement}'; end $$;"),
        "string" => format!(
            "do $$ begin execute $q${}$q$; end $$;",
            statement.replace("''", "'")
        ),
        "prepared" => format!("do $$ declare q text := '{statement}'; begin execute q; end $$;"),
        _ => format!("select query_to_xml('{statement}', true, true, '');"),
    }
}

fn formatted(spell: &mut Spell, words: &str) -> String {
    let statement = spell.statement(words).replace('\'', "''");
    let (first, rest) = statement.split_at(3);
    match spell.one(&["joined", "format", "loop"]) {
        "joined" => format!("do $$ begin execute '{first}' || '{rest}'; end $$;"),
        "format" => format!("do $$ begin execute format('%s%s', '{first}', '{rest}'); end $$;"),
        _ => format!(
            "do $$ declare q text; begin for q in select '{statement}' loop execute q; end loop; end $$;"
        ),
    }
}
