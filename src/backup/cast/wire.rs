//! Collections, tuples and user-defined types as the protocol carries them: counts, and parts with their lengths before
//! them, -1 for null (version 4, sections 6.21 to 6.24). Pure.

use crate::backup::codec::wire::{Wire, put_bytes};
use std::borrow::Cow;

/// A part; nothing for null.
pub type Part<'a> = Option<&'a [u8]>;

/// Key and value of an entry.
pub type Pair<'a> = (Option<Cow<'a, [u8]>>, Option<Cow<'a, [u8]>>);

fn cut() -> String {
    "its bytes end too early".to_string()
}

/// So many parts; room is made for no more than the bytes can hold.
fn parts<'a>(wire: &mut Wire<'a>, count: usize) -> Result<Vec<Part<'a>>, String> {
    let mut found = Vec::with_capacity(count.min(wire.0.len() / 4 + 1));
    for _ in 0..count {
        found.push(wire.bytes().ok_or_else(cut)?);
    }
    match wire.is_empty() {
        true => Ok(found),
        false => Err("there are bytes behind its last element".to_string()),
    }
}

fn count(wire: &mut Wire<'_>) -> Result<usize, String> {
    let count = wire.int().ok_or_else(cut)?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// The elements of a list or set.
///
/// # Errors
/// The bytes are no list.
pub fn list(value: &[u8]) -> Result<Vec<Part<'_>>, String> {
    let mut wire = Wire(value);
    let count = count(&mut wire)?;
    parts(&mut wire, count)
}

/// Keys and values of a map.
///
/// # Errors
/// The bytes are no map.
pub fn map(value: &[u8]) -> Result<Vec<(Part<'_>, Part<'_>)>, String> {
    let mut wire = Wire(value);
    let count = count(&mut wire)?.checked_mul(2).ok_or_else(cut)?;
    let parts = parts(&mut wire, count)?;
    Ok(parts.chunks_exact(2).map(|two| (two[0], two[1])).collect())
}

/// The fields of a tuple or user-defined type, as many as were written: those behind are null.
///
/// # Errors
/// The bytes are none.
pub fn fields(value: &[u8]) -> Result<Vec<Part<'_>>, String> {
    let mut wire = Wire(value);
    let mut found = Vec::new();
    while !wire.is_empty() {
        found.push(wire.bytes().ok_or_else(cut)?);
    }
    Ok(found)
}

fn put_count(to: &mut Vec<u8>, count: usize) {
    // The protocol has no longer collections than a signed int says.
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    to.extend(count.to_be_bytes());
}

/// A list or set of these elements.
pub fn write_list(parts: &[Option<Cow<'_, [u8]>>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_count(&mut bytes, parts.len());
    for part in parts {
        put_bytes(part.as_deref(), &mut bytes);
    }
    bytes
}

/// A map of these keys and values.
pub fn write_map(parts: &[Pair<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_count(&mut bytes, parts.len());
    for (key, value) in parts {
        put_bytes(key.as_deref(), &mut bytes);
        put_bytes(value.as_deref(), &mut bytes);
    }
    bytes
}

/// A tuple or user-defined type of these fields.
pub fn write_fields(parts: &[Option<Cow<'_, [u8]>>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        put_bytes(part.as_deref(), &mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let parts: Vec<Option<Cow<'_, [u8]>>> =
            vec![Some(Cow::Borrowed(b"a")), None, Some(Cow::Borrowed(b""))];
        let borrowed: Vec<Part<'_>> = parts.iter().map(Option::as_deref).collect();
        assert_eq!(list(&write_list(&parts)), Ok(borrowed.clone()));
        assert_eq!(fields(&write_fields(&parts)), Ok(borrowed));
        let pairs = [(parts[0].clone(), parts[1].clone())];
        let written = write_map(&pairs);
        assert_eq!(map(&written), Ok(vec![(Some(&b"a"[..]), None)]));
    }

    #[test]
    fn bytes_that_are_no_collection_are_an_error() {
        for bytes in [
            &[][..],
            &[0, 0, 0],
            &[0, 0, 0, 2, 0, 0, 0, 1, 9],
            &[0, 0, 0, 0, 1],
            &[0x7f, 0xff, 0xff, 0xff],
        ] {
            assert!(list(bytes).is_err(), "{bytes:?}");
            assert!(map(bytes).is_err(), "{bytes:?}");
        }
        assert!(fields(&[0, 0, 0, 9, 1]).is_err());
    }
}
