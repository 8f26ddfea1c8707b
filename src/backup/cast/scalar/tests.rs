use super::{BigInt, Scalar, Way, convert, decimal, way};
use ::uuid::Uuid as Id;
use Scalar::*;

#[track_caller]
fn converts(value: &[u8], from: Scalar, to: Scalar, expected: &[u8]) {
    assert!(way(from, to).is_some(), "{from:?} to {to:?}");
    assert_eq!(
        convert(value, from, to),
        Ok(expected.to_vec()),
        "{value:?}: {from:?} to {to:?}"
    );
}

#[track_caller]
fn fails(value: &[u8], from: Scalar, to: Scalar) {
    assert!(way(from, to).is_some(), "{from:?} to {to:?}");
    let converted = convert(value, from, to);
    assert!(converted.is_err(), "{from:?} to {to:?}: {converted:?}");
}

#[test]
fn integers_grow_and_shrink_where_they_fit() {
    converts(&[0, 0, 0, 7], Integer(4), Integer(8), &7_i64.to_be_bytes());
    converts(
        &(-1_i32).to_be_bytes(),
        Integer(4),
        Integer(8),
        &(-1_i64).to_be_bytes(),
    );
    converts(&(-128_i64).to_be_bytes(), Integer(8), Integer(1), &[0x80]);
    fails(&128_i64.to_be_bytes(), Integer(8), Integer(1));
    fails(&i64::MAX.to_be_bytes(), Integer(8), Integer(4));
    converts(&[0xff, 0x7f], Integer(2), Varint, &[0xff, 0x7f]);
    converts(&[0, 0, 0, 0], Integer(4), Varint, &[0]);
    converts(&[0x00, 0x80], Varint, Integer(2), &[0x00, 0x80]);
    fails(&[1, 0, 0, 0, 0, 0, 0, 0, 0], Varint, Integer(8));
}

#[test]
fn numbers_and_texts() {
    converts(&(-12_i32).to_be_bytes(), Integer(4), Text, b"-12");
    converts(b"-12", Text, Integer(4), &(-12_i32).to_be_bytes());
    fails(b"12x", Text, Integer(4));
    fails(b"", Text, Integer(4));
    fails(b"300", Text, Integer(1));
    converts(b"123456789012345678901234567890", Text, Varint, &{
        let number: BigInt = "123456789012345678901234567890".parse().expect("a number");
        number.to_signed_bytes_be()
    });
    converts(&1.5_f64.to_be_bytes(), Double, Text, b"1.5");
    converts(b"1.5", Text, Float, &1.5_f32.to_be_bytes());
}

#[test]
fn decimals_keep_their_scale() {
    let decimal = |unscaled: i64, scale: i32| decimal(&BigInt::from(unscaled), scale);
    converts(&decimal(350, 2), Decimal, Text, b"3.50");
    converts(b"3.50", Text, Decimal, &decimal(350, 2));
    converts(&decimal(-5, 3), Decimal, Text, b"-0.005");
    converts(b"-0.005", Text, Decimal, &decimal(-5, 3));
    converts(&decimal(12, -3), Decimal, Text, b"12E3");
    converts(b"12E3", Text, Decimal, &decimal(12, -3));
    converts(&decimal(300, 2), Decimal, Integer(4), &3_i32.to_be_bytes());
    fails(&decimal(350, 2), Decimal, Integer(4));
    converts(&7_i64.to_be_bytes(), Integer(8), Decimal, &decimal(7, 0));
}

