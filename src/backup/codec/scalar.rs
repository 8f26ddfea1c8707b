//! Values without parts: from the protocol's bytes into a leaf, and back. Pure.

use super::column::{Leaf, Values};
use super::node::LeafSpec;
use super::number;
use crate::backup::kind::Native;
use parquet::basic::{TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::from_utf8;
use uuid::Uuid;

/// Days from 1970-01-01 to the first day of the year 1 and to the last one of 9999. Beyond them readers fail, some on the
/// whole file.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

/// The same in milliseconds.
const MILLIS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Where days of CQL are counted from.
const DAY_ZERO: u32 = 1 << 31;

/// A value that its leaf cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odd;

/// Adds a value to its leaf.
///
/// # Errors
/// It would not come back as the same bytes; nothing was added.
pub fn put(native: Native, leaf: &mut Leaf, rep: i16, value: &[u8]) -> Result<(), Odd> {
    fill(native, &mut leaf.values, value).ok_or(Odd)?;
    leaf.there(rep);
    Ok(())
}

fn array<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

fn fill(native: Native, values: &mut Values, value: &[u8]) -> Option<()> {
    match values {
        Values::Bool(values) => match value {
            [0] => values.push(false),
            [1] => values.push(true),
            _ => return None,
        },
        Values::Int(values) => values.push(match native {
            Native::Tinyint => i8::from_be_bytes(array(value)?).into(),
            Native::Smallint => i16::from_be_bytes(array(value)?).into(),
            Native::Date => {
                let day = u32::from_be_bytes(array(value)?).wrapping_sub(DAY_ZERO) as i32;
                DAYS.contains(&day).then_some(day)?
            }
            _ => i32::from_be_bytes(array(value)?),
        }),
        Values::Long(values) => {
            let number = i64::from_be_bytes(array(value)?);
            if native == Native::Timestamp && !MILLIS.contains(&number) {
                return None;
            }
            values.push(number);
        }
        Values::Float(values) => values.push(f32::from_be_bytes(array(value)?)),
        Values::Double(values) => values.push(f64::from_be_bytes(array(value)?)),
        Values::Fixed(bytes) => bytes.extend_from_slice(&array::<16>(value)?),
        Values::Bytes(bytes, ends) => {
            text(native, value, bytes)?;
            ends.push(bytes.len());
        }
    }
    Some(())
}

/// Appends what stands for a value in a column of bytes.
fn text(native: Native, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match native {
        Native::Text | Native::Ascii => {
            from_utf8(value).ok()?;
            out.extend_from_slice(value);
        }
        Native::Uuid | Native::Timeuuid => {
            let mut letters = Uuid::encode_buffer();
            let id = Uuid::from_bytes(array(value)?);
            out.extend_from_slice(id.hyphenated().encode_lower(&mut letters).as_bytes());
        }
        Native::Inet => {
            let address = match value.len() {
                4 => IpAddr::V4(Ipv4Addr::from(array::<4>(value)?)),
                _ => IpAddr::V6(Ipv6Addr::from(array::<16>(value)?)),
            };
            out.extend_from_slice(address.to_string().as_bytes());
        }
        Native::Varint | Native::Decimal => {
            let mut shown = String::new();
            match native {
                Native::Varint => number::varint_text(value, &mut shown)?,
                _ => number::decimal_text(value, &mut shown)?,
            }
            out.extend_from_slice(shown.as_bytes());
        }
        _ => out.extend_from_slice(value),
    }
    Some(())
}

/// The values of a leaf as Parquet gives them.
#[derive(Debug)]
pub enum ReadValues {
    /// BOOLEAN
    Bool(Vec<bool>),
    /// INT32
    Int(Vec<i32>),
    /// INT64
    Long(Vec<i64>),
    /// INT96, as older Spark writes timestamps: nanoseconds of the day and the Julian day.
    Int96(Vec<Int96>),
    /// FLOAT
    Float(Vec<f32>),
    /// DOUBLE
    Double(Vec<f64>),
    /// BYTE_ARRAY
    Bytes(Vec<ByteArray>),
    /// FIXED_LEN_BYTE_ARRAY
    Fixed(Vec<FixedLenByteArray>),
}

impl ReadValues {
    /// A whole number.
    pub fn long(&self, at: usize) -> Result<i64, String> {
        match self {
            ReadValues::Int(values) => Ok(values[at].into()),
            ReadValues::Long(values) => Ok(values[at]),
            _ => Err("it is no whole number".to_string()),
        }
    }

    /// Bytes.
    pub fn bytes(&self, at: usize) -> Option<&[u8]> {
        match self {
            ReadValues::Bytes(values) => Some(values[at].data()),
            ReadValues::Fixed(values) => Some(values[at].data()),
            _ => None,
        }
    }
}

/// Appends a value as the protocol carries it.
///
/// # Errors
/// A value that the type does not have.
pub fn take(
    native: Native,
    spec: &LeafSpec,
    values: &ReadValues,
    at: usize,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let misfit = || format!("a {} cannot be made of {}", native.name(), spec.physical);
    let narrow = |number: i64| format!("{number} is no {}", native.name());
    match native {
        Native::Boolean => match values {
            ReadValues::Bool(values) => out.push(values[at].into()),
            _ => return Err(misfit()),
        },
        Native::Float => match values {
            ReadValues::Float(values) => out.extend_from_slice(&values[at].to_be_bytes()),
            ReadValues::Double(values) => {
                let number = values[at];
                let short = number as f32;
                if !number.is_nan() && f64::from(short) != number {
                    return Err(format!("{number} is no float without rounding"));
                }
                out.extend_from_slice(&short.to_be_bytes());
            }
            _ => return Err(misfit()),
        },
        Native::Double => match values {
            ReadValues::Float(values) => {
                out.extend_from_slice(&f64::from(values[at]).to_be_bytes());
            }
            ReadValues::Double(values) => out.extend_from_slice(&values[at].to_be_bytes()),
            _ => return Err(misfit()),
        },
        Native::Tinyint => {
            let number = values.long(at)?;
            let number = i8::try_from(number).map_err(|_| narrow(number))?;
            out.extend_from_slice(&number.to_be_bytes());
        }
        Native::Smallint => {
            let number = values.long(at)?;
            let number = i16::try_from(number).map_err(|_| narrow(number))?;
            out.extend_from_slice(&number.to_be_bytes());
        }
        Native::Int => {
            let number = values.long(at)?;
            let number = i32::try_from(number).map_err(|_| narrow(number))?;
            out.extend_from_slice(&number.to_be_bytes());
        }
        Native::Date => {
            let number = values.long(at)?;
            let day = i32::try_from(number).map_err(|_| narrow(number))?;
            out.extend_from_slice(&(day as u32).wrapping_add(DAY_ZERO).to_be_bytes());
        }
        Native::Bigint | Native::Counter => out.extend_from_slice(&values.long(at)?.to_be_bytes()),
        Native::Time => {
            let number = values.long(at)?;
            let nanos = match spec.unit {
                Some(TimeUnit::MILLIS) => number.checked_mul(1_000_000),
                Some(TimeUnit::MICROS) => number.checked_mul(1000),
                _ => Some(number),
            };
            let nanos = nanos.ok_or_else(|| narrow(number))?;
            out.extend_from_slice(&nanos.to_be_bytes());
        }
        Native::Timestamp => {
            let millis = match values {
                ReadValues::Int96(values) => julian_millis(&values[at]),
                _ => {
                    let number = values.long(at)?;
                    let unit = match spec.unit {
                        Some(TimeUnit::MICROS) => 1_000,
                        Some(TimeUnit::NANOS) => 1_000_000,
                        _ => 1,
                    };
                    (number.rem_euclid(unit) == 0).then(|| number.div_euclid(unit))
                }
            };
            let millis = millis.ok_or("a timestamp has milliseconds, and this one has more")?;
            out.extend_from_slice(&millis.to_be_bytes());
        }
        _ => {
            let bytes = values.bytes(at).ok_or_else(misfit)?;
            untext(
                native,
                bytes,
                spec.physical == Physical::FIXED_LEN_BYTE_ARRAY,
                out,
            )
            .ok_or_else(|| {
                format!(
                    "{:?} is no {}",
                    String::from_utf8_lossy(bytes),
                    native.name()
                )
            })?;
        }
    }
    Ok(())
}

/// Appends what a column of bytes stands for.
fn untext(native: Native, value: &[u8], fixed: bool, out: &mut Vec<u8>) -> Option<()> {
    match native {
        Native::Text | Native::Ascii => {
            let text = from_utf8(value).ok()?;
            if native == Native::Ascii && !text.is_ascii() {
                return None;
            }
            out.extend_from_slice(value);
        }
        Native::Uuid | Native::Timeuuid if fixed || value.len() == 16 => {
            out.extend_from_slice(&array::<16>(value)?);
        }
        Native::Uuid | Native::Timeuuid => {
            out.extend_from_slice(Uuid::try_parse_ascii(value).ok()?.as_bytes());
        }
        Native::Inet => match from_utf8(value).ok()?.parse().ok()? {
            IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
        },
        Native::Varint => number::varint_bytes(from_utf8(value).ok()?, out)?,
        Native::Decimal => number::decimal_bytes(from_utf8(value).ok()?, out)?,
        _ => out.extend_from_slice(value),
    }
    Some(())
}

/// The Julian day of 1970-01-01.
const JULIAN_1970: i64 = 2_440_588;

/// The milliseconds since 1970; nothing where it has parts of one.
fn julian_millis(value: &Int96) -> Option<i64> {
    let data = value.data();
    let nanos = u64::from(data[1]) << 32 | u64::from(data[0]);
    let days = (i64::from(data[2]) - JULIAN_1970) * 86_400_000;
    nanos
        .is_multiple_of(1_000_000)
        .then(|| days + (nanos / 1_000_000) as i64)
}
