//! Whether a key stands twice among the rows of several files, in bounded memory. Pure.
//!
//! A key is known by the 128 bits of its digest. Where a table has more rows than are held at once, its keys are read several
//! times, and each pass holds those whose digest falls to it.

/// Digests that are held at once: 16 bytes each, 128 MiB.
pub const AT_ONCE: usize = 1 << 23;

/// Keys that are named, at most.
const NAMED: usize = 5;

/// The keys of one pass.
#[derive(Debug)]
pub struct Keys {
    pass: u64,
    passes: u64,
    seen: Vec<u128>,
}

/// Keys that stand more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doubles {
    /// Rows beyond the first of their key.
    pub rows: u64,
    /// The digests of some of these keys.
    pub some: Vec<u128>,
}

/// How many passes so many rows take.
pub fn passes(rows: u64, at_once: usize) -> u64 {
    rows.div_ceil(at_once as u64).max(1)
}

impl Keys {
    /// Of one pass, from 0, of several over so many rows.
    pub fn new(rows: u64, pass: u64, passes: u64) -> Self {
        let expected = usize::try_from(rows / passes).unwrap_or_default();
        Keys {
            pass,
            passes,
            seen: Vec::with_capacity(expected + expected / 16),
        }
    }

    /// Takes the digest of a row's key, where it falls to this pass.
    pub fn take(&mut self, key: u128) {
        if (key >> 64) as u64 % self.passes == self.pass {
            self.seen.push(key);
        }
    }

    /// Adds those that were taken more than once.
    pub fn count(mut self, doubles: &mut Doubles) {
        self.seen.sort_unstable();
        for same in self.seen.chunk_by(|one, other| one == other) {
            if same.len() > 1 {
                doubles.rows += same.len() as u64 - 1;
                if doubles.some.len() < NAMED {
                    doubles.some.push(same[0]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_found_in_any_number_of_passes() {
        // Spread as digests are.
        let digest = |key: u128| key.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let keys: Vec<u128> = (0..1_000).chain([3, 3, 999]).map(digest).collect();
        for at_once in [100, 500, 2_000] {
            let passes = passes(keys.len() as u64, at_once);
            assert_eq!(passes > 1, at_once < 1_000);
            let mut doubles = Doubles::default();
            for pass in 0..passes {
                let mut seen = Keys::new(keys.len() as u64, pass, passes);
                keys.iter().for_each(|key| seen.take(*key));
                assert!(seen.seen.len() < at_once * 2, "{}", seen.seen.len());
                seen.count(&mut doubles);
            }
            doubles.some.sort_unstable();
            let mut named = [digest(3), digest(999)];
            named.sort_unstable();
            assert_eq!((doubles.rows, doubles.some.as_slice()), (3, &named[..]));
        }
    }
}
