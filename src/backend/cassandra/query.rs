//! Sends CQL to a chosen member, or to any, and reads rows.

use super::fault::{Fault, Kind, not_listening};
use super::members::ANSWER;
use scylla::client::session::Session;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::response::PagingState;
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::{CqlValue, Row};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The session, and how kmig's own statements are sent over it.
#[derive(Clone)]
pub struct Sender {
    /// The driver's session.
    pub session: Arc<Session>,
    /// The one member that all DDL goes through, and everything else where it is up to kmig (traps C1, C4).
    pub coordinator: Uuid,
    /// At which level bookkeeping is read and written.
    pub consistency: Consistency,
    /// At which level conditional writes are decided.
    pub serial: SerialConsistency,
    /// How long the answer to a bookkeeping request is awaited.
    pub timeout: Duration,
}

/// Rows of a page where only the first row counts.
const FIRST_PAGE: i32 = 100;

/// How one statement is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// To which member; the coordinator where none is named.
    pub member: Option<Uuid>,
    /// At which level, where it is not the one of bookkeeping.
    pub consistency: Option<Consistency>,
    /// How long the answer is awaited, where it is not as long as for bookkeeping.
    pub timeout: Option<Duration>,
    /// Write time of its cells, in microseconds since 1970.
    pub write_time: Option<i64>,
}

/// What a member does that is asked what every node has in its own memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knock {
    /// It answers.
    Answers,
    /// Its host says that nothing listens there.
    Gone,
    /// It does not, or there is no connection to it.
    Silent,
}

/// How often a request is sent in all that the server had no time for.
const TRIES_MAX: usize = 6;

/// Rows of an answer; none where the statement returns none.
#[derive(Debug, Default)]
pub struct Rows {
    names: Vec<String>,
    rows: Vec<Row>,
}

impl Sender {
    /// Whether a level of bookkeeping counts in the coordinator's datacenter only.
    pub fn decides_locally(&self) -> bool {
        self.consistency == Consistency::LocalQuorum
            || self.serial == SerialConsistency::LocalSerial
    }

    /// Sends a statement as it is and reads all rows of its answer.
    ///
    /// # Errors
    /// The server refuses it, or nobody knows what came of it.
    pub async fn send(&self, text: &str, how: How) -> Result<Rows, Fault> {
        let statement = self.statement(text, how);
        let answer = self.session.query_unpaged(statement, ()).await;
        Rows::read(answer.map_err(Fault::from)?)
    }

    fn statement(&self, text: &str, how: How) -> Statement {
        let member = how.member.unwrap_or(self.coordinator);
        let target = SingleTargetLoadBalancingPolicy::new(NodeIdentifier::HostId(member), None);
        let mut statement = Statement::new(text);
        statement.set_load_balancing_policy(Some(target));
        statement.set_consistency(how.consistency.unwrap_or(self.consistency));
        statement.set_serial_consistency(Some(self.serial));
        statement.set_request_timeout(Some(how.timeout.unwrap_or(self.timeout)));
        statement.set_timestamp(how.write_time);
        // Nothing is repeated behind kmig's back.
        statement.set_is_idempotent(false);
        statement
    }

    /// Asks a member for a sign of life. A no to the request is one.
    pub async fn knock(&self, member: Uuid, timeout: Duration) -> Knock {
        let how = How {
            member: Some(member),
            consistency: Some(Consistency::One),
            timeout: Some(timeout),
            write_time: None,
        };
        let statement = self.statement("SELECT key FROM system.local", how);
        match self.session.query_unpaged(statement, ()).await {
            Ok(_) => Knock::Answers,
            Err(error) if not_listening(&error) => Knock::Gone,
            Err(error) => match Fault::from(error).code {
                Some(_) => Knock::Answers,
                None => Knock::Silent,
            },
        }
    }

    /// The same through another member where the coordinator has died.
    pub async fn working(&self) -> Sender {
        let mut sender = self.clone();
        let state = sender.session.get_cluster_state();
        let nodes = state.get_nodes_info().iter().map(|node| node.host_id);
        let first = std::iter::once(sender.coordinator);
        for member in first.chain(nodes).collect::<Vec<_>>() {
            let asked = sender.ask_member(member, "SELECT key FROM system.local", ANSWER);
            if asked.await.is_ok() {
                sender.coordinator = member;
                break;
            }
        }
        sender
    }

