//! A leaf of a file while its row group is filled: values without an object for each, and their levels. Pure.

use super::node::LeafSpec;
use bytes::Bytes;
use parquet::basic::Type as Physical;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    FloatType, Int32Type, Int64Type,
};
use parquet::errors::Result;
use parquet::file::writer::SerializedColumnWriter;
use std::mem::take;

/// A leaf.
#[derive(Debug)]
pub struct Leaf {
    max_def: i16,
    repeats: bool,
    defs: Vec<i16>,
    reps: Vec<i16>,
    /// Its values.
    pub values: Values,
}

/// The values that are there.
#[derive(Debug)]
pub enum Values {
    /// BOOLEAN
    Bool(Vec<bool>),
    /// INT32
    Int(Vec<i32>),
    /// INT64
    Long(Vec<i64>),
    /// FLOAT
    Float(Vec<f32>),
    /// DOUBLE
    Double(Vec<f64>),
    /// BYTE_ARRAY: all bytes, and where each value ends.
    Bytes(Vec<u8>, Vec<usize>),
    /// FIXED_LEN_BYTE_ARRAY of sixteen bytes.
    Fixed(Vec<u8>),
}

/// How far a leaf was filled.
#[derive(Debug, Clone, Copy)]
pub struct Mark(usize, usize, usize);

/// Levels that are handed over in one call, rounded up to a whole row: objects of the crate are made for so many values.
const BATCH: usize = 4096;

/// Bytes of values that are handed over in one call, about: only behind a call the crate looks whether its page is full,
/// and it holds a page twice, as it is and compressed.
const BATCH_BYTES: usize = 256 << 10;

impl Leaf {
    /// An empty one.
    pub fn new(spec: &LeafSpec) -> Self {
        Leaf {
            max_def: spec.max_def,
            repeats: spec.max_rep > 0,
            defs: Vec::new(),
            reps: Vec::new(),
            values: match spec.physical {
                Physical::BOOLEAN => Values::Bool(Vec::new()),
                Physical::INT32 => Values::Int(Vec::new()),
                Physical::INT64 => Values::Long(Vec::new()),
                Physical::FLOAT => Values::Float(Vec::new()),
                Physical::DOUBLE => Values::Double(Vec::new()),
                Physical::FIXED_LEN_BYTE_ARRAY => Values::Fixed(Vec::new()),
                Physical::BYTE_ARRAY | Physical::INT96 => Values::Bytes(Vec::new(), Vec::new()),
            },
        }
    }

    /// The levels of a value that was just added.
    pub fn there(&mut self, rep: i16) {
        self.null(rep, self.max_def);
    }

    /// The levels of something that is not there.
    pub fn null(&mut self, rep: i16, def: i16) {
        self.defs.push(def);
        if self.repeats {
            self.reps.push(rep);
        }
    }

    /// How far it is filled.
    pub fn mark(&self) -> Mark {
        let values = match &self.values {
            Values::Bool(values) => values.len(),
            Values::Int(values) => values.len(),
            Values::Long(values) => values.len(),
            Values::Float(values) => values.len(),
            Values::Double(values) => values.len(),
            Values::Bytes(_, ends) => ends.len(),
            Values::Fixed(bytes) => bytes.len(),
        };
        Mark(self.defs.len(), self.reps.len(), values)
    }

    /// Takes back what came after a mark.
    pub fn back_to(&mut self, Mark(defs, reps, count): Mark) {
        self.defs.truncate(defs);
        self.reps.truncate(reps);
        match &mut self.values {
            Values::Bool(values) => values.truncate(count),
            Values::Int(values) => values.truncate(count),
            Values::Long(values) => values.truncate(count),
            Values::Float(values) => values.truncate(count),
            Values::Double(values) => values.truncate(count),
            Values::Bytes(bytes, ends) => {
                ends.truncate(count);
                bytes.truncate(ends.last().copied().unwrap_or_default());
            }
            Values::Fixed(bytes) => bytes.truncate(count),
        }
    }

    /// Adds bytes.
    pub fn bytes(&mut self, rep: i16, value: &[u8]) {
        if let Values::Bytes(bytes, ends) = &mut self.values {
            bytes.extend_from_slice(value);
            ends.push(bytes.len());
            self.there(rep);
        }
    }

    /// Adds a number, or null at this level.
    pub fn long(&mut self, rep: i16, value: Option<i64>, def: i16) {
        match (&mut self.values, value) {
            (Values::Long(values), Some(value)) => {
                values.push(value);
                self.there(rep);
            }
            _ => self.null(rep, def),
        }
    }

