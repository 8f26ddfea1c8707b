"""Makes tests/cql/statements.json: statements of CQL, each with what Cassandra's own parser makes of it (Parsed.java).

    python3 tests/cql/statements.py make 1500 > texts
    javac -cp 'lib/*' -d . tests/cql/Parsed.java      # lib: cassandra-all and its dependencies, from Maven
    java -cp '.:lib/*' Parsed texts found
    python3 tests/cql/statements.py join texts found > tests/cql/statements.json

The words of the fixture are those of 5.0.9; 4.1.10 says the same wherever it reads the statement. A larger number makes
a larger comparison: KMIG_CQL_STATEMENTS=file cargo test --test it cql_statements.
"""

import json
import random
import sys

choice = random.Random(20261)

NAMES = ["a", "Bc", '"D e"', '"f""g"', "key", "Values", "ttl", "type", "text", "list", "x_1", '"select"', "json", "role",
         "frozen", "static", "keys", "user", "map", '"lower"', "counter", "filtering", "t" * 60]
TYPES = ["int", "TEXT", "varchar", "blob", "uuid", "timeuuid", "counter", "duration", "k.Udt", '"Udt"', "my_type", "date"]
STRINGS = ["'x'", "''", "'it''s'", "$$y$$", "'a -- b; /* c'", "'é'"]
CONSTANTS = STRINGS + ["1", "-2", "1.5", "1e-3", "true", "FALSE", "0xCAFE", "1h30m", "5µs", "P1Y2M", "NaN", "-Infinity",
                       "P0001-00-03T04:05:06", "123e4567-e89b-12d3-a456-426614174000", "null"]
FUNCTIONS = ["now", "uuid", "toTimestamp", "k.f", "textAsBlob", "token", '"Fn"']


def one(*options):
    option = choice.choice(options)
    return option() if callable(option) else option


def maybe(text, chance=0.4):
    if choice.random() >= chance:
        return ""
    return text() if callable(text) else text


def some(item, least=1, most=3, between=", "):
    return between.join(item() if callable(item) else item for _ in range(choice.randint(least, most)))


def name():
    return choice.choice(NAMES)


def several(least=1, most=3):
    return choice.sample(NAMES, choice.randint(least, most))


def qualified():
    return maybe(lambda: one("k", "Ks", '"K s"') + one(".", " . ")) + name()


def kind(depth=0):
    if depth > 2 or choice.random() < 0.5:
        return choice.choice(TYPES)
    inner = lambda: kind(depth + 1)
    return one(lambda: f"list<{inner()}>", lambda: f"SET <{inner()}>", lambda: f"map<{inner()}, {inner()}>",
               lambda: f"frozen< {inner()} >", lambda: f"tuple<{some(inner)}>", lambda: "vector<float, 3>", lambda: "'org.apache.cassandra.db.marshal.Int32Type'")


def term(depth=0):
    if depth > 2 or choice.random() < 0.5:
        return choice.choice(CONSTANTS)
    inner = lambda: term(depth + 1)
    return one(lambda: f"[{some(inner, 0)}]", lambda: "{" + some(inner, 0) + "}",
               lambda: "{" + some(lambda: inner() + one(":", " : ") + inner()) + "}", lambda: f"({some(inner)})",
               lambda: f"{choice.choice(FUNCTIONS)}({some(inner, 0, 2)})", lambda: f"(int) {inner()}",
               lambda: f"{inner()} + {inner()}", lambda: f"{inner()} * 2", lambda: f"{{{name()}: {inner()}}}")


def properties():
    return some(lambda: f"{name()} = " + one(lambda: choice.choice(CONSTANTS[:-1]), name, "{}", lambda: "{'a': 'b', 'c': 1}"), 1, 3, " AND ")


def unless():
    return maybe(" IF NOT EXISTS")


def exists():
    return maybe(" IF EXISTS")


