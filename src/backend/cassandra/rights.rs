//! What the role may not do that kmig needs, where the cluster has an authorizer.

use super::fault::{Fault, INVALID};
use super::query::{Cells, Sender};
use crate::error::{Error, Result};
use scylla::value::CqlValue;

/// What kmig does in its keyspace.
const IN_KEYSPACE: [&str; 5] = ["CREATE", "ALTER", "DROP", "SELECT", "MODIFY"];

/// The grants that the role lacks to migrate a keyspace, as CQL; none where it lacks nothing, or where nobody is kept from
/// anything. `keyspace` is unquoted; `there` says whether it is there already.
///
/// A role sees its own permissions without any right. Those of its parents are among them.
///
/// # Errors
/// The server did not answer.
pub async fn missing(
    sender: &Sender,
    role: &str,
    keyspace: &str,
    there: bool,
) -> Result<Vec<String>> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let held = held(sender, &role).await?;
    Ok(held.map_or_else(Vec::new, |held| lacking(&held, &role, keyspace, there)))
}

/// The tables of a keyspace on which the role lacks a permission; none where nobody is kept from anything.
///
/// # Errors
/// The server did not answer.
pub async fn lacking_on(
    sender: &Sender,
    role: &str,
    keyspace: &str,
    permission: &str,
    tables: Vec<&String>,
) -> Result<Vec<String>> {
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let Some(held) = held(sender, &role).await? else {
        return Ok(Vec::new());
    };
    let may = |table: &str| {
        let enough = [
            "<all keyspaces>".to_string(),
            format!("<keyspace {keyspace}>"),
            format!("<all tables in {keyspace}>"),
            format!("<table {keyspace}.{table}>"),
        ];
        held.iter()
            .any(|line| line.permission == permission && enough.contains(&line.resource))
    };
    Ok(tables
        .into_iter()
        .filter(|table| !may(table))
        .cloned()
        .collect())
}

/// What the role may do, the quoted one; nothing where it may do everything: it is a superuser, or nobody asks.
async fn held(sender: &Sender, role: &str) -> Result<Option<Vec<Line>>> {
    let roles = match texts(sender, &format!("LIST ROLES OF {role}")).await {
        // Without an authenticator there are no roles.
        Err(fault) if fault.is(INVALID) => return Ok(None),
        roles => roles?,
    };
    if roles.iter().any(|row| row.superuser) {
        return Ok(None);
    }
    match texts(sender, &format!("LIST ALL PERMISSIONS OF {role}")).await {
        // Without an authorizer there are no permissions.
        Err(fault) if fault.is(INVALID) => Ok(None),
        held => Ok(Some(held?)),
    }
}

/// One line of what LIST tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Line {
    resource: String,
    permission: String,
    superuser: bool,
}

async fn texts(sender: &Sender, cql: &str) -> Result<Vec<Line>, Fault> {
    let at = sender.coordinator;
    let rows = sender.ask_member(at, cql, sender.timeout).await?;
    let text = |row: &Cells<'_>, name| row.text(name).unwrap_or_default().to_string();
    let lines = rows.iter().map(|row| Line {
        resource: text(&row, "resource"),
        permission: text(&row, "permission"),
        superuser: row.get("super") == Some(&CqlValue::Boolean(true)),
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
    grants
}

/// The refusal of a run whose role lacks rights; `what` is what it would do: `a migration`.
pub fn refusal(role: &str, what: &str, grants: &[String]) -> Error {
    Error::failed(format!(
        "the role {role} may not do what {what} needs\n  {}",
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
            ["GRANT SELECT ON KEYSPACE \"Shop\" TO \"app\";"]
        );
        let all = [
            line("SELECT", "<all keyspaces>"),
            line("CREATE", "<all keyspaces>"),
        ];
        assert!(lacking(&all, "\"app\"", "Shop", false).is_empty());
        assert_eq!(lacking(&[], "r", "k", false).len(), 1);
        assert_eq!(lacking(&[], "r", "k", true).len(), 5);
    }
}
