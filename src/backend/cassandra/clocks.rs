//! The clocks of the cluster: the one that writes get their times from, and whether the others agree with it.

use super::members::{ANSWER, Member};
use super::query::{How, Sender};
use crate::error::{Error, Result};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::Instant;

/// How far clocks may be apart (traps C7).
pub const SKEW_MAX_MS: i64 = 500;

/// Refuses clocks that are too far apart: a drop by one coordinator would lose against an older create by another
/// (traps C7), and the lease is judged by all of them.
///
/// # Errors
/// The clocks, member by member.
pub async fn one_time(sender: &Sender, members: &[Member]) -> Result<()> {
    let asked = members.iter().map(|member| async move {
        let before = Instant::now();
        let query = "SELECT toTimestamp(now()) AS now FROM system.local";
        let rows = sender.ask_member(member.id, query, ANSWER).await;
        let took = before.elapsed();
        let now = rows.ok()?.first()?.number("now")?;
        Some((member, now, before, took))
    });
    let clocks: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
    let Some(start) = clocks.iter().map(|(_, _, before, _)| *before).min() else {
        return Ok(());
    };
    let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    // Each clock lies between its reading less the whole round trip and its reading.
    let range = |(_, now, before, took): &(&Member, i64, Instant, Duration)| {
        let read = now - ms(before.duration_since(start));
        (read - ms(*took), read)
    };
    let ranges: Vec<(i64, i64)> = clocks.iter().map(range).collect();
    let latest_low = ranges.iter().map(|(low, _)| *low).max().unwrap_or_default();
    let earliest_high = ranges
        .iter()
        .map(|(_, high)| *high)
        .min()
        .unwrap_or_default();
    let apart = latest_low - earliest_high;
    if apart <= SKEW_MAX_MS {
        return Ok(());
    }
    let first = ranges
        .iter()
        .map(|(_, high)| *high)
        .min()
        .unwrap_or_default();
    let lines: String = clocks
        .iter()
        .zip(&ranges)
        .map(|((member, ..), (_, high))| {
            format!(
                "\n  {}: {} ms ahead of the earliest",
                member.address,
                high - first
            )
        })
        .collect();
    Err(Error::failed(format!(
        "the clocks of the members are {apart} ms apart, more than {SKEW_MAX_MS} ms:{lines}"
    ))
    .now("nothing was run")
    .next("set the clocks right (NTP, chrony), then the same command"))
}

/// The coordinator's clock, in microseconds since 1970.
///
/// # Errors
/// It does not answer.
pub async fn clock(sender: &Sender) -> Result<i64> {
    let rows = sender
        .send(
            "SELECT toTimestamp(now()) AS now FROM system.local",
            How {
                consistency: Some(scylla::statement::Consistency::One),
                ..How::default()
            },
        )
        .await
        .map_err(super::fault::Fault::error)?;
    let now = rows.first().and_then(|row| row.number("now"));
    now.map(|ms| ms * 1000)
        .ok_or_else(|| Error::failed("the coordinator tells no time"))
}
