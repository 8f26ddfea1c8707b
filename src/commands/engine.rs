//! The walk that bootstrap, up, finish and undo share: read without the lock, decide, lock, read again, decide again, do.

use super::came_back;
use super::context::Context;
use super::gate::{self, Gate};
use super::safety::{Allowed, judged, passed, show};
use super::told::{again, told};
use crate::backend::{Backend, Database, Entry};
use crate::error::{Error, Result};
use crate::execute::{self, Around, Report};
use crate::gate::{Demand, Verdict};
use crate::plan::history::{Applied, History};
use crate::plan::refusal::Refusal;
use crate::plan::version::Version;
use crate::plan::{App, Command, Plan, Step, plan};
use crate::report::Answer;
use crate::settings::duration;
use crate::source::MigrationSet;
use std::time::Duration;

/// An override that is journaled before anything runs under it.
pub struct Override {
    /// `assume-gone`, `allow-late`, `from-version`.
    pub kind: &'static str,
    /// The user's words.
    pub reason: String,
}

/// What is to be run, and how.
pub struct Job<'a> {
    /// The command's name as it is typed.
    pub verb: &'static str,
    /// The command as the engine sees it.
    pub command: Command,
    /// Show, and run nothing.
    pub dry_run: bool,
    /// How long to wait for another executor.
    pub wait: Duration,
    /// Overrides in force.
    pub overrides: Vec<Override>,
    /// Run only while this command is refused because of what is pending: another pod may have done both by now, and
    /// what is pending then is what it has just expanded.
    pub only_before: Option<Command>,
    /// The gate, where what is run takes something away.
    pub gate: Option<&'a Gate>,
    /// Asked once there is something to do and before anything is done: the question.
    pub consent: &'a Consent<'a>,
}

/// Lets a plan pass, or says why not.
pub type Consent<'a> = dyn Fn(&Plan) -> Result<()> + 'a;

/// Reads `--lock-wait`.
pub fn lock_wait(text: &str) -> Result<Duration> {
    duration::read(text).map_err(|why| Error::usage(format!("--lock-wait: {why}")))
}

/// Runs a job from the files to its answer.
pub async fn run(context: &Context, job: &Job<'_>) -> Result<Answer> {
    let set = context.migrations()?;
    let mut database = context.open().await?;
    run_on(context, &set, &mut database, job).await
}

/// Runs a job on a database that is connected. Where the gate closes in the middle, those in the way are waited for as
/// long as the job allows, and it goes on.
pub async fn run_on(
    context: &Context,
    set: &MigrationSet,
    database: &mut Database,
    job: &Job<'_>,
) -> Result<Answer> {
    loop {
        match attempt(context, set, database, job).await {
            Err(error) if job.gate.is_some_and(|gate| gate.goes_on(&error)) => {
                context.progress.say(&error.message);
                context.stop.pause(AGAIN).await?;
            }
            result => return result,
        }
    }
}

/// The pause before a gate that closed in the middle is looked at again.
const AGAIN: Duration = Duration::from_millis(200);

