//! Values without elements from one type to another, on their CQL bytes (CQL protocol v4, section 6). Pure.
//!
//! A value either keeps its meaning or does not convert, and then it says why: nothing is rounded, cut or guessed.

use num_bigint::BigInt;
use std::net::IpAddr;
use uuid::Uuid;

/// A type whose values have no elements, by what its bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// tinyint, smallint, int, bigint: so many bytes, big-endian.
    Integer(usize),
    /// counter: eight bytes, and never written like other values.
    Counter,
    /// varint: two's complement, as short as it can be.
    Varint,
    /// decimal: four bytes of scale, then a varint.
    Decimal,
    /// float.
    Float,
    /// double.
    Double,
    /// boolean.
    Boolean,
    /// text.
    Text,
    /// ascii.
    Ascii,
    /// blob.
    Blob,
    /// timestamp: milliseconds since 1970.
    Timestamp,
    /// date: days since 1970, plus 2^31.
    Date,
    /// time: nanoseconds since midnight.
    Time,
    /// duration: three vints.
    Duration,
    /// uuid.
    Uuid,
    /// timeuuid.
    Timeuuid,
    /// inet: four or sixteen bytes.
    Inet,
}

/// How values of one type become values of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The bytes are the same, and every value of the one is a value of the other.
    Same,
    /// By what they mean; some may not convert.
    Meaning(Scalar, Scalar),
}

const DAY: i64 = 86_400_000;
const DAY_NANOS: i64 = 86_400_000_000_000;

/// How values of `from` become values of `to`; nothing where they cannot.
pub fn way(from: Scalar, to: Scalar) -> Option<Way> {
    use Scalar::*;
    let by_meaning = Some(Way::Meaning(from, to));
    match (from, to) {
        (_, Counter) | (Duration, _) | (_, Duration) if from != to => None,
        _ if from == to => Some(Way::Same),
        (Counter, Integer(8)) | (Timeuuid, Uuid) | (Ascii, Text) => Some(Way::Same),
        (Timestamp | Time, Integer(8)) | (Integer(8), Timestamp) => Some(Way::Same),
        // Whatever it is, its bytes are a blob.
        (_, Blob) => Some(Way::Same),
        (Integer(8), Time) | (Uuid, Timeuuid) => by_meaning,
        (Text | Ascii, _) => by_meaning,
        (Blob, Text | Ascii) => by_meaning,
        (Blob, _) => None,
        (_, Text | Ascii) => by_meaning,
        (
            Integer(_) | Counter | Varint | Decimal,
            Integer(_) | Varint | Decimal | Float | Double,
        ) => by_meaning,
        (Float, Double) | (Double, Float) => by_meaning,
        (Date, Timestamp) | (Timestamp, Date) => by_meaning,
        _ => None,
    }
}

/// A value by its meaning.
#[derive(Debug)]
enum Meaning {
    Whole(BigInt),
    Scaled(BigInt, i32),
    Real(f64),
    Truth(bool),
    Text(String),
    Bytes(Vec<u8>),
    /// Milliseconds since 1970.
    Moment(i64),
    /// Nanoseconds since midnight.
    Clock(i64),
    Id(Uuid),
    Address(IpAddr),
}

/// Converts the bytes of one value.
///
/// # Errors
/// Why it does not convert, in a few words.
pub fn convert(value: &[u8], from: Scalar, to: Scalar) -> Result<Vec<u8>, String> {
    let texts = |kind: Scalar| matches!(kind, Scalar::Text | Scalar::Ascii | Scalar::Blob);
    if value.is_empty() && !texts(from) {
        // Cassandra lets a value of most types be empty, which is neither null nor any other value.
        return match texts(to) {
            false => Ok(Vec::new()),
            true => Err("it is empty, and an empty text is something else".to_string()),
        };
    }
    write(read(value, from)?, to)
}

