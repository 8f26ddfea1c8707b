//! Clients that this server does not see: those of its replicas, and those behind a pooler (traps P3, P14).

use super::connect::{Connection, connect};
use super::conninfo::redacted;
use super::environment;
use super::evidence;
use super::query::rows;
use crate::gate::{Check, Client, Evidence, Unseen};
use crate::run::RunId;
use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::{Client as Session, SimpleQueryRow};

/// How long a replica or a pooler may take for one look.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where it is looked beside this server.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Urls of replicas.
    pub replicas: Vec<SecretString>,
    /// Urls of the admin consoles of poolers.
    pub poolers: Vec<SecretString>,
    /// How kmig announces itself there.
    pub application: String,
}

/// Sessions with replicas and poolers, kept from one look to the next.
#[derive(Default)]
pub struct Outside {
    replicas: Vec<Option<Connection>>,
    poolers: Vec<Option<Connection>>,
    /// When each replica was started, as of the last look.
    started: BTreeSet<String>,
    /// The server processes that poolers use for this database, as of the last look.
    through: BTreeSet<String>,
}

/// What one place shows, or why it shows nothing.
type Shown<T> = Result<(Connection, T), String>;

impl Outside {
    /// Looks at each place, all at once; one that cannot be looked at is named.
    pub async fn look(&mut self, places: &Places, database: &str) -> Evidence {
        let mut evidence = Evidence::default();
        self.replicas.resize_with(places.replicas.len(), || None);
        self.poolers.resize_with(places.poolers.len(), || None);
        let replicas = self
            .replicas
            .iter_mut()
            .zip(&places.replicas)
            .map(|(open, url)| within(replica(open.take(), url, &places.application)));
        let poolers = self
            .poolers
            .iter_mut()
            .zip(&places.poolers)
            .map(|(open, url)| within(pooler(open.take(), url, &places.application, database)));
        let (replicas, poolers) = tokio::join!(join_all(replicas), join_all(poolers));
        self.started.clear();
        self.through.clear();
        for (at, shown) in replicas.into_iter().enumerate() {
            let name = redacted(places.replicas[at].expose_secret());
            match shown {
                Ok((connection, messages)) => {
                    let found = rows(&messages);
                    // The same server by two urls is one replica.
                    if self.started.insert(evidence::server(&found)) {
                        evidence.replicas += 1;
                        evidence::read(&mut evidence, &found, &name, &BTreeSet::new());
                    }
                    evidence.places.push(name);
                    self.replicas[at] = Some(connection);
                }
                Err(why) => evidence.unseen.push(Unseen {
                    check: Check::Standbys,
                    what: format!("{name}: {why}"),
                    next: "bring the replica back, or take it out of replicas in [gate]"
                        .to_string(),
                }),
            }
        }
        for (at, shown) in poolers.into_iter().enumerate() {
            let name = redacted(places.poolers[at].expose_secret());
            match shown {
                Ok((connection, seen)) => {
                    evidence.clients.extend(seen.clients.into_iter().map(|client| Client {
                        place: name.clone(),
                        ..client
                    }));
                    self.through.extend(seen.servers);
                    evidence.places.push(name);
                    self.poolers[at] = Some(connection);
                }
                Err(why) => evidence.unseen.push(Unseen {
                    check: Check::Poolers,
                    what: format!("{name}: {why}"),
                    next: "poolers in [gate] names the admin console, postgres://user@pooler:6432/pgbouncer, and its user stands in stats_users or admin_users".to_string(),
                }),
            }
        }
        evidence
    }

    /// The server processes that are seen through poolers: what they announce may be the name of a client that has left.
    pub fn server_pids(&self) -> BTreeSet<String> {
        self.through.clone()
    }

    /// Whether a url of a replica led to the server that was started then.
    pub fn is_own(&self, started: &str) -> bool {
        self.started.contains(started)
    }
}

async fn within<T>(look: impl Future<Output = Shown<T>>) -> Shown<T> {
    timeout(PATIENCE, look)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
}

async fn session(
    open: Option<Connection>,
    url: &SecretString,
    application: &str,
) -> Result<Connection, String> {
    match open {
        Some(open) if !open.client.is_closed() => Ok(open),
        _ => {
            let target = environment::target(url.expose_secret(), application)
                .map_err(|error| error.message)?;
            let connected = connect(&target).await;
            connected.map_err(|error| crate::error::Error::from(error).message)
        }
    }
}

async fn replica(
    open: Option<Connection>,
    url: &SecretString,
    application: &str,
) -> Shown<Vec<tokio_postgres::SimpleQueryMessage>> {
    let connection = session(open, url, application).await?;
    let messages = ask(&connection.client, evidence::QUERY).await?;
    Ok((connection, messages))
}

/// What a pooler shows of a database.
struct Seen {
    clients: Vec<Client>,
    /// The server's processes, by id.
    servers: Vec<String>,
}

/// PgBouncer's admin console speaks the simple protocol only (its documentation, "Admin console").
async fn pooler(
    open: Option<Connection>,
    url: &SecretString,
    application: &str,
    database: &str,
) -> Shown<Seen> {
    let connection = session(open, url, application).await?;
    let client = &connection.client;
    let databases = ask(client, "SHOW DATABASES").await?;
    // A client names the pooler's own name of the database, which may stand for another one.
    let names: BTreeSet<String> = rows(&databases)
        .into_iter()
        .filter(|row| column(row, "database").as_deref() == Some(database))
        .filter_map(|row| column(row, "name"))
        .collect();
    let of_it =
        |row: &&SimpleQueryRow| column(row, "database").is_some_and(|name| names.contains(&name));
    // Servers first: a session that is opened in between counts by the name that the server shows.
    let servers = ask(client, "SHOW SERVERS").await?;
    let servers = rows(&servers)
        .into_iter()
        .filter(of_it)
        .filter_map(|row| column(row, "remote_pid"))
        .collect();
    let clients = ask(client, "SHOW CLIENTS").await?;
    let clients = rows(&clients);
    let names_it = |row: &&SimpleQueryRow| {
        let mut columns = row.columns().iter();
        columns.any(|column| column.name() == "application_name")
    };
    if !clients.first().is_none_or(names_it) {
        return Err(
            "this version of PgBouncer does not show what clients announce; 1.18 does".to_string(),
        );
    }
    let clients = clients.into_iter().filter(of_it).filter_map(|row| {
        let announced = column(row, "application_name").unwrap_or_default();
        if RunId::of_application(&announced).is_some() {
            return None;
        }
        Some(Client {
            announced,
            role: column(row, "user"),
            host: column(row, "addr"),
            place: String::new(),
            id: format!("port {}", column(row, "port").unwrap_or_default()),
            state: column(row, "state"),
        })
    });
    let seen = Seen {
        clients: clients.collect(),
        servers,
    };
    Ok((connection, seen))
}

fn column(row: &SimpleQueryRow, name: &str) -> Option<String> {
    row.try_get(name).ok().flatten().map(str::to_string)
}

async fn ask(
    client: &Session,
    sql: &str,
) -> Result<Vec<tokio_postgres::SimpleQueryMessage>, String> {
    let answer = client.simple_query(sql).await;
    answer.map_err(|error| super::fault::Fault::from(error).message)
}
