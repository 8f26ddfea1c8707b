//! Values without parts: from the protocol's bytes into a leaf, and back. Pure.

use super::column::{Leaf, Values};
use super::node::LeafSpec;
use super::number;
use crate::backup::kind::Native;
use parquet::basic::TimeUnit;
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
