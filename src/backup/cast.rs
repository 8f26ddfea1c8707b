//! Values of one type as values of another, on their CQL bytes (CQL protocol v4, section 6). Pure.
//!
//! What a column becomes is decided once, from the two types; a value that does not convert says why. Whether a type is
//! frozen changes nothing here: a collection travels in one form.

mod calendar;
mod literal;
mod scalar;
pub mod wire;

pub use literal::constant;

use super::kind::{CqlType, Native};
use scalar::{Scalar, Way};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// How the values of one type become those of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cast {
    /// Byte for byte.
    Same,
    /// A value without elements, by what it means.
    Scalar(Scalar, Scalar),
    /// Each element of a list or set; the second tells whether no two may become one.
    Each(Box<Cast>, bool),
    /// Each key and value of a map; no two keys may become one.
    Pairs(Box<Cast>, Box<Cast>),
    /// Each field of a tuple or user-defined type: for each of the target's, the place of the source's.
    Fields(Vec<Option<(usize, Cast)>>),
}

/// How values of `from` become values of `to`.
///
/// # Errors
/// Why they cannot, in a few words.
pub fn between(from: &CqlType, to: &CqlType) -> Result<Cast, String> {
    inside(from, to, true)
}

/// `outermost` is the column's own type. The server puts the elements of that one in order by itself, and what stands inside
/// of it is taken as it comes (`AbstractType.validate` of 5.0 does not look at their order).
fn inside(from: &CqlType, to: &CqlType, outermost: bool) -> Result<Cast, String> {
    if from == to {
        return Ok(Cast::Same);
    }
    let no = || format!("{from} does not become {to}");
    let in_order = |cast: Cast| match cast == Cast::Same || outermost {
        true => Ok(cast),
        false => Err(format!(
            "{from} does not become {to} inside another type: its elements would stand in another order"
        )),
    };
    Ok(match (from, to) {
        (CqlType::Native(from), CqlType::Native(to)) => {
            match scalar::way(scalar_of(*from), scalar_of(*to)).ok_or_else(no)? {
                Way::Same => Cast::Same,
                Way::Meaning(from, to) => Cast::Scalar(from, to),
            }
        }
        // Every value is the blob of its bytes.
        (_, CqlType::Native(Native::Blob)) => Cast::Same,
        (CqlType::List(from), CqlType::List(to)) => each(inside(from, to, false)?, false),
        (CqlType::List(from), CqlType::Set(to)) if outermost => {
            Cast::Each(Box::new(inside(from, to, false)?), true)
        }
        (CqlType::Set(from), CqlType::List(to)) => each(inside(from, to, false)?, false),
        (CqlType::Set(from), CqlType::Set(to)) => each(in_order(inside(from, to, false)?)?, true),
        (CqlType::Map(from_key, from), CqlType::Map(to_key, to)) => {
            let key = in_order(inside(from_key, to_key, false)?)?;
            match (key, inside(from, to, false)?) {
                (Cast::Same, Cast::Same) => Cast::Same,
                (key, value) => Cast::Pairs(Box::new(key), Box::new(value)),
            }
        }
        (CqlType::Tuple(from), CqlType::Tuple(to)) => {
            if from.len() > to.len() {
                return Err(format!(
                    "{} fields do not fit into {}",
                    from.len(),
                    to.len()
                ));
            }
            let fields = from
                .iter()
                .zip(to)
                .enumerate()
                .map(|(place, (from, to))| Ok(Some((place, inside(from, to, false)?))));
            fields_cast(fields.collect::<Result<_, String>>()?)
        }
        (CqlType::Udt(_, from), CqlType::Udt(name, to)) => {
            if let Some((gone, _)) = from
                .iter()
                .find(|(field, _)| to.iter().all(|(other, _)| other != field))
            {
                return Err(format!("the type {name} has no field {gone}"));
            }
            let field = |(name, to): &(String, CqlType)| {
                let place = from.iter().position(|(field, _)| field == name);
                let cast = place.map(|place| {
                    let cast = inside(&from[place].1, to, false);
                    cast.map_err(|why| format!("field {name}: {why}"))
                        .map(|cast| (place, cast))
                });
                cast.transpose()
            };
            fields_cast(to.iter().map(field).collect::<Result<_, String>>()?)
        }
        (CqlType::Vector(from, length), CqlType::Vector(to, other)) if length == other => {
            match inside(from, to, false)? {
                // Written with or without lengths as the element's type wants it.
                Cast::Same if from.fixed_in_vector() == to.fixed_in_vector() => Cast::Same,
                _ => return Err(no()),
            }
        }
        _ => return Err(no()),
    })
}

fn each(cast: Cast, unique: bool) -> Cast {
    match cast {
        Cast::Same => Cast::Same,
        cast => Cast::Each(Box::new(cast), unique),
    }
}

