//! Types and values of the protocol's version 4 (sections 4.2.5.2 and 6), as text for a test to compare.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Reads the notations of section 3 one after another.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Of a whole body or value.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        taken
    }

    /// `[short]`
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().expect("two bytes"))
    }

    /// `[int]`
    pub fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    /// `[string]`
    pub fn string(&mut self) -> String {
        let length = self.short().into();
        String::from_utf8_lossy(self.take(length)).into_owned()
    }

    /// `[bytes]`; none where its length is negative: null.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.int()).ok()?;
        Some(self.take(length))
    }
}

/// A column's type.
#[derive(Debug)]
pub enum Type {
    Text,
    Integer,
    Boolean,
    Float,
    Uuid,
    Inet,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Tuple(Vec<Type>),
    Udt(Vec<(String, Type)>),
    /// Shown as `0x…`.
    Bytes,
}

impl Type {
    /// `[option]`
    pub fn read(reader: &mut Reader<'_>) -> Self {
        match reader.short() {
            0x01 | 0x0A | 0x0D => Self::Text,
            // bigint, counter, int, timestamp (ms), time (ns), smallint, tinyint
            0x02 | 0x05 | 0x09 | 0x0B | 0x12 | 0x13 | 0x14 => Self::Integer,
            0x04 => Self::Boolean,
            0x07 | 0x08 => Self::Float,
            0x0C | 0x0F => Self::Uuid,
            0x10 => Self::Inet,
            0x20 => Self::List(Box::new(Self::read(reader))),
            0x21 => Self::Map(Box::new(Self::read(reader)), Box::new(Self::read(reader))),
            0x22 => Self::Set(Box::new(Self::read(reader))),
            0x30 => {
                reader.string();
                reader.string();
                let fields = 0..reader.short();
                Self::Udt(
                    fields
                        .map(|_| (reader.string(), Self::read(reader)))
                        .collect(),
                )
            }
            0x31 => {
                let fields = 0..reader.short();
                Self::Tuple(fields.map(|_| Self::read(reader)).collect())
            }
            0x00 => {
                reader.string(); // the class of a custom type
                Self::Bytes
            }
            _ => Self::Bytes, // blob, decimal, varint, date, duration
        }
    }

    /// A value that is not null.
    pub fn show(&self, value: &[u8]) -> String {
        let mut reader = Reader::new(value);
        match self {
            Self::Text => String::from_utf8_lossy(value).into_owned(),
            Self::Integer => integer(value).to_string(),
            Self::Boolean => (value != [0]).to_string(),
            Self::Float => match value.len() {
                4 => f32::from_be_bytes(value.try_into().expect("four bytes")).to_string(),
                _ => f64::from_be_bytes(value.try_into().expect("eight bytes")).to_string(),
            },
            Self::Uuid => uuid::Uuid::from_slice(value).expect("a uuid").to_string(),
            Self::Inet => match <[u8; 4]>::try_from(value) {
                Ok(address) => Ipv4Addr::from(address).to_string(),
                Err(_) => {
                    let address: [u8; 16] = value.try_into().expect("sixteen bytes");
                    Ipv6Addr::from(address).to_string()
                }
            },
            Self::List(of) => between("[", "]", elements(&mut reader, |reader| of.next(reader))),
            Self::Set(of) => between("{", "}", elements(&mut reader, |reader| of.next(reader))),
            Self::Map(key, of) => {
                let pair = |reader: &mut Reader<'_>| {
                    let key = key.next(reader);
                    format!("{key}: {}", of.next(reader))
                };
                between("{", "}", elements(&mut reader, pair))
            }
            Self::Tuple(fields) => {
                let fields = fields.iter().map(|field| field.next(&mut reader));
                between("(", ")", fields.collect())
            }
            Self::Udt(fields) => {
                // A value written before a field was added ends before it.
                let fields = fields.iter().map(|(name, field)| {
                    let known = !reader.rest().is_empty();
                    let value = known.then(|| field.next(&mut reader));
                    format!("{name}: {}", value.unwrap_or_default())
                });
                between("{", "}", fields.collect())
            }
            Self::Bytes => {
                let digits = value.iter().map(|byte| format!("{byte:02x}"));
                format!("0x{}", digits.collect::<String>())
            }
        }
    }

    fn next(&self, reader: &mut Reader<'_>) -> String {
        reader
            .bytes()
            .map(|value| self.show(value))
            .unwrap_or_default()
    }
}

fn elements(
    reader: &mut Reader<'_>,
    mut next: impl FnMut(&mut Reader<'_>) -> String,
) -> Vec<String> {
    let count = reader.int();
    (0..count).map(|_| next(reader)).collect()
}

fn between(open: &str, close: &str, parts: Vec<String>) -> String {
    format!("{open}{}{close}", parts.join(", "))
}

/// Of one to eight bytes.
fn integer(value: &[u8]) -> i64 {
    let sign = if value.first().is_some_and(|byte| byte & 0x80 != 0) {
        -1
    } else {
        0
    };
    value
        .iter()
        .fold(sign, |number, byte| number << 8 | i64::from(*byte))
}
