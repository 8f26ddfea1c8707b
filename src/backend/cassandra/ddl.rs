//! Sends a statement that changes the schema, and proves that it did.
//!
//! An error of the call never means that it did not happen (cassandra.md §3.1): the post-condition, read from every member
//! once all agree, decides.

use super::Cassandra;
use super::fault::{Fault, Kind};
use super::intent::Intent;
use super::members::{self, Member};
use super::names::literal;
use super::query::How;
use super::schema;
use crate::backend::Event;
use crate::cql::proof::{Claim, Holds, Verdict, before, claim, holds, refuse, settle, undone};
use crate::cql::schema::Schema;
use crate::cql::{Act, Change, Object, Statement};
use crate::error::{Error, Exit, Result};
use crate::plan::schedule::Unit;
use crate::source::Part;
use scylla::statement::Consistency;
use std::time::Duration;

/// How often a statement is sent that nobody knows of whether it took effect.
const TRIES_MAX: usize = 3;

/// Why a statement failed.
pub struct Failure {
    /// What the user is told.
    pub error: Error,
    /// Whether it is certain that it had no effect, and will have none.
    pub certain: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure {
            error,
            certain: false,
        }
    }
}

impl Cassandra {
    /// Looks at what is there before a statement is sent, and refuses what the server would take in silence.
    ///
    /// # Errors
    /// What is there does not go with the statement; nothing was sent.
    pub(super) async fn picture(
        &mut self,
        part: &Part,
        statement: &Statement,
        intent: &mut Intent,
    ) -> Result<()> {
        let claim = claim(&statement.act, &self.recorder.names.keyspace);
        let sight = match self.sighted.take() {
            Some((act, sight)) if act == statement.act => sight,
            _ => self.sight(&statement.act).await?,
        };
        let Sight {
            found,
            now,
            written,
        } = sight;
        let place = part.place(intent.from);
        // A cell with a later time would win against this statement, which the server then takes without effect (C7).
        if let Some(ahead) = written.filter(|written| *written >= now) {
            return Err(Error::failed(format!(
                "what this statement changes was written {} ms in the future, by a node whose clock was ahead",
                (ahead - now) / 1000
            ))
            .at(place.clone())
            .now("this statement was not sent")
            .next("set the clocks right, wait until then, and run the same command"));
        }
        if let Some(why) = refuse(&statement.act, &claim.keyspace, &found, now / 1000) {
            return Err(Error::new(Exit::Failed, format!("not sent: {why}"))
                .at(place.clone())
                .now("this statement was not sent"));
        }
        let id = intent.id.map(|id| id.to_string());
        if intent.before.is_none() {
            intent.before = Some(before(&claim, id.as_deref(), &found));
        }
        Ok(())
    }

    /// What the coordinator shows of a statement's object before it is sent.
    async fn sight(&self, act: &Act) -> Result<Sight> {
        let claim = claim(act, &self.recorder.names.keyspace);
        let object = schema::object(act);
        let at = self.sender.coordinator;
        let (found, now, written) = tokio::join!(
            schema::of(&self.sender, at, &claim.keyspace, object),
            members::clock(&self.sender),
            self.written(&claim, object, act)
        );
        Ok(Sight {
            found: found?,
            now: now?,
            written: written?,
        })
    }

    /// The latest write time of what a statement changes or drops, in microseconds.
    async fn written(
        &self,
        claim: &Claim,
        object: Option<&Object>,
        act: &Act,
    ) -> Result<Option<i64>> {
        let (Some(Object::Table(name)), Act::Alter { .. } | Act::Drop { .. }) = (object, act)
        else {
            return Ok(None);
        };
        let (keyspace, table) = (literal(&claim.keyspace), literal(&name.name));
        let query = match act {
            Act::Alter {
                change: Change::Drop { columns, .. },
                ..
            } => {
                let columns: Vec<String> = columns.iter().map(|column| literal(column)).collect();
                format!(
                    "SELECT writetime(type) AS at FROM system_schema.columns WHERE keyspace_name = {keyspace} \
                     AND table_name = {table} AND column_name IN ({})",
                    columns.join(", ")
                )
            }
            _ => format!(
                "SELECT writetime(id) AS at FROM system_schema.tables WHERE keyspace_name = {keyspace} AND table_name = {table}"
            ),
        };
        let rows = self
            .sender
            .ask_member(self.sender.coordinator, &query, self.sender.timeout)
            .await
            .map_err(Fault::error)?;
        Ok(rows.iter().filter_map(|row| row.number("at")).max())
    }

