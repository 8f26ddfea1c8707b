//! The gate of `finish` and `undo`: who is connected that would not survive it, and what cannot be seen. Pure.
//!
//! A database is looked at again and again over a window; each look is an [`Evidence`], and [`judge`] says of it, against a
//! [`Demand`], whether the gate is open (contract §6.2). What cannot be seen closes it.

mod client;
mod doomed;
mod judge;
mod words;

pub use client::{announced, matches, version};
pub use doomed::{Doomed, doomed};
pub use judge::{fell, judge};
pub use words::{closed, headline};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What must not be there for a command to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Whose clients are in the way.
    pub side: Side,
    /// `[app] name`: clients announce themselves as `name/version`.
    pub app: Option<String>,
    /// The application version of the batch.
    pub version: Option<String>,
    /// Versions that clients announced while the batch's `up` ran (traps P2).
    pub seen: BTreeSet<String>,
    /// When each name was last seen since the batch was taken on, as it is journaled.
    pub last_seen: BTreeMap<String, String>,
    /// Patterns of names that belong to no application, `*` for anything.
    pub ignore: Vec<String>,
    /// Roles of the old version, where clients announce no name.
    pub old_roles: Vec<String>,
    /// Whether standbys and subscribers are known to serve no readers.
    pub no_readers: bool,
    /// How many migrations owe the finish; all of them are expanded, or there would be no plan.
    pub pending: usize,
    /// What is about to be dropped.
    pub doomed: Doomed,
    /// How long no old client may be seen; how old a prepared transaction has to be to count as one.
    pub window: Duration,
}

/// Whose clients are in the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Side {
    /// Those of the old version: `finish` takes away what they use.
    #[default]
    Old,
    /// Those of the batch's version: `undo` takes away what they use.
    New,
}

/// What one look shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Who is connected; kmig's own are left out.
    pub clients: Vec<Client>,
    /// What could not be seen.
    pub unseen: Vec<Unseen>,
    /// Standbys and subscribers that this server feeds, and slots for such, a line each.
    pub feeds: Vec<Feed>,
    /// How many servers of `gate.replicas` were looked at as well.
    pub replicas: usize,
    /// Prepared transactions, which have no client.
    pub prepared: Vec<Prepared>,
    /// How often a table was read or written through a node, by node and table.
    pub counts: BTreeMap<(String, String), i64>,
    /// Prepared statements that name a doomed column, a line each.
    pub statements: Vec<String>,
    /// Where it was looked: servers, nodes, poolers.
    pub places: Vec<String>,
}

/// A client that is connected.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// What it announced: `name/version`; empty where it announced nothing.
    pub announced: String,
    /// Its role.
    pub role: Option<String>,
    /// Its address, without the port.
    pub host: Option<String>,
    /// Where it was seen.
    pub place: String,
    /// What tells it apart there: `pid 4711`.
    pub id: String,
    /// What it is doing, or what is known of it beside.
    pub state: Option<String>,
}

/// Something that receives what is written here, and may serve readers that are not seen here (traps P3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Its application_name, or its slot's name.
    pub name: String,
    /// It, in words.
    pub line: String,
}

/// A prepared transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Its identifier.
    pub gid: String,
    /// Who prepared it.
    pub owner: String,
    /// How long ago, in seconds.
    pub seconds: u64,
}

/// What could not be seen, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// The question that it leaves open.
    pub check: Check,
    /// What could not be seen, and why.
    pub what: String,
    /// What to do.
    pub next: String,
}

/// The questions of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// `[app]` says whom to look for.
    App,
    /// Expand and backfill are complete.
    Expand,
    /// Nobody is connected who would not survive.
    Clients,
    /// Other roles' sessions can be seen.
    Rights,
    /// Standbys and subscribers.
    Standbys,
    /// Poolers.
    Poolers,
    /// Nodes of the cluster.
    Nodes,
    /// Prepared transactions.
    Prepared,
    /// Nobody reads or writes what is dropped.
    Traffic,
    /// Prepared statements that name a dropped column.
    Statements,
    /// Somebody's word against it.
    Override,
}

impl Check {
    /// Its name in text and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Check::App => "app",
            Check::Expand => "expand",
            Check::Clients => "clients",
            Check::Rights => "rights",
            Check::Standbys => "standbys",
            Check::Poolers => "poolers",
            Check::Nodes => "nodes",
            Check::Prepared => "prepared",
            Check::Traffic => "traffic",
            Check::Statements => "statements",
            Check::Override => "override",
        }
    }
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is in the way.
    Clear,
    /// It keeps the gate closed.
    Closed,
    /// It keeps nothing closed, and a person should know it.
    Warning,
}

impl Standing {
    /// Its word in text and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Clear => "open",
            Standing::Closed => "closed",
            Standing::Warning => "warning",
        }
    }
}

/// One question with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The question.
    pub check: Check,
    /// The answer.
    pub standing: Standing,
    /// What it stands on.
    pub evidence: String,
    /// Who or what is in the way, a line each.
    pub who: Vec<String>,
    /// What to do about it.
    pub next: Option<String>,
}

/// Whether the gate is open, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Each question.
    pub lines: Vec<Line>,
    /// Whether it is open.
    pub open: bool,
    /// How often and how long it was looked.
    pub looks: Looks,
}

/// How often and how long it was looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looks {
    /// Looks.
    pub samples: usize,
    /// From the first to the last.
    pub over: Duration,
}

impl Evidence {
    /// What clients announce, with how many do.
    pub fn announced(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for client in &self.clients {
            *counts.entry(client.announced.clone()).or_default() += 1;
        }
        counts
    }

    /// Who is connected, in JSON, for the journal.
    pub fn seen(&self) -> String {
        serde_json::json!({ "clients": self.announced() }).to_string()
    }
}

impl Verdict {
    /// Whether it can open by itself once others have left.
    pub fn may_open(&self) -> bool {
        !self.closed().any(|line| line.check == Check::App)
    }

    /// The lines that keep it closed.
    pub fn closed(&self) -> impl Iterator<Item = &Line> {
        self.lines
            .iter()
            .filter(|line| line.standing == Standing::Closed)
    }

    /// What changes when others are in the way than before.
    pub fn key(&self) -> Vec<(Check, &[String])> {
        self.closed()
            .map(|line| (line.check, line.who.as_slice()))
            .collect()
    }

    /// The same, opened by somebody's word.
    pub fn overridden(mut self, reason: &str) -> Self {
        let closed = self.closed().count();
        if closed > 0 {
            self.lines.push(Line {
                check: Check::Override,
                standing: Standing::Warning,
                evidence: format!("opened all the same by --assume-gone: {reason}"),
                who: Vec::new(),
                next: None,
            });
        }
        self.open = true;
        self
    }
}
