//! Rows with lists or counters that may have been written: waits until that is decided, and looks what became of them.

use super::patience::Patience;
use super::raw::{Key, first_row};
use super::sent::{Expected, Sent};
use super::silence::{Ended, heard, member_at};
use super::statements::{Marker, Text};
use super::write::{Unwritten, Writer};
use crate::backend::cassandra::fault::{Fault, Kind};
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Whether rows may be there before they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// They cannot.
    Absent,
    /// Somebody has written them, or not.
    Settled,
    /// A run that was ended in the middle may have sent some, and a replica may have them alone.
    InDoubt,
}

/// Reads the unrepeatable cells of one row.
pub struct Look {
    /// At the level at which rows are written.
    usual: PreparedStatement,
    /// From every replica: a write in doubt may stand on one alone, and a quorum need not ask that one.
    all: PreparedStatement,
    /// Where in an UPDATE those cells are, and where the others.
    places: (Vec<usize>, Vec<usize>),
}

/// What became of the lists and counters of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Absent,
    Equal,
    /// Its lists begin as they are to be; of each cell so many elements are there.
    Begun(Vec<(usize, usize)>),
    Different,
}

/// What is still to be written of a row.
pub enum Rest {
    /// All of it.
    All,
    /// This.
    Part(Sent),
    /// Nothing, since something else is there.
    Different,
}

impl Look {
    /// Of a prepared look, and the UPDATE that it belongs to.
    pub fn new(usual: PreparedStatement, unrepeatable: &[usize], update: Option<&Text>) -> Self {
        let mut all = usual.clone();
        all.set_consistency(Consistency::All);
        let mut places = (Vec::new(), Vec::new());
        let markers = update.map(|text| text.markers.as_slice());
        for (place, marker) in markers.unwrap_or_default().iter().enumerate() {
            match marker {
                Marker::Cell(at) if unrepeatable.contains(at) => places.0.push(place),
                Marker::Cell(_) | Marker::Field(..) => places.1.push(place),
                Marker::Key(_) | Marker::Time | Marker::Ttl => {}
            }
        }
        Look { usual, all, places }
    }
}

impl Writer<'_> {
    /// Waits until nothing of a request can arrive any more that failed; for how long it was waited once all was heard.
    pub(super) async fn quiet(
        &self,
        fault: &Fault,
        node: SocketAddr,
        sent: Instant,
        until: Instant,
    ) -> Result<Duration, Unwritten> {
        let around = &self.around;
        let mut wait = around.quiet;
        if fault.code.is_none() {
            // It may not even have read it.
            around.hitches.waits(&node.to_string(), until);
            let ended = match member_at(&around.sender, node) {
                Some(member) => heard(&around.sender, member, until, &around.stop).await,
                None => Ended::Silent,
            };
            match ended {
                Ended::Answers => wait += sent.elapsed(),
                Ended::Gone => {}
                Ended::Silent => {
                    return Err(Unwritten::Silent {
                        node,
                        time: sent.elapsed(),
                    });
                }
            }
        }
        match around.stop.pause(wait).await {
            Ok(()) => Ok(wait),
            Err(_) => Err(fault.clone().into()),
        }
    }

    /// Looks what is there of a row, and tells what is left to be written.
    pub(super) async fn rest(&self, row: &Sent, before: Before) -> Result<Rest, Unwritten> {
        let Some(look) = self.look.as_ref().filter(|_| before != Before::Absent) else {
            return Ok(Rest::All);
        };
        Ok(match self.look_up(look, row, before).await? {
            Found::Absent => Rest::All,
            // That they are there does not say that as many replicas have the others as are wanted.
            Found::Equal => Rest::Part(row.beside(&look.places.0, &look.places.1)),
            Found::Begun(there) if row.grows() => Rest::Part(row.lacking(&there)),
            Found::Begun(_) | Found::Different => Rest::Different,
        })
    }

    /// What the lists and counters of a row hold.
    async fn look_up(&self, look: &Look, row: &Sent, before: Before) -> Result<Found, Unwritten> {
        let doubt = before == Before::InDoubt;
        let statement = if doubt { &look.all } else { &look.usual };
        let around = &self.around;
        let mut patience = Patience::new();
        let mut missed = false;
        let answer = loop {
            let key = Key(&row.key);
            match around.sender.session.execute_unpaged(statement, key).await {
                // A replica that did not answer may only now get to what it was sent.
                Ok(_) if doubt && missed => {
                    missed = false;
                    if let Err(stopped) = around.stop.pause(around.quiet).await {
                        return Err(Unwritten::Stopped(stopped));
                    }
                }
                Ok(answer) => break answer,
                Err(error) => {
                    let fault = Fault::from(error);
                    let over = patience.is_over() || around.stop.check().is_err();
                    if fault.kind == Kind::Refused || (over && !doubt) {
                        return Err(fault.into());
                    }
                    if over {
                        return Err(Unwritten::Unseen(fault));
                    }
                    missed = true;
                    around.met("looking up what is in", &fault, patience.until());
                    patience.pause().await;
                }
            }
        };
        let found = first_row(answer)?;
        Ok(self.found(row, &found.unwrap_or_default()))
    }

    /// What cells say of a row; where there are none there is no row.
    fn found(&self, row: &Sent, cells: &[Option<Vec<u8>>]) -> Found {
        let mut there = Vec::new();
        let (mut all, mut any) = (true, false);
        for (place, (expected, at)) in row.unrepeatable.iter().zip(&self.unrepeatable).enumerate() {
            if *expected == Expected::Nothing {
                continue;
            }
            let Some(value) = cells.get(place).and_then(Option::as_deref) else {
                all = false;
                there.push((*at, 0));
                continue;
            };
            any = true;
            match expected.begins(value) {
                None => return Found::Different,
                Some(count) => {
                    all &= count == expected.count();
                    there.push((*at, count));
                }
            }
        }
        match (all, any) {
            (true, _) => Found::Equal,
            (false, false) => Found::Absent,
            (false, true) => Found::Begun(there),
        }
    }
}