#[test]
fn floating_point_is_exact_or_refused() {
    converts(
        &3_i32.to_be_bytes(),
        Integer(4),
        Double,
        &3.0_f64.to_be_bytes(),
    );
    converts(
        &16_777_216_i32.to_be_bytes(),
        Integer(4),
        Float,
        &16_777_216.0_f32.to_be_bytes(),
    );
    fails(&16_777_217_i32.to_be_bytes(), Integer(4), Float);
    fails(&i64::MAX.to_be_bytes(), Integer(8), Double);
    converts(
        &decimal(&BigInt::from(5), 1),
        Decimal,
        Double,
        &0.5_f64.to_be_bytes(),
    );
    fails(&decimal(&BigInt::from(1), 1), Decimal, Double);
    converts(
        &decimal(&BigInt::from(5), -2),
        Decimal,
        Double,
        &500.0_f64.to_be_bytes(),
    );
    converts(
        &0.5_f64.to_be_bytes(),
        Double,
        Float,
        &0.5_f32.to_be_bytes(),
    );
    fails(&0.1_f64.to_be_bytes(), Double, Float);
    let nan = convert(&f64::NAN.to_be_bytes(), Double, Float).expect("a NaN");
    assert!(f32::from_be_bytes(nan[..].try_into().expect("four bytes")).is_nan());
}

#[test]
fn texts_blobs_and_ascii() {
    assert_eq!(way(Text, Blob), Some(Way::Same));
    assert_eq!(way(Ascii, Text), Some(Way::Same));
    assert_eq!(way(Integer(4), Blob), Some(Way::Same));
    assert_eq!(way(Blob, Integer(4)), None);
    converts("né".as_bytes(), Blob, Text, "né".as_bytes());
    fails(&[0xff], Blob, Text);
    fails("né".as_bytes(), Text, Ascii);
    converts(b"ne", Text, Ascii, b"ne");
    converts(b"", Text, Ascii, b"");
}

#[test]
fn times() {
    assert_eq!(way(Timestamp, Integer(8)), Some(Way::Same));
    assert_eq!(way(Integer(8), Timestamp), Some(Way::Same));
    let at = 1_769_860_800_123_i64.to_be_bytes();
    converts(&at, Timestamp, Text, b"2026-01-31T12:00:00.123Z");
    converts(b"2026-01-31T12:00:00.123Z", Text, Timestamp, &at);
    converts(b"2026-01-31T13:00:00.123+01:00", Text, Timestamp, &at);
    fails(b"2026-01-31T12:00:00.1234Z", Text, Timestamp);
    fails(&i64::MAX.to_be_bytes(), Timestamp, Text);
    let midnight = 1_769_817_600_000_i64.to_be_bytes();
    let date = (20_484_u32 + (1 << 31)).to_be_bytes();
    converts(&midnight, Timestamp, Date, &date);
    converts(&date, Date, Timestamp, &midnight);
    fails(&at, Timestamp, Date);
    converts(b"2026-01-31", Text, Date, &date);
    let noon = 43_200_000_000_001_i64.to_be_bytes();
    converts(&noon, Time, Text, b"12:00:00.000000001");
    converts(b"12:00:00.000000001", Text, Time, &noon);
    converts(&noon, Integer(8), Time, &noon);
    fails(&86_400_000_000_000_i64.to_be_bytes(), Integer(8), Time);
}

#[test]
fn ids_and_addresses() {
    let id = Id::parse_str("5e1a2b3c-0000-1000-8000-00805f9b34fb").expect("a uuid");
    converts(id.as_bytes(), Uuid, Text, id.to_string().as_bytes());
    converts(id.to_string().as_bytes(), Text, Uuid, id.as_bytes());
    converts(id.as_bytes(), Uuid, Timeuuid, id.as_bytes());
    let random = Id::from_u128(0x5e1a_2b3c_0000_4000_8000_0080_5f9b_34fb);
    fails(random.as_bytes(), Uuid, Timeuuid);
    fails(b"nobody", Text, Uuid);
    converts(&[127, 0, 0, 1], Inet, Text, b"127.0.0.1");
    converts(
        b"::1",
        Text,
        Inet,
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    );
    converts(&[1], Boolean, Text, b"true");
    converts(b"False", Text, Boolean, &[0]);
    fails(b"yes", Text, Boolean);
}

#[test]
fn an_empty_value_stays_empty_or_fails() {
    converts(b"", Integer(4), Integer(8), b"");
    fails(b"", Integer(4), Text);
    assert_eq!(way(Integer(4), Counter), None);
    assert_eq!(way(Duration, Text), None);
    assert_eq!(way(Duration, Duration), Some(Way::Same));
    assert_eq!(way(Uuid, Integer(8)), None);
}
