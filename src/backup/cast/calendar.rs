//! Times as texts and back: ISO 8601, UTC. Pure.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, Time};

/// Milliseconds since 1970 of `2026-01-31T12:00:00.000Z`, or with another offset.
pub fn instant(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let nanos = at.unix_timestamp_nanos();
    // What is finer than a timestamp is not cut off.
    (nanos % 1_000_000 == 0).then(|| i64::try_from(nanos / 1_000_000).ok())?
}

/// Milliseconds since 1970 of the midnight that `2026-01-31` begins with.
pub fn date(text: &str) -> Option<i64> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    let at = date.midnight().assume_utc();
    Some(at.unix_timestamp() * 1_000)
}

/// Nanoseconds since midnight of `12:00:00`, with up to nine digits behind the point.
pub fn clock(text: &str) -> Option<i64> {
    let fine = format_description!("[hour]:[minute]:[second].[subsecond]");
    let coarse = format_description!("[hour]:[minute]:[second]");
    let time = Time::parse(text, fine).or_else(|_| Time::parse(text, coarse));
    let (hour, minute, second, nano) = time.ok()?.as_hms_nano();
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    Some(seconds * 1_000_000_000 + i64::from(nano))
}

/// [`instant`] backwards.
pub fn show_instant(millis: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()?;
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    (0..=9_999)
        .contains(&at.year())
        .then(|| at.format(format).ok())?
}

/// [`clock`] backwards.
pub fn show_clock(nanos: i64) -> String {
    let seconds = nanos.div_euclid(1_000_000_000);
    format!(
        "{:02}:{:02}:{:02}.{:09}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        nanos.rem_euclid(1_000_000_000)
    )
}
