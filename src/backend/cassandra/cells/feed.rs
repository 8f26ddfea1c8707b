//! What a thread reads of a file and makes ready to be sent: rows of one partition together, as many as there is room for.

use super::load::{Job, Loaded, Rejected};
use super::sent::{Clock, Expected, Sent, Texts};
use super::statements::{Bound, bind};
use crate::backup::archive;
use crate::backup::convert::{Converted, Converter, Reject};
use crate::backup::group::{self, Cell, Given, Shape as Form, Verb};
use crate::backup::table::{Part, Role};
use crate::error::Result;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Rows of one request, at most: more gain nothing, and a request that is refused is cut in halves.
const ROWS_MAX: usize = 100;

/// Bytes of values that wait or are in flight, of all files together, about: each has them up to three times, as a row, as the
/// driver's values and as a frame.
const HELD: usize = 4 << 20;

/// What the reading thread hands over.
pub enum Item {
    /// Rows, and the room that they take until they are written.
    Rows(Vec<Sent>, OwnedSemaphorePermit),
    /// One that does not fit.
    Reject(Rejected),
}

/// Where a thread that reads hands over what is ready.
pub struct Ready {
    /// What the requests of all files may take together.
    pub room: Arc<Semaphore>,
    /// Where room is waited for.
    pub runtime: Handle,
    /// Who sends them.
    pub send: mpsc::Sender<Item>,
}

/// Nobody listens any more: the run has ended.
pub struct Ended;

impl Ready {
    /// Hands over the rows of a request of so many bytes, once there is room for them. One that is larger than all room waits for
    /// all of it.
    fn rows(&self, rows: Vec<Sent>, bytes: usize) -> Result<(), Ended> {
        let bytes = u32::try_from(bytes.min(HELD)).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(bytes);
        let room = self.runtime.block_on(room).map_err(|_| Ended)?;
        self.put(Item::Rows(rows, room))
    }

    fn reject(&self, row: Rejected) -> Result<(), Ended> {
        self.put(Item::Reject(row))
    }

    fn put(&self, item: Item) -> Result<(), Ended> {
        self.send.blocking_send(item).map_err(|_| Ended)
    }
}

/// Room for the requests of an import.
pub fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(HELD))
}

/// Converts some rows of a file and writes none: how many were read, and those that do not fit.
///
/// # Errors
/// The file cannot be read.
pub fn try_out(job: &Job) -> Result<(u64, Vec<Rejected>)> {
    let mut reader = archive::rows(&job.path, &job.layout)?;
    let converter = Converter::new(&job.map, job.part, job.marker.cut_off);
    let (mut rows, mut wrong) = (0, Vec::new());
    'file: while let Some(block) = reader.next()? {
        let mut cells = Vec::new();
        for at in 0..block.len() {
            if job.rows_max.is_some_and(|max| rows >= max) {
                break 'file;
            }
            rows += 1;
            block.row(at, &mut cells);
            if let Err(reject) = converter.row(&cells) {
                wrong.push(rejected(reject));
            }
        }
    }
    Ok((rows, wrong))
}

fn rejected(reject: Reject) -> Rejected {
    Rejected {
        key: Vec::new(),
        column: Some(reject.column),
        reason: reject.reason,
        value: Some(reject.value),
    }
}

/// Reads a file and hands its rows over, those of one partition together.
pub fn read(
    job: &Job,
    texts: &Texts,
    clock: Clock,
    bytes_max: usize,
    ready: &Ready,
) -> Result<Loaded> {
    let mut reader = archive::rows(&job.path, &job.layout)?;
    let converter = Converter::new(&job.map, job.part, job.marker.cut_off);
    let partition = converter
        .keys()
        .filter(|key| key.role == Role::Partition)
        .count();
    let mut loaded = Loaded::default();
    let mut rows: Vec<Sent> = Vec::new();
    let mut size = 0;
    'file: while let Some(block) = reader.next()? {
        let mut cells = Vec::new();
        for at in 0..block.len() {
            if job.rows_max.is_some_and(|max| loaded.rows >= max) {
                break 'file;
            }
            loaded.rows += 1;
            block.row(at, &mut cells);
            let converted = match converter.row(&cells) {
                Ok(converted) => converted,
                Err(reject) => {
                    if ready.reject(rejected(reject)).is_err() {
                        return Ok(loaded);
                    }
                    continue;
                }
            };
            let sent = sent(converted, &converter, job, texts, clock.now(), &mut loaded);
            if sent.statements.is_empty() {
                continue;
            }
            let same = rows
                .first()
                .is_some_and(|first| first.key[..partition] == sent.key[..partition]);
            let more = sent.size();
            if !rows.is_empty() && (!same || size + more > bytes_max || rows.len() >= ROWS_MAX) {
                if ready.rows(std::mem::take(&mut rows), size).is_err() {
                    return Ok(loaded);
                }
                size = 0;
            }
            size += more;
            rows.push(sent);
        }
    }
    if !rows.is_empty() {
        // Nobody listens any more where the run has ended.
        let _ = ready.rows(rows, size);
    }
    Ok(loaded)
}

