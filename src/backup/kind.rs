//! Types of CQL as system_schema writes them: `map<text, frozen<list<addr>>>`. Pure.

use std::collections::BTreeMap;
use std::fmt;

/// A type without its `frozen`: what stands inside another one is always frozen, and of the outermost the column tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CqlType {
    /// One of the server's own.
    Native(Native),
    /// `list<…>`.
    List(Box<CqlType>),
    /// `set<…>`.
    Set(Box<CqlType>),
    /// `map<…, …>`.
    Map(Box<CqlType>, Box<CqlType>),
    /// `tuple<…>`.
    Tuple(Vec<CqlType>),
    /// A user-defined type: its name and its fields in order.
    Udt(String, Vec<(String, CqlType)>),
    /// `vector<…, n>`.
    Vector(Box<CqlType>, usize),
    /// A Java class that CQL has no name for.
    Custom(String),
}

/// The server's own types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    /// `ascii`
    Ascii,
    /// `bigint`
    Bigint,
    /// `blob`
    Blob,
    /// `boolean`
    Boolean,
    /// `counter`
    Counter,
    /// `date`
    Date,
    /// `decimal`
    Decimal,
    /// `double`
    Double,
    /// `duration`
    Duration,
    /// `float`
    Float,
    /// `inet`
    Inet,
    /// `int`
    Int,
    /// `smallint`
    Smallint,
    /// `text`
    Text,
    /// `time`
    Time,
    /// `timestamp`
    Timestamp,
    /// `timeuuid`
    Timeuuid,
    /// `tinyint`
    Tinyint,
    /// `uuid`
    Uuid,
    /// `varint`
    Varint,
}

/// Each with its name.
const NATIVE: [(&str, Native); 20] = [
    ("ascii", Native::Ascii),
    ("bigint", Native::Bigint),
    ("blob", Native::Blob),
    ("boolean", Native::Boolean),
    ("counter", Native::Counter),
    ("date", Native::Date),
    ("decimal", Native::Decimal),
    ("double", Native::Double),
    ("duration", Native::Duration),
    ("float", Native::Float),
    ("inet", Native::Inet),
    ("int", Native::Int),
    ("smallint", Native::Smallint),
    ("text", Native::Text),
    ("time", Native::Time),
    ("timestamp", Native::Timestamp),
    ("timeuuid", Native::Timeuuid),
    ("tinyint", Native::Tinyint),
    ("uuid", Native::Uuid),
    ("varint", Native::Varint),
];

/// The user-defined types of a keyspace: fields in order, each with its type as system_schema writes it.
pub type Types = BTreeMap<String, Vec<(String, String)>>;

/// How deep types may stand in each other. The server has no limit of its own; names of types are no longer than this.
const DEPTH_MAX: usize = 64;