def using(*kinds):
    return maybe(lambda: " USING " + " AND ".join(f"{kind} {choice.choice(['1', '-5', '86400'])}" for kind in choice.sample(kinds, choice.randint(1, len(kinds)))))


def where():
    relation = lambda: one(lambda: f"{name()} {choice.choice(['=', '<', '>=', '!='])} {term()}", lambda: f"{name()} IN ({some(term, 0)})",
                           lambda: f"token({name()}) > {term()}", lambda: f"({name()}, {name()}) >= (1, {term()})", lambda: f"{name()} CONTAINS KEY {term()}",
                           lambda: f"{name()} IS NOT NULL", lambda: f"{name()} LIKE 'x%'", lambda: f"{name()}['k'] = {term()}")
    return " WHERE " + some(relation, 1, 3, " AND ")


def condition():
    return maybe(lambda: one(" IF EXISTS", lambda: " IF " + some(lambda: f"{name()}{maybe('[1]')} = {term()}", 1, 2, " AND ")), 0.3)


def insert():
    columns = several()
    values = ", ".join(term() for _ in columns)
    body = one(f"({', '.join(columns)}) VALUES ({values})", lambda: f"JSON {choice.choice(STRINGS)}{maybe(' DEFAULT UNSET')}")
    return f"INSERT INTO {qualified()} {body}{unless()}{using('TIMESTAMP', 'TTL')}"


def assignment(column):
    return one(f"{column} = {term()}", f"{column} = {column} + {term(2)}", f"{column} = {column} - {term()}", f"{column} += {term()}",
               f"{column} -= {term()}", f"{column} = [{term()}] + {column}", f"{column}[{term()}] = {term()}", f"{column}.{name()} = {term()}",
               f"{column} = {column} -3", f"{column} = {column} + {{{term()}}}", f"{column}={{{term()}}} + {column}")


def update():
    sets = ", ".join(assignment(column) for column in several())
    return f"UPDATE {qualified()}{using('TIMESTAMP', 'TTL')} SET {sets}{where()}{condition()}"


def delete():
    element = lambda: one(name, lambda: f"{name()}[{term()}]", lambda: f"{name()}.{name()}")
    return f"DELETE {maybe(lambda: some(element) + ' ')}FROM {qualified()}{using('TIMESTAMP')}{where()}{condition()}"


def batch():
    members = some(lambda: one(insert, update, delete), 0, 3, choice.choice([" ", "; ", ";\n"]))
    return f"BEGIN{one('', ' UNLOGGED', ' COUNTER')} BATCH{using('TIMESTAMP')} {members}{maybe(';' if members else '')} APPLY BATCH"


def table():
    columns = several(1, 5)
    definitions = [f"{column} {kind()}{maybe(' STATIC', 0.2)}{maybe(' MASKED WITH DEFAULT', 0.1)}" for column in columns]
    if choice.random() < 0.5:
        definitions[0] += " PRIMARY KEY"
    else:
        key = columns[0] if choice.random() < 0.5 else f"({', '.join(columns[:2])})"
        definitions.append(f"PRIMARY KEY ({key}{''.join(', ' + column for column in columns[2:])})")
    extra = lambda: one(properties, "COMPACT STORAGE", lambda: f"CLUSTERING ORDER BY ({columns[-1]} DESC)", "id = 5A1C395E-b41f-11e5-9f22-ba0be0483c18", "ID = '5a1c395e-b41f-11e5-9f22-ba0be0483c18'")
    options = maybe(lambda: " WITH " + some(extra, 1, 3, " and "))
    return f"CREATE {one('TABLE', 'COLUMNFAMILY')}{unless()} {qualified()} ({', '.join(definitions)}{maybe(',', 0.1)}){options}"


