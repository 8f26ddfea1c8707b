//! What the role may not do that kmig needs, where the cluster has an authorizer.

use super::connect::Link;
use super::fault::{Fault, INVALID};
use crate::error::{Error, Result};

/// What kmig does in its keyspace.
const IN_KEYSPACE: [&str; 5] = ["CREATE", "ALTER", "DROP", "SELECT", "MODIFY"];

/// The grants that the role lacks to migrate a keyspace, as CQL; none where it lacks nothing, or where nobody is kept from
/// anything. `keyspace` is unquoted; `there` says whether it is there already.
///
/// A role sees its own permissions without any right. Those of its parents are among them.
///
/// # Errors
/// The server did not answer.
pub async fn missing(link: &Link, role: &str, keyspace: &str, there: bool) -> Result<Vec<String>> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let roles = match texts(link, &format!("LIST ROLES OF {role}")).await {
        // Without an authenticator there are no roles.
        Err(fault) if fault.is(INVALID) => return Ok(Vec::new()),
        roles => roles?,
    };
    if roles.iter().any(|row| row.superuser) {
        return Ok(Vec::new());
    }
    let held = match texts(link, &format!("LIST ALL PERMISSIONS OF {role}")).await {
        // Without an authorizer there are no permissions.
        Err(fault) if fault.is(INVALID) => return Ok(Vec::new()),
        held => held?,
    };
    Ok(lacking(&held, &role, keyspace, there))
}

/// One line of what LIST tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Line {
    resource: String,
    permission: String,
    superuser: bool,
}

async fn texts(link: &Link, cql: &str) -> Result<Vec<Line>, Fault> {
    let rows = link
        .session
        .query_unpaged(cql, ())
        .await
        .map_err(Fault::from)?;
    let Ok(rows) = rows.into_rows_result() else {
        return Ok(Vec::new());
    };
    let names: Vec<String> = rows
        .column_specs()
        .iter()
        .map(|column| column.name().to_string())
        .collect();
    let Ok(found) = rows.rows::<scylla::value::Row>() else {
        return Ok(Vec::new());
    };
    let lines = found.flatten().map(|row| {
        let mut line = Line::default();
        for (name, value) in names.iter().zip(row.columns) {
            let Some(value) = value else { continue };
            match name.as_str() {
                "resource" => line.resource = value.as_text().cloned().unwrap_or_default(),
                "permission" => line.permission = value.as_text().cloned().unwrap_or_default(),
                "super" => line.superuser = value.as_boolean() == Some(true),
                _ => {}
            }
        }
        line
    });
    Ok(lines.collect())
}

/// The grants that are not among what is held. Resources read as the server's `DataResource` writes them.
fn lacking(held: &[Line], role: &str, keyspace: &str, there: bool) -> Vec<String> {
    let has = |permission: &str, resources: &[&str]| {
        held.iter().any(|line| {
            line.permission == permission && resources.contains(&line.resource.as_str())
        })
    };
    let everywhere = "<all keyspaces>";
    let mut grants = Vec::new();
    if !there && !has("CREATE", &[everywhere]) {
        grants.push(format!("GRANT CREATE ON ALL KEYSPACES TO {role};"));
    }
    let own = format!("<keyspace {keyspace}>");
    let tables = format!("<all tables in {keyspace}>");
    // Who makes a keyspace may do everything in it.
    for permission in IN_KEYSPACE.iter().filter(|_| there) {
        let enough = [everywhere, own.as_str(), tables.as_str()];
        if !has(permission, &enough) {
            grants.push(format!(
                "GRANT {permission} ON KEYSPACE \"{keyspace}\" TO {role};"
            ));
        }
    }
    if !has("SELECT", &[everywhere, "<keyspace system_views>"]) {
        grants.push(format!("GRANT SELECT ON KEYSPACE system_views TO {role};"));
    }
    grants
}

/// The refusal of a run whose role lacks rights.
pub fn refusal(role: &str, grants: &[String]) -> Error {
    Error::failed(format!(
        "the role {role} may not do what a migration needs\n  {}",
        grants.join("\n  ")
    ))
    .now("nothing was run")
    .next("let an administrator run the statements above, then the same command")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(permission: &str, resource: &str) -> Line {
        Line {
            resource: resource.into(),
            permission: permission.into(),
            superuser: false,
        }
    }

    #[test]
    fn only_what_is_lacking_is_asked_for() {
        let held: Vec<Line> = ["CREATE", "ALTER", "DROP", "MODIFY"]
            .iter()
            .map(|permission| line(permission, "<keyspace Shop>"))
            .collect();
        assert_eq!(
            lacking(&held, "\"app\"", "Shop", true),
            [
                "GRANT SELECT ON KEYSPACE \"Shop\" TO \"app\";",
                "GRANT SELECT ON KEYSPACE system_views TO \"app\";"
            ]
        );
        let all = [
            line("SELECT", "<all keyspaces>"),
            line("CREATE", "<all keyspaces>"),
        ];
        assert!(lacking(&all, "\"app\"", "Shop", false).is_empty());
        assert_eq!(lacking(&[], "r", "k", false).len(), 2);
        assert_eq!(lacking(&[], "r", "k", true).len(), 6);
    }
}
