//! A table for every type of CQL, with the values that copies get wrong.

use crate::space::Space;

/// Types and tables that every version has.
const TABLES: &str = "
    create type addr (street text, zip int);
    create type inner (a int, b frozen<list<text>>);
    create type deep (at frozen<addr>, parts frozen<map<text, frozen<inner>>>, pair frozen<tuple<int, text>>);
    create table plain (
        p int, c text, a ascii, b bigint, bl blob, bo boolean, d date, de decimal, db double, du duration, f float,
        i inet, n int, s smallint, t text, ti time, ts timestamp, tu timeuuid, y tinyint, u uuid, v varint,
        primary key (p, c));
    create table composed (
        p int primary key, l list<int>, st set<text>, m map<text, int>, ml map<timeuuid, frozen<list<int>>>, ad addr,
        fl frozen<list<int>>, fs frozen<set<inet>>, fm frozen<map<text, frozen<list<decimal>>>>, fa frozen<addr>,
        dp frozen<deep>, tup tuple<int, text, float>, la list<frozen<addr>>, t text);
    create table statics (p int, c int, s text static, sl list<int> static, sf frozen<set<int>> static, v text, w int,
        primary key (p, c));
    create table counted (p int, c text, hits counter, misses counter, primary key (p, c));
    create table only_key (p int, c int, primary key (p, c));
    create table keys (
        a text, b blob, c timeuuid, d decimal, e inet, f date, g boolean, h tinyint, j frozen<list<int>>, k double, v int,
        primary key ((a, b, d), c, e, f, g, h, j, k)) with clustering order by (c desc, e asc, f asc, g asc, h asc, j asc, k asc);
    create table \"Odd\" (\"Key\" int primary key, a text, \"A\" text, a__wt text, \"with blank\" int, \"select\" int);
    create table marked (p int, c int, v int, primary key (p, c)) with default_time_to_live = 86400;
    create table nothing (p int primary key, v text);
    create index on plain (n);
";

/// And what 5.0 has.
const VECTORS: &str = "
    create table vectors (p int primary key, f vector<float, 3>, t vector<text, 2>, l vector<frozen<list<int>>, 2>,
        n vector<vector<int, 2>, 2>, y vector<tinyint, 2>, s frozen<list<vector<float, 2>>>);
    insert into vectors (p, f, t, l, n, y, s) values (1, [1.5, -0.0, 3], ['', 'ß'], [[1, 2], []], [[1, 2], [3, 4]], [1, -1], [[1, 2]])
        using timestamp 77 and ttl 50000;
    insert into vectors (p, f) values (2, [0, 0, 0]);
";

const PLAIN: &str = "
    insert into plain (p, c, a, b, bl, bo, d, de, db, du, f, i, n, s, t, ti, ts, tu, y, u, v) values (
        1, 'usual', 'ascii', -9223372036854775808, 0xcafe, true, '2024-02-29', 3.50, 1.5e300, 1y2mo3w4d5h6m7s8ms9us10ns,
        1.25, '127.0.0.1', -2147483648, -32768, 'Grüße', '23:59:59.999999999', '2024-02-29T12:34:56.789Z',
        50554d6e-29bb-11e5-b345-feff819cdc9f, -128, 123e4567-e89b-12d3-a456-426614174000,
        123456789012345678901234567890123456789012345678901234567890) using timestamp 1000;
    insert into plain (p, c, a, b, bl, bo, d, de, db, du, f, i, n, s, t, ti, ts, y, v) values (
        1, 'ends', '', 9223372036854775807, 0x, false, '9999-12-31', -0.00, -0.0, -1mo, NaN, '::1', 2147483647, 32767, '',
        '00:00:00', 253402300799999, 127, -1) using timestamp 2000;
    insert into plain (p, c, d, ts, de, v, db, f, i) values (
        1, 'beyond', 2150416545, 253402300800000, 1e-2000, 0, Infinity, -Infinity, '::ffff:1.2.3.4');
    insert into plain (p, c, d, ts, de, db) values (1, 'before', 2146764485, -9223372036854775808, 1e300, -NaN);
    insert into plain (p, c, n, b, bo, d, de, db, f, i, ts, u, tu, v, t, bl) values (
        1, 'empty', blobAsInt(0x), blobAsBigint(0x), blobAsBoolean(0x), '1970-01-01', blobAsDecimal(0x),
        blobAsDouble(0x), blobAsFloat(0x), blobAsInet(0x), blobAsTimestamp(0x), blobAsUuid(0x), blobAsTimeuuid(0x),
        blobAsVarint(0x), '', 0x);
    insert into plain (p, c, de, v) values (1, 'roundabout', blobAsDecimal(0x0000000200015e), blobAsVarint(0x0001));
    insert into plain (p, c) values (1, 'nothing');
    insert into plain (p, c, n, t, b) values (2, 'times', 1, 'a', 5) using timestamp 10 and ttl 90000;
    update plain using timestamp 20 set t = 'b' where p = 2 and c = 'times';
    update plain using timestamp 30 and ttl 70000 set b = 6 where p = 2 and c = 'times';
    update plain using timestamp 5 set n = 7 where p = 2 and c = 'by update';
    insert into plain (p, c, n) values (2, 'deleted', 7);
    delete n from plain where p = 2 and c = 'deleted';
    insert into plain (p, c, n) values (2, 'gone', 7);
    delete from plain where p = 2 and c = 'gone';
    insert into plain (p, c, t) values (3, 'future', 'x') using timestamp 9000000000000000;
