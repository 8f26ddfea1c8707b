//! duration: months, days and nanoseconds as three vints. Pure.

use super::wire::{Wire, put_vint};

/// A duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duration {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Nanoseconds.
    pub nanos: i64,
}

impl Duration {
    /// Reads one; nothing where it would not come back as the same bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut wire = Wire(bytes);
        let mut signed = || {
            let folded = wire.vint()?;
            Some((folded >> 1) as i64 ^ -((folded & 1) as i64))
        };
        let duration = Duration {
            months: signed()?.try_into().ok()?,
            days: signed()?.try_into().ok()?,
            nanos: signed()?,
        };
        let mut back = Vec::new();
        duration.write(&mut back);
        (back == bytes).then_some(duration)
    }

    /// Appends its bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        for number in [i64::from(self.months), i64::from(self.days), self.nanos] {
            put_vint(((number << 1) ^ (number >> 63)) as u64, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_the_servers() {
        // 1mo2d3ns, as 5.0.9 sends it.
        let duration = Duration {
            months: 1,
            days: 2,
            nanos: 3,
        };
        assert_eq!(Duration::read(&[2, 4, 6]), Some(duration));
        assert_eq!(Duration::read(&[2, 4]), None);
        assert_eq!(Duration::read(&[]), None);
        assert_eq!(Duration::read(&[2, 4, 6, 0]), None);
        assert_eq!(Duration::read(&[0x80, 2, 4, 6]), None);
    }

    proptest! {
        #[test]
        fn whatever_is_written_comes_back(months: i32, days: i32, nanos: i64) {
            let duration = Duration { months, days, nanos };
            let mut bytes = Vec::new();
            duration.write(&mut bytes);
            prop_assert_eq!(Duration::read(&bytes), Some(duration));
        }
    }
}
