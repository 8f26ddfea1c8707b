//! Values with parts into the leaves of a file (the levels of Dremel). Pure.

use super::column::{Leaf, Mark, Values};
use super::duration::Duration;
use super::node::{Form, ListWire, Node};
use super::scalar::{self, Odd};
use super::wire::Wire;

/// How a value stands in its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It comes back as the same bytes.
    Exact,
    /// It is shown, and would come back a little different: a value of a user-defined type that has grown since.
    Close,
    /// Its column cannot hold it, and is null.
    Odd,
}

/// Adds the value of a whole column.
pub fn column(
    node: &Node,
    leaves: &mut [Leaf],
    marks: &mut Vec<Mark>,
    value: Option<&[u8]>,
) -> Fit {
    let Some(value) = value else {
        null(node, leaves, 0);
        return Fit::Exact;
    };
    marks.clear();
    marks.extend(leaves[node.leaves.clone()].iter().map(Leaf::mark));
    match put(node, leaves, 0, value) {
        Ok(fit) => fit,
        Err(Odd) => {
            for (leaf, mark) in leaves[node.leaves.clone()].iter_mut().zip(marks) {
                leaf.back_to(*mark);
            }
            null(node, leaves, 0);
            Fit::Odd
        }
    }
}

/// Adds a part that is not there.
fn null(node: &Node, leaves: &mut [Leaf], rep: i16) {
    for leaf in &mut leaves[node.leaves.clone()] {
        leaf.null(rep, node.def - 1);
    }
}

/// Adds a part that may be null.
fn part(node: &Node, leaves: &mut [Leaf], rep: i16, value: Option<&[u8]>) -> Result<Fit, Odd> {
    match value {
        Some(value) => put(node, leaves, rep, value),
        None if node.optional => {
            null(node, leaves, rep);
            Ok(Fit::Exact)
        }
        None => Err(Odd),
    }
}

fn put(node: &Node, leaves: &mut [Leaf], rep: i16, value: &[u8]) -> Result<Fit, Odd> {
    let mut wire = Wire(value);
    let mut fit = Fit::Exact;
    let mut worse = |part: Fit| {
        if part == Fit::Close {
            fit = Fit::Close;
        }
    };
    match &node.form {
        Form::Scalar(native) => scalar::put(*native, &mut leaves[node.leaves.start], rep, value)?,
        Form::Duration => {
            let duration = Duration::read(value).ok_or(Odd)?;
            for (leaf, number) in leaves[node.leaves.clone()].iter_mut().zip([
                i64::from(duration.months),
                i64::from(duration.days),
                duration.nanos,
            ]) {
                match &mut leaf.values {
                    Values::Int(values) => values.push(i32::try_from(number).map_err(|_| Odd)?),
                    Values::Long(values) => values.push(number),
                    _ => return Err(Odd),
                }
                leaf.there(rep);
            }
            return Ok(fit);
        }
        Form::List {
            rep: again,
            element,
            wire: counted,
        } => {
            let count = match counted {
                ListWire::Counted => count(&mut wire)?,
                ListWire::Fixed(length, _) | ListWire::Prefixed(length) => *length,
            };
            if count == 0 {
                empty(node, leaves, rep);
            }
            for at in 0..count {
                let value = match counted {
                    ListWire::Counted => wire.bytes(),
                    ListWire::Fixed(_, size) => wire.take(*size).map(Some),
                    ListWire::Prefixed(_) => wire
                        .vint()
                        .and_then(|length| wire.take(usize::try_from(length).ok()?))
                        .map(Some),
                };
                let rep = if at == 0 { rep } else { *again };
                worse(part(element, leaves, rep, value.ok_or(Odd)?)?);
            }
        }
        Form::Map {
            rep: again,
            key,
            value,
        } => {
            let count = count(&mut wire)?;
            if count == 0 {
                empty(node, leaves, rep);
            }
            for at in 0..count {
                let rep = if at == 0 { rep } else { *again };
                worse(part(key, leaves, rep, wire.bytes().ok_or(Odd)?)?);
                worse(part(value, leaves, rep, wire.bytes().ok_or(Odd)?)?);
            }
        }
        Form::Fields(fields) => {
            for field in fields.iter().flatten() {
                // A value that was written before its type had so many fields ends earlier.
                let value = match wire.is_empty() {
                    true => {
                        worse(Fit::Close);
                        None
                    }
                    false => wire.bytes().ok_or(Odd)?,
                };
                worse(part(field, leaves, rep, value)?);
            }
        }
    }
    match &node.form {
        Form::Scalar(_) => Ok(Fit::Exact),
        _ if wire.is_empty() => Ok(fit),
        _ => Err(Odd),
    }
}

fn count(wire: &mut Wire<'_>) -> Result<usize, Odd> {
    usize::try_from(wire.int().ok_or(Odd)?).map_err(|_| Odd)
}

/// Adds what is there and has no elements.
fn empty(node: &Node, leaves: &mut [Leaf], rep: i16) {
    for leaf in &mut leaves[node.leaves.clone()] {
        leaf.null(rep, node.def);
    }
}