def index():
    target = lambda: one(name, lambda: f"{choice.choice(['keys', 'VALUES', 'entries', 'full'])}({name()})")
    own = maybe(lambda: name() + " ", 0.6)
    return one(lambda: f"CREATE INDEX{unless()} {own}ON {qualified()} ({target()}){maybe(lambda: one('', ' USING ') and f' USING {choice.choice(STRINGS)}')}",
               lambda: f"CREATE CUSTOM INDEX{unless()} {own}ON {qualified()} ({some(target, 0)}) USING 'sai'{maybe(lambda: ' WITH OPTIONS = ' + chr(123) + chr(125))}")


def view():
    columns = several(2, 4)
    return (f"CREATE MATERIALIZED VIEW{unless()} {qualified()} AS SELECT {one('*', ', '.join(columns))} FROM {qualified()}{where()} "
            f"PRIMARY KEY ({one(columns[0], f'({columns[0]}, {columns[1]})')}{''.join(', ' + column for column in columns[2:])}){maybe(lambda: ' WITH ' + properties())}")


def replace():
    return one(lambda: "", lambda: " OR REPLACE")


def function():
    return (f"CREATE{replace()} FUNCTION{unless()} {qualified()} ({some(lambda: name() + ' ' + kind(), 0)}) {one('RETURNS NULL', 'CALLED')} ON NULL INPUT "
            f"RETURNS {kind()} LANGUAGE java AS {choice.choice(STRINGS)}")


def aggregate():
    return f"CREATE{replace()} AGGREGATE{unless()} {qualified()} ({some(kind, 0)}) SFUNC {name()} STYPE {kind()}{maybe(lambda: ' FINALFUNC ' + name())}{maybe(lambda: ' INITCOND ' + term())}"


def signature():
    return maybe(lambda: f"({some(kind, 0)})")


def role():
    return one(name, "'Role X'", "Bob")


def alter():
    columns = lambda: ", ".join(f"{column} {kind()}{maybe(' static', 0.2)}" for column in several())
    change = one(lambda: f"ADD{unless()} {name()} {kind()}{maybe(' STATIC', 0.2)}", lambda: f"ADD{unless()} ({columns()})", lambda: f"DROP{exists()} {name()}",
                 lambda: f"DROP{exists()} ({', '.join(several())}){maybe(' USING TIMESTAMP 5')}", lambda: f"RENAME{exists()} {name()} TO {name()}{maybe(' AND x TO y')}",
                 lambda: f"WITH {properties()}", "DROP COMPACT STORAGE", lambda: f"ALTER {name()} TYPE {kind()}", lambda: f"ALTER{exists()} {name()} MASKED WITH mask_inner(1, null)",
                 lambda: f"ALTER {name()} DROP MASKED")
    return f"ALTER TABLE{exists()} {qualified()} {change}"


def alter_type():
    change = one(lambda: f"ADD{unless()} {name()} {kind()}", lambda: f"RENAME {name()} TO {name()}{maybe(' AND x TO y')}", lambda: f"ALTER {name()} TYPE int")
    return f"ALTER TYPE{exists()} {qualified()} {change}"


def access():
    user = lambda: one("Bob", "'Bob X'", "x_1")
    roles = lambda: one("", " WITH PASSWORD = 'x' AND LOGIN = true", " WITH SUPERUSER = false AND ACCESS TO DATACENTERS {'a', 'b'}", " WITH OPTIONS = {'a': 'b'}")
    resource = lambda: one("ALL KEYSPACES", "KEYSPACE k", lambda: f"TABLE {qualified()}", "ALL ROLES", lambda: f"ROLE {role()}", "ALL FUNCTIONS IN KEYSPACE k", "FUNCTION k.f (int, text)", lambda: qualified())
    permission = lambda: one("ALL", "ALL PERMISSIONS", "SELECT", "MODIFY PERMISSION", "CREATE", "ALTER", "DROP", "AUTHORIZE")
    return one(lambda: f"CREATE ROLE{unless()} {role()}{roles()}", lambda: f"ALTER ROLE{exists()} {role()} WITH LOGIN = false", lambda: f"DROP ROLE{exists()} {role()}",
               lambda: f"CREATE USER{unless()} {user()}{maybe(chr(32) + 'WITH PASSWORD ' + chr(39) + 'x' + chr(39))}{maybe(' SUPERUSER')}", lambda: f"ALTER USER{exists()} {user()} NOSUPERUSER",
               lambda: f"DROP USER{exists()} {user()}", lambda: f"GRANT {permission()} ON {resource()} TO {role()}", lambda: f"REVOKE {permission()} ON {resource()} FROM {role()}",
               lambda: f"GRANT {role()} TO {role()}", lambda: f"REVOKE {role()} FROM {role()}", "LIST ROLES OF x NORECURSIVE", "LIST USERS", "LIST ALL PERMISSIONS ON KEYSPACE k OF x")


