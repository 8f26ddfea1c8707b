//! Requests that fail and are sent again: who watches is told once, however many of them fail meanwhile.

use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// For how long none must have failed until the next one that does is told again.
const CALM: Duration = Duration::from_secs(60);

/// Tells of requests that are sent again.
pub struct Hitches<'a> {
    tell: &'a dyn Fn(String),
    /// When one failed last.
    last: Cell<Option<Instant>>,
    /// When a node was waited for last.
    waited: Cell<Option<Instant>>,
}

impl<'a> Hitches<'a> {
    /// Told to `tell`, a line each time.
    pub fn new(tell: &'a dyn Fn(String)) -> Self {
        Hitches {
            tell,
            last: Cell::new(None),
            waited: Cell::new(None),
        }
    }

    /// A request failed, and is sent again until it is taken or `until` has come. `what` is the request: `writing to ks.t`.
    pub fn met(&self, what: &str, why: &str, until: Instant) {
        let now = Instant::now();
        if begins(self.last.replace(Some(now)), now) {
            (self.tell)(line(what, why, until.saturating_duration_since(now)));
        }
    }

    /// A node was sent what cannot be written twice, and has not answered.
    pub fn waits(&self, node: &str, until: Instant) {
        let now = Instant::now();
        if begins(self.waited.replace(Some(now)), now) {
            (self.tell)(format!(
                "{node} was sent lists or counters, which it may write whenever it goes on: waiting until it does, for {} s at most",
                until.saturating_duration_since(now).as_secs_f64().ceil()
            ));
        }
    }
}

/// Whether trouble begins with a request that fails now.
fn begins(last: Option<Instant>, now: Instant) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) > CALM)
}

fn line(what: &str, why: &str, left: Duration) -> String {
    format!(
        "{what} failed: {why}; trying again for {} s at most",
        left.as_secs_f64().ceil()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn trouble_is_told_once_until_it_was_calm_for_a_while() {
        let now = Instant::now();
        assert!(begins(None, now));
        assert!(!begins(Some(now), now));
        assert!(!begins(Some(now), now + CALM));
        assert!(begins(Some(now), now + CALM + Duration::from_millis(1)));
    }

    #[test]
    fn one_line_says_what_failed_and_until_when_it_is_tried() {
        let told = RefCell::new(Vec::new());
        let tell = |line| told.borrow_mut().push(line);
        let hitches = Hitches::new(&tell);
        let until = Instant::now() + Duration::from_secs(60);
        hitches.met("writing to ks.t", "received only 1 responses", until);
        hitches.met("reading ks.t", "the line is broken", until);
        let wanted =
            "writing to ks.t failed: received only 1 responses; trying again for 60 s at most";
        assert_eq!(*told.borrow(), [wanted]);
        let rounded = line("reading ks.t", "no answer", Duration::from_millis(1_200));
        assert_eq!(
            rounded,
            "reading ks.t failed: no answer; trying again for 2 s at most"
        );
    }
}
