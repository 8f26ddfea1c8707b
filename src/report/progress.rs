//! What is told while a command runs, on stderr: a bar on a terminal, plain lines off it.

use super::count;
use super::style::Style;
use crate::backend::{Ending, Event};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, Instant};

/// How often the bar is drawn while nothing is told.
const TICK: Duration = Duration::from_millis(250);

/// Writes events to stderr.
pub struct Progress {
    bar: Option<ProgressBar>,
    /// Statements that are recorded; the bar runs ahead of it, and back where a transaction is tried again.
    recorded: Cell<u64>,
    quiet: bool,
    verbose: bool,
    style: Style,
}

impl Progress {
    /// A bar where stderr is a terminal, lines elsewhere, nothing where it is quiet.
    pub fn new(terminal: bool, quiet: bool, verbose: bool, style: Style) -> Self {
        let bar = (terminal && !quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            // No time left is told: one statement takes a millisecond, the next an hour.
            let template = "{spinner} {wide_msg} {pos}/{len} statements {elapsed_precise}";
            if let Ok(template) = ProgressStyle::with_template(template) {
                bar.set_style(template);
            }
            bar
        });
        Progress {
            bar,
            recorded: Cell::new(0),
            quiet,
            verbose,
            style,
        }
    }

    /// How stderr is coloured.
    pub fn style(&self) -> Style {
        self.style
    }

    /// A run of so many statements begins.
    pub fn begin(&self, statements: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length(statements as u64);
            bar.set_position(0);
            self.recorded.set(0);
            bar.set_draw_target(ProgressDrawTarget::stderr());
            // Through a long statement the clock goes on, or kmig looks hung.
            bar.enable_steady_tick(TICK);
        }
    }

    /// The run is over; its bar goes away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Tells one event.
    pub fn event(&self, event: Event) {
        match event {
            Event::Statement => {
                if let Some(bar) = &self.bar {
                    bar.inc(1);
                }
            }
            Event::Unit {
                statements,
                migration,
                part,
                complete,
            } => {
                self.recorded.set(self.recorded.get() + statements as u64);
                if let Some(bar) = &self.bar {
                    bar.set_position(self.recorded.get());
                    // What is complete is no longer what runs.
                    bar.set_message(match complete {
                        true => String::new(),
                        false => format!("{migration} {part}"),
                    });
                }
                if complete && !self.quiet {
                    let tick = self.style.green("ok");
                    self.line(&format!("{tick}    {migration} {part}"));
                }
            }
            Event::Waiting(Some(holder)) => {
                self.say(&format!("waiting for another executor: {holder}"));
            }
            Event::Orphan(holder, _) if holder.leases => {
                let why = match holder.gone {
                    true => "is dead",
                    false => "has not renewed its lease for as long as it lasts",
                };
                self.say(&format!(
                    "the executor that holds the lock {why}: {holder}; its lease is taken over"
                ));
            }
            Event::Orphan(holder, ending) => {
                let what = match ending {
                    Ending::Told => "its server process is ended".to_string(),
                    Ending::Changed => "its server process has ended".to_string(),
                    Ending::Denied(why) => format!(
                        "its server process cannot be ended by this role ({why}); waiting until the server notices"
                    ),
                };
                self.say(&format!(
                    "the executor that holds the lock is dead: {holder}; {what}"
                ));
            }
            Event::Waiting(None) => self.say("waiting for another executor"),
            Event::Retry {
                place,
                message,
                left,
                blockers,
            } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(self.recorded.get());
                }
                let who: Vec<String> = blockers.iter().map(ToString::to_string).collect();
                let who = if who.is_empty() {
                    String::new()
                } else {
                    format!("; in the way: {}", who.join(", "))
                };
                self.say(&format!(
                    "{place}: {message}; made way for the application, trying again for {:.1} s at most{who}",
                    left.as_secs_f64()
                ));
            }
            Event::Blocked {
                place,
                left,
                blockers,
            } => {
                let who: Vec<String> = blockers.iter().map(ToString::to_string).collect();
                let who = who.join(", ");
                self.say(&match left {
                    Some(left) => format!(
                        "{place}: not begun yet: it would wait for older transactions to end; for {:.1} s at most; in the way: {who}",
                        left.as_secs_f64()
                    ),
                    None => format!(
                        "{place}: waits for another transaction to end, and nobody waits behind it; in the way: {who}"
                    ),
                });
            }
            Event::Notice { severity, message } => {
                if severity != "DEBUG" {
                    self.say(&format!("{}: {message}", severity.to_lowercase()));
                }
            }
            Event::Lost { message, within } => self.say(&format!(
                "the session was lost: {message}; connecting again for {} s at most",
                within.as_secs_f64()
            )),
            Event::Recovered => self.say(
                "connected again, to the same database; what is recorded there decides how to go on",
            ),
            Event::Reconciled(what) => self.say(&what),
            Event::Swept {
                migration,
                round,
                changed,
            } => {
                if changed > 0 || self.verbose {
                    self.say(&format!(
                        "swept the backfill of {migration}, round {round}: {} changed rows",
                        count(changed, "statement")
                    ));
                }
            }
        }
    }

    /// A line that is no error.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.line(&format!("{} {text}", self.style.yellow("note:")));
        }
    }

    /// Several lines that say themselves what they are.
    pub fn tell(&self, text: &str) {
        if !self.quiet {
            self.line(text);
        }
    }

    /// Ends the line of a question that got no answer.
    pub fn end_line(&self) {
        drop(writeln!(std::io::stderr()));
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(text),
            // A reader that has gone is no reason to stop a migration.
            _ => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }
}

