//! Settings, and what else concerns the session or the server's housekeeping.

use super::super::batch::Path;
use super::super::table::unknown;
use super::super::walk::Walk;
use super::tree::{self, Source, below, child, has, has_below};
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// Settings under which the statements that follow are not what they look like.
const TELLING: [&str; 4] = [
    "session_replication_role",
    "session_authorization",
    "role",
    "allow_system_table_mods",
];

/// Whether a setting changes nothing of what statements mean.
pub fn harmless(setting: &str) -> bool {
    let setting = setting.to_ascii_lowercase();
    setting == "role" || !TELLING.contains(&setting.as_str())
}

/// SET and RESET.
pub fn setting(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    match node.kind() {
        K::SET_SESSION_AUTH => {
            let message = "what follows runs as another user";
            walk.find(&unknown::SESSION_ROLE, source.span(node), message);
            return;
        }
        K::SET_ROLE | K::RESET_ROLE | K::RESET_SESSION_AUTH => return,
        _ => {}
    }
    if has(node, K::SET_SCHEMA_VALUE) {
        walk.batch.path = Path::Unknown;
        return;
    }
    let name = child(node, K::SET_CONFIG)
        .or_else(|| child(node, K::RESET_CONFIG_PARAM))
        .unwrap_or_else(|| node.clone());
    let setting = tree::word(&name, K::CONFIG_PARAMETER_REF).unwrap_or_default();
    if setting == "search_path" || setting.is_empty() {
        walk.batch.path = match (node.kind(), has_below(node, K::LOCAL_SCOPE)) {
            (K::RESET, _) => Path::Session,
            // It ends with the transaction, and a part may have several.
            (_, true) => Path::Unknown,
            _ => path(&name).unwrap_or(Path::Unknown),
        };
    } else if !harmless(&setting) {
        let message = format!("under {setting} what follows is not what it looks like");
        walk.find(&unknown::SESSION_ROLE, source.span(node), message);
    }
}

/// The search path of `SET search_path = …`; none for another setting.
pub fn path(set: &SyntaxNode) -> Option<Path> {
    let setting = tree::word(set, K::CONFIG_PARAMETER_REF)?;
    if setting != "search_path" {
        return None;
    }
    let value = below(set, K::CONFIG_VALUE_NAME).next();
    let literal = || {
        let literal = below(set, K::LITERAL).next()?.text().to_string();
        let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?.to_string();
        Some(inner).filter(|inner| !inner.is_empty() && !inner.contains([',', '"', '\'']))
    };
    let first = match value {
        Some(value) => tree::name(&value).map(|name| name.name),
        None => literal(),
    };
    Some(match first {
        Some(first) if first != "$user" => Path::First(first),
        _ => Path::Unknown,
    })
}

/// VACUUM.
pub fn vacuum(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let full = node
        .descendants_with_tokens()
        .any(|below| below.kind() == K::FULL_KW);
    if full {
        let message = "the table is written anew while all wait";
        walk.find(&unknown::VACUUM_FULL, source.head(node), message);
    }
}
