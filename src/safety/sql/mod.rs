//! Which statement of SQL trips which rule. Pure.

pub mod table;

pub use table::TABLE;

use super::{Finding, Known, Scope};

/// The findings about the judged parts of a scope, one list per part, in its order.
pub fn findings(scope: &Scope<'_>, _known: &Known) -> Vec<Vec<Finding>> {
    scope.judged.iter().map(|_| Vec::new()).collect()
}