/// The statements of a row.
fn sent(
    row: Converted<'_>,
    converter: &Converter<'_>,
    job: &Job,
    texts: &Texts,
    now: i64,
    loaded: &mut Loaded,
) -> Sent {
    let Converted { key, cells } = row;
    let forms = converter.forms();
    let expected = texts
        .unrepeatable
        .iter()
        .map(|at| expected(&cells[*at], forms[*at], now))
        .collect();
    let grouped = match job.part {
        Part::Rows if !texts.counts => group::row(cells, forms, &job.marker, now),
        _ => group::statics(cells, forms, now),
    };
    loaded.expired += grouped.expired as u64;
    let mut placed = HashMap::new();
    let mut statements: Vec<Bound> = Vec::with_capacity(grouped.writes.len());
    for write in &grouped.writes {
        if !texts.counts {
            loaded.max_write = loaded.max_write.max(Some(write.time.write));
        }
        let Some(text) = texts.text(write.verb) else {
            continue;
        };
        if !job.grows {
            statements.push(bind(text, forms, &key, write));
            continue;
        }
        for (element, write) in apart(write, forms, &mut placed) {
            let mut bound = bind(text, forms, &key, &write);
            bound.element = element;
            statements.push(bound);
        }
    }
    Sent {
        key: key.into_iter().map(|part| part.into_owned()).collect(),
        statements,
        unrepeatable: expected,
    }
}

/// A statement, and each element that it would add to a list in a statement of its own. `placed` counts those of each cell.
fn apart<'a>(
    write: &group::Write<'a>,
    forms: &[Form],
    placed: &mut HashMap<usize, usize>,
) -> Vec<(Option<(usize, usize)>, group::Write<'a>)> {
    let mut rest = group::Write {
        given: Vec::new(),
        ..*write
    };
    let mut elements = Vec::new();
    for (cell, given) in &write.given {
        match given {
            Given::Add(added) if forms[*cell] == Form::List => {
                for element in added {
                    let place = placed.entry(*cell).or_default();
                    let one = group::Write {
                        given: vec![(*cell, Given::Add(vec![element.clone()]))],
                        ..*write
                    };
                    elements.push((Some((*cell, *place)), one));
                    *place += 1;
                }
            }
            other => rest.given.push((*cell, other.clone())),
        }
    }
    if !rest.given.is_empty() || write.verb == Verb::Insert {
        elements.insert(0, (None, rest));
    }
    elements
}

/// What a list or counter holds once its row is written.
fn expected(cell: &Cell<'_>, form: Form, now: i64) -> Expected {
    match (cell, form) {
        (Cell::Elements(elements), Form::List) => {
            let living = elements.iter().filter(|element| !element.time.is_gone(now));
            let living: Vec<_> = living
                .map(|element| {
                    let value = element.value.as_deref().unwrap_or_default();
                    (value.to_vec(), element.time.expiry.is_some())
                })
                .collect();
            match living.is_empty() {
                true => Expected::Nothing,
                false => Expected::List(living),
            }
        }
        (Cell::Whole { value, .. }, Form::Single) => {
            let number = value.as_ref().try_into().map(i64::from_be_bytes);
            number.map_or(Expected::Nothing, Expected::Counter)
        }
        _ => Expected::Nothing,
    }
}