/// How often a line is written off a terminal.
const LINE: Duration = Duration::from_secs(10);

/// How far a copy of rows has come.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moved {
    /// Rows of this run.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Ranges or files that are done, those of earlier runs included.
    pub done: usize,
    /// Of how many.
    pub of: usize,
}

/// Tells how a copy of rows goes on: a bar on a terminal, a line now and then off it, each with a rate and the time left.
pub struct Copying<'a> {
    progress: &'a Progress,
    /// `exported`.
    verb: &'static str,
    /// What is counted beside rows: `ranges`.
    noun: &'static str,
    began: Instant,
    said: Cell<Instant>,
    first: Cell<Option<Moved>>,
}

impl<'a> Copying<'a> {
    /// Begins.
    pub fn new(progress: &'a Progress, verb: &'static str, noun: &'static str) -> Self {
        if let Some(bar) = &progress.bar {
            if let Ok(template) = ProgressStyle::with_template("{spinner} {bar:20} {wide_msg}") {
                bar.set_style(template);
            }
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
        Copying {
            progress,
            verb,
            noun,
            began: Instant::now(),
            said: Cell::new(Instant::now()),
            first: Cell::new(None),
        }
    }

    /// Tells where it is.
    pub fn moved(&self, now: Moved) {
        let first = self.first.get().unwrap_or(now);
        self.first.set(Some(first));
        let quiet = match self.progress.bar {
            Some(_) => TICK,
            None => LINE,
        };
        if self.said.get().elapsed() < quiet && now.done < now.of {
            return;
        }
        self.said.set(Instant::now());
        let text = self.text(now, first);
        match &self.progress.bar {
            Some(bar) => {
                bar.set_length(now.of as u64);
                bar.set_position(now.done as u64);
                bar.set_message(text);
            }
            None => self.progress.say(&text),
        }
    }

    fn text(&self, now: Moved, first: Moved) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let rate = now.rows as f64 / seconds;
        let megabytes = now.bytes as f64 / seconds / 1e6;
        let Moved { rows, done, of, .. } = now;
        let left = match (done - first.done, of - done) {
            (0, _) | (_, 0) => String::new(),
            (since, owed) => {
                let left = seconds * owed as f64 / since as f64;
                format!(", {} left", time_left(left))
            }
        };
        format!(
            "{} {rows} rows, {done} of {of} {}, {rate:.0} rows/s, {megabytes:.1} MB/s{left}",
            self.verb, self.noun
        )
    }

    /// The bar goes away.
    pub fn end(&self) {
        self.progress.end();
    }
}

/// `3 s`, `4 min`, `2 h 5 min`.
fn time_left(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match seconds {
        0..=90 => format!("{seconds} s"),
        91..=5400 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
