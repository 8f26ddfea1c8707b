//! How much of a table survived its way: every cell and element of the source beside the target's, asked past all tools.

use super::sets::Set;
use kmig::backup::cast::wire;
use scylla::client::session::Session;
use scylla::deserialize::row::ColumnIterator;
use scylla::response::PagingState;
use scylla::statement::prepared::PreparedStatement;
use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::SystemTime;

/// Seconds that two expiries of one cell may be apart.
const TOLERANCE: u64 = 2;

/// Cells of the source, and of how many the target has the same.
#[derive(Debug, Default, Clone, Copy)]
pub struct Fidelity {
    cells: u64,
    value: u64,
    write: u64,
    expiry: u64,
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |survived: u64| {
            // What is lost is never rounded away.
            let tenths = (survived as u128 * 1000 / u128::from(self.cells.max(1))) as f64;
            tenths / 10.0
        };
        write!(
            f,
            "{:.1} / {:.1} / {:.1} | {}",
            share(self.value),
            share(self.write),
            share(self.expiry),
            self.cells
        )
    }
}

/// A cell, or an element of one.
struct Cell {
    /// Which column, and which element of it: the key of a map's, the element of a set's, the place of a list's.
    of: (usize, Vec<u8>),
    value: Vec<u8>,
    write: Option<i64>,
    /// Seconds since 1970.
    expiry: Option<u64>,
}

struct Row {
    /// Token, partition, clustering key.
    key: (i64, i32, i32),
    cells: Vec<Cell>,
}

/// A table, in the order of its tokens.
struct Side {
    session: Arc<Session>,
    statement: PreparedStatement,
    set: Set,
    next: Option<PagingState>,
    rows: VecDeque<Row>,
}

/// Compares two keyspaces.
pub async fn of(session: &Arc<Session>, set: &Set, source: &str, target: &str) -> Fidelity {
    let mut source = Side::open(session, set, source).await;
    let mut target = Side::open(session, set, target).await;
    let mut fidelity = Fidelity::default();
    let mut there = target.next().await;
    while let Some(row) = source.next().await {
        while there.as_ref().is_some_and(|there| there.key < row.key) {
            there = target.next().await;
        }
        let like = there.as_ref().filter(|there| there.key == row.key);
        for cell in &row.cells {
            fidelity.cells += 1;
            let cells = like.map_or(&[][..], |like| &like.cells);
            if let Some(like) = cells.iter().find(|like| like.of == cell.of) {
                fidelity.value += u64::from(like.value == cell.value);
                fidelity.write += u64::from(like.write == cell.write);
                fidelity.expiry += u64::from(match (cell.expiry, like.expiry) {
                    (None, None) => true,
                    (Some(one), Some(other)) => one.abs_diff(other) <= TOLERANCE,
                    _ => false,
                });
            }
        }
    }
    fidelity
}

impl Side {
    async fn open(session: &Arc<Session>, set: &Set, keyspace: &str) -> Self {
        let columns = set.columns.iter();
        let columns: Vec<String> = columns
            .map(|(name, _)| format!("{name}, writetime({name}), ttl({name})"))
            .collect();
        let text = format!(
            "SELECT token(p), p, c, {} FROM {keyspace}.{}",
            columns.join(", "),
            set.name
        );
        let mut statement = session.prepare(text).await.expect("a statement");
        statement.set_page_size(set.page);
        Side {
            session: session.clone(),
            statement,
            set: *set,
            next: Some(PagingState::start()),
            rows: VecDeque::new(),
        }
    }

    async fn next(&mut self) -> Option<Row> {
        while self.rows.is_empty() {
            let at = self.next.take()?;
            let page = self.session.execute_single_page(&self.statement, (), at);
            let (page, next) = page.await.expect("a page");
            let since = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
            if let ControlFlow::Continue(next) = next.into_paging_control_flow() {
                self.next = Some(next);
            }
            let page = page.into_rows_result().expect("rows");
            for row in page.rows::<ColumnIterator<'_, '_>>().expect("rows") {
                let columns = row.expect("a row").map(|column| {
                    let slice = column.expect("a column").slice;
                    slice.map(|slice| slice.as_slice())
                });
                let columns: Vec<Option<&[u8]>> = columns.collect();
                self.rows
                    .push_back(row_of(&self.set, &columns, since.as_secs()));
            }
        }
        self.rows.pop_front()
    }
}

fn row_of(set: &Set, columns: &[Option<&[u8]>], now: u64) -> Row {
    let key = (
        long(columns[0].expect("a token")),
        int(columns[1].expect("a key")),
        int(columns[2].expect("a key")),
    );
    let mut cells = Vec::new();
    for (at, ((_, kind), told)) in set.columns.iter().zip(columns[3..].chunks(3)).enumerate() {
        let (value, write, ttl) = (told[0], told[1], told[2]);
        let Some(value) = value else {
            continue;
        };
        let expiry = |ttl: &[u8]| now + u64::from(int(ttl).unsigned_abs());
        let elements: Vec<(Vec<u8>, Vec<u8>)> = match kind.split_once('<') {
            None => {
                cells.push(Cell {
                    of: (at, Vec::new()),
                    value: value.to_vec(),
                    write: write.map(long),
                    expiry: ttl.map(expiry),
                });
                continue;
            }
            Some(("map", _)) => {
                let pairs = wire::map(value).expect("a map").into_iter();
                pairs
                    .map(|(key, value)| (owned(key), owned(value)))
                    .collect()
            }
            Some(("set", _)) => {
                let parts = wire::list(value).expect("a set").into_iter();
                parts.map(|part| (owned(part), Vec::new())).collect()
            }
            Some(_) => {
                let parts = wire::list(value).expect("a list").into_iter();
                let placed = parts.enumerate();
                placed
                    .map(|(place, part)| (place.to_be_bytes().to_vec(), owned(part)))
                    .collect()
            }
        };
        let list = |told| wire::list(told).expect("a list");
        let (writes, ttls) = (write.map(list), ttl.map(list));
        for (place, (of, value)) in elements.into_iter().enumerate() {
            cells.push(Cell {
                of: (at, of),
                value,
                write: part(&writes, place).map(long),
                expiry: part(&ttls, place).map(expiry),
            });
        }
    }
    Row { key, cells }
}

/// What a list tells of its element of this place.
fn part<'a>(list: &Option<Vec<wire::Part<'a>>>, place: usize) -> wire::Part<'a> {
    list.as_ref()?.get(place).copied().flatten()
}

fn owned(part: wire::Part<'_>) -> Vec<u8> {
    part.unwrap_or_default().to_vec()
}

fn long(bytes: &[u8]) -> i64 {
    i64::from_be_bytes(bytes.try_into().expect("eight bytes"))
}

fn int(bytes: &[u8]) -> i32 {
    i32::from_be_bytes(bytes.try_into().expect("four bytes"))
}
