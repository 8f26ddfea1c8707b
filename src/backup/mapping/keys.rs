//! Whether every row has a key of its own in the keyspace. Pure.

use super::{Planner, TableMap};
use crate::backup::table::Role;

/// Checks that each column of the target's key is filled, and that static columns still stand once per partition.
pub(super) fn check(planner: &mut Planner<'_>, map: &TableMap) {
    let target = &map.target;
    let from = |to: usize| {
        let moved = map.moves.iter().find(|moved| moved.to == to);
        moved.map(|moved| map.source.columns[moved.from].role)
    };
    for (to, column) in target.columns.iter().enumerate() {
        let constant = map.constants.iter().any(|(at, _)| *at == to);
        if column.role.is_key() && from(to).is_none() && !constant {
            let message = format!(
                "{}.{} is part of the key, and nothing fills it",
                target.name, column.name
            );
            let help = "rename a column of the export's key to it, or give it a constant; a key that is made of more is work \
                        for a program of your own";
            planner.wrong(None, message, Some(help.to_string()));
        }
    }
    let moves_static = map
        .moves
        .iter()
        .any(|moved| target.columns[moved.to].role == Role::Static);
    let finer =
        target.columns.iter().enumerate().find(|(to, column)| {
            column.role == Role::Partition && from(*to) == Some(Role::Clustering)
        });
    let coarser = map.moves.iter().find(|moved| {
        map.source.columns[moved.from].role == Role::Partition
            && target.columns[moved.to].role == Role::Clustering
    });
    if !moves_static {
        return;
    }
    let name = match (finer, coarser) {
        (Some((_, column)), _) => &column.name,
        (None, Some(moved)) => &target.columns[moved.to].name,
        (None, None) => return,
    };
    let message = format!(
        "{} has static columns, and {name} makes its partitions others",
        map.source.name
    );
    planner.wrong(None, message, Some("drop them with a reason".to_string()));
}