    /// Sends one statement until it is proved that it took effect, or that it cannot.
    pub(super) async fn change_schema(
        &mut self,
        unit: &Unit<'_>,
        part: &Part,
        statement: &Statement,
        intent: &Intent,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        let at = intent.from;
        let text = intent.sent(part, at);
        let claim = claim(&statement.act, &self.recorder.names.keyspace);
        let mut doubt: Option<Fault> = None;
        for _ in 0..TRIES_MAX {
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
            let sent = self.sender.send(&text, how).await;
            let fault = match sent {
                Ok(_) => None,
                Err(fault) if fault.kind == Kind::Refused && doubt.is_none() => {
                    return Err(self.refused(fault, part, at, &statement.act).await);
                }
                Err(fault) => Some(fault),
            };
            let members = self.agreement(tell).await.map_err(|error| Error {
                place: Some(Box::new(part.place(at))),
                now: Some("the statement was sent, and is journaled: whether it took effect is read from every member at the next run".to_string()),
                ..error
            })?;
            // What the next statement finds is asked for in the same round trip.
            let next = async {
                let act = self.next.as_ref()?;
                Some((act.clone(), self.sight(act).await.ok()?))
            };
            let object = schema::object(&statement.act);
            let (found, sighted) = tokio::join!(
                schema::of_all(&self.sender, &members, &claim.keyspace, object),
                next
            );
            let found = found?;
            self.sighted = sighted;
            match self.proved(&claim, intent, fault.is_none(), &members, &found) {
                Proof::Done => return Ok(()),
                Proof::Differs(why) => {
                    let error = Error::failed(why)
                        .at(part.place(at))
                        .now("the statement was sent; what is there is not what it makes");
                    return Err(error.into());
                }
                Proof::Untold => {
                    if self.done_when(statement).await? == Some(true) {
                        return Ok(());
                    }
                }
                Proof::NotThere => {}
            }
            match fault {
                // The server said yes, and all members agree that it is not there.
                None => {
                    let error = Error::failed("the server took the statement, and no member shows its effect")
                        .at(part.place(at))
                        .now("nothing of it is recorded")
                        .next("look for another client that changes the schema, and for clocks that are apart; then the same command");
                    return Err(error.into());
                }
                Some(fault) if fault.kind == Kind::Refused => {
                    return Err(self.refused(fault, part, at, &statement.act).await);
                }
                Some(fault) => {
                    tell(Event::Retry {
                        place: part.place(at).label(),
                        message: fault.message.clone(),
                        left: self.options.agreement,
                        blockers: Vec::new(),
                    });
                    doubt = Some(fault);
                }
            }
            self.options.stop.check()?;
        }
        let fault = doubt.unwrap_or(Fault {
            kind: Kind::InDoubt,
            code: None,
            message: "no answer".to_string(),
            position: None,
        });
        let mut error = fault.at(part, at);
        error.now = Some(format!(
            "the {} part of {}: this statement was sent {TRIES_MAX} times, and no member shows its effect; it is journaled, and settled at the next run",
            unit.kind,
            unit.migration.label()
        ));
        Err(error.into())
    }

    /// What a refusal of the server means for a statement.
    async fn refused(&self, fault: Fault, part: &Part, at: usize, act: &Act) -> Failure {
        let rights = fault.is(super::fault::UNAUTHORIZED);
        let mut error = fault.at(part, at);
        if rights && matches!(act, Act::Create(_) | Act::Alter { .. } | Act::Drop { .. }) {
            error = error.next(self.recorder.names.grant());
        }
        Failure {
            error,
            certain: true,
        }
    }

    /// What the members show of a claim.
    fn proved(
        &self,
        claim: &Claim,
        intent: &Intent,
        taken: bool,
        members: &[Member],
        found: &[Schema],
    ) -> Proof {
        let id = intent.id.map(|id| id.to_string());
        for (member, schema) in members.iter().zip(found) {
            let holds = match (taken, &intent.before) {
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
                Holds::Untold => return Proof::Untold,
                Holds::No => return Proof::NotThere,
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
        own.unwrap_or(self.options.request_timeout.min(self.options.lease / 2))
    }

    /// Waits until every member agrees.
    pub(super) async fn agreement(&mut self, tell: &mut dyn FnMut(Event)) -> Result<Vec<Member>> {
        let members = members::agree(
            &self.sender,
            &self.options.without,
            &self.members,
            self.options.agreement,
            &self.options.stop,
            tell,
        )
        .await?;
        self.members.clone_from(&members);
        Ok(members)
    }

    /// Whether an undo may pass a statement over: nothing is there of what it takes back.
    pub(super) async fn passes_over(&self, statement: &Statement) -> Result<bool> {
        let claim = claim(&statement.act, &self.recorder.names.keyspace);
        let object = match &statement.act {
            Act::Write(write) => Some(Object::Table(write.table.clone())),
            Act::Truncate { table } => Some(Object::Table(table.clone())),
            act => schema::object(act).cloned(),
        };
        let Some(object) = object else {
            return Ok(false);
        };
        let at = self.sender.coordinator;
        let found = schema::of(&self.sender, at, &claim.keyspace, Some(&object)).await?;
        Ok(match (&object, &statement.act) {
            (Object::Table(name), Act::Write(_) | Act::Truncate { .. }) => {
                !found.tables.contains_key(&name.name)
            }
            _ => undone(&claim, &found),
        })
    }
}

/// What the coordinator shows before a statement is sent.
pub struct Sight {
    found: Schema,
    /// Its clock, in microseconds since 1970.
    now: i64,
    /// The latest write time of what is changed or dropped, likewise.
    written: Option<i64>,
}

/// What the members show.
enum Proof {
    Done,
    NotThere,
    Differs(String),
    Untold,
}