fn read(value: &[u8], from: Scalar) -> Result<Meaning, String> {
    let wrong = || format!("{} bytes are no value of its type", value.len());
    let eight = || {
        value
            .try_into()
            .map(i64::from_be_bytes)
            .map_err(|_| wrong())
    };
    Ok(match from {
        Scalar::Integer(size) if value.len() != size => return Err(wrong()),
        Scalar::Integer(_) | Scalar::Counter | Scalar::Varint => {
            Meaning::Whole(BigInt::from_signed_bytes_be(value))
        }
        Scalar::Decimal => {
            let (scale, unscaled) = value.split_first_chunk().ok_or_else(wrong)?;
            let unscaled = BigInt::from_signed_bytes_be(unscaled);
            Meaning::Scaled(unscaled, i32::from_be_bytes(*scale))
        }
        Scalar::Float => {
            let float = value.try_into().map(f32::from_be_bytes);
            Meaning::Real(float.map_err(|_| wrong())?.into())
        }
        Scalar::Double => {
            let double = value.try_into().map(f64::from_be_bytes);
            Meaning::Real(double.map_err(|_| wrong())?)
        }
        Scalar::Boolean => Meaning::Truth(value != [0]),
        Scalar::Text | Scalar::Ascii => {
            let text = std::str::from_utf8(value).map_err(|_| "it is no UTF-8".to_string())?;
            Meaning::Text(text.to_string())
        }
        Scalar::Blob => Meaning::Bytes(value.to_vec()),
        Scalar::Timestamp => Meaning::Moment(eight()?),
        Scalar::Date => {
            let days = value.try_into().map(u32::from_be_bytes);
            let days = i64::from(days.map_err(|_| wrong())?) - (1 << 31);
            Meaning::Moment(days * DAY)
        }
        Scalar::Time => Meaning::Clock(eight()?),
        Scalar::Uuid | Scalar::Timeuuid => {
            Meaning::Id(Uuid::from_slice(value).map_err(|_| wrong())?)
        }
        Scalar::Inet => Meaning::Address(match value.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(value).map_err(|_| wrong())?),
            _ => IpAddr::from(<[u8; 16]>::try_from(value).map_err(|_| wrong())?),
        }),
        Scalar::Duration => return Err(wrong()),
    })
}

fn write(meaning: Meaning, to: Scalar) -> Result<Vec<u8>, String> {
    Ok(match (meaning, to) {
        (meaning, Scalar::Text) => text(meaning)?.into_bytes(),
        (meaning, Scalar::Ascii) => {
            let text = text(meaning)?;
            if !text.is_ascii() {
                return Err("it has letters that ascii has not".to_string());
            }
            text.into_bytes()
        }
        (Meaning::Text(text), to) => return write(parsed(&text, to)?, to),
        (Meaning::Whole(number), Scalar::Integer(size)) => fitting(&number, size)?,
        (Meaning::Whole(number), Scalar::Time) => {
            let nanos = i64::try_from(&number).ok();
            let nanos = nanos.filter(|nanos| (0..DAY_NANOS).contains(nanos));
            let nanos = nanos.ok_or("it is no time of a day: 0 to 86399999999999 ns are")?;
            nanos.to_be_bytes().to_vec()
        }
        (Meaning::Whole(number), Scalar::Timestamp) => fitting(&number, 8)?,
        (Meaning::Whole(number), Scalar::Varint) => number.to_signed_bytes_be(),
        (Meaning::Whole(number), Scalar::Decimal) => decimal(&number, 0),
        (Meaning::Whole(number), Scalar::Double) => exact(&number, 0, false)?,
        (Meaning::Whole(number), Scalar::Float) => exact(&number, 0, true)?,
        (Meaning::Scaled(number, scale), Scalar::Decimal) => decimal(&number, scale),
        (Meaning::Scaled(number, scale), Scalar::Double) => exact(&number, scale, false)?,
        (Meaning::Scaled(number, scale), Scalar::Float) => exact(&number, scale, true)?,
        (Meaning::Scaled(number, scale), to) => {
            return write(Meaning::Whole(whole(number, scale)?), to);
        }
        (Meaning::Real(number), Scalar::Double) => number.to_be_bytes().to_vec(),
        (Meaning::Real(number), Scalar::Float) => single(number)?.to_be_bytes().to_vec(),
        (Meaning::Truth(yes), Scalar::Boolean) => vec![u8::from(yes)],
        (Meaning::Bytes(bytes), Scalar::Blob) => bytes,
        (Meaning::Moment(millis), Scalar::Timestamp) => millis.to_be_bytes().to_vec(),
        (Meaning::Moment(millis), Scalar::Date) => {
            if millis.rem_euclid(DAY) != 0 {
                return Err("it has a time of day, which a date has not".to_string());
            }
            let days = u32::try_from(millis.div_euclid(DAY) + (1 << 31));
            let days = days.map_err(|_| "it is beyond what a date holds".to_string())?;
            days.to_be_bytes().to_vec()
        }
        (Meaning::Clock(nanos), Scalar::Time) => nanos.to_be_bytes().to_vec(),
        (Meaning::Id(id), Scalar::Uuid) => id.as_bytes().to_vec(),
        (Meaning::Id(id), Scalar::Timeuuid) => {
            if id.get_version_num() != 1 {
                return Err("it is no uuid of version 1, which a timeuuid is".to_string());
            }
            id.as_bytes().to_vec()
        }
        (Meaning::Address(address), Scalar::Inet) => match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        },
        _ => return Err("there is no such conversion".to_string()),
    })
}

