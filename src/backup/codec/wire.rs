//! Values with parts: collections, tuples, user-defined types and vectors. Pure.

use crate::backup::kind::CqlType;

/// Takes bytes off the front of a value.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a>(pub &'a [u8]);

impl<'a> Wire<'a> {
    /// So many bytes.
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// `[int]`
    pub fn int(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }

    /// `[bytes]`: null where its length is negative. Nothing where the value ends too early.
    pub fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match usize::try_from(self.int()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Some(None),
        }
    }

    /// An unsigned vint (`VIntCoding`): as many more bytes as the first one has leading ones.
    pub fn vint(&mut self) -> Option<u64> {
        let first = *self.take(1)?.first()?;
        let more = first.leading_ones() as usize;
        let mut number = match more {
            0..=7 => u64::from(first) & (0xff >> more),
            _ => 0,
        };
        for byte in self.take(more)? {
            number = number << 8 | u64::from(*byte);
        }
        Some(number)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends an unsigned vint.
pub fn put_vint(number: u64, out: &mut Vec<u8>) {
    // Seven bits for each byte; the ninth is wanted where eight are full.
    let bits = (64 - number.leading_zeros()).max(1);
    let more = ((bits - 1) / 7).min(8) as usize;
    let bytes = number.to_be_bytes();
    match more {
        8 => {
            out.push(0xff);
            out.extend_from_slice(&bytes);
        }
        more => {
            let ones = !(0xff_u16 >> more) as u8;
            let tail = &bytes[8 - more - 1..];
            out.push(ones | tail[0]);
            out.extend_from_slice(&tail[1..]);
        }
    }
}

/// Appends `[bytes]`.
pub fn put_bytes(value: Option<&[u8]>, out: &mut Vec<u8>) {
    match value {
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        Some(value) => {
            out.extend_from_slice(&(value.len() as i32).to_be_bytes());
            out.extend_from_slice(value);
        }
    }
}

/// The parts of a value that are cells of their own where its column is not frozen, in the order of its write times: the
/// elements of a list or set, the entries of a map (both lengths and both values), the fields of a user-defined type.
/// A value that ends too early has as many as could be read.
pub fn elements<'a>(kind: &CqlType, value: &'a [u8]) -> impl Iterator<Item = Option<&'a [u8]>> {
    let mut wire = Wire(value);
    let (entries, fields) = match kind {
        CqlType::Map(..) => (true, 0),
        CqlType::Udt(_, fields) => (false, fields.len()),
        _ => (false, 0),
    };
    let mut left = match kind {
        CqlType::Udt(..) => fields,
        _ => wire
            .int()
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or_default(),
    };
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        if !entries {
            return wire.bytes();
        }
        let start = wire.0;
        wire.bytes()?;
        wire.bytes()?;
        Some(Some(&start[..start.len() - wire.0.len()]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::kind::Native;

    #[test]
    fn vints_are_the_servers() {
        for (number, bytes) in [
            (0, vec![0]),
            (0x7f, vec![0x7f]),
            (0x80, vec![0x80, 0x80]),
            (0x3fff, vec![0xbf, 0xff]),
            (0x4000, vec![0xc0, 0x40, 0x00]),
            (
                0xff_ffff_ffff_ffff,
                vec![0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            ),
            (u64::MAX, vec![0xff; 9]),
        ] {
            let mut out = Vec::new();
            put_vint(number, &mut out);
            assert_eq!(out, bytes, "{number:x}");
            let mut wire = Wire(&bytes);
            assert_eq!((wire.vint(), wire.is_empty()), (Some(number), true));
        }
        assert_eq!(Wire(&[0xc0, 0x40]).vint(), None);
    }

    #[test]
    fn parts_come_in_their_order() {
        let text = CqlType::Native(Native::Text);
        let mut value = 2_i32.to_be_bytes().to_vec();
        for part in [b"a".as_slice(), b"x", b"b", b""] {
            put_bytes(Some(part), &mut value);
        }
        let map = CqlType::Map(Box::new(text.clone()), Box::new(text.clone()));
        let parts: Vec<usize> = elements(&map, &value).flatten().map(<[u8]>::len).collect();
        assert_eq!(parts, [10, 9]);
        let list = CqlType::List(Box::new(text.clone()));
        let parts: Vec<_> = elements(&list, &value).collect();
        assert_eq!(parts, [Some(b"a".as_slice()), Some(b"x".as_slice())]);
        let udt = CqlType::Udt(
            "u".into(),
            vec![("a".into(), text.clone()), ("b".into(), text)],
        );
        let mut value = Vec::new();
        put_bytes(None, &mut value);
        put_bytes(Some(b"y"), &mut value);
        assert_eq!(
            elements(&udt, &value).collect::<Vec<_>>(),
            [None, Some(b"y".as_slice())]
        );
    }
}