";

const COMPOSED: &str = "
    insert into composed (p, l, st, m, ml, ad, fl, fs, fm, fa, dp, tup, la, t) values (
        1, [3, 1, 3], {'b', 'a'}, {'x': 1, 'y': 2}, {50554d6e-29bb-11e5-b345-feff819cdc9f: [1]}, {street: 'S', zip: 1}, [1],
        {'::1', '1.2.3.4'}, {'k': [1.10, 1.1], 'e': []}, {street: null, zip: 2},
        {at: {street: 'A', zip: null}, parts: {'p': {a: 1, b: ['x']}, 'q': {a: null, b: []}}, pair: (1, null)},
        (1, null, 2.5), [{street: 'L', zip: 3}, {street: null, zip: null}], 'one write') using timestamp 100;
    update composed using timestamp 200 and ttl 80000 set m = m + {'z': 3}, l = l + [9], st = st + {'c'} where p = 1;
    update composed using timestamp 300 set m['x'] = 10, ad.zip = 7 where p = 1;
    insert into composed (p, fl, fs, fm, tup) values (2, [], {}, {}, (null, null, null)) using ttl 60000;
    insert into composed (p, l, st, m, t) values (3, [], {}, {}, 'no elements');
    update composed using timestamp 400 and ttl 50000 set ad.street = 'only one field' where p = 4;
    update composed using timestamp 500 set l = [1, 2] where p = 5;
    insert into composed (p, fa, la) values (6, {street: 'before it grew', zip: 1}, [{street: 'too', zip: 2}]);
    alter type addr add country text;
    insert into composed (p, fa, ad) values (7, {street: 'after', zip: 1, country: 'C'}, {country: 'C'});
";

const OTHERS: &str = "
    insert into statics (p, s, sl, sf) values (1, 'only static', [1, 2], {3}) using timestamp 40;
    insert into statics (p, c, s, v) values (2, 1, 'shared', 'a') using timestamp 50 and ttl 90000;
    insert into statics (p, c, v) values (2, 2, 'b');
    update statics set sl = sl + [7] where p = 2;
    insert into statics (p, c) values (3, 1);
    insert into statics (p, c, v, w) values (4, 1, 'x', 1);
    update statics using timestamp 60 set s = '' where p = 4;
    update counted set hits = hits + 5 where p = 1 and c = 'a';
    update counted set misses = misses - 2 where p = 1 and c = 'a';
    update counted set hits = hits + 1 where p = 2 and c = '';
    insert into only_key (p, c) values (1, 1);
    insert into only_key (p, c) values (1, 2);
    insert into keys (a, b, c, d, e, f, g, h, j, k, v) values ('', 0x, 50554d6e-29bb-11e5-b345-feff819cdc9f, 1.50, '::1',
        2150416545, true, -1, [1, 2], NaN, 1);
    insert into keys (a, b, c, d, e, f, g, h, j, k, v) values ('ü', 0x00, 50554d6e-29bb-11e5-b345-feff819cdc9f, 1.5, '1.1.1.1',
        '1970-01-01', false, 5, [], -0.0, 2);
    insert into \"Odd\" (\"Key\", a, \"A\", a__wt, \"with blank\", \"select\") values (1, 'a', 'A', 'wt', 5, 6);
    insert into marked (p, c, v) values (1, 1, 1);
    insert into marked (p, c, v) values (1, 2, 1) using ttl 0;
";

/// Makes every table of a keyspace and fills it.
pub fn fill(space: &Space<'_>, vectors: bool) {
    let newer = if vectors { VECTORS } else { "" };
    for text in [TABLES, PLAIN, COMPOSED, OTHERS, newer] {
        for statement in text.split(';').filter(|text| !text.trim().is_empty()) {
            space.cql(statement);
        }
    }
}

/// The statements that make the tables, types grown included.
pub fn tables(vectors: bool) -> String {
    let made = TABLES.trim_end();
    let newer = VECTORS.split(";").next().unwrap_or_default();
    let newer = if vectors {
        format!("{newer};")
    } else {
        String::new()
    };
    format!("{made}\nalter type addr add country text;\n{newer}\n")
}
