//! Sending, and telling meanwhile whom a statement waits for that has no lock timeout: a wait without end is never silent.

use super::Postgres;
use super::preflight::Ahead;
use super::script::{Failure, Role, Script};
use super::watch::Watch;
use crate::backend::Event;
use crate::place::Place;
use crate::plan::schedule::Unit;
use crate::sql::{Class, validated};
use std::cell::RefCell;
use std::time::Duration;

/// How often it is looked whom a statement without lock timeout waits for.
const LOOK: Duration = Duration::from_millis(500);

impl Postgres {
    /// Sends what the script holds, and empties it.
    pub(super) async fn send(
        &mut self,
        script: &mut Script,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        if script.is_empty() {
            return Ok(());
        }
        let sent = std::mem::take(script);
        {
            let tell = RefCell::new(&mut *tell);
            let running = sent.run(&self.connection.client, |line| {
                if let Role::User(_) = line.role {
                    tell.borrow_mut()(Event::Statement);
                }
            });
            let mut running = std::pin::pin!(running);
            loop {
                let change = async {
                    match (&self.patient, &mut self.watch) {
                        (Some(place), Some(watch)) => (place.clone(), watch.change().await),
                        _ => std::future::pending().await,
                    }
                };
                let (place, blockers) = tokio::select! {
                    result = &mut running => break result?,
                    change = change => change,
                };
                tell.borrow_mut()(Event::Blocked {
                    place,
                    left: None,
                    blockers,
                });
            }
        }
        self.notices(tell);
        Ok(())
    }

    /// From here on it is told whom a statement waits for that has no lock timeout, once it waits for long.
    pub(super) fn watch_patiently(&mut self, place: String) {
        let pid = self.pid;
        let target = self.target.clone();
        self.watch = Some(Watch::start(target, pid, LOOK, LOOK));
        self.patient = Some(place);
    }

    /// Nobody is told of any more.
    pub(super) fn watch_no_more(&mut self) {
        if self.patient.take().is_some() {
            self.watch = None;
        }
    }

    /// Looks who would hold up the validation `at`, at its unit's first try, and watches it from then on.
    pub(super) async fn before_validation(
        &mut self,
        unit: &Unit<'_>,
        at: usize,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        let Some(part) = unit.part else {
            return Ok(());
        };
        let text = &part.file.text;
        let place = Place::span(&part.file, part.statements[at].span);
        let label = place.label();
        if self.watch.is_none() {
            let mut script = Script::default();
            for earlier in &part.statements[..at] {
                if earlier.class == Class::Session {
                    script.push(0, Role::User(at), earlier.span.of(text));
                    self.send(&mut script, &mut |_| {}).await?;
                }
            }
            let table = validated(text, part.statements[at].span);
            let ahead = Ahead::validation(place, table);
            self.preflight(&ahead, tell).await?;
            self.start_over().await.map_err(Failure::Refused)?;
        }
        self.watch_patiently(label);
        Ok(())
    }
}
