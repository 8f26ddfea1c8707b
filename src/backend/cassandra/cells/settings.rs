//! What the server's settings (`system_views.settings`) say of writes. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

/// Where a server tells nothing of its commit log: half of the smallest segment that is usual (cassandra.yaml).
const MUTATION_MAX: usize = 4 << 20;

/// After how long no replica begins with a write any more that it has got: what was sent before is there by then, or never
/// will be. As a server has it that is not told otherwise (cassandra.yaml, `counter_write_request_timeout`).
pub fn write_timeout(settings: &BTreeMap<String, String>) -> Duration {
    let names = ["counter_write_request_timeout", "write_request_timeout"];
    let told = names.iter().filter_map(|name| match settings.get(*name) {
        Some(text) => milliseconds(text),
        None => settings.get(&format!("{name}_in_ms"))?.parse().ok(),
    });
    told.max()
        .map_or(Duration::from_secs(5), Duration::from_millis)
}

/// `5000ms`, `5s`: a time as `system_views.settings` shows it.
fn milliseconds(text: &str) -> Option<u64> {
    let (number, unit) = measure(text)?;
    match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => None,
    }
}

/// The largest mutation that the server takes, in bytes.
pub fn mutation_max(settings: &BTreeMap<String, String>) -> usize {
    let size = |name: &str| bytes(settings.get(name)?);
    size("max_mutation_size")
        .or_else(|| Some(size("commitlog_segment_size")? / 2))
        .or_else(|| {
            let text = settings.get("commitlog_segment_size_in_mb")?;
            Some(text.parse::<usize>().ok()? << 19)
        })
        .unwrap_or(MUTATION_MAX)
}

/// `32MiB`, `16384KiB`, `100B`: a size as `system_views.settings` shows it.
fn bytes(text: &str) -> Option<usize> {
    let (number, unit) = measure(text)?;
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    usize::try_from(number).ok()?.checked_mul(1 << shift)
}

/// A number, and the unit behind it.
fn measure(text: &str) -> Option<(u64, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_waited_for_as_long_as_a_server_may_begin_with_it() {
        let timeout = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()));
            write_timeout(&pairs.collect())
        };
        let [counter, write] = ["counter_write_request_timeout", "write_request_timeout"];
        assert_eq!(timeout(&[]), Duration::from_secs(5));
        assert_eq!(
            timeout(&[(counter, "5000ms"), (write, "2s")]),
            Duration::from_secs(5)
        );
        assert_eq!(
            timeout(&[(counter, "1000ms"), (write, "1m")]),
            Duration::from_secs(60)
        );
        let before = "counter_write_request_timeout_in_ms";
        assert_eq!(timeout(&[(before, "7000")]), Duration::from_secs(7));
    }

    #[test]
    fn the_largest_mutation_is_half_a_segment_unless_it_is_set() {
        let max = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(name, value)| (name.to_string(), value.to_string()));
            mutation_max(&pairs.collect())
        };
        assert_eq!(max(&[("commitlog_segment_size", "8MiB")]), 4 << 20);
        let both = [
            ("commitlog_segment_size", "32MiB"),
            ("max_mutation_size", "1024KiB"),
        ];
        assert_eq!(max(&both), 1 << 20);
        let unset = [
            ("commitlog_segment_size", "32MiB"),
            ("max_mutation_size", "null"),
        ];
        assert_eq!(max(&unset), 16 << 20);
        assert_eq!(max(&[]), MUTATION_MAX);
    }
}
