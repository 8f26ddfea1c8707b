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

    /// The server had no time for a request, or nobody knows whether it had; it is sent again in the same turn.
    pub fn refused(&self) {
        self.state().refused(Instant::now());
    }

    /// How many requests may be under way at the moment.
    pub fn allowed(&self) -> usize {
        self.state().allowed.max(1.0) as usize
    }
}

impl Turn<'_> {
    /// It was answered with so much.
    pub fn answered(self, rows: usize, bytes: usize) {
        let limits = self.throttle.limits;
        let mut state = self.throttle.state();
        state.answered(&limits, self.began, Instant::now(), rows, bytes);
    }

    /// The server had no time for it.
    pub fn refused(self) {
        self.throttle.refused();
    }
}

impl State {
    fn answered(
        &mut self,
        limits: &Limits,
        began: Instant,
        now: Instant,
        rows: usize,
        bytes: usize,
    ) {
        let took = now.duration_since(began);
        let usual = self.usual.unwrap_or(took);
        if took > QUICK && took > usual * SLOW {
            self.lower(0.8, usual, now);
        } else {
            let most = limits.at_once as f64;
            self.allowed = (self.allowed + 1.0 / self.allowed.max(1.0)).min(most);
        }
        self.usual = Some((usual * 7 + took) / 8);
        let due = |amount: usize, rate: Option<u64>| {
            rate.map_or(Duration::ZERO, |rate| {
                Duration::from_secs_f64(amount as f64 / rate.max(1) as f64)
            })
        };
        let due = due(rows, limits.rows).max(due(bytes, limits.bytes));
        self.next = self.next.max(began) + due;
    }

    fn refused(&mut self, now: Instant) {
        let usual = self.usual.unwrap_or(QUICK);
        self.lower(0.5, usual, now);
    }

    /// Once for what was under way at the same time.
    fn lower(&mut self, by: f64, pause: Duration, now: Instant) {
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

    fn limits(rows: Option<u64>) -> Limits {
        Limits {
            at_once: 8,
            rows,
            bytes: None,
        }
    }

    fn state(began: Instant) -> State {
        State {
            allowed: 8.0,
            under_way: 0,
            usual: None,
            lowered: None,
            next: began,
        }
    }

    const MOMENT: Duration = Duration::from_millis(100);

    #[test]
    fn what_the_server_has_no_time_for_halves_and_good_answers_bring_back() {
        let mut now = Instant::now();
        let mut state = state(now);
        state.refused(now);
        assert_eq!(state.allowed, 4.0);
        // At the same time: it counts once.
        state.refused(now);
        assert_eq!(state.allowed, 4.0);
        for _ in 0..100 {
            state.answered(&limits(None), now, now + MOMENT, 1, 1);
            now += MOMENT;
        }
        assert_eq!(state.allowed, 8.0);
        for _ in 0..10 {
            now += Duration::from_secs(60);
            state.refused(now);
        }
        assert_eq!(state.allowed, 1.0);
    }

    #[test]
    fn an_answer_that_takes_long_lowers() {
        let now = Instant::now();
        let mut state = state(now);
        for _ in 0..10 {
            state.answered(&limits(None), now, now + MOMENT, 1, 1);
        }
        assert_eq!(state.allowed, 8.0);
        state.answered(&limits(None), now, now + 20 * MOMENT, 1, 1);
        assert_eq!(state.allowed, 6.4);
    }

    #[test]
    fn a_rate_is_kept() {
        let began = Instant::now();
        let mut state = state(began);
        for _ in 0..10 {
            // A hundred rows a second, each time after waiting for its turn.
            let now = state.next;
            state.answered(&limits(Some(100)), now, now + MOMENT, 100, 1);
        }
        assert_eq!(state.next, began + Duration::from_secs(10));
        assert_eq!(Throttle::new(limits(Some(100))).page_max(), 100);
    }
}
