//! What the statements of a part do to objects by name, in whichever language they are. Pure.

use crate::cql;
use crate::source::Part;
use crate::sql::made::{self, Effect};

/// What a statement does to objects that it names, in order; nothing where there is no such statement.
pub fn effects(part: &Part, at: usize) -> Vec<Effect> {
    let sql = part.statements.get(at);
    let sql = sql.map(|statement| made::effects(&part.file.text, statement.span));
    let cql = part.cql.get(at);
    sql.or_else(|| cql.map(|statement| cql::made::effects(&statement.act)))
        .unwrap_or_default()
}

/// Whether a statement that ran proves that it made what it names.
pub fn proves(part: &Part, at: usize) -> bool {
    let sql = part.statements.get(at);
    let sql = sql.map(|statement| made::proves(&part.file.text, statement.span));
    let cql = part.cql.get(at);
    sql.or_else(|| cql.map(|statement| cql::made::proves(&statement.act)))
        .unwrap_or_default()
}