/// The meaning of a text as a value of a type: as this module writes them, and as CQL takes numbers, uuids, addresses.
fn parsed(text: &str, to: Scalar) -> Result<Meaning, String> {
    let no = |what: &str| format!("it is no {what}");
    Ok(match to {
        Scalar::Integer(_) | Scalar::Varint => {
            Meaning::Whole(text.parse().map_err(|_| no("whole number"))?)
        }
        Scalar::Decimal => {
            let (number, scale) = scaled(text).ok_or_else(|| no("decimal number"))?;
            Meaning::Scaled(number, scale)
        }
        Scalar::Float => {
            let number: f32 = text.parse().map_err(|_| no("number"))?;
            Meaning::Real(number.into())
        }
        Scalar::Double => Meaning::Real(text.parse().map_err(|_| no("number"))?),
        Scalar::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Meaning::Truth(true),
            "false" => Meaning::Truth(false),
            _ => return Err(no("truth value: true and false are")),
        },
        Scalar::Blob => Meaning::Bytes(text.as_bytes().to_vec()),
        Scalar::Uuid | Scalar::Timeuuid => {
            Meaning::Id(Uuid::parse_str(text).map_err(|_| no("uuid"))?)
        }
        Scalar::Inet => Meaning::Address(text.parse().map_err(|_| no("address"))?),
        Scalar::Timestamp => Meaning::Moment(
            super::calendar::instant(text)
                .ok_or_else(|| no("time: 2026-01-31T12:00:00.000Z is"))?,
        ),
        Scalar::Date => {
            Meaning::Moment(super::calendar::date(text).ok_or_else(|| no("date: 2026-01-31 is"))?)
        }
        Scalar::Time => Meaning::Clock(
            super::calendar::clock(text).ok_or_else(|| no("time of day: 12:00:00.000000000 is"))?,
        ),
        Scalar::Text | Scalar::Ascii => Meaning::Text(text.to_string()),
        Scalar::Counter | Scalar::Duration => return Err(no("value of that type")),
    })
}

fn text(meaning: Meaning) -> Result<String, String> {
    Ok(match meaning {
        Meaning::Whole(number) => number.to_string(),
        Meaning::Scaled(number, scale) => shown(&number, scale)?,
        Meaning::Real(number) => number.to_string(),
        Meaning::Truth(yes) => yes.to_string(),
        Meaning::Text(text) => text,
        Meaning::Bytes(bytes) => {
            String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_string())?
        }
        Meaning::Moment(millis) => super::calendar::show_instant(millis)
            .ok_or("it is beyond the years 0 to 9999, which texts can show")?,
        Meaning::Clock(nanos) => super::calendar::show_clock(nanos),
        Meaning::Id(id) => id.to_string(),
        Meaning::Address(address) => address.to_string(),
    })
}

