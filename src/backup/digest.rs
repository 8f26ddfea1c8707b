//! Digests that prove two sides equal. Pure.
//!
//! A row's digest is XXH3-128 over its key and, for each column that is not null, its place, its value, its write time and
//! whether it expires; of what is composed of cells over each element. The second at which a cell expires is not in it, since
//! it is known to a second or two only (traps C15): these are summed up beside it. What is gone at a given second does not
//! count. A sum over rows is the sum of their digests modulo 2^128, whatever their order.

use super::codec::elements;
use super::kind::CqlType;
use super::row::{Row, Time, Times};
use super::table::Column;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128;

/// What rows come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sum {
    /// How many.
    pub rows: u64,
    /// How many of them have a key and nothing else.
    pub bare: u64,
    /// The sum of their digests.
    #[serde(serialize_with = "as_hex", deserialize_with = "from_hex")]
    pub digest: u128,
    /// Cells that expire.
    pub expiring: u64,
    /// The sum of the seconds since 1970 at which they do.
    pub expiries: i64,
    /// The latest write time in µs; nothing where no cell has one.
    pub max_write: Option<i64>,
}

/// What one row comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowDigest {
    /// Over the key alone.
    pub key: u128,
    /// Over all of it.
    pub row: u128,
    /// Whether it has a key and nothing else.
    pub bare: bool,
    /// Cells that expire.
    pub expiring: u64,
    /// The sum of the seconds at which they do.
    pub expiries: i64,
    /// The latest write time.
    pub max_write: Option<i64>,
}

impl Sum {
    /// Adds a row.
    pub fn add(&mut self, row: &RowDigest) {
        self.rows += 1;
        self.bare += u64::from(row.bare);
        self.digest = self.digest.wrapping_add(row.row);
        self.expiring += row.expiring;
        self.expiries = self.expiries.wrapping_add(row.expiries);
        self.max_write = self.max_write.max(row.max_write);
    }

    /// Adds what other rows come to.
    pub fn join(&mut self, other: &Sum) {
        self.rows += other.rows;
        self.bare += other.bare;
        self.digest = self.digest.wrapping_add(other.digest);
        self.expiring += other.expiring;
        self.expiries = self.expiries.wrapping_add(other.expiries);
        self.max_write = self.max_write.max(other.max_write);
    }

    /// Whether both are of the same rows, their expiries no more than so many seconds apart each.
    pub fn agrees(&self, other: &Sum, seconds: u64) -> bool {
        (self.rows, self.digest, self.expiring) == (other.rows, other.digest, other.expiring)
            && self.expiries.abs_diff(other.expiries) <= self.expiring.saturating_mul(seconds)
    }
}

/// Makes digests of rows; keeps what it needs from one to the next.
#[derive(Debug, Default)]
pub struct Digester {
    bytes: Vec<u8>,
}

impl Digester {
    /// Sums up a row, of which what is gone at a second of 1970's count is left out. The columns are those of the row.
    pub fn row(&mut self, columns: &[Column], row: &Row<'_>, gone_at: i64) -> RowDigest {
        self.bytes.clear();
        let mut keyed = 0;
        let mut told = RowDigest {
            key: 0,
            row: 0,
            bare: false,
            expiring: 0,
            expiries: 0,
            max_write: None,
        };
        for (at, (column, cell)) in columns.iter().zip(row).enumerate() {
            if column.role.is_key() {
                self.value(cell.value);
                keyed = self.bytes.len();
                continue;
            }
            let Some(value) = cell.value else {
                continue;
            };
            let start = self.bytes.len();
            // Places are counted, not names: a mapping renames columns.
            self.bytes.extend_from_slice(&(at as u32).to_le_bytes());
            match cell.times {
                Times::None => self.value(Some(value)),
                Times::One(time) if time.is_gone(gone_at) => self.bytes.truncate(start),
                Times::One(time) => {
                    self.time(time, &mut told);
                    self.value(Some(value));
                }
                Times::Each(times) => {
                    if !self.each(&column.kind, value, times, gone_at, &mut told) {
                        self.bytes.truncate(start);
                    }
                }
            }
        }
        told.key = xxh3_128(&self.bytes[..keyed]);
        told.row = xxh3_128(&self.bytes);
        told.bare = keyed == self.bytes.len();
        told
    }

    /// Each element that is not gone; whether there is any.
    fn each(
        &mut self,
        kind: &CqlType,
        value: &[u8],
        times: &[Option<Time>],
        gone_at: i64,
        told: &mut RowDigest,
    ) -> bool {
        let mut any = false;
        for (at, (element, time)) in elements(kind, value).zip(times).enumerate() {
            let Some(time) = time.filter(|time| !time.is_gone(gone_at)) else {
                continue;
            };
            any = true;
            self.time(time, told);
            if matches!(kind, CqlType::Udt(..)) {
                self.bytes.extend_from_slice(&(at as u32).to_le_bytes());
            }
            self.value(element);
        }
        any
    }

    fn value(&mut self, value: Option<&[u8]>) {
        let length = value.map_or(-1, |value| value.len() as i64);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    fn time(&mut self, time: Time, told: &mut RowDigest) {
        self.bytes.extend_from_slice(&time.write.to_le_bytes());
        self.bytes.push(u8::from(time.expiry.is_some()));
        told.max_write = told.max_write.max(Some(time.write));
        if let Some(expiry) = time.expiry {
            told.expiring += 1;
            told.expiries = told.expiries.wrapping_add(expiry);
        }
    }
}

fn as_hex<S: Serializer>(digest: &u128, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&format!("{digest:032x}"))
}

fn from_hex<'de, D: Deserializer<'de>>(input: D) -> Result<u128, D::Error> {
    let text = String::deserialize(input)?;
    u128::from_str_radix(&text, 16).map_err(serde::de::Error::custom)
}