async fn attempt(
    context: &Context,
    set: &MigrationSet,
    database: &mut Database,
    job: &Job<'_>,
) -> Result<Answer> {
    let app = &context.settings()?.app;
    let history = database.history().await?;
    let decided = decide(set, history.as_ref(), app, &job.command);
    if job.dry_run {
        let plan = decided?;
        warn(context, &plan);
        let judgement = judged(
            context,
            set,
            database,
            history.as_ref(),
            (&job.command, &plan),
        )
        .await?;
        passed(&judgement)?;
        show(context, &judgement.unneeded());
        let style = context.terminal.style;
        let answer = crate::report::plan::answer(job.verb, set, &plan, &judgement, style);
        return match job.gate {
            Some(gate) => {
                let history = history.as_ref();
                gate::shown(context, set, database, history, &plan, gate.side, answer).await
            }
            None => Ok(answer),
        };
    }
    let mut walk = Walk::default();
    match decided {
        Ok(plan) => {
            warn(context, &plan);
            if plan.is_empty() {
                return Ok(told(job, None, set, history.as_ref(), context));
            }
            let judgement = judged(
                context,
                set,
                database,
                history.as_ref(),
                (&job.command, &plan),
            )
            .await?;
            walk.allowed = passed(&judgement)?;
            walk.judged = Some(plan.clone());
            show(context, &judgement.unneeded());
            walk.pass(context, set, database, history.as_ref(), &plan, job)
                .await?;
            (job.consent)(&plan)?;
        }
        Err(_) if in_motion(database, history.as_ref()).await? => {}
        Err(error) => return Err(error),
    }
    let reconnect = context.settings()?.reconnect;
    let mut wait = job.wait;
    loop {
        let result = once(context, set, database, job, wait, &mut walk).await;
        context.progress.end();
        match result {
            Err(mut lost) if lost.lost => {
                if walk.stuck() {
                    lost.lost = false;
                    lost.message = format!(
                        "the session was lost {LOSSES_MAX} times, and nothing was done in between: {}",
                        lost.message
                    );
                    lost.next = Some("find out in the server's log what ends the session, whether it is this statement; then the same command, which continues where it stopped".to_string());
                    return Err(again(lost, job.verb));
                }
                lost.now.get_or_insert_with(|| LOST.to_string());
                lost.next = Some(ANSWERS.to_string());
                // Whom to cancel is not known until there is a session again.
                context.cancel_by(None);
                let tell = &mut |event| context.progress.event(event);
                let recovered = database.recover(lost, reconnect, tell).await;
                recovered.map_err(|error| again(error, job.verb))?;
                context.cancel_by(database.canceller());
                // The server may take as long to end the lost session, which holds the lock.
                wait = job.wait.max(reconnect);
            }
            result => return result,
        }
    }
}

/// Whether what looks refused may be the middle of somebody else's run: it still goes on, or has come to its end since
/// the history was read. Then the lock is waited for, and it is looked again.
pub async fn in_motion(database: &mut Database, history: Option<&History>) -> Result<bool> {
    Ok(database.holder().await?.is_some() || database.history().await?.as_ref() != history)
}

/// What is true where a session was lost, if nothing better is known.
const LOST: &str = "the connection is gone; whether what was being sent has taken effect is recorded in the database";

/// What to do about a session that was lost for good.
const ANSWERS: &str =
    "once the server answers again, the same command, which continues where it stopped";

/// What a run remembers when its session is lost and it goes on with another one.
#[derive(Default)]
struct Walk<'a> {
    /// What was done.
    total: Report,
    /// Whether the overrides are journaled.
    noted: bool,
    /// Allowances that the plan needs and that are not journaled.
    allowed: Vec<Allowed<'a>>,
    /// The plan that was judged last.
    judged: Option<Plan>,
    /// The plan that was agreed to.
    agreed: Option<Plan>,
    /// The plan that the gate was open for.
    passed: Option<(Plan, Open)>,
    /// The plan that was being run; its outcome is read back.
    running: Option<Plan>,
    /// How often the session was lost since statements were last found done, and how many were then.
    losses: (usize, usize),
}

/// A statement that ends its server process, or a line that is cut again and again, is not tried for ever.
const LOSSES_MAX: usize = 3;

impl Walk<'_> {
    /// Counts a loss of the session; whether it was lost too often with nothing done in between.
    fn stuck(&mut self) -> bool {
        let done = self.total.statements + self.total.parts.len();
        let (losses, before) = self.losses;
        let losses = if done == before { losses + 1 } else { 1 };
        self.losses = (losses, done);
        losses >= LOSSES_MAX
    }
}

/// The walk from the lock to its release, with one session.
async fn once<'a>(
    context: &Context,
    set: &'a MigrationSet,
    database: &mut Database,
    job: &Job<'_>,
    wait: Duration,
    walk: &mut Walk<'a>,
) -> Result<Answer> {
    database
        .lock(wait, &mut |event| context.progress.event(event))
        .await?;
    let app = &context.settings()?.app;
    let result = locked(context, set, database, job, app, walk).await;
    context.progress.end();
    match result {
        Ok(answer) => {
            // Giving the lock back also makes durable what was done, so an error there is no success.
            database.unlock().await?;
            Ok(answer)
        }
        Err(error) if error.lost => Err(error),
        Err(error) => {
            // The error of the run is what the user needs; a lock that cannot be given back goes with the session.
            let _ = database.unlock().await;
            Err(error)
        }
    }
}

