//! Sends a statement that changes the schema, and proves that it did.
//!
//! An error of the call never means that it did not happen (cassandra.md §3.1): the post-condition, read from every member
//! once all agree, decides.

use super::dml::Answer;
use super::fault::{Fault, Kind};
use super::intent::Intent;
use super::members::{self, Member, Ring};
use super::query::How;
use super::schema;
use super::{Cassandra, Options};
use crate::backend::Event;
use crate::cql::proof::{
    Claim, Holds, Sent, Verdict, claim, holds, settle, taken as there, undone,
};
use crate::cql::schema::Schema;
use crate::cql::{Act, Name, Object, Statement};
use crate::error::{Error, Result};
use crate::machine;
use crate::source::Part;
use scylla::statement::Consistency;
use std::slice::from_ref;
use std::time::Duration;
use tokio::time::Instant;

/// How often a statement is sent that nobody knows of whether it took effect.
const TRIES_MAX: usize = 3;

/// The first pause before a server is asked again that was busy, and the longest.
const BUSY_PAUSE: Duration = Duration::from_millis(250);
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(4);

/// Why a statement failed.
pub struct Failure {
    /// What the user is told.
    pub error: Error,
    /// Whether it is certain that it had no effect, and will have none.
    pub certain: bool,
    /// Which of several statements it was; those before it are done.
    pub at: Option<usize>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure {
            error,
            certain: false,
            at: None,
        }
    }
}

impl Cassandra {
    /// Sends one statement until it is proved that it took effect, or that it cannot. One that is `resumed` may have been
    /// sent by an earlier run.
    pub(super) async fn change_schema(
        &mut self,
        part: &Part,
        at: usize,
        intent: &Intent,
        resumed: bool,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        let Some(statement) = part.cql.get(at) else {
            return Ok(());
        };
        let text = intent.sent(part, at);
        let mut doubt: Option<Fault> = None;
        let mut tries = 0;
        let mut pause = BUSY_PAUSE;
        let deadline = Instant::now() + self.options.agreement;
        while tries < TRIES_MAX {
            self.options.stop.check()?;
            self.before_destruction(&statement.act, tell).await?;
            let timeout = self.ddl_timeout(statement);
            if let Some(lease) = &self.lease {
                lease.check(timeout.min(self.options.lease / 2)).await?;
            }
            let how = How {
                consistency: Some(Consistency::Quorum),
                timeout: Some(timeout),
                ..How::default()
            };
            match self.sender.send(&text, how).await.err() {
                Some(fault) if fault.kind == Kind::Refused && doubt.is_none() && !resumed => {
                    return Err(self.refused(fault, part, at, &statement.act));
                }
                Some(fault) if fault.kind == Kind::Refused => {
                    // What was sent before may have been taken after all, and this repeat refused for it.
                    self.until_quiet(tell).await?;
                    let proof = self.effect(part, at, intent, false, tell).await?;
                    return match proof {
                        Proof::Done => Ok(()),
                        _ => Err(self.refused(fault, part, at, &statement.act)),
                    };
                }
                // It did not take the statement up.
                Some(fault) if fault.kind == Kind::Busy && Instant::now() < deadline => {
                    tell(waiting(format!("the server is busy: {}", fault.message)));
                    self.options.stop.pause(pause).await?;
                    pause = (pause * 2).min(BUSY_PAUSE_MAX);
                }
                fault => {
                    tries += 1;
                    let taken = fault.is_none();
                    let proof = self.effect(part, at, intent, taken, tell).await?;
                    match (proof, fault) {
                        (Proof::Done, _) => return Ok(()),
                        (_, None) => return Err(without_effect(part, at).into()),
                        (_, Some(fault)) => {
                            tell(waiting(format!(
                                "{}: no answer ({}), and no member shows its effect: it is sent again",
                                part.place(at).label(),
                                fault.message
                            )));
                            doubt = Some(fault);
                            self.unanswered();
                        }
                    }
                }
            }
        }
        let mut error = match doubt {
            Some(fault) => fault.at(part, at),
            None => Error::failed("no answer").at(part.place(at)),
        };
        error.now = Some(format!(
            "this statement was sent {TRIES_MAX} times, and no member shows its effect; it is journaled, and settled at the next run"
        ));
        Err(error.into())
    }