    /// The first row of an answer, however many there are: they come page by page.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn first(&self, text: &str, how: How) -> Result<Rows, Fault> {
        let mut statement = self.statement(text, how);
        statement.set_page_size(FIRST_PAGE);
        let mut at = PagingState::start();
        loop {
            let page = self
                .session
                .query_single_page(statement.clone(), (), at)
                .await;
            let (answer, next) = page.map_err(Fault::from)?;
            let rows = Rows::read(answer)?;
            match next.into_paging_control_flow() {
                // A page may be empty although another one follows.
                ControlFlow::Continue(next) if rows.rows.is_empty() => at = next,
                _ => return Ok(rows),
            }
        }
    }

    /// Reads bookkeeping at the usual level.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn read(&self, text: &str) -> Result<Rows, Fault> {
        self.send(text, How::default()).await
    }

    /// Sends what may be sent again without harm, until the server no longer answers that it ran out of time: racing
    /// conditional writes do that to each other (traps C6).
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn settled(&self, text: &str, how: How) -> Result<Rows, Fault> {
        let mut pause = Duration::from_millis(20);
        for _ in 1..TRIES_MAX {
            match self.send(text, how).await {
                Err(fault) if fault.in_doubt() && fault.code.is_some() => {}
                answer => return answer,
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause *= 2;
        }
        self.send(text, how).await
    }

    /// Reads one partition as conditional writes left it, those in doubt settled.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn read_serial(&self, text: &str) -> Result<Rows, Fault> {
        let consistency = match self.serial {
            SerialConsistency::Serial => Consistency::Serial,
            SerialConsistency::LocalSerial => Consistency::LocalSerial,
        };
        let how = How {
            consistency: Some(consistency),
            ..How::default()
        };
        self.settled(text, how).await
    }

    /// Asks one member what it has in its own memory: system tables.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn ask_member(
        &self,
        member: Uuid,
        text: &str,
        timeout: Duration,
    ) -> Result<Rows, Fault> {
        let how = How {
            member: Some(member),
            consistency: Some(Consistency::One),
            timeout: Some(timeout),
            write_time: None,
        };
        self.send(text, how).await
    }
}

impl Rows {
    fn read(answer: scylla::response::query_result::QueryResult) -> Result<Self, Fault> {
        if !answer.is_rows() {
            return Ok(Rows::default());
        }
        let answer = answer.into_rows_result().map_err(unreadable)?;
        let specs = answer.column_specs().iter();
        let names = specs.map(|spec| spec.name().to_string()).collect();
        let rows = answer.rows::<Row>().map_err(unreadable)?;
        let rows: Result<Vec<Row>, _> = rows.collect();
        Ok(Rows {
            names,
            rows: rows.map_err(unreadable)?,
        })
    }

    /// Each row.
    pub fn iter(&self) -> impl Iterator<Item = Cells<'_>> {
        self.rows.iter().map(|row| Cells {
            names: &self.names,
            row,
        })
    }

    /// The first row.
    pub fn first(&self) -> Option<Cells<'_>> {
        self.iter().next()
    }

    /// Whether a conditional write was applied.
    pub fn applied(&self) -> bool {
        self.first()
            .is_some_and(|row| row.get("[applied]") == Some(&CqlValue::Boolean(true)))
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    names: &'a [String],
    row: &'a Row,
}

impl<'a> Cells<'a> {
    /// The value of a column; nothing for null, and for a column that is not there.
    pub fn get(&self, name: &str) -> Option<&'a CqlValue> {
        let at = self.names.iter().position(|known| known == name)?;
        self.row.columns.get(at)?.as_ref()
    }

    /// Every column with its value.
    pub fn all(&self) -> impl Iterator<Item = (&'a str, Option<&'a CqlValue>)> {
        let names = self.names.iter().map(String::as_str);
        names.zip(self.row.columns.iter().map(Option::as_ref))
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.as_text().map(String::as_str)
    }

    /// A bigint, an int, or a timestamp in milliseconds.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            CqlValue::BigInt(number) => Some(*number),
            CqlValue::Int(number) => Some(i64::from(*number)),
            CqlValue::Timestamp(time) => Some(time.0),
            _ => None,
        }
    }

    /// A uuid.
    pub fn uuid(&self, name: &str) -> Option<Uuid> {
        match self.get(name)? {
            CqlValue::Uuid(id) => Some(*id),
            CqlValue::Timeuuid(id) => Some(*id.as_ref()),
            _ => None,
        }
    }

    /// A list or set of texts.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(CqlValue::Set(texts) | CqlValue::List(texts)) => texts
                .iter()
                .filter_map(|text| text.as_text().cloned())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A list, set or frozen map of texts, as pairs where it is a map.
    pub fn pairs(&self, name: &str) -> Vec<(String, String)> {
        match self.get(name) {
            Some(CqlValue::Map(pairs)) => pairs
                .iter()
                .filter_map(|(key, value)| Some((key.as_text()?.clone(), value.as_text()?.clone())))
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// An answer that came and cannot be read: what it answers was done.
fn unreadable(error: impl std::fmt::Display) -> Fault {
    Fault {
        kind: Kind::Refused,
        code: None,
        message: format!("the answer cannot be read: {error}"),
        position: None,
        lost: false,
    }
}
