//! The gate of `finish` and `undo`: looks over the window, waits where it may, and tells.

use super::context::Context;
use crate::backend::{Backend, Database};
use crate::error::{Error, Result};
use crate::gate::{
    Demand, Doomed, Evidence, Looks, Side, Verdict, closed, doomed, fell, judge, version,
};
use crate::plan::Plan;
use crate::plan::history::History;
use crate::report::{Answer, gate as report};
use crate::settings::{Replicas, duration};
use crate::source::MigrationSet;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::time::Instant;

/// The longest pause between two looks, and the shortest.
const EVERY_MAX: Duration = Duration::from_secs(1);
const EVERY_MIN: Duration = Duration::from_millis(50);

/// Looks in a window, where it is shorter than so many times the longest pause.
const LOOKS: u32 = 10;

/// How a command treats its gate.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Whose clients are in the way.
    pub side: Side,
    /// Until when those in the way are waited for.
    pub until: Instant,
    /// Somebody's word that nobody is left, with the reason.
    pub assumed: Option<String>,
}

impl Gate {
    /// Reads what was typed.
    ///
    /// # Errors
    /// `--assume-gone` without a reason, or no length of time.
    pub fn typed(side: Side, args: &crate::cli::GateArgs, reason: Option<&str>) -> Result<Self> {
        let verb = match side {
            Side::Old => "finish",
            Side::New => "undo",
        };
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        if args.assume_gone && reason.is_none() {
            return Err(
                Error::usage("--assume-gone needs a reason that is not empty").next(format!(
                    "kmig {verb} --assume-gone --reason \"who took that version down, and when\""
                )),
            );
        }
        let wait = duration::read(args.gate_wait.as_deref().unwrap_or("0"))
            .map_err(|why| Error::usage(format!("--gate-wait: {why}")))?;
        Ok(Gate {
            side,
            until: Instant::now() + wait,
            assumed: reason.filter(|_| args.assume_gone).map(str::to_string),
        })
    }

    /// Whether a gate that was found closed is worth another try.
    pub fn goes_on(&self, error: &Error) -> bool {
        let may_open = error.gate.as_ref().is_some_and(|gate| gate.may_open());
        may_open && Instant::now() < self.until
    }
}

/// What must not be there for a plan to be run; nothing where it takes nothing away.
pub async fn demand(
    context: &Context,
    set: &MigrationSet,
    database: &mut Database,
    history: &History,
    plan: &Plan,
    side: Side,
) -> Result<Option<Demand>> {
    if plan.steps.iter().all(|step| step.from >= step.to) {
        return Ok(None);
    }
    let settings = context.settings()?;
    let recorded = history
        .applied
        .values()
        .find(|applied| applied.batch == history.batch)
        .and_then(|applied| applied.app_version.clone());
    let own = settings.app.version.clone();
    let version_of = match side {
        Side::Old => recorded.or(own),
        // An undo that was begun has brought the recorded one back already.
        Side::New => own.or(recorded),
    };
    let app = settings.app_name.clone();
    let mut seen = BTreeSet::new();
    let mut last = BTreeMap::new();
    for sighting in database.sightings(history.batch).await? {
        for name in sighting.announced {
            let found = app.as_deref().and_then(|app| version(app, &name));
            if let Some(found) = found.filter(|_| sighting.kind == "seen") {
                seen.insert(found.to_string());
            }
            let at: &mut i64 = last.entry(name).or_default();
            *at = (*at).max(sighting.at);
        }
    }
    Ok(Some(Demand {
        side,
        app,
        version: version_of,
        seen,
        last_seen: last
            .into_iter()
            .map(|(name, at)| (name, clock(at)))
            .collect(),
        ignore: settings.gate.ignore.clone(),
        old_roles: settings.gate.old_roles.clone(),
        no_readers: matches!(settings.gate.replicas, Replicas::NoReaders),
        pending: plan.steps.len(),
        doomed: match side {
            Side::Old => doomed(set, plan),
            Side::New => Doomed::default(),
        },
        window: settings.gate.window,
    }))
}

fn clock(micros: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_default()
}

/// One look, for who only wants to see.
pub async fn look(database: &mut Database, demand: &Demand) -> Result<Verdict> {
    let evidence = database.evidence(&demand.doomed).await?;
    let looks = Looks {
        samples: 1,
        ..Looks::default()
    };
    Ok(judge(demand, &evidence, None, looks))
}

/// Adds how the gate of a plan stands now to what is shown of it.
pub async fn shown(
    context: &Context,
    set: &MigrationSet,
    database: &mut Database,
    history: Option<&History>,
    plan: &Plan,
    side: Side,
    mut answer: Answer,
) -> Result<Answer> {
    let Some(history) = history else {
        return Ok(answer);
    };
    let Some(demand) = demand(context, set, database, history, plan, side).await? else {
        return Ok(answer);
    };
    let verdict = look(database, &demand).await?;
    answer.text = format!("{}\n\n{}", answer.text, report::lines(&verdict).join("\n"));
    Ok(answer.with("gate", report::document(&verdict)))
}

