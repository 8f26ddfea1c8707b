//! Application versions (contract §6.3): an optional v, dotted numbers compared as numbers, missing parts 0, a `-suffix`
//! below the release. Pure.

use std::cmp::Ordering;

/// A version that could be read.
#[derive(Debug, Clone)]
pub struct Version {
    numbers: Vec<u64>,
    suffix: Option<String>,
}

impl Version {
    /// Reads `3.1`, `v3.1.0` or `3.1.0-rc.2`; anything else is unreadable.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (numbers, suffix) = match text.split_once('-') {
            Some((numbers, suffix)) if !suffix.is_empty() => (numbers, Some(suffix.to_string())),
            Some(_) => return None,
            None => (text, None),
        };
        let number = |part: &str| -> Option<u64> {
            (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| part.parse().ok())
                .flatten()
        };
        let numbers = numbers.split('.').map(number).collect::<Option<Vec<_>>>()?;
        Some(Version { numbers, suffix })
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.numbers.len().max(other.numbers.len());
        let part = |version: &Version, at: usize| version.numbers.get(at).copied().unwrap_or(0);
        (0..length)
            .map(|at| part(self, at).cmp(&part(other, at)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| match (&self.suffix, &other.suffix) {
                (None, None) => Ordering::Equal,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => suffixes(left, right),
            })
    }
}

/// Dotted parts: numbers as numbers and below words, as in semantic versioning; the shorter is below the longer.
fn suffixes(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let rising = [
            "1",
            "1.0.1",
            "v1.2",
            "1.10",
            "2.0-alpha",
            "2.0-rc.2",
            "2.0-rc.10",
            "2",
            "2.0.0.1",
        ];
        for pair in rising.windows(2) {
            assert!(Version::read(pair[0]) < Version::read(pair[1]), "{pair:?}");
        }
        assert_eq!(Version::read("v3.1"), Version::read("3.1.0.0"));
    }

    #[test]
    fn unreadable() {
        for text in [
            "", "v", "1.", ".1", "1..2", "one", "1.0-", "1,0", "1.0 beta", "-1",
        ] {
            assert!(Version::read(text).is_none(), "{text}");
        }
    }
}
