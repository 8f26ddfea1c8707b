//! The application on Postgres, in two versions.

use tokio::task::JoinHandle;
use tokio_postgres::{NoTls, Statement};

use super::application::{Application, Client, STATES, Version, Wrote, code, pick};

/// Starts so many clients, each with a connection of its own.
pub async fn start(version: Version, url: &str, clients: u32) -> Result<Application<i64>, String> {
    let mut work = Vec::new();
    for number in 0..clients {
        let url = format!("{url}?application_name={}", version.name());
        let (client, connection) = tokio_postgres::connect(&url, NoTls)
            .await
            .map_err(|error| format!("{} cannot connect: {error}", version.name()))?;
        let connection = tokio::spawn(async move {
            // What ends a connection its requests are told.
            let _ = connection.await;
        });
        let prepared = Work::prepare(version, (client, connection), number).await;
        work.push(prepared.map_err(|error| format!("{} cannot prepare: {error}", version.name()))?);
    }
    Ok(Application::start(version, work))
}

/// One client at work. Its statements are prepared once and used to the end, through every change of the schema; they
/// name their columns, since `select *` does not survive a new one.
struct Work {
    version: Version,
    client: tokio_postgres::Client,
    connection: JoinHandle<()>,
    number: u32,
    sign_up: Statement,
    join: Statement,
    read: Statement,
    call: Statement,
    change: Statement,
    wrote: Wrote<i64>,
}

impl Work {
    async fn prepare(
        version: Version,
        (client, connection): (tokio_postgres::Client, JoinHandle<()>),
        number: u32,
    ) -> Result<Self, tokio_postgres::Error> {
        let column = match version {
            Version::One => "status",
            Version::Two => "state",
        };
        let sign_up = format!(
            "insert into consumers (username, {column}) values ($1, $2) returning id, {column}"
        );
        let read = format!(
            "select c.id, c.username, c.{column}, c.calls, g.name \
             from consumers c left join consumer_groups g on g.consumer_id = c.id where c.id = $1"
        );
        let change = format!("update consumers set {column} = $2 where id = $1");
        let join = match version {
            Version::One => "insert into consumer_groups (consumer_id, name) values ($1, 'users')",
            Version::Two => {
                "insert into consumer_groups (consumer_id, name, expires_at) \
                 values ($1, 'users', now() + interval '1 year')"
            }
        };
        Ok(Self {
            sign_up: client.prepare(&sign_up).await?,
            join: client.prepare(join).await?,
            read: client.prepare(&read).await?,
            call: client
                .prepare("update consumers set calls = calls + 1 where id = $1 returning calls")
                .await?,
            change: client.prepare(&change).await?,
            version,
            client,
            connection,
            number,
            wrote: Wrote::new(),
        })
    }

    async fn sign_up(&mut self, number: u64, state: usize) -> Result<(), String> {
        let username = format!("{}-{}-{number}", self.version.name(), self.number);
        let transaction = self.client.transaction().await.map_err(text)?;
        let row = match self.version {
            Version::One => {
                transaction
                    .query_one(&self.sign_up, &[&username, &code(state)])
                    .await
            }
            Version::Two => {
                transaction
                    .query_one(&self.sign_up, &[&username, &STATES[state]])
                    .await
            }
        };
        let id: i64 = row.map_err(text)?.try_get("id").map_err(text)?;
        transaction
            .execute(&self.join, &[&id])
            .await
            .map_err(text)?;
        transaction.commit().await.map_err(text)?;
        self.wrote.insert(id, state);
        Ok(())
    }

    async fn change(&mut self, id: i64, state: usize) -> Result<(), String> {
        let rows = match self.version {
            Version::One => {
                self.client
                    .execute(&self.change, &[&id, &code(state)])
                    .await
            }
            Version::Two => {
                self.client
                    .execute(&self.change, &[&id, &STATES[state]])
                    .await
            }
        };
        match rows.map_err(text)? {
            1 => {
                self.wrote.insert(id, state);
                Ok(())
            }
            rows => Err(format!("changed {rows} rows of consumer {id}")),
        }
    }

    async fn call(&self, id: i64) -> Result<(), String> {
        let row = self
            .client
            .query_one(&self.call, &[&id])
            .await
            .map_err(text)?;
        let calls: i64 = row.try_get("calls").map_err(text)?;
        if calls > 0 {
            Ok(())
        } else {
            Err(format!("consumer {id} has {calls} calls"))
        }
    }

    /// Reads its own consumer, and finds what it wrote last.
    async fn read(&self, id: i64) -> Result<(), String> {
        let row = self
            .client
            .query_one(&self.read, &[&id])
            .await
            .map_err(text)?;
        let state = match self.version {
            Version::One => row.try_get::<_, i32>("status").map_err(text)?.to_string(),
            Version::Two => row.try_get::<_, String>("state").map_err(text)?,
        };
        let written = self.wrote[&id];
        let wanted = match self.version {
            Version::One => code(written).to_string(),
            Version::Two => STATES[written].to_owned(),
        };
        if state == wanted {
            Ok(())
        } else {
            Err(format!("consumer {id} is {state}, not {wanted}"))
        }
    }
}

impl Client for Work {
    type Key = i64;

    /// A signup now and then, in a transaction of two statements; else a read, a call, or a change of state.
    async fn request(&mut self, number: u64) -> Result<(), String> {
        let wanted = usize::try_from(number % 3).unwrap_or(0);
        match (number % 6, pick(&self.wrote, number)) {
            (0, _) | (_, None) => self.sign_up(number, wanted).await,
            (2, Some(id)) => self.change(id, wanted).await,
            (4, Some(id)) => self.call(id).await,
            (_, Some(id)) => self.read(id).await,
        }
    }

    fn wrote(&self) -> &Wrote<i64> {
        &self.wrote
    }

    async fn close(self) {
        drop(self.client);
        let _ = self.connection.await;
    }
}

/// An error of the server with what it said, which the driver's own text leaves out.
fn text(error: tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => error.to_string(),
    }
}
