//! A constant of mapping.toml as the CQL bytes of a column. Pure.

use super::scalar::{Scalar, convert, way};
use super::scalar_of;
use crate::backup::kind::CqlType;
use crate::backup::mapping::Literal;

/// The bytes of a value.
///
/// # Errors
/// Why it is no value of the type.
pub fn constant(value: &Literal, kind: &CqlType) -> Result<Vec<u8>, String> {
    let CqlType::Native(native) = kind else {
        return Err(format!(
            "a constant is a single value, and {kind} has elements"
        ));
    };
    let to = scalar_of(*native);
    let (text, number) = match value {
        Literal::Text(text) => (text.clone(), false),
        Literal::Integer(text) | Literal::Float(text) => (text.clone(), true),
        Literal::Boolean(yes) if to == Scalar::Boolean => return Ok(vec![u8::from(*yes)]),
        Literal::Boolean(_) => return Err(format!("true and false are no values of {kind}")),
    };
    let is_number = matches!(
        to,
        Scalar::Integer(_) | Scalar::Varint | Scalar::Decimal | Scalar::Float | Scalar::Double
    );
    match (number, to) {
        // As CQL takes it: milliseconds since 1970.
        (true, Scalar::Timestamp) => {
            let millis: i64 = text
                .parse()
                .map_err(|_| "it is no whole number of milliseconds".to_string())?;
            Ok(millis.to_be_bytes().to_vec())
        }
        (true, _) if !is_number => Err(format!("a number is no value of {kind}")),
        _ if way(Scalar::Text, to).is_none() => Err(format!("{kind} takes no constant")),
        _ => {
            let text = text.strip_prefix('+').unwrap_or(&text);
            convert_text(text, to)
        }
    }
}

fn convert_text(text: &str, to: Scalar) -> Result<Vec<u8>, String> {
    match to {
        Scalar::Text | Scalar::Blob => Ok(text.as_bytes().to_vec()),
        _ => convert(text.as_bytes(), Scalar::Text, to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::kind::Native;

    #[track_caller]
    fn is(value: Literal, kind: Native, bytes: &[u8]) {
        let kind = CqlType::Native(kind);
        assert_eq!(constant(&value, &kind).as_deref(), Ok(bytes), "{value:?}");
    }

    #[test]
    fn values_of_the_file_are_values_of_the_column() {
        let text = |text: &str| Literal::Text(text.to_string());
        let number = |text: &str| Literal::Integer(text.to_string());
        is(text("acme"), Native::Text, b"acme");
        is(text(""), Native::Text, b"");
        is(number("+7"), Native::Int, &[0, 0, 0, 7]);
        is(number("1000"), Native::Timestamp, &1000_i64.to_be_bytes());
        is(text("7"), Native::Bigint, &7_i64.to_be_bytes());
        is(
            Literal::Float("0.50".into()),
            Native::Decimal,
            &[0, 0, 0, 2, 50],
        );
        is(Literal::Boolean(true), Native::Boolean, &[1]);
    }

    #[test]
    fn others_are_refused() {
        let int = CqlType::Native(Native::Int);
        let list = CqlType::List(Box::new(int.clone()));
        let text = CqlType::Native(Native::Text);
        let counter = CqlType::Native(Native::Counter);
        for (value, kind) in [
            (Literal::Integer("3000000000".into()), &int),
            (Literal::Boolean(true), &int),
            (Literal::Integer("1".into()), &text),
            (Literal::Integer("1".into()), &list),
            (Literal::Integer("1".into()), &counter),
            (Literal::Text("x".into()), &int),
        ] {
            assert!(constant(&value, kind).is_err(), "{value:?} as {kind}");
        }
    }
}