    /// Hands everything over to Parquet, and is empty again.
    pub fn flush(&mut self, out: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let levels = Levels {
            max_def: self.max_def,
            defs: &self.defs,
            reps: self.repeats.then_some(&self.reps),
            step: match &self.values {
                Values::Bytes(bytes, ends) => match bytes.len().checked_div(ends.len()) {
                    Some(each) => (BATCH_BYTES / each.max(1)).clamp(1, BATCH),
                    None => BATCH,
                },
                _ => BATCH,
            },
        };
        match &mut self.values {
            Values::Bool(values) => {
                levels.each(|from, to, defs, reps| {
                    let out = out.typed::<BoolType>();
                    out.write_batch(&values[from..to], Some(defs), reps)
                        .map(drop)
                })?;
                values.clear();
            }
            Values::Int(values) => {
                levels.each(|from, to, defs, reps| {
                    let out = out.typed::<Int32Type>();
                    out.write_batch(&values[from..to], Some(defs), reps)
                        .map(drop)
                })?;
                values.clear();
            }
            Values::Long(values) => {
                levels.each(|from, to, defs, reps| {
                    let out = out.typed::<Int64Type>();
                    out.write_batch(&values[from..to], Some(defs), reps)
                        .map(drop)
                })?;
                values.clear();
            }
            Values::Float(values) => {
                levels.each(|from, to, defs, reps| {
                    let out = out.typed::<FloatType>();
                    out.write_batch(&values[from..to], Some(defs), reps)
                        .map(drop)
                })?;
                values.clear();
            }
            Values::Double(values) => {
                levels.each(|from, to, defs, reps| {
                    let out = out.typed::<DoubleType>();
                    out.write_batch(&values[from..to], Some(defs), reps)
                        .map(drop)
                })?;
                values.clear();
            }
            Values::Bytes(bytes, ends) => {
                let all = Bytes::from(take(bytes));
                let mut batch: Vec<ByteArray> = Vec::new();
                levels.each(|from, to, defs, reps| {
                    let mut start = from.checked_sub(1).map_or(0, |before| ends[before]);
                    batch.clear();
                    batch.extend(ends[from..to].iter().map(|end| {
                        let value = all.slice(start..*end);
                        start = *end;
                        ByteArray::from(value)
                    }));
                    let out = out.typed::<ByteArrayType>();
                    out.write_batch(&batch, Some(defs), reps).map(drop)
                })?;
                drop(batch);
                *bytes = emptied(all);
                ends.clear();
            }
            Values::Fixed(bytes) => {
                let all = Bytes::from(take(bytes));
                let mut batch: Vec<FixedLenByteArray> = Vec::new();
                levels.each(|from, to, defs, reps| {
                    batch.clear();
                    batch.extend((from..to).map(|at| {
                        FixedLenByteArray::from(ByteArray::from(all.slice(at * 16..at * 16 + 16)))
                    }));
                    let out = out.typed::<FixedLenByteArrayType>();
                    out.write_batch(&batch, Some(defs), reps).map(drop)
                })?;
                drop(batch);
                *bytes = emptied(all);
            }
        }
        self.defs.clear();
        self.reps.clear();
        Ok(())
    }
}

/// The room of bytes that nobody else has any more, for the next row group: an allocator that is given megabytes back by
/// one thread after another keeps them.
fn emptied(bytes: Bytes) -> Vec<u8> {
    let mut room = Vec::from(bytes);
    room.clear();
    room
}

/// The levels of a leaf.
struct Levels<'a> {
    max_def: i16,
    defs: &'a [i16],
    reps: Option<&'a Vec<i16>>,
    /// How many are handed over in one call, about.
    step: usize,
}

impl Levels<'_> {
    /// Hands over whole rows, some at a time: from which value to which, and their levels.
    fn each(
        &self,
        mut hand: impl FnMut(usize, usize, &[i16], Option<&[i16]>) -> Result<()>,
    ) -> Result<()> {
        let (mut at, mut value) = (0, 0);
        while at < self.defs.len() {
            let mut end = (at + self.step).min(self.defs.len());
            if let Some(reps) = self.reps {
                while reps.get(end).is_some_and(|rep| *rep > 0) {
                    end += 1;
                }
            }
            let defs = &self.defs[at..end];
            let there = defs.iter().filter(|def| **def == self.max_def).count();
            let reps = self.reps.map(|reps| &reps[at..end]);
            hand(value, value + there, defs, reps)?;
            (at, value) = (end, value + there);
        }
        Ok(())
    }
}
