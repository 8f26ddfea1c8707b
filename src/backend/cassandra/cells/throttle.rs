//! How much is asked of the cluster: as much as it answers well, and never more than somebody allowed.
//!
//! Additive increase, multiplicative decrease: every good answer lets a little more be asked at once; an answer that the
//! server had no time for halves it, and one that took much longer than usual takes a fifth away.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// What somebody allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Requests at once, at most.
    pub at_once: usize,
    /// Rows a second.
    pub rows: Option<u64>,
    /// Bytes a second, as the protocol carries them.
    pub bytes: Option<u64>,
}

/// Lets requests through.
#[derive(Debug)]
pub struct Throttle {
    limits: Limits,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// How many may be under way.
    allowed: f64,
    under_way: usize,
    /// What an answer takes, about.
    usual: Option<Duration>,
    /// Not again before.
    lowered: Option<Instant>,
    /// When the next request may be sent by the rates.
    next: Instant,
}

/// Longer than this many times the usual is slow.
const SLOW: u32 = 4;

/// And longer than this at all: what is that fast is no sign of anything.
const QUICK: Duration = Duration::from_millis(250);

/// A request that was let through; it is over when this is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    throttle: &'a Throttle,
    began: Instant,
}

impl Throttle {
    /// Lets through what the limits allow.
    pub fn new(limits: Limits) -> Self {
        Throttle {
            limits,
            state: Mutex::new(State {
                allowed: limits.at_once as f64,
                under_way: 0,
                usual: None,
                lowered: None,
                next: Instant::now(),
            }),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another request may be sent.
    pub async fn turn(&self) -> Turn<'_> {
        loop {
            let changed = self.changed.notified();
            let next = {
                let mut state = self.state();
                let now = Instant::now();
                let room = (state.under_way as f64) < state.allowed.max(1.0);
                match room && state.next <= now {
                    true => {
                        state.under_way += 1;
                        return Turn {
                            throttle: self,
                            began: now,
                        };
                    }
                    false if room => Some(state.next),
                    false => None,
                }
            };
            match next {
                Some(next) => sleep_until(next).await,
                None => changed.await,
            }
        }
    }

    /// Rows that a page may have, so that a rate is kept second by second.
    pub fn page_max(&self) -> usize {
        let rows = self.limits.rows.map_or(usize::MAX, |rows| {
            usize::try_from(rows).unwrap_or(usize::MAX)
        });
        rows.max(1)
    }

    /// How many requests may be under way at the moment.
    pub fn allowed(&self) -> usize {
        self.state().allowed.max(1.0) as usize
    }
}

impl Turn<'_> {
    /// It was answered with so much.
    pub fn answered(self, rows: usize, bytes: usize) {
        let took = self.began.elapsed();
        let throttle = self.throttle;
        let mut state = throttle.state();
        let usual = state.usual.unwrap_or(took);
        if took > QUICK && took > usual * SLOW {
            state.lower(0.8, usual);
        } else {
            let most = throttle.limits.at_once as f64;
            state.allowed = (state.allowed + 1.0 / state.allowed.max(1.0)).min(most);
        }
        state.usual = Some((usual * 7 + took) / 8);
        let due = |amount: usize, rate: Option<u64>| {
            rate.map_or(Duration::ZERO, |rate| {
                Duration::from_secs_f64(amount as f64 / rate.max(1) as f64)
            })
        };
        let due = due(rows, throttle.limits.rows).max(due(bytes, throttle.limits.bytes));
        state.next = state.next.max(self.began) + due;
    }

    /// The server had no time for it.
    pub fn refused(self) {
        let mut state = self.throttle.state();
        let usual = state.usual.unwrap_or(QUICK);
        state.lower(0.5, usual);
    }
}

impl State {
    /// Once for what was under way at the same time.
    fn lower(&mut self, by: f64, pause: Duration) {
        let now = Instant::now();
        if self.lowered.is_none_or(|lowered| lowered <= now) {
            self.allowed = (self.allowed * by).max(1.0);
            self.lowered = Some(now + pause);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.throttle.state().under_way -= 1;
        self.throttle.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
    }

    fn limits(rows: Option<u64>) -> Limits {
        Limits {
            at_once: 8,
            rows,
            bytes: None,
        }
    }

    #[test]
    fn what_the_server_has_no_time_for_halves_and_good_answers_bring_back() {
        runtime().block_on(async {
            let throttle = Throttle::new(limits(None));
            assert_eq!(throttle.allowed(), 8);
            throttle.turn().await.refused();
            assert_eq!(throttle.allowed(), 4);
            // At the same time: it counts once.
            throttle.turn().await.refused();
            assert_eq!(throttle.allowed(), 4);
            for _ in 0..100 {
                throttle.turn().await.answered(1, 1);
            }
            assert_eq!(throttle.allowed(), 8);
        });
    }

    #[test]
    fn an_answer_that_takes_long_lowers() {
        runtime().block_on(async {
            let throttle = Throttle::new(limits(None));
            for _ in 0..10 {
                let turn = throttle.turn().await;
                tokio::time::sleep(Duration::from_millis(100)).await;
                turn.answered(1, 1);
            }
            assert_eq!(throttle.allowed(), 8);
            let turn = throttle.turn().await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            turn.answered(1, 1);
            assert_eq!(throttle.allowed(), 6);
        });
    }

    #[test]
    fn a_rate_is_kept() {
        runtime().block_on(async {
            let throttle = Throttle::new(limits(Some(100)));
            let began = Instant::now();
            for _ in 0..11 {
                throttle.turn().await.answered(100, 1);
            }
            assert!(began.elapsed() >= Duration::from_secs(10));
            assert!(began.elapsed() < Duration::from_secs(11));
            assert_eq!(throttle.page_max(), 100);
        });
    }

    #[test]
    fn no_more_than_allowed_are_under_way() {
        runtime().block_on(async {
            let throttle = Throttle::new(Limits {
                at_once: 1,
                rows: None,
                bytes: None,
            });
            let first = throttle.turn().await;
            let second = tokio::time::timeout(Duration::from_secs(1), throttle.turn()).await;
            assert!(second.is_err());
            first.answered(1, 1);
            throttle.turn().await.answered(1, 1);
        });
    }
}