/// Reads a type, and whether its outermost is frozen.
///
/// # Errors
/// What cannot be read of it, or a user-defined type that `types` does not know.
pub fn parse(text: &str, types: &Types) -> Result<(CqlType, bool), String> {
    let mut parser = Parser {
        text,
        at: 0,
        types,
        depth: 0,
    };
    let parsed = parser.kind()?;
    parser.blanks();
    match parser.at == text.len() {
        true => Ok(parsed),
        false => Err(parser.wrong()),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    types: &'a Types,
    depth: usize,
}

impl Parser<'_> {
    fn wrong(&self) -> String {
        format!("the type {:?} cannot be read", self.text)
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn takes(&mut self, sign: char) -> bool {
        self.blanks();
        let there = self.text[self.at..].starts_with(sign);
        if there {
            self.at += sign.len_utf8();
        }
        there
    }

    fn needs(&mut self, sign: char) -> Result<(), String> {
        self.takes(sign).then_some(()).ok_or_else(|| self.wrong())
    }

    /// What stands between two quotes, doubled ones inside.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut name = String::new();
        loop {
            let rest = &self.text[self.at..];
            let end = rest.find(quote).ok_or_else(|| self.wrong())?;
            name.push_str(&rest[..end]);
            self.at += end + 1;
            match self.text[self.at..].starts_with(quote) {
                true => {
                    name.push(quote);
                    self.at += 1;
                }
                false => return Ok(name),
            }
        }
    }

    fn word(&mut self) -> String {
        self.blanks();
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        word.to_string()
    }

    fn kind(&mut self) -> Result<(CqlType, bool), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong());
        }
        let parsed = self.kind_inside();
        self.depth -= 1;
        parsed
    }

    fn kind_inside(&mut self) -> Result<(CqlType, bool), String> {
        if self.takes('\'') {
            return Ok((CqlType::Custom(self.quoted('\'')?), true));
        }
        if self.takes('"') {
            let name = self.quoted('"')?;
            return Ok((self.user(&name)?, false));
        }
        let word = self.word();
        if word.is_empty() {
            return Err(self.wrong());
        }
        if !self.takes('<') {
            let lower = word.to_ascii_lowercase();
            let lower = if lower == "varchar" { "text" } else { &lower };
            let native = NATIVE.iter().find(|(name, _)| *name == lower);
            return Ok(match native {
                Some((_, native)) => (CqlType::Native(*native), true),
                None => (self.user(lower)?, false),
            });
        }
        let kind = match word.to_ascii_lowercase().as_str() {
            "frozen" => {
                let (inner, _) = self.kind()?;
                self.needs('>')?;
                return Ok((inner, true));
            }
            "list" => CqlType::List(Box::new(self.kind()?.0)),
            "set" => CqlType::Set(Box::new(self.kind()?.0)),
            "map" => {
                let key = self.kind()?.0;
                self.needs(',')?;
                CqlType::Map(Box::new(key), Box::new(self.kind()?.0))
            }
            "tuple" => {
                let mut fields = vec![self.kind()?.0];
                while self.takes(',') {
                    fields.push(self.kind()?.0);
                }
                CqlType::Tuple(fields)
            }
            "vector" => {
                let element = self.kind()?.0;
                self.needs(',')?;
                let length = self.word().parse().map_err(|_| self.wrong())?;
                CqlType::Vector(Box::new(element), length)
            }
            _ => return Err(self.wrong()),
        };
        self.needs('>')?;
        let frozen = matches!(kind, CqlType::Tuple(_) | CqlType::Vector(..));
        Ok((kind, frozen))
    }

    fn user(&mut self, name: &str) -> Result<CqlType, String> {
        let types = self.types;
        let fields = types
            .get(name)
            .ok_or_else(|| format!("the type {name} is not known"))?;
        let mut read = Vec::new();
        for (field, text) in fields {
            let mut inner = Parser {
                text,
                at: 0,
                types,
                depth: self.depth,
            };
            read.push((field.clone(), inner.kind()?.0));
        }
        Ok(CqlType::Udt(name.to_string(), read))
    }
}

impl CqlType {
    /// The class that CQL has no name for, wherever it stands in the type.
    pub fn custom(&self) -> Option<&str> {
        match self {
            CqlType::Custom(class) => Some(class),
            CqlType::Native(_) => None,
            CqlType::List(inner) | CqlType::Set(inner) | CqlType::Vector(inner, _) => {
                inner.custom()
            }
            CqlType::Map(key, value) => key.custom().or_else(|| value.custom()),
            CqlType::Tuple(fields) => fields.iter().find_map(CqlType::custom),
            CqlType::Udt(_, fields) => fields.iter().find_map(|(_, kind)| kind.custom()),
        }
    }

    /// Whether its cells, where it is not frozen, are one for each element or field.
    pub fn is_composed(&self) -> bool {
        matches!(
            self,
            CqlType::List(_) | CqlType::Set(_) | CqlType::Map(..) | CqlType::Udt(..)
        )
    }

