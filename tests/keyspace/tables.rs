//! What stands below CQL on both sides, made comparable: cells with their times, no tombstones.

use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A cell: its value, its write time, and the second at which it expires, where the dump tells that: of a cell that was not
/// written together with a marker that expires it says nothing where both live as long, nor where the cell stays.
pub type Stood = (String, String, Option<Option<i64>>);

/// The cells of every row, by partition and clustering, and each by its name and its path.
pub type Rows = BTreeMap<String, BTreeMap<String, Stood>>;

/// The cells of a dump, those that are deleted left aside, and how many deletions it has.
pub fn cells(dump: &[Value]) -> (Rows, usize) {
    let mut rows = Rows::new();
    let mut deletions = 0;
    for partition in dump {
        let key = &partition["partition"]["key"];
        deletions += usize::from(partition["partition"].get("deletion_info").is_some());
        let Some(listed) = partition["rows"].as_array() else {
            continue;
        };
        for row in listed {
            deletions += usize::from(row.get("deletion_info").is_some());
            let name = format!("{key} {}", row.get("clustering").unwrap_or(&Value::Null));
            let marker = &row["liveness_info"];
            let mut held = BTreeMap::new();
            let mut lists: BTreeMap<String, usize> = BTreeMap::new();
            for cell in row["cells"].as_array().into_iter().flatten() {
                if cell.get("deletion_info").is_some() {
                    deletions += 1;
                    continue;
                }
                let of = |field: &str| cell.get(field).or(marker.get(field));
                let column = cell["name"].as_str().expect("a name").to_string();
                let place = match cell.get("path") {
                    None => String::new(),
                    // A list's paths are the server's own: its elements are told apart by their order.
                    Some(path) if is_timeuuid(path) && cell["value"] != "" => {
                        let at = lists.entry(column.clone()).or_default();
                        *at += 1;
                        format!("[{at}]")
                    }
                    Some(path) => path.to_string(),
                };
                let stood = (
                    bare(&cell["value"]).to_string(),
                    of("tstamp").map(Value::to_string).unwrap_or_default(),
                    match (cell.get("expires_at"), marker.get("expires_at")) {
                        (None, Some(_)) if cell.get("tstamp").is_some() => None,
                        (own, of_marker) => {
                            Some(own.or(of_marker).and_then(Value::as_str).map(second))
                        }
                    },
                );
                held.insert(format!("{column}{place}"), stood);
            }
            if !held.is_empty() || !marker.is_null() {
                rows.insert(name, held);
            }
        }
    }
    (rows, deletions)
}

/// Without fields that are null: one that a type got later is null, whether it stands in the bytes or not, and CQL shows
/// both alike.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, member)| !member.is_null());
            members
                .map(|(name, member)| (name.clone(), bare(member)))
                .collect()
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        other => other.clone(),
    }
}

fn is_timeuuid(path: &Value) -> bool {
    let text = path[0].as_str().unwrap_or_default();
    uuid::Uuid::parse_str(text).is_ok_and(|id| id.get_version_num() == 1)
}

fn second(text: &str) -> i64 {
    let at = OffsetDateTime::parse(text, &Rfc3339);
    at.expect("a time").unix_timestamp()
}

/// Fails where two tables do not hold the same cells, their expiries no more than two seconds apart.
pub fn same(table: &str, one: &Rows, other: &Rows) {
    let names = |rows: &Rows| rows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(one), names(other), "rows of {table}");
    for (name, cells) in one {
        let others = &other[name];
        let places = |cells: &BTreeMap<String, Stood>| cells.keys().cloned().collect::<Vec<_>>();
        assert_eq!(places(cells), places(others), "{table} {name}");
        for (place, (value, write, expiry)) in cells {
            let (other_value, other_write, other_expiry) = &others[place];
            let what = format!("{table} {name} {place}");
            assert_eq!((value, write), (other_value, other_write), "{what}");
            match (expiry, other_expiry) {
                (Some(Some(one)), Some(Some(other))) => {
                    assert!(one.abs_diff(*other) <= 2, "{what}: {one} {other}");
                }
                (Some(one), Some(other)) => assert_eq!(one, other, "{what}"),
                (None, _) | (_, None) => {}
            }
        }
    }
}
