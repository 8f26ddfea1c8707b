//! What anybody who reads or writes through a driver at least does: the same rows, and nothing but requests.

use super::sets::Set;
use futures_util::stream::{self, StreamExt};
use kmig::backend::cassandra::cells::Selection;
use kmig::backend::cassandra::cells::sent::{Texts, Values};
use kmig::backend::cassandra::cells::statements::{Bound, Columns, bind};
use kmig::backup::TokenRange;
use kmig::backup::archive::Archive;
use kmig::backup::cast::Cast;
use kmig::backup::convert::Converter;
use kmig::backup::group::{self, Verb};
use kmig::backup::manifest::Table;
use kmig::backup::mapping::{Move, TableMap};
use kmig::backup::marker::{Marker, Policy};
use kmig::backup::read::Reader;
use kmig::backup::table::Part;
use scylla::client::session::Session;
use scylla::deserialize::row::ColumnIterator;
use scylla::response::PagingState;
use scylla::statement::Consistency;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::SystemTime;

/// Ranges that are read at once: kmig's default.
const READ_AT_ONCE: usize = 4;

/// Requests in flight: kmig's default.
const WRITTEN_AT_ONCE: usize = 256;

/// Rows of one request: kmig's.
const ROWS_MAX: usize = 100;

/// Bytes of one request: kmig's.
const BYTES_MAX: usize = 64 << 10;

/// Reads what kmig reads, and throws it away.
pub async fn read(
    session: &Arc<Session>,
    keyspace: &str,
    set: &Set,
    archive: &Archive,
    table: &Table,
) {
    let shape = archive.shape(table).expect("a shape");
    let selection = Selection::new(keyspace, &shape, Part::Rows, true, None);
    let mut prepared = session.prepare(selection.text).await.expect("a statement");
    prepared.set_page_size(set.page);
    let ranges: Vec<TokenRange> = table.ranges.iter().map(|range| range.tokens).collect();
    let read = stream::iter(ranges).map(|range| {
        let (session, prepared) = (session.clone(), prepared.clone());
        tokio::spawn(async move {
            let (mut at, mut bytes) = (PagingState::start(), 0);
            loop {
                let bound = (range.after, range.to);
                let page = session.execute_single_page(&prepared, bound, at).await;
                let (page, next) = page.expect("a page");
                let rows = page.into_rows_result().expect("rows");
                for row in rows.rows::<ColumnIterator<'_, '_>>().expect("rows") {
                    for column in row.expect("a row") {
                        let slice = column.expect("a column").slice;
                        bytes += slice.map_or(0, |slice| slice.as_slice().len());
                    }
                }
                match next.into_paging_control_flow() {
                    ControlFlow::Continue(next) => at = next,
                    ControlFlow::Break(()) => return bytes,
                }
            }
        })
    });
    let bytes: Vec<_> = read.buffer_unordered(READ_AT_ONCE).collect().await;
    let bytes = bytes.into_iter().map(|bytes| bytes.expect("a range"));
    assert!(bytes.sum::<usize>() > 0);
}

/// Since 1970.
fn seconds() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    i64::try_from(since.as_secs()).expect("a time")
}

/// The requests that write a table, bound and in memory.
pub struct Requests {
    insert: Option<PreparedStatement>,
    update: Option<PreparedStatement>,
    all: Vec<Arc<Vec<Bound>>>,
}