/// The part of the walk that is under the lock.
async fn locked<'a>(
    context: &Context,
    set: &'a MigrationSet,
    database: &mut Database,
    job: &Job<'_>,
    app: &App,
    walk: &mut Walk<'a>,
) -> Result<Answer> {
    loop {
        let history = database.history().await?;
        let decided = decide(set, history.as_ref(), app, &job.command);
        let running = walk.running.take();
        if let (Some(before), Ok(left)) = (&running, &decided) {
            walk.total.read_back(set, before, left);
        }
        let plan = match decided {
            Ok(plan) => plan,
            // An interrupted batch was completed, and what is new has to wait for its finish.
            Err(error) if walk.total != Report::default() => {
                let done = told(job, Some(&walk.total), set, history.as_ref(), context);
                let now = done.text.lines().next().unwrap_or_default().to_string();
                return Err(error.now(now));
            }
            Err(error) => return Err(error),
        };
        let overtaken = job
            .only_before
            .as_ref()
            .is_some_and(|command| !waits(set, history.as_ref(), app, command));
        if plan.is_empty() || overtaken {
            let ran = (walk.total != Report::default()).then_some(&walk.total);
            return Ok(told(job, ran, set, history.as_ref(), context));
        }
        if walk
            .pass(context, set, database, history.as_ref(), &plan, job)
            .await?
            && let Some((_, open)) = &walk.passed
            && let Some(demand) = open.demand.as_ref().filter(|_| !open.assumed)
        {
            // Between the window and the lock somebody may have come.
            gate::still_open(database, demand).await?;
        }
        // What was agreed to before the session was lost is not asked again, unless there is more to it now.
        let agreed = |before: &Plan| plan.steps.iter().all(|step| covers(before, step));
        if !walk.agreed.as_ref().is_some_and(agreed) {
            // The same plan is not judged twice: the questions to the server take round trips.
            if walk.judged.as_ref() != Some(&plan) {
                let asked = (&job.command, &plan);
                let judgement = judged(context, set, database, history.as_ref(), asked).await?;
                walk.allowed = passed(&judgement)?;
                walk.judged = Some(plan.clone());
            }
            (job.consent)(&plan)?;
            walk.agreed = Some(plan.clone());
        }
        database.set_up().await?;
        if !walk.noted {
            for line in came_back::named(database, set, history.as_ref()).await? {
                context.progress.say(&line);
            }
            for entry in &job.overrides {
                database
                    .note(Entry {
                        kind: entry.kind,
                        migration: None,
                        app_version: None,
                        reason: Some(&entry.reason),
                    })
                    .await?;
            }
            walk.noted = true;
        }
        for allowed in std::mem::take(&mut walk.allowed) {
            database.note(allowed.entry()).await?;
        }
        let statements = plan.steps.iter().map(|step| step.to - step.from).sum();
        context.progress.begin(statements);
        let batch = history.as_ref().map_or(1, |history| history.batch);
        walk.running = Some(plan.clone());
        let begun = running.is_some_and(|before| began(&before, &plan));
        let settings = context.settings()?;
        let open = walk.passed.as_ref().map(|(_, open)| open);
        let contracts = matches!(job.command, Command::Finish);
        let around = Around {
            begun,
            sees_clients: matches!(job.command, Command::Up(_)) && settings.app_name.is_some(),
            gate: open
                .filter(|open| !open.assumed)
                .and_then(|open| open.demand.as_ref()),
            gate_passed: open
                .map(|open| open.detail.clone())
                .filter(|detail| !detail.is_empty()),
            shut_out: match contracts && settings.gate.revoke_connect {
                true => &settings.gate.old_roles,
                false => &[],
            },
            floor: floor(history.as_ref(), app, &job.command),
        };
        let report = execute::run(database, set, &plan, batch, &around, &mut |event| {
            context.progress.event(event);
        })
        .await
        .map_err(|error| again(error, job.verb));
        context.progress.end();
        let report = report?;
        let resumed = plan
            .batch
            .as_ref()
            .is_some_and(|batch| batch.take.is_empty());
        if resumed && matches!(job.command, Command::Up(_)) {
            walk.running = None;
            walk.total.statements += report.statements;
            walk.total.parts.extend(report.parts);
            continue;
        }
        let history = database.history().await?;
        walk.running = None;
        walk.total.statements += report.statements;
        walk.total.parts.extend(report.parts);
        let answer = told(job, Some(&walk.total), set, history.as_ref(), context);
        let verdict = walk
            .passed
            .as_ref()
            .and_then(|(_, open)| open.verdict.as_ref());
        return Ok(match verdict {
            Some(verdict) => answer.with("gate", crate::report::gate::document(verdict)),
            None => answer,
        });
    }
}