    /// The length of its values inside a vector, where all have the same and are written without it
    /// (`AbstractType.valueLengthIfFixed` of 5.0; of tinyint, smallint, date and time the server has none).
    pub fn fixed_in_vector(&self) -> Option<usize> {
        match self {
            CqlType::Native(native) => match native {
                Native::Boolean => Some(1),
                Native::Int | Native::Float => Some(4),
                Native::Bigint | Native::Double | Native::Timestamp => Some(8),
                Native::Uuid | Native::Timeuuid => Some(16),
                _ => None,
            },
            CqlType::Vector(inner, length) => inner.fixed_in_vector().map(|size| size * length),
            _ => None,
        }
    }
}

impl Native {
    /// Its name.
    pub fn name(self) -> &'static str {
        let found = NATIVE.iter().find(|(_, native)| *native == self);
        found.map_or("", |(name, _)| name)
    }
}

impl fmt::Display for CqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CqlType::Native(native) => f.write_str(native.name()),
            CqlType::List(inner) => write!(f, "list<{inner}>"),
            CqlType::Set(inner) => write!(f, "set<{inner}>"),
            CqlType::Map(key, value) => write!(f, "map<{key}, {value}>"),
            CqlType::Tuple(fields) => {
                let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
                write!(f, "tuple<{}>", fields.join(", "))
            }
            CqlType::Udt(name, _) => f.write_str(name),
            CqlType::Vector(inner, length) => write!(f, "vector<{inner}, {length}>"),
            CqlType::Custom(class) => write!(f, "'{class}'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> Types {
        let fields = |all: &[(&str, &str)]| {
            let pairs = all.iter();
            pairs
                .map(|(name, kind)| (name.to_string(), kind.to_string()))
                .collect()
        };
        Types::from([
            ("addr".into(), fields(&[("street", "text"), ("zip", "int")])),
            (
                "Odd-T".into(),
                fields(&[("a", "frozen<list<frozen<addr>>>")]),
            ),
            ("loop".into(), fields(&[("a", "frozen<loop>")])),
        ])
    }

    #[test]
    fn what_the_server_writes_is_read() {
        for (text, shown, frozen) in [
            ("int", "int", true),
            ("varchar", "text", true),
            ("list<int>", "list<int>", false),
            ("frozen<list<int>>", "list<int>", true),
            (
                "map<text, frozen<set<timeuuid>>>",
                "map<text, set<timeuuid>>",
                false,
            ),
            ("frozen<tuple<int, text>>", "tuple<int, text>", true),
            ("vector<float, 3>", "vector<float, 3>", true),
            ("addr", "addr", false),
            ("frozen<\"Odd-T\">", "Odd-T", true),
            ("'a.b.C(d)'", "'a.b.C(d)'", true),
        ] {
            let (kind, outermost) = parse(text, &types()).expect(text);
            assert_eq!((kind.to_string().as_str(), outermost), (shown, frozen));
        }
        let (odd, _) = parse("\"Odd-T\"", &types()).expect("a type");
        let CqlType::Udt(_, fields) = odd else {
            panic!("{odd}");
        };
        assert_eq!(fields[0].1.to_string(), "list<addr>");
    }

    #[test]
    fn what_is_no_type_is_told() {
        for text in [
            "",
            "list<int",
            "list<>",
            "nowhere",
            "map<int>",
            "int>",
            "loop",
            "'a",
            "vector<int, x>",
            "option<int>",
        ] {
            assert!(parse(text, &types()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_class_is_found_wherever_it_stands() {
        let (kind, _) = parse("map<int, frozen<tuple<int, 'a.B'>>>", &types()).expect("a type");
        assert_eq!(kind.custom(), Some("a.B"));
    }

    #[test]
    fn lengths_inside_vectors_are_the_servers() {
        for (text, length) in [
            ("vector<float, 3>", Some(12)),
            ("vector<vector<int, 2>, 3>", Some(24)),
            ("vector<tinyint, 3>", None),
            ("vector<text, 3>", None),
        ] {
            assert_eq!(
                parse(text, &types()).expect(text).0.fixed_in_vector(),
                length
            );
        }
    }
}