impl Requests {
    /// Those that kmig sends for an export of one table, into a keyspace with the same table.
    pub async fn of(session: &Session, keyspace: &str, archive: &Archive) -> Self {
        let now = seconds();
        let table = &archive.manifest.tables[0];
        let shape = archive.shape(table).expect("a shape");
        let moves = (0..shape.columns.len()).map(|at| Move {
            from: at,
            to: at,
            cast: Cast::Same,
        });
        let map = TableMap {
            moves: moves.collect(),
            source: shape.clone(),
            target: shape,
            constants: Vec::new(),
            dropped: Vec::new(),
            marker: None,
        };
        let converter = Converter::new(&map, Part::Rows, 0);
        let columns = Columns {
            table: &format!("{keyspace}.{}", map.target.name),
            keys: converter.keys().collect(),
            cells: converter.columns().collect(),
            forms: converter.forms(),
        };
        let texts = Texts::of(&columns, true);
        let mut requests = Requests {
            insert: None,
            update: None,
            all: Vec::new(),
        };
        let prepare = async |text: &str| {
            let mut prepared = session.prepare(text).await.expect("a statement");
            prepared.set_consistency(Consistency::LocalQuorum);
            prepared
        };
        if let Some(text) = &texts.insert {
            requests.insert = Some(prepare(&text.text).await);
        }
        if let Some(text) = &texts.update {
            requests.update = Some(prepare(&text.text).await);
        }
        let marker = Marker {
            policy: Policy::Insert,
            cut_off: 0,
        };
        let layout = archive.layout(table, Part::Rows).expect("a layout");
        for range in &table.ranges {
            let Some(file) = range.file(Part::Rows) else {
                continue;
            };
            let file = File::open(archive.path(&file.file)).expect("a file");
            let mut reader = Reader::open(file, &layout, "a file").expect("a file");
            // One partition, and not more than a request may have.
            let (mut partition, mut rows, mut size) = (Vec::new(), 0, 0);
            let mut request = Vec::new();
            while let Some(block) = reader.next().expect("rows") {
                let mut cells = Vec::new();
                for at in 0..block.len() {
                    block.row(at, &mut cells);
                    let row = converter.row(&cells).expect("a row");
                    let grouped = group::row(row.cells, converter.forms(), &marker, now);
                    let writes = grouped.writes.iter();
                    let bound: Vec<Bound> = writes
                        .map(|write| {
                            let text = texts.text(write.verb).expect("a text");
                            bind(text, converter.forms(), &row.key, write)
                        })
                        .collect();
                    let more: usize = bound.iter().map(|bound| bound.bytes.len()).sum();
                    if partition != *row.key[0] || rows == ROWS_MAX || size + more > BYTES_MAX {
                        requests.all.push(Arc::new(std::mem::take(&mut request)));
                        partition = row.key[0].to_vec();
                        (rows, size) = (0, 0);
                    }
                    request.extend(bound);
                    rows += 1;
                    size += more;
                }
            }
            requests.all.push(Arc::new(request));
        }
        requests.all.retain(|request| !request.is_empty());
        requests
    }

    /// Sends them.
    pub async fn send(&self, session: &Arc<Session>) {
        let sent = stream::iter(&self.all).map(|request| {
            let (session, request) = (session.clone(), request.clone());
            let statements: Vec<_> = request.iter().map(|bound| self.statement(bound)).collect();
            tokio::spawn(async move {
                let now = seconds();
                let values: Vec<_> = request.iter().map(|bound| Values { bound, now }).collect();
                if let ([statement], [values]) = (statements.as_slice(), values.as_slice()) {
                    let sent = session.execute_unpaged(statement, values).await;
                    sent.expect("a row");
                    return;
                }
                let mut batch = Batch::new(BatchType::Unlogged);
                batch.set_consistency(Consistency::LocalQuorum);
                for statement in statements {
                    batch.append_statement(statement);
                }
                session.batch(&batch, &values).await.expect("a batch");
            })
        });
        let mut sent = sent.buffer_unordered(WRITTEN_AT_ONCE);
        while let Some(sent) = sent.next().await {
            sent.expect("a request");
        }
    }

    fn statement(&self, bound: &Bound) -> PreparedStatement {
        let statement = match bound.verb {
            Verb::Insert => &self.insert,
            Verb::Update => &self.update,
        };
        statement.clone().expect("a statement of this verb")
    }
}