def other():
    return one(lambda: f"CREATE TYPE{unless()} {qualified()} ({', '.join(column + ' ' + kind() for column in several())})",
               lambda: f"CREATE TRIGGER{unless()} {name()} ON {qualified()} USING {choice.choice(STRINGS)}", lambda: f"DROP TRIGGER{exists()} {name()} ON {qualified()}",
               lambda: f"DROP {choice.choice(['TABLE', 'TYPE', 'INDEX', 'MATERIALIZED VIEW', 'COLUMNFAMILY'])}{exists()} {qualified()}",
               lambda: f"DROP {choice.choice(['FUNCTION', 'AGGREGATE'])}{exists()} {qualified()}{signature()}",
               lambda: f"CREATE {one('KEYSPACE', 'SCHEMA')}{unless()} {name()} WITH {properties()}", lambda: f"ALTER KEYSPACE{exists()} {name()} WITH {properties()}",
               lambda: f"DROP KEYSPACE{exists()} {name()}", lambda: f"ALTER MATERIALIZED VIEW{exists()} {qualified()} WITH {properties()}",
               lambda: f"TRUNCATE {one('', 'TABLE ', 'COLUMNFAMILY ')}{qualified()}", lambda: f"USE {name()}",
               lambda: f"SELECT {one('*', 'DISTINCT a', 'JSON a, b', 'count(*)', 'a AS b, ttl(c)', 'CAST(a AS text)', 'k.f(a)', 'm[1..2]')} FROM {qualified()}{maybe(where)}{maybe(' ORDER BY a DESC')}{maybe(' LIMIT 5')}{maybe(' ALLOW FILTERING')}")


def spaced(text):
    """Other blanks, comments and letters, but not inside quotes."""
    pieces, quote, out = [], "", ""
    for at, character in enumerate(text):
        if not quote and character in "'\"$":
            quote = character
        elif quote == character:
            quote = "" if character != "$" else quote
        if character == " " and not quote and choice.random() < 0.1 and "$" not in text:
            out += choice.choice(["\n", "  ", " /* ; ' */ ", " -- it's\n", " // x\n", "\t"])
        else:
            out += character.lower() if not quote and "$" not in text and choice.random() < 0.02 and character in "CADWIS" else character
    return out


MAKERS = [insert, update, delete, batch, table, table, index, view, function, aggregate, alter, alter, alter_type, access, access, other, other, other]

if sys.argv[1] == "make":
    sys.stdout.write("".join(spaced(choice.choice(MAKERS)()) + "\0" for _ in range(int(sys.argv[2]))))
else:
    texts = open(sys.argv[2], encoding="utf-8", newline="").read().split("\0")[:-1]
    found = open(sys.argv[3], encoding="utf-8").read().split("\n")[:-1]
    assert len(texts) == len(found), (len(texts), len(found))
    cases = [{"text": text, "is": words} for text, words in zip(texts, found) if words]
    print("[")
    print(",\n".join(json.dumps(case, ensure_ascii=False) for case in cases))
    print("]")
