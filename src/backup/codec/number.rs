//! varint and decimal as text and back. Pure.
//!
//! Java's `BigDecimal.toString` shows unscaled value and scale of every decimal so that both can be read back: 3.50, 0E+3,
//! 1E-10. So does this.

use num_bigint::BigInt;
use std::fmt::Write;

/// Longest number in bytes that becomes text: the time that takes grows with the square of it.
pub const BYTES_MAX: usize = 256;

/// Whether two's complement is in as few bytes as Java's `BigInteger.toByteArray` writes it in: what is not would not come
/// back as it was.
fn is_shortest(bytes: &[u8]) -> bool {
    match bytes {
        [] => false,
        [_] => true,
        [0, second, ..] => *second >= 0x80,
        [0xff, second, ..] => *second < 0x80,
        _ => true,
    }
}

/// A varint's digits; nothing where they would not come back as the same bytes.
pub fn varint_text(bytes: &[u8], out: &mut String) -> Option<()> {
    if bytes.len() > BYTES_MAX || !is_shortest(bytes) {
        return None;
    }
    match small(bytes) {
        Some(number) => write!(out, "{number}").ok(),
        None => write!(out, "{}", BigInt::from_signed_bytes_be(bytes)).ok(),
    }
}

/// What sixteen bytes hold.
fn small(bytes: &[u8]) -> Option<i128> {
    if bytes.len() > 16 {
        return None;
    }
    let fill = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [fill; 16];
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

/// The bytes of a whole number's digits.
pub fn varint_bytes(text: &str, out: &mut Vec<u8>) -> Option<()> {
    if let Ok(number) = text.parse::<i128>() {
        let wide = number.to_be_bytes();
        let skip = (0..15).take_while(|at| !is_shortest(&wide[*at..])).count();
        out.extend_from_slice(&wide[skip..]);
        return Some(());
    }
    let number: BigInt = text.parse().ok()?;
    out.extend_from_slice(&number.to_signed_bytes_be());
    Some(())
}

/// A decimal as `BigDecimal.toString` shows it; nothing where it would not come back as the same bytes.
pub fn decimal_text(bytes: &[u8], out: &mut String) -> Option<()> {
    let (scale, unscaled) = bytes.split_first_chunk::<4>()?;
    let scale = i64::from(i32::from_be_bytes(*scale));
    let start = out.len();
    varint_text(unscaled, out)?;
    if scale == 0 {
        return Some(());
    }
    let first = start + usize::from(out[start..].starts_with('-'));
    let digits = (out.len() - first) as i64;
    let adjusted = digits - 1 - scale;
    if scale > 0 && adjusted >= -6 {
        if scale < digits {
            out.insert(out.len() - scale as usize, '.');
        } else {
            let zeros = "0".repeat((scale - digits) as usize);
            out.insert_str(first, &format!("0.{zeros}"));
        }
        return Some(());
    }
    if digits > 1 {
        out.insert(first + 1, '.');
    }
    let sign = if adjusted < 0 { "" } else { "+" };
    write!(out, "E{sign}{adjusted}").ok()
}

/// The bytes of a decimal's text.
pub fn decimal_bytes(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (digits, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = i32::try_from(fraction.len() as i64 - exponent).ok()?;
    out.extend_from_slice(&scale.to_be_bytes());
    match fraction {
        "" => varint_bytes(whole, out),
        fraction => varint_bytes(&format!("{whole}{fraction}"), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(scale: i32, unscaled: &[u8]) -> Vec<u8> {
        [&scale.to_be_bytes(), unscaled].concat()
    }

    #[test]
    fn decimals_are_shown_as_java_shows_them() {
        for (scale, unscaled, text) in [
            (0, 350_i16, "350"),
            (2, 350, "3.50"),
            (1, 35, "3.5"),
            (2, -350, "-3.50"),
            (5, 350, "0.00350"),
            (2, 0, "0.00"),
            (-3, 0, "0E+3"),
            (10, 0, "0E-10"),
            (-5, 1, "1E+5"),
            (-3, 123, "1.23E+5"),
            (6, 1, "0.000001"),
            (7, 1, "1E-7"),
            (9, -123, "-1.23E-7"),
            (i32::MAX, 1, "1E-2147483647"),
            (i32::MIN, 12, "1.2E+2147483649"),
        ] {
            let mut unscaled_bytes = Vec::new();
            varint_bytes(&unscaled.to_string(), &mut unscaled_bytes).expect("a number");
            let bytes = decimal(scale, &unscaled_bytes);
            let mut shown = String::new();
            decimal_text(&bytes, &mut shown).expect("a decimal");
            assert_eq!(shown, text);
            let mut back = Vec::new();
            decimal_bytes(&shown, &mut back).expect("a decimal");
            assert_eq!(back, bytes, "{text}");
        }
    }

    #[test]
    fn what_would_come_back_otherwise_is_not_shown() {
        for bytes in [&[][..], &[0, 1], &[0xff, 0x80], &[0xff, 0xff]] {
            assert_eq!(varint_text(bytes, &mut String::new()), None, "{bytes:?}");
        }
        assert_eq!(decimal_text(&[0, 0, 0, 1], &mut String::new()), None);
        assert_eq!(decimal_text(&[0, 0], &mut String::new()), None);
        for text in ["", "x", "1.x", "1E", "1.-5", "--1"] {
            assert_eq!(decimal_bytes(text, &mut Vec::new()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_shown_comes_back(scale: i32, unscaled in prop::collection::vec(any::<u8>(), 0..40)) {
            let bytes = decimal(scale, &unscaled);
            let mut shown = String::new();
            if decimal_text(&bytes, &mut shown).is_some() {
                let mut back = Vec::new();
                decimal_bytes(&shown, &mut back).expect("a decimal");
                prop_assert_eq!(back, bytes);
            } else {
                prop_assert!(!is_shortest(&unscaled));
            }
        }
    }
}
