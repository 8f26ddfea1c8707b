//! Lengths of time as people write them: `500ms`, `10s`, `5min`, `1h`. Pure.

use std::time::Duration;

/// Reads a length of time.
///
/// # Errors
/// What was expected.
pub fn read(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let expected = || format!("{text:?} is no length of time; write 500ms, 10s, 5min or 1h");
    let number: u64 = number.parse().map_err(|_| expected())?;
    let milliseconds = match unit.trim() {
        "ms" => Some(number),
        "s" | "sec" => number.checked_mul(1_000),
        "m" | "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "" if number == 0 => Some(0),
        _ => None,
    };
    milliseconds
        .filter(|&milliseconds| milliseconds <= i32::MAX as u64)
        .map(Duration::from_millis)
        .ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("5min", 300_000),
            ("2 h", 7_200_000),
            ("0", 0),
        ] {
            assert_eq!(
                read(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for wrong in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10 parsecs",
            "99999999999999999999s",
            "999999h",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