    /// What every member shows of a statement that was sent, once all agree. `taken` says that the server said yes.
    async fn effect(
        &mut self,
        part: &Part,
        at: usize,
        intent: &Intent,
        taken: bool,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Proof, Failure> {
        let Some(statement) = part.cql.get(at) else {
            return Ok(Proof::NotThere);
        };
        let claim = claim(&statement.act, &self.recorder.names.keyspace);
        let object = schema::object(&statement.act);
        let place = part.place(at);
        let unsettled = |error: Error| {
            Error {
            place: Some(Box::new(place.clone())),
            now: Some("the statement was sent, and is journaled: whether it took effect is read from every member at the next run".to_string()),
            ..error
        }
        };
        if taken && at + 1 < intent.to {
            // Those that share an intent are proved together, behind the last.
            self.agreement(tell).await.map_err(unsettled)?;
            return Ok(Proof::Done);
        }
        if taken {
            // While the members come to agree, it is read what the coordinator shows, also of what the next statements
            // find. A schema version is a digest of the whole schema, so once all have one, all show the same.
            let home = self.sender.coordinator;
            let mut known = std::mem::take(&mut self.members);
            let next = async {
                match self.next.as_slice() {
                    [] => None,
                    next => Some((next.to_vec(), self.sight(next).await.ok()?)),
                }
            };
            let run = intent.run(part, intent.to);
            let (keyspace, objects) =
                schema::objects(run.iter().map(|sent| sent.act), &claim.keyspace);
            let (members, found, sighted) = tokio::join!(
                self.agreed(&mut known, tell),
                schema::of(&self.sender, home, &keyspace, &objects),
                next
            );
            self.members = known;
            let members = members.map_err(unsettled)?;
            let found = found?;
            self.sighted = sighted;
            if run.len() > 1 {
                let lacking = self.lacking(part, intent, &run, &found);
                return lacking.map_or(Ok(Proof::Done), Err);
            }
            let at_home = members.iter().find(|member| member.id == home);
            if let Some(member) = at_home
                && let Proof::Done = self.proved(
                    &claim,
                    (intent, at),
                    taken,
                    from_ref(member),
                    from_ref(&found),
                )
            {
                return Ok(Proof::Done);
            }
        }
        let members = self.agreement(tell).await.map_err(unsettled)?;
        if !taken && let Some(done) = self.done_when(statement, Answer::Missing).await? {
            return Ok(match done {
                true => Proof::Done,
                false => Proof::NotThere,
            });
        }
        let found =
            schema::of_all(&self.sender, &members, &claim.keyspace, object.as_slice()).await?;
        match self.proved(&claim, (intent, at), taken, &members, &found) {
            Proof::Differs(why) => Err(Error::failed(why)
                .at(place)
                .now("the statement was sent; what is there is not what it makes")
                .into()),
            proof => Ok(proof),
        }
    }

    /// What is wrong where not all statements of a run that the server took are there.
    fn lacking(
        &self,
        part: &Part,
        intent: &Intent,
        run: &[Sent<'_>],
        found: &Schema,
    ) -> Option<Failure> {
        let (count, why) = match there(run, &self.recorder.names.keyspace, found) {
            Ok(count) if count == run.len() => return None,
            Ok(count) => (count, None),
            Err((count, why)) => (count, Some(why)),
        };
        let at = intent.from + count;
        let error = match why {
            None => without_effect(part, at),
            Some(why) => Error::failed(why)
                .at(part.place(at))
                .now("the statement was sent; what is there is not what it makes"),
        };
        Some(Failure {
            error,
            certain: false,
            at: Some(at),
        })
    }

    /// How many statements before one that failed are there: they were taken and agreed on, and not proved yet. Nothing
    /// where the coordinator does not tell.
    pub(super) async fn proved_before(
        &self,
        part: &Part,
        intent: &Intent,
        at: usize,
    ) -> Option<usize> {
        let own = &self.recorder.names.keyspace;
        let run = intent.run(part, at);
        let (keyspace, objects) = schema::objects(run.iter().map(|sent| sent.act), own);
        let home = self.sender.coordinator;
        let found = schema::of(&self.sender, home, &keyspace, &objects)
            .await
            .ok()?;
        match there(&run, own, &found) {
            Ok(count) | Err((count, _)) => Some(count),
        }
    }

    /// A change of the schema was sent, and nobody answered: it may still arrive.
    fn unanswered(&mut self) {
        let from = machine::since_boot() + self.sender.timeout;
        self.quiet_from = Some(self.quiet_from.map_or(from, |other| other.max(from)));
        self.late = true;
    }

    /// What a refusal of the server means for a statement.
    fn refused(&self, fault: Fault, part: &Part, at: usize, act: &Act) -> Failure {
        let rights = fault.is(super::fault::UNAUTHORIZED);
        let mut error = fault.at(part, at);
        if rights && matches!(act, Act::Create(_) | Act::Alter { .. } | Act::Drop { .. }) {
            error = error.next(self.recorder.names.grant());
        }
        Failure {
            error,
            certain: true,
            at: None,
        }
    }

    /// What the members show of a claim.
    fn proved(
        &self,
        claim: &Claim,
        (intent, at): (&Intent, usize),
        taken: bool,
        members: &[Member],
        found: &[Schema],
    ) -> Proof {
        let id = intent.id(at).map(|id| id.to_string());
        for (member, schema) in members.iter().zip(found) {
            let holds = match (taken, intent.before(at)) {
                // The server's yes and what it left.
                (true, _) | (false, None) => holds(claim, id.as_deref(), schema),
                (false, Some(before)) => match settle(claim, id.as_deref(), before, schema) {
                    Verdict::Done => Holds::Yes,
                    Verdict::Again => Holds::No,
                    Verdict::Differs(why) => Holds::Differs(why),
                    Verdict::Untold => Holds::Untold,
                },
            };
            match holds {
                Holds::Yes => {}
                Holds::Untold if taken => {}
                Holds::Untold | Holds::No => return Proof::NotThere,
                Holds::Differs(why) => {
                    return Proof::Differs(format!("at {}: {why}", member.address));
                }
            }
        }
        Proof::Done
    }

    /// How long the answer to a statement is awaited: shorter than the lease lasts, so that one that is sent while enough
    /// is left of it is answered, or given up, before anybody can take over (traps C4). Its own limit goes before.
    pub(super) fn ddl_timeout(&self, statement: &Statement) -> Duration {
        let own = statement.directives.timeout_ms.map(Duration::from_millis);
        let usual = match statement.act {
            // The server itself takes up to a minute for it, and a repeat would not be the same.
            Act::Truncate { .. } => self.options.request_timeout,
            _ => self.options.request_timeout.min(self.options.lease / 2),
        };
        own.unwrap_or(usual)
    }

    /// Waits until every member agrees.
    pub(super) async fn agreement(&mut self, tell: &mut dyn FnMut(Event)) -> Result<Vec<Member>> {
        let mut known = std::mem::take(&mut self.members);
        let members = self.agreed(&mut known, tell).await;
        self.members = known;
        members
    }

    async fn agreed(&self, known: &mut Ring, tell: &mut dyn FnMut(Event)) -> Result<Vec<Member>> {
        let Options {
            without,
            agreement,
            stop,
            ..
        } = &self.options;
        members::agree(&self.sender, without, known, *agreement, stop, tell).await
    }

    /// Whether an undo may pass a statement over: nothing is there of what it takes back.
    pub(super) async fn passes_over(
        &mut self,
        statement: &Statement,
        tell: &mut dyn FnMut(Event),
    ) -> Result<bool> {
        // What an up that was killed had sent may still arrive.
        self.until_quiet(tell).await?;
        let act = &statement.act;
        let claim = claim(act, &self.recorder.names.keyspace);
        let at = self.sender.coordinator;
        let mut tables: Vec<&Name> = act.writes().iter().map(|write| &write.table).collect();
        match act {
            Act::Truncate { table } => tables.push(table),
            Act::Alter {
                object: Object::Table(table),
                ..
            } => tables.push(table),
            _ => {}
        }
        let mut there = tables.is_empty();
        for table in tables {
            let keyspace = table.keyspace.as_ref().unwrap_or(&claim.keyspace);
            let object = Object::Table(table.clone());
            let found = schema::of(&self.sender, at, keyspace, &[&object]).await?;
            there |= found.tables.contains_key(&table.name);
        }
        if !there {
            return Ok(true);
        }
        let Some(object) = schema::object(act) else {
            return Ok(false);
        };
        let found = schema::of(&self.sender, at, &claim.keyspace, &[object]).await?;
        Ok(undone(&claim, &found))
    }
}

fn waiting(message: String) -> Event {
    Event::Notice {
        severity: "WAITING".to_string(),
        message,
    }
}

/// The error of a statement that the server took, and that all members agree has left nothing.
pub(super) fn without_effect(part: &Part, at: usize) -> Error {
    Error::failed("the server took the statement, and no member shows its effect")
        .at(part.place(at))
        .now("nothing of it is recorded")
        .next("look for another client that changes the schema, and for clocks that are apart; then the same command")
}

/// What the members show.
enum Proof {
    Done,
    NotThere,
    Differs(String),
}