/// A number in so many bytes.
fn fitting(number: &BigInt, size: usize) -> Result<Vec<u8>, String> {
    let wide = i64::try_from(number).map(i64::to_be_bytes);
    let too_large = || format!("it does not fit into {size} bytes");
    let wide = wide.map_err(|_| too_large())?;
    let narrow = &wide[8 - size..];
    match BigInt::from_signed_bytes_be(narrow) == *number {
        true => Ok(narrow.to_vec()),
        false => Err(too_large()),
    }
}

fn decimal(number: &BigInt, scale: i32) -> Vec<u8> {
    let mut bytes = scale.to_be_bytes().to_vec();
    bytes.extend(number.to_signed_bytes_be());
    bytes
}

/// Scales beyond this one are refused where their zeros would have to be written out.
const SCALE_MAX: i32 = 10_000;

/// The whole number that a decimal is.
fn whole(number: BigInt, scale: i32) -> Result<BigInt, String> {
    if scale.abs() > SCALE_MAX {
        return Err(format!("its scale is {scale}"));
    }
    let power = BigInt::from(10).pow(scale.unsigned_abs());
    if scale <= 0 {
        return Ok(number * power);
    }
    match &number % &power == BigInt::ZERO {
        true => Ok(number / power),
        false => Err("it is no whole number".to_string()),
    }
}

/// A decimal as digits, with exactly as many behind the point as its scale says.
fn shown(number: &BigInt, scale: i32) -> Result<String, String> {
    if scale <= 0 {
        // No text of plain digits has such a scale; this one has the value and reads back with it.
        return Ok(match scale {
            0 => number.to_string(),
            _ => format!("{number}E{}", -i64::from(scale)),
        });
    }
    if scale > SCALE_MAX {
        return Err(format!("its scale is {scale}"));
    }
    let places = usize::try_from(scale).unwrap_or_default();
    let digits = number.magnitude().to_string();
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (before, behind) = digits.split_at(digits.len() - places);
    let sign = if number.sign() == num_bigint::Sign::Minus {
        "-"
    } else {
        ""
    };
    Ok(format!("{sign}{before}.{behind}"))
}

/// The number and the scale of a text such as `-1.50` or `12E3`.
fn scaled(text: &str) -> Option<(BigInt, i32)> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
    if !behind.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = format!("{before}{behind}").parse().ok()?;
    let places = i32::try_from(behind.len()).ok()?;
    Some((number, places.checked_sub(exponent)?))
}

/// A number as a double or float that is exactly that number.
fn exact(number: &BigInt, scale: i32, single_precision: bool) -> Result<Vec<u8>, String> {
    let inexact = || "no floating-point number is exactly this one".to_string();
    let real: f64 = shown(number, scale)?.parse().map_err(|_| inexact())?;
    // Its digits written out again are the same number, or it was rounded.
    let back = real.is_finite().then(|| format!("{real:.1074}"));
    let (back, back_scale) = back.and_then(|back| scaled(&back)).ok_or_else(inexact)?;
    let power = |scale: i32| BigInt::from(10).pow(scale.unsigned_abs());
    let same = match scale {
        0.. => back * power(scale) == number * power(back_scale),
        _ => back == number * power(scale) * power(back_scale),
    };
    match (same, single_precision) {
        (false, _) => Err(inexact()),
        (true, false) => Ok(real.to_be_bytes().to_vec()),
        (true, true) => Ok(single(real)?.to_be_bytes().to_vec()),
    }
}

/// A double that a float holds exactly; a NaN stays one.
#[allow(clippy::cast_possible_truncation, reason = "what was cut is refused")]
fn single(number: f64) -> Result<f32, String> {
    let single = number as f32;
    match number.is_nan() || f64::from(single) == number {
        true => Ok(single),
        false => Err("no float is exactly this number".to_string()),
    }
}

#[cfg(test)]
mod tests;