/// Fields that stay where and as they are need no work; fields at the end that the source has not are null by themselves.
fn fields_cast(fields: Vec<Option<(usize, Cast)>>) -> Cast {
    let same = fields.iter().enumerate().all(|(at, field)| match field {
        Some((place, cast)) => *place == at && *cast == Cast::Same,
        None => fields[at..].iter().all(Option::is_none),
    });
    match same {
        true => Cast::Same,
        false => Cast::Fields(fields),
    }
}

/// A value as text for people; as `0x…` where its type has none, or it is no value of its type.
pub fn show(kind: &CqlType, value: &[u8]) -> String {
    let hex = || {
        let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("0x{digits}")
    };
    let CqlType::Native(native) = kind else {
        return hex();
    };
    let from = scalar_of(*native);
    if from == Scalar::Blob {
        return hex();
    }
    let text = scalar::convert(value, from, Scalar::Text);
    let text = text.ok().and_then(|text| String::from_utf8(text).ok());
    match (text, from) {
        (Some(text), Scalar::Text | Scalar::Ascii) => format!("'{}'", text.replace('\'', "''")),
        (Some(text), _) => text,
        (None, _) => hex(),
    }
}

fn scalar_of(native: Native) -> Scalar {
    match native {
        Native::Ascii => Scalar::Ascii,
        Native::Bigint => Scalar::Integer(8),
        Native::Blob => Scalar::Blob,
        Native::Boolean => Scalar::Boolean,
        Native::Counter => Scalar::Counter,
        Native::Date => Scalar::Date,
        Native::Decimal => Scalar::Decimal,
        Native::Double => Scalar::Double,
        Native::Duration => Scalar::Duration,
        Native::Float => Scalar::Float,
        Native::Inet => Scalar::Inet,
        Native::Int => Scalar::Integer(4),
        Native::Smallint => Scalar::Integer(2),
        Native::Text => Scalar::Text,
        Native::Time => Scalar::Time,
        Native::Timestamp => Scalar::Timestamp,
        Native::Timeuuid => Scalar::Timeuuid,
        Native::Tinyint => Scalar::Integer(1),
        Native::Uuid => Scalar::Uuid,
        Native::Varint => Scalar::Varint,
    }
}

impl Cast {
    /// Converts one value that is not null.
    ///
    /// # Errors
    /// Why it does not convert, in a few words.
    pub fn apply<'a>(&self, value: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        Ok(match self {
            Cast::Same => Cow::Borrowed(value),
            Cast::Scalar(from, to) => Cow::Owned(scalar::convert(value, *from, *to)?),
            Cast::Each(element, unique) => {
                let elements = wire::list(value)?;
                let converted = elements
                    .into_iter()
                    .map(|part| element.part(part))
                    .collect::<Result<Vec<_>, _>>()?;
                if *unique {
                    once(converted.iter())?;
                }
                Cow::Owned(wire::write_list(&converted))
            }
            Cast::Pairs(key, of_value) => {
                let mut parts = Vec::new();
                for (a_key, a_value) in wire::map(value)? {
                    parts.push((key.part(a_key)?, of_value.part(a_value)?));
                }
                once(parts.iter().map(|(key, _)| key))?;
                Cow::Owned(wire::write_map(&parts))
            }
            Cast::Fields(fields) => {
                let parts = wire::fields(value)?;
                let converted = fields
                    .iter()
                    .map(|field| match field {
                        None => Ok(None),
                        Some((place, cast)) => cast.part(parts.get(*place).copied().flatten()),
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                Cow::Owned(wire::write_fields(&converted))
            }
        })
    }

    /// Converts one element of a list or set by itself.
    pub(super) fn element<'a>(
        &self,
        part: Option<&'a [u8]>,
    ) -> Result<Option<Cow<'a, [u8]>>, String> {
        match self {
            Cast::Each(cast, _) => cast.part(part),
            other => other.part(part),
        }
    }

    /// Converts one entry of a map by itself.
    pub(super) fn pair<'a>(
        &self,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
    ) -> Result<wire::Pair<'a>, String> {
        match self {
            Cast::Pairs(of_key, of_value) => Ok((of_key.part(key)?, of_value.part(value)?)),
            other => Ok((other.part(key)?, other.part(value)?)),
        }
    }

    /// Whether a whole list or set converts, where that depends on more than each element.
    pub(super) fn check(&self, value: &[u8]) -> Result<(), String> {
        match self {
            Cast::Each(_, true) => self.apply(value).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Converts an element, which may be null.
    fn part<'a>(&self, part: Option<&'a [u8]>) -> Result<Option<Cow<'a, [u8]>>, String> {
        part.map(|part| self.apply(part)).transpose()
    }
}

/// Whether each part is there once.
fn once<'p, 'a: 'p>(parts: impl Iterator<Item = &'p Option<Cow<'a, [u8]>>>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for part in parts {
        if !seen.insert(part.as_deref()) {
            return Err("two of its elements would become one".to_string());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
