//! How long a request is sent again that the cluster did not take, and the pauses between.

use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long one request is tried for, before the run stops and can be resumed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The first pause, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// What is left of it for one request.
#[derive(Debug)]
pub struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    /// As long as requests are tried for, from now on.
    pub fn new() -> Self {
        Self::of(PATIENCE)
    }

    /// So long, from now on.
    pub fn of(time: Duration) -> Self {
        Patience {
            until: Instant::now() + time,
            pause: PAUSES.0,
        }
    }

    /// When it ends.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// A wait that is no trouble of the cluster's does not count.
    pub fn extend(&mut self, by: Duration) {
        self.until += by;
    }

    /// Waits before the request is sent again: twice as long each time, and unevenly, so that requests which failed
    /// together do not come back together.
    pub async fn pause(&mut self) {
        sleep(self.pause.mul_f64(0.5 + fastrand::f64())).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_the_longest_and_patience_ends() {
        let mut patience = Patience::of(Duration::from_secs(60));
        let began = Instant::now();
        let mut pauses = 0;
        while !patience.is_over() {
            patience.pause().await;
            pauses += 1;
        }
        assert!(began.elapsed() < Duration::from_secs(63));
        // 20 ms doubled seven times, and then about two seconds each.
        assert!((25..70).contains(&pauses), "{pauses}");
        patience.extend(Duration::from_secs(9));
        assert!(!patience.is_over());
    }
}
