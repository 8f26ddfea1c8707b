//! The leaves of a file into values as the protocol carries them. Pure.

use super::duration::Duration;
use super::node::{Form, LeafSpec, ListWire, Node};
use super::scalar::{self, ReadValues};
use super::wire::{put_bytes, put_vint};

/// A leaf of a block of rows, and how far it has been read.
#[derive(Debug)]
pub struct Cursor {
    /// What it is.
    pub spec: LeafSpec,
    /// Definition levels; none where the column cannot be null.
    pub defs: Vec<i16>,
    /// Repetition levels; none where nothing repeats.
    pub reps: Vec<i16>,
    /// The values that are there.
    pub values: ReadValues,
    at: usize,
    value: usize,
}

/// A value that cannot be made: what is wrong with it.
pub type Wrong = String;

impl Cursor {
    /// At its beginning.
    pub fn new(spec: LeafSpec, defs: Vec<i16>, reps: Vec<i16>, values: ReadValues) -> Self {
        Cursor {
            spec,
            defs,
            reps,
            values,
            at: 0,
            value: 0,
        }
    }

    /// The definition level that comes next.
    fn def(&self) -> i16 {
        match self.spec.max_def {
            0 => 0,
            _ => self.defs.get(self.at).copied().unwrap_or_default(),
        }
    }

    /// The repetition level that comes next; 0 at the end, where a new row would begin.
    fn rep(&self) -> i16 {
        self.reps.get(self.at).copied().unwrap_or_default()
    }

    /// Steps over what is not there.
    fn pass(&mut self) {
        self.at += 1;
    }

    /// Steps over a value; its place among those that are there.
    fn step(&mut self) -> usize {
        self.at += 1;
        self.value += 1;
        self.value - 1
    }

    /// The next row's number, where it has one.
    pub fn long(&mut self) -> Result<Option<i64>, Wrong> {
        if self.def() < self.spec.max_def {
            self.pass();
            return Ok(None);
        }
        let at = self.step();
        self.values.long(at).map(Some)
    }

    /// The next row's bytes, where it has some.
    pub fn bytes(&mut self) -> Option<&[u8]> {
        if self.def() < self.spec.max_def {
            self.pass();
            return None;
        }
        let at = self.step();
        self.values.bytes(at)
    }

    /// The next row's list of numbers, appended; whether there is one.
    pub fn longs(&mut self, node: &Node, out: &mut Vec<Option<i64>>) -> Result<bool, Wrong> {
        let Form::List { rep, .. } = &node.form else {
            return Err("it is no list".to_string());
        };
        if self.def() <= node.def {
            let there = self.def() == node.def;
            self.pass();
            return Ok(there);
        }
        loop {
            out.push(self.long()?);
            if self.rep() != *rep {
                return Ok(true);
            }
        }
    }
}

/// Appends the next row's value of a column; whether it has one.
///
/// # Errors
/// A value that CQL's type does not have.
pub fn take(node: &Node, leaves: &mut [Cursor], out: &mut Vec<u8>) -> Result<bool, Wrong> {
    let first = leaves
        .get(node.leaves.start)
        .ok_or("it has no columns")?
        .def();
    if first < node.def {
        pass(node, leaves);
        return Ok(false);
    }
    match &node.form {
        Form::Scalar(native) => {
            let leaf = &mut leaves[node.leaves.start];
            let at = leaf.step();
            scalar::take(*native, &leaf.spec, &leaf.values, at, out)?;
        }
        Form::Duration => {
            let mut numbers = [0; 3];
            for (number, leaf) in numbers.iter_mut().zip(&mut leaves[node.leaves.clone()]) {
                *number = leaf.long()?.ok_or("a duration lacks a part")?;
            }
            let [months, days, nanos] = numbers;
            let small = |number: i64| {
                i32::try_from(number).map_err(|_| format!("a duration has no {number} of these"))
            };
            Duration {
                months: small(months)?,
                days: small(days)?,
                nanos,
            }
            .write(out);
        }
        Form::List { rep, element, wire } => {
            let start = out.len();
            if *wire == ListWire::Counted {
                out.extend_from_slice(&[0; 4]);
            }
            let mut count = 0;
            if first > node.def {
                loop {
                    self::element(element, leaves, out, *wire)?;
                    count += 1;
                    if leaves[node.leaves.start].rep() != *rep {
                        break;
                    }
                }
            } else {
                pass(node, leaves);
            }
            match wire {
                ListWire::Counted => set_int(out, start, count)?,
                ListWire::Fixed(length, _) | ListWire::Prefixed(length) if *length != count => {
                    return Err(format!("a vector of {length} has {count} elements"));
                }
                _ => {}
            }
        }
        Form::Map { rep, key, value } => {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            let mut count = 0;
            if first > node.def {
                loop {
                    framed(key, leaves, out)?;
                    framed(value, leaves, out)?;
                    count += 1;
                    if leaves[node.leaves.start].rep() != *rep {
                        break;
                    }
                }
            } else {
                pass(node, leaves);
            }
            set_int(out, start, count)?;
        }
        Form::Fields(fields) => {
            for field in fields {
                match field {
                    Some(field) => framed(field, leaves, out)?,
                    None => put_bytes(None, out),
                }
            }
        }
    }
    Ok(true)
}

fn pass(node: &Node, leaves: &mut [Cursor]) {
    for leaf in &mut leaves[node.leaves.clone()] {
        leaf.pass();
    }
}

/// Appends an element as its list carries it.
fn element(
    node: &Node,
    leaves: &mut [Cursor],
    out: &mut Vec<u8>,
    wire: ListWire,
) -> Result<(), Wrong> {
    match wire {
        ListWire::Counted => framed(node, leaves, out),
        ListWire::Fixed(_, size) => {
            let start = out.len();
            match take(node, leaves, out)? && out.len() - start == size {
                true => Ok(()),
                false => Err("a vector has an element that is null".to_string()),
            }
        }
        ListWire::Prefixed(_) => {
            let mut value = Vec::new();
            if !take(node, leaves, &mut value)? {
                return Err("a vector has an element that is null".to_string());
            }
            put_vint(value.len() as u64, out);
            out.append(&mut value);
            Ok(())
        }
    }
}

/// Appends `[bytes]`.
fn framed(node: &Node, leaves: &mut [Cursor], out: &mut Vec<u8>) -> Result<(), Wrong> {
    let start = out.len();
    out.extend_from_slice(&(-1_i32).to_be_bytes());
    if take(node, leaves, out)? {
        let length = out.len() - start - 4;
        set_int(out, start, length)?;
    }
    Ok(())
}

fn set_int(out: &mut [u8], at: usize, number: usize) -> Result<(), Wrong> {
    let number = i32::try_from(number).map_err(|_| "a value is longer than 2 GiB".to_string())?;
    out[at..at + 4].copy_from_slice(&number.to_be_bytes());
    Ok(())
}
