//! Indexes and materialized views: what is built.

use super::super::batch::Space;
use super::super::table::{changes, locks};
use super::super::walk::{Walk, shown};
use super::tree::{self, Source, below, child, has};
use super::{children, rows};
use crate::safety::rule::Lock;
use crate::sql::Name;
use squawk_syntax::{SyntaxKind as K, SyntaxNode};

/// CREATE INDEX.
pub fn create(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let table = child(node, K::TABLE_RELATION_NAME).and_then(|table| tree::relation(&table));
    let table = table.or_else(|| tree::named(node, &[K::TABLE_NAME_REF, K::RELATION_NAME_REF]));
    let Some(table) = table else {
        super::not_understood(
            walk,
            source.head(node),
            "kmig cannot read which table this is of",
        );
        return;
    };
    children(walk, source, node);
    let concurrently = has(node, K::CONCURRENTLY_KW);
    let unique = has(node, K::UNIQUE_KW);
    let name = tree::word(node, K::INDEX);
    if walk.old(&table) {
        let only = child(node, K::TABLE_RELATION_NAME).is_some_and(|table| has(&table, K::ONLY_KW));
        let partitioned = walk
            .known
            .relation(table.schema.as_deref(), &table.name)
            .is_some_and(|relation| relation.partitioned);
        if !(concurrently || only && partitioned) {
            let message = format!(
                "nobody writes to {} until it is built{}",
                shown(&table),
                walk.size(&table)
            );
            let rewritten = with_name(&concurrently_text(node), &table, name.is_some());
            walk.find_rewritten(
                &locks::INDEX_NOT_CONCURRENT,
                source.head(node),
                message,
                rewritten,
            );
            walk.lock(&table, Lock::Share);
        }
        if concurrently && has(node, K::IF_NOT_EXISTS) {
            let message = "an INVALID index of that name would be taken for done";
            walk.note(
                &locks::IF_NOT_EXISTS_CONCURRENTLY,
                source.head(node),
                message,
            );
        }
        if unique {
            let message = format!(
                "writes of the old version that repeat a value of {} fail",
                shown(&table)
            );
            walk.find(&changes::UNIQUE_INDEX, source.head(node), message);
        }
    }
    if let Some(name) = name
        && !has(node, K::IF_NOT_EXISTS)
    {
        // An index is in the schema of its table.
        let index = Name {
            schema: table.schema.clone(),
            name,
        };
        walk.batch.make(Space::Relation, &index);
    }
}

/// The statement with CONCURRENTLY, and without IF NOT EXISTS, which would take an INVALID index for done.
fn concurrently_text(node: &SyntaxNode) -> String {
    let text = concurrently(node, K::INDEX_KW);
    match child(node, K::IF_NOT_EXISTS) {
        Some(clause) => text.replacen(&format!("{} ", clause.text()), "", 1),
        None => text,
    }
}

/// A concurrent build needs a name, so that kmig can tell after a crash which index it is.
fn with_name(text: &str, table: &Name, named: bool) -> String {
    match named {
        true => text.to_string(),
        false => {
            let name = format!("CONCURRENTLY {}_{}_idx ", table.name, columns(text));
            text.replacen("CONCURRENTLY ", &name, 1)
        }
    }
}

/// The columns of an index as the server names it after them; an expression is called `expr`.
fn columns(text: &str) -> String {
    let list = text.split_once('(').map_or("", |(_, list)| list);
    let list = list.split(')').next().unwrap_or_default();
    let names = list.split(',').map(|column| {
        let word = column.split_whitespace().next().unwrap_or_default();
        let plain = |c: char| c.is_alphanumeric() || c == '_';
        match !word.is_empty() && word.chars().all(plain) {
            true => word,
            false => "expr",
        }
    });
    names.collect::<Vec<_>>().join("_")
}

/// A statement with CONCURRENTLY behind one of its keywords.
pub fn concurrently(node: &SyntaxNode, behind: K) -> String {
    let start = usize::from(node.text_range().start());
    let text = node.text().to_string();
    let keyword = node
        .descendants_with_tokens()
        .filter_map(|child| child.into_token())
        .find(|token| token.kind() == behind);
    let text = match keyword {
        Some(keyword) => {
            let at = usize::from(keyword.text_range().end()) - start;
            format!("{} CONCURRENTLY{}", &text[..at], &text[at..])
        }
        None => text,
    };
    format!("{};", text.trim_end().trim_end_matches(';'))
}

/// REFRESH MATERIALIZED VIEW.
pub fn refresh(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let Some(view) = tree::relation(node).filter(|view| walk.old(view)) else {
        return;
    };
    rows::work(walk, source.head(node));
    if !has(node, K::CONCURRENTLY_KW) {
        let message = format!(
            "nobody reads {} until it is filled{}",
            shown(&view),
            walk.size(&view)
        );
        let rewritten = concurrently(node, K::VIEW_KW);
        walk.find_rewritten(
            &locks::REFRESH_NOT_CONCURRENT,
            source.head(node),
            message,
            rewritten,
        );
        walk.lock(&view, Lock::AccessExclusive);
    }
}

/// REINDEX.
pub fn reindex(walk: &mut Walk<'_>, source: &Source<'_>, node: &SyntaxNode) {
    let target = node
        .children()
        .find(|child| !matches!(child.kind(), K::REINDEX_OPTION_LIST));
    let name = target.as_ref().and_then(tree::relation);
    if name.as_ref().is_some_and(|name| !walk.old(name)) {
        return;
    }
    rows::work(walk, source.head(node));
    let option = below(node, K::REINDEX_OPTION_CONCURRENTLY).next();
    let off = |option: &SyntaxNode| {
        let text = tree::plain(option);
        ["false", "off", "0", "no"]
            .iter()
            .any(|off| text.trim_matches('\'').ends_with(off))
    };
    let concurrently = target
        .as_ref()
        .is_some_and(|target| has(target, K::CONCURRENTLY_KW))
        || option.is_some_and(|option| !off(&option));
    if !concurrently {
        let what = name
            .as_ref()
            .map_or_else(|| "what it builds".to_string(), shown);
        let message = format!(
            "nobody writes to the table, or reads through the index, until it is built: {what}"
        );
        let keyword = target
            .into_iter()
            .flat_map(|target| target.children_with_tokens().collect::<Vec<_>>())
            .filter_map(|child| child.into_token())
            .find(|token| token.kind().is_keyword())
            .map_or(K::REINDEX_KW, |token| token.kind());
        let rewritten = self::concurrently(node, keyword);
        walk.find_rewritten(
            &locks::REINDEX_NOT_CONCURRENT,
            source.head(node),
            message,
            rewritten,
        );
        if let Some(name) = name {
            walk.lock(&name, Lock::AccessExclusive);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn columns_give_an_index_its_name() {
        for (text, name) in [
            ("create index CONCURRENTLY on users (email);", "email"),
            ("CREATE INDEX CONCURRENTLY ON t (a, b DESC)", "a_b"),
            ("CREATE INDEX CONCURRENTLY ON t (lower(a))", "expr"),
            ("CREATE INDEX CONCURRENTLY ON t USING gin (a)", "a"),
        ] {
            assert_eq!(columns(text), name, "{text}");
        }
    }
}
