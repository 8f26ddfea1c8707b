"""Makes tests/cql/splits.json: texts of CQL, each with the statements that cqlsh's own splitter finds in it.

    pip install cqlsh==6.2.2
    python3 tests/cql/splits.py 400 > tests/cql/splits.json

A larger number makes a larger comparison: KMIG_CQLSH_SPLITS=file cargo test --test it cqlsh_splits.

The texts are made of pieces whose meeting is surprising. Left out is what cqlsh cannot read (`?`, stray characters,
anything unclosed), its own commands, and batches that are never applied, which kmig refuses.
"""

import json
import random
import sys

from cqlshlib.cql3handling import CqlRuleSet

PIECES = [
    ";", ";", ";", ";\n", " ", "\n", "\r\n", "\t", "\r", "(", ")", "[", "]", "{", "}", ",", ".", ":", "=", "<", ">=",
    "!=", "a", "b1", "a_b", "x", "1", "1.5", "-1", "0xCAFE", "1h30m", "*", "/", "%", "+", "-", "+=",
    "123e4567-e89b-12d3-a456-426614174000", "''", "'a;b'", "'it''s'", "'\\'", "'--'", "'//'", "'/*'", "'$$'", "'\n;'",
    "'\"'", "\"a;b\"", "\"a\"\";\"", "\"'\"", "\"--\"", "\"$$\"", "$$;$$", "$$'$$", "$$a$b;$$", "$$\n;\n$$", "$$$$",
    "$$--$$", "--;\n", "--'\n", "--$$\n", "-- /*\n", "--\r", "//;\n", "//'\n", "// */\n", "//\n", "/*;*/", "/*'*/",
    "/**/", "/*/*;*/", "/*\n;\n*/", "/*--*/", "/*//*/", "/***/", "select", "create", "table", "batch", "function",
    "as", "'é;'", "/*é;*/", "$$é$$", "begin_", "applybatch",
]
IN_BATCH = [piece for piece in PIECES if piece not in ("batch",)]


def some(choice, pieces, most):
    text = ""
    for _ in range(choice.randrange(most)):
        text += choice.choice(pieces)
        if choice.random() < 0.6:
            text += " "
    return text


def generated(choice):
    text = ""
    for _ in range(choice.randrange(1, 5)):
        if choice.random() < 0.3:
            kind = choice.choice(["", " unlogged", " COUNTER", "/*;*/unlogged", " -- ;\n counter"])
            text += choice.choice(["begin", "BEGIN", "Begin"]) + kind + choice.choice([" batch ", "\nBATCH\n"])
            text += some(choice, IN_BATCH, 12)
            text += choice.choice([" apply batch", " APPLY BATCH", "\nApply /* ; */ Batch", ";apply --;\nbatch"])
            text += choice.choice([";", " ;", "--x\n;", ";\n"])
        else:
            text += some(choice, PIECES, 14)
            text += choice.choice([";", ";\n", " ; ", ""])
    return text


HAND_MADE = [
    "CREATE FUNCTION f (a int) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE java AS $$ return a; // ' \" $$; USE k;",
    "BEGIN BATCH\n  INSERT INTO t (a) VALUES (';');\n  -- APPLY BATCH;\n  DELETE FROM t WHERE a = 1;\nAPPLY BATCH;\nSELECT 1;",
    "INSERT INTO t (m) VALUES ({'a': 1, 'b': 2}); UPDATE t SET l = l - ['--'] WHERE k = 1 -- ; \n;",
    "SELECT * FROM t WHERE b = 'BEGIN BATCH';INSERT INTO t (a) VALUES ('APPLY BATCH');",
    "/* BEGIN BATCH */ SELECT a FROM t; /* APPLY BATCH; */",
    "BEGIN UNLOGGED BATCH USING TIMESTAMP 1 UPDATE t SET a=1 WHERE b=2 UPDATE t SET a=1 WHERE b=3 APPLY BATCH ; use k",
    "begin counter batch apply batch",
    ";;;",
    "",
    "-- nothing",
    "select a from t",
]


def split(text):
    """The statements as cqlsh sends them, or nothing where it cannot read the text."""
    try:
        statements, unfinished = CqlRuleSet.cql_split_statements(text)
    except Exception:
        return None
    tokens = [token for statement in statements for token in statement]
    if unfinished or any(token[0].startswith("unclosed") for token in tokens):
        return None
    found = []
    for statement in statements:
        if statement and statement[-1][0] == "endtoken":
            statement = statement[:-1]
        if statement:
            found.append(CqlRuleSet.cql_extract_orig(statement, text))
    return found


def readable(text, found):
    """No statement begins or ends a batch that it does not end or begin, and none is a command of cqlsh."""
    for statement in found or []:
        tokens = [token[1].lower() for token in CqlRuleSet.lex(statement) if token[0] != "endline"]
        whole = tokens[0] == "begin" and tokens[-2:] == ["apply", "batch"]
        if tokens.count("begin") > 1 or tokens.count("apply") > 1:
            return False
        if ("begin" in tokens[:1] or "apply" in tokens) and not whole:
            return False
    return found is not None


def main():
    choice = random.Random(20260)
    wanted = int(sys.argv[1])
    cases = []
    pending = list(HAND_MADE)
    while len(cases) < wanted + len(HAND_MADE):
        text = pending.pop(0) if pending else generated(choice)
        found = split(text)
        if readable(text, found):
            cases.append({"text": text, "statements": found})
    print("[")
    print(",\n".join(json.dumps(case, ensure_ascii=False) for case in cases))
    print("]")


main()
