//! The order in which subsystems are walked: by dependency, then by name. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Sorts subsystems so that each comes after all that it depends on, and by name where that leaves a choice.
///
/// # Errors
/// The members of a dependency cycle, in the order in which they depend on each other.
pub fn walk(depends_on: &BTreeMap<String, Vec<String>>) -> Result<Vec<String>, Vec<String>> {
    let mut left: BTreeSet<&String> = depends_on.keys().collect();
    let mut sorted = Vec::new();
    while !left.is_empty() {
        let free = left.iter().find(|name| {
            let needs = &depends_on[**name];
            needs.iter().all(|needed| !left.contains(needed))
        });
        match free.copied() {
            Some(name) => {
                left.remove(name);
                sorted.push(name.clone());
            }
            None => return Err(cycle(depends_on, &left)),
        }
    }
    Ok(sorted)
}

/// Follows the first unmet dependency until a name comes back: every name that is left has one.
fn cycle(depends_on: &BTreeMap<String, Vec<String>>, left: &BTreeSet<&String>) -> Vec<String> {
    let mut path: Vec<String> = left.iter().take(1).map(|name| (*name).clone()).collect();
    while let Some(last) = path.last() {
        let Some(next) = depends_on[last].iter().find(|name| left.contains(name)) else {
            break;
        };
        if let Some(start) = path.iter().position(|name| name == next) {
            return path.split_off(start);
        }
        path.push(next.clone());
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(edges: &[(&str, &[&str])], expected: Result<&[&str], &[&str]>) {
        let depends_on = edges
            .iter()
            .map(|(name, needs)| {
                (
                    (*name).to_string(),
                    needs.iter().map(|need| (*need).to_string()).collect(),
                )
            })
            .collect();
        let owned =
            |names: &[&str]| -> Vec<String> { names.iter().map(|n| (*n).to_string()).collect() };
        assert_eq!(walk(&depends_on), expected.map(owned).map_err(owned));
    }

    #[test]
    fn by_dependency_then_name() {
        check(&[("b", &[]), ("a", &[])], Ok(&["a", "b"]));
        check(
            &[("acl", &["core"]), ("core", &[]), ("b", &[])],
            Ok(&["b", "core", "acl"]),
        );
        check(
            &[("a", &["b"]), ("b", &["c"]), ("c", &[])],
            Ok(&["c", "b", "a"]),
        );
    }

    #[test]
    fn cycles_are_named() {
        check(&[("a", &["a"])], Err(&["a"]));
        check(
            &[("a", &["b"]), ("b", &["c"]), ("c", &["b"])],
            Err(&["b", "c"]),
        );
    }
}
