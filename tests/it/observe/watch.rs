//! What a server shows of a statement: the locks that its session holds or asks for, whose file is another one, what was
//! read from one end to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kmig::safety::rule::{Lock, Seen};
use tokio_postgres::{Client, Row};

/// Every relation of the users. Names are as the search path takes them.
const RELATIONS: &str = "
    select c.oid, c.oid::regclass::text, c.relkind::text, pg_relation_filenode(c.oid),
           coalesce(pg_stat_get_numscans(c.oid), 0) + coalesce(pg_stat_get_xact_numscans(c.oid), 0)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid >= 16384 and c.relkind in ('r', 'p', 'm', 'v', 'i', 'I', 'S') and n.nspname !~ '^pg_'";

/// The locks of a session, and what it waits for.
const LOCKS: &str = "
    select relation, mode, granted from pg_locks
    where pid = $1 and (relation >= 16384 or not granted)";

/// What a statement did to relations that were there before, by the names that they had; or what a rule says of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The strongest lock of each.
    pub locks: BTreeMap<String, Lock>,
    /// Those that were read to the end.
    pub scans: BTreeSet<String>,
    /// Those with another file.
    pub rewrites: BTreeSet<String>,
}

/// What a session waits for.
pub enum Waits {
    /// For nothing.
    Not,
    /// For a lock on this relation.
    For(String),
    /// For others to end, whatever they hold.
    ForSessions,
}

/// What was there before a statement.
pub struct Watch {
    relations: BTreeMap<u32, Relation>,
}

struct Relation {
    name: String,
    kind: String,
    file: Option<u32>,
    scans: i64,
}

impl Watch {
    /// What is there now.
    pub async fn before(client: &Client) -> Self {
        let relations = client.query(RELATIONS, &[]).await;
        let relations = relations.expect("the relations").iter().map(read).collect();
        Self { relations }
    }

    /// The same relations, as they are now.
    pub async fn again(&self, client: &Client) -> Self {
        let now = Self::before(client).await.relations.into_iter();
        let known = now.filter_map(|(oid, now)| {
            let name = self.relations.get(&oid)?.name.clone();
            Some((oid, Relation { name, ..now }))
        });
        Self {
            relations: known.collect(),
        }
    }

    /// The tables among them.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        let relations = self.relations.values();
        let tables = relations.filter(|found| matches!(&*found.kind, "r" | "p"));
        tables.map(|found| found.name.as_str())
    }

    /// What has become of them in the session's own transaction.
    pub async fn after(&self, client: &Client, pid: i32) -> Facts {
        let mut facts = Facts::default();
        self.asked(client, pid, &mut facts).await;
        self.compare(client, &mut facts).await;
        facts
    }

    /// Adds the locks that a session holds or asks for, and tells what it waits for.
    pub async fn asked(&self, client: &Client, pid: i32, facts: &mut Facts) -> Waits {
        let mut waits = Waits::Not;
        for row in client.query(LOCKS, &[&pid]).await.expect("the locks") {
            let known = row.get::<_, Option<u32>>(0);
            let known = known.and_then(|oid| self.relations.get(&oid));
            if !row.get::<_, bool>(2) {
                waits = known.map_or(Waits::ForSessions, |found| Waits::For(found.name.clone()));
            }
            if let (Some(known), Some(lock)) = (known, lock(row.get(1))) {
                let strongest = facts.locks.entry(known.name.clone()).or_insert(lock);
                *strongest = lock.max(*strongest);
            }
        }
        waits
    }

    /// Those of its tables and views that a statement reads to the end or writes anew under a lock that others wait for:
    /// those who write to a table, and those who read a materialized view, which nobody writes to.
    pub fn blocked_by<'a>(&'a self, facts: &Facts) -> Vec<&'a str> {
        let blocked = self.relations.values().filter(|known| {
            let strongest = facts.locks.get(&known.name).copied();
            let limit = match &*known.kind {
                "m" => Lock::AccessExclusive,
                _ => Lock::Share,
            };
            let worked = facts.scans.contains(&known.name) || facts.rewrites.contains(&known.name);
            worked && !known.minor() && strongest.is_some_and(|lock| lock >= limit)
        });
        blocked.map(|known| known.name.as_str()).collect()
    }

    /// Adds whose file is another one by now, and what was read since.
    pub async fn compare(&self, client: &Client, facts: &mut Facts) {
        let now = Self::before(client).await.relations;
        for (oid, before) in &self.relations {
            let Some(now) = now.get(oid) else { continue };
            if now.file != before.file {
                facts.rewrites.insert(before.name.clone());
            }
            if now.scans > before.scans {
                facts.scans.insert(before.name.clone());
            }
        }
    }
}

impl Relation {
    /// Indexes and sequences, which go with a table.
    fn minor(&self) -> bool {
        matches!(&*self.kind, "i" | "I" | "S")
    }
}

fn read(row: &Row) -> (u32, Relation) {
    let relation = Relation {
        name: row.get(1),
        kind: row.get(2),
        file: row.get(3),
        scans: row.get(4),
    };
    (row.get(0), relation)
}

/// The lock of that name, as pg_locks has it.
pub fn lock(mode: &str) -> Option<Lock> {
    const ALL: [Lock; 8] = [
        Lock::AccessShare,
        Lock::RowShare,
        Lock::RowExclusive,
        Lock::ShareUpdateExclusive,
        Lock::Share,
        Lock::ShareRowExclusive,
        Lock::Exclusive,
        Lock::AccessExclusive,
    ];
    ALL.into_iter().find(|lock| lock.mode() == mode)
}

impl Facts {
    /// Whether all was read of which others say so.
    pub fn scans_all_of(&self, claimed: &Facts) -> bool {
        self.scans.is_superset(&claimed.scans)
    }

    /// Without what a rule need not name: indexes and sequences, and locks that only reading and writing take.
    pub fn but_minor(mut self, claimed: &Facts, watch: &Watch) -> Self {
        let minor = |name: &String| {
            let mut relations = watch.relations.values();
            relations.any(|found| found.name == *name && found.minor())
        };
        self.locks.retain(|name, lock| {
            claimed.locks.contains_key(name) || *lock >= Lock::ShareUpdateExclusive && !minor(name)
        });
        self.scans
            .retain(|name| claimed.scans.contains(name) || !minor(name));
        self.rewrites
            .retain(|name| claimed.rewrites.contains(name) || !minor(name));
        self
    }
}

impl From<&Seen> for Facts {
    fn from(seen: &Seen) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let locks = seen.locks.iter();
        Self {
            locks: locks
                .map(|(name, lock)| ((*name).to_owned(), *lock))
                .collect(),
            scans: owned(seen.scans),
            rewrites: owned(seen.rewrites),
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, lock) in &self.locks {
            write!(f, "{name} {lock:?}, ")?;
        }
        write!(f, "scans {:?}, rewrites {:?}", self.scans, self.rewrites)
    }
}
