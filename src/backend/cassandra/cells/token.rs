//! The token of a partition, as Murmur3Partitioner counts it.

use scylla::routing::partitioner::{Murmur3Partitioner, Partitioner};

/// The token of a partition key of these values, in order.
pub fn token<'k>(key: impl ExactSizeIterator<Item = &'k [u8]>) -> i64 {
    let mut key = key;
    if key.len() == 1 {
        let only = key.next().unwrap_or_default();
        return Murmur3Partitioner.hash_one(only).value();
    }
    // CompositeType: each with its length before it and a zero behind it.
    let mut bytes = Vec::new();
    for part in key {
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend(part);
        bytes.push(0);
    }
    Murmur3Partitioner.hash_one(&bytes).value()
}