/// A gate that was open for a plan.
struct Open {
    /// What must not be there; nothing where the plan takes nothing away.
    demand: Option<Demand>,
    /// Whether it was opened by somebody's word, and is not looked at any more.
    assumed: bool,
    verdict: Option<Verdict>,
    /// Who was seen, for the journal.
    detail: String,
}

impl Walk<'_> {
    /// Goes through the gate, unless it was open for the same plan before; whether it was.
    async fn pass(
        &mut self,
        context: &Context,
        set: &MigrationSet,
        database: &mut Database,
        history: Option<&History>,
        plan: &Plan,
        job: &Job<'_>,
    ) -> Result<bool> {
        let (Some(gate), Some(history)) = (job.gate, history) else {
            return Ok(false);
        };
        if self
            .passed
            .as_ref()
            .is_some_and(|(before, _)| plan.steps.iter().all(|step| covers(before, step)))
        {
            return Ok(true);
        }
        let demand = gate::demand(context, set, database, history, plan, gate.side).await?;
        let mut open = Open {
            demand: None,
            assumed: gate.assumed.is_some(),
            verdict: None,
            detail: String::new(),
        };
        if let Some(demand) = demand {
            let passed = gate::pass(context, database, &demand, gate, history.batch).await?;
            open.verdict = Some(passed.verdict);
            open.detail = passed.detail;
            open.demand = Some(demand);
        }
        self.passed = Some((plan.clone(), open));
        Ok(false)
    }
}

/// The version floor that a command records before it takes anything away: a finish raises it to the version of its batch,
/// an undo brings back what was before (contract §6.5).
fn floor(history: Option<&History>, app: &App, command: &Command) -> Option<Option<String>> {
    let history = history?;
    match command {
        Command::Finish => {
            let of_batch = |applied: &&Applied| applied.batch == history.batch;
            let recorded = history.applied.values().find(of_batch);
            let version = recorded.and_then(|applied| applied.app_version.as_ref());
            let version = version.or(app.version.as_ref())?;
            let read = Version::read(version)?;
            let lower = history.floor.as_deref().and_then(Version::read);
            lower
                .is_none_or(|lower| lower < read)
                .then(|| Some(version.clone()))
        }
        Command::Undo if history.floor != history.floor_before => {
            Some(history.floor_before.clone())
        }
        _ => None,
    }
}

/// Whether the batch of a plan was recorded by this run, before its session was lost.
fn began(before: &Plan, now: &Plan) -> bool {
    match (&before.batch, &now.batch) {
        (Some(before), Some(now)) => {
            before.number == now.number && !before.take.is_empty() && now.take.is_empty()
        }
        _ => false,
    }
}

/// Whether a step is part of a plan.
fn covers(plan: &Plan, step: &Step) -> bool {
    plan.steps.iter().any(|other| {
        (&other.id, other.part) == (&step.id, step.part)
            && other.from <= step.from
            && step.to <= other.to
    })
}

/// Whether a command is refused because an older batch owes its finish.
pub fn waits(set: &MigrationSet, history: Option<&History>, app: &App, command: &Command) -> bool {
    matches!(
        plan(set, history, app, command),
        Err(Refusal::PendingFirst { .. })
    )
}

fn decide(
    set: &MigrationSet,
    history: Option<&History>,
    app: &App,
    command: &Command,
) -> Result<Plan> {
    plan(set, history, app, command).map_err(Refusal::error)
}

fn warn(context: &Context, plan: &Plan) {
    for warning in &plan.warnings {
        context.progress.say(warning);
    }
}
