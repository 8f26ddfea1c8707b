//! Which units may travel in one string, and how many of them. Pure.

use crate::plan::schedule::Unit;
use crate::source::PartKind;
use crate::sql::{Class, Grip, Statement};

/// Units in one string at most: what is told as progress comes in such pieces over a slow line.
const UNITS_MAX: usize = 100;

/// Bytes in one string, about; a longer statement travels alone.
pub const BYTES_MAX: usize = 512 * 1024;

/// How many units from the first on may travel in one string.
pub fn group(units: &[Unit<'_>]) -> usize {
    let mut bytes = 0;
    let mut count = 0;
    for unit in units.iter().take(UNITS_MAX) {
        bytes += size(unit);
        if !shareable(unit) || (count > 0 && bytes > BYTES_MAX) {
            break;
        }
        count += 1;
    }
    count.max(1)
}

/// Whether a unit is a transaction of plain statements only (traps P13). A backfill's statements may take long and are
/// told one by one; before a validation it is looked who would hold it up.
pub fn shareable(unit: &Unit<'_>) -> bool {
    let statements = unit.part.map_or(&[][..], |part| &part.statements);
    let plain = |statement: &Statement| {
        statement.class == Class::Plain
            && statement.directives.timeout_ms.is_none()
            && statement.grip != Grip::Validate
    };
    let replayed = statements[..unit.range.start]
        .iter()
        .any(|statement| statement.class == Class::Session);
    !unit.bare
        && !unit.lenient
        && unit.kind != PartKind::Backfill
        && !replayed
        && statements[unit.range.clone()].iter().all(plain)
        && size(unit) <= BYTES_MAX
}

fn size(unit: &Unit<'_>) -> usize {
    let statements = unit.part.map_or(&[][..], |part| &part.statements);
    statements[unit.range.clone()]
        .iter()
        .map(|statement| statement.span.end - statement.span.start)
        .sum()
}