/// Looks once more, for who was let through before.
pub async fn still_open(database: &mut Database, demand: &Demand) -> Result<()> {
    let verdict = look(database, demand).await?;
    match verdict.open {
        true => Ok(()),
        false => Err(closed(demand.side, verdict)),
    }
}

/// What a gate that opened leaves: its lines, and who was seen, in JSON.
pub struct Passed {
    /// The lines.
    pub verdict: Verdict,
    /// For the journal.
    pub detail: String,
}

/// Looks until nobody in the way was seen for the whole window, and tells what that stands on.
///
/// # Errors
/// Somebody is in the way, or something cannot be seen, and waiting ran out; a signal came.
pub async fn pass(
    context: &Context,
    database: &mut Database,
    demand: &Demand,
    gate: &Gate,
    batch: i64,
) -> Result<Passed> {
    let every = (demand.window / LOOKS).clamp(EVERY_MIN, EVERY_MAX);
    let mut window = Window::default();
    let mut told = Vec::new();
    loop {
        context.stop.check()?;
        let verdict = window.look(database, demand).await?;
        let detail = window.detail(&verdict);
        if let Some(reason) = &gate.assumed {
            let verdict = verdict.overridden(reason);
            tell(context, &verdict);
            return Ok(Passed { verdict, detail });
        }
        if verdict.open {
            if verdict.looks.over >= demand.window {
                tell(context, &verdict);
                return Ok(Passed { verdict, detail });
            }
        } else {
            let error = closed(demand.side, verdict);
            if !gate.goes_on(&error) {
                // Who was seen is worth keeping; that it could not be is no reason to say anything else.
                let _ = database.sighted(batch, "gate", &detail).await;
                return Err(error);
            }
            let key: Vec<String> = error.message.lines().skip(1).map(without_times).collect();
            if told != key {
                let left = gate.until.saturating_duration_since(Instant::now());
                context.progress.say(&format!(
                    "{}\n  waiting for it, for {} s at most",
                    error.message,
                    left.as_secs().max(1)
                ));
                told = key;
            }
            window = Window::default();
        }
        context.stop.pause(every).await?;
    }
}

/// A line without what changes while the same clients stay: what stands in parentheses.
fn without_times(line: &str) -> String {
    let head = line.split(" (").next().unwrap_or_default();
    let tail = line.rsplit("): ").next().unwrap_or_default();
    format!("{head} {tail}")
}

fn tell(context: &Context, verdict: &Verdict) {
    for line in report::lines(verdict) {
        context.progress.say(&line);
    }
}

/// The looks since somebody was last in the way.
#[derive(Default)]
struct Window {
    first: Option<(Instant, Evidence)>,
    samples: usize,
    announced: BTreeMap<String, usize>,
}

impl Window {
    async fn look(&mut self, database: &mut Database, demand: &Demand) -> Result<Verdict> {
        // Prepared statements are asked for once: they are a warning.
        let doomed = match self.first {
            None => demand.doomed.clone(),
            Some(_) => Doomed {
                columns: BTreeSet::new(),
                ..demand.doomed.clone()
            },
        };
        let at = Instant::now();
        let mut evidence = database.evidence(&doomed).await?;
        // A node that was restarted counts from nought, and so does the window.
        if self
            .first
            .as_ref()
            .is_some_and(|(_, first)| fell(&evidence, first))
        {
            *self = Window::default();
        }
        self.samples += 1;
        for (name, count) in evidence.announced() {
            let known = self.announced.entry(name).or_default();
            *known = count.max(*known);
        }
        if let Some((_, first)) = &self.first {
            evidence.statements.clone_from(&first.statements);
        }
        let before = self.first.as_ref().map(|(_, first)| first);
        let looks = Looks {
            samples: self.samples,
            over: self
                .first
                .as_ref()
                .map_or(Duration::ZERO, |(first, _)| at - *first),
        };
        let verdict = judge(demand, &evidence, before, looks);
        self.first.get_or_insert((at, evidence));
        Ok(verdict)
    }

    fn detail(&self, verdict: &Verdict) -> String {
        let who: Vec<&String> = verdict.closed().flat_map(|line| &line.who).collect();
        json!({
            "open": verdict.open,
            "looks": verdict.looks.samples,
            "over_ms": u64::try_from(verdict.looks.over.as_millis()).unwrap_or_default(),
            "clients": self.announced,
            "in_the_way": who,
        })
        .to_string()
    }
}
