//! What every command has at hand: settings, terminal, the way to files and to the database.

use crate::backend::cassandra::{self, Cassandra, target::Target};
use crate::backend::postgres::outside::Places;
use crate::backend::postgres::{self, Postgres, environment};
use crate::backend::{Backend, Canceller, Database, Stop};
use crate::cli::Global;
use crate::error::{Diagnostic, Error, Exit, Result, reason};
use crate::machine;
use crate::report::progress::Progress;
use crate::report::style::Style;
use crate::safety;
use crate::settings::{Replicas, Settings};
use crate::source::{Dialect, MigrationSet, load, own, parse};
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};

/// What the surroundings of the process are like.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Questions can be asked.
    pub asks: bool,
    /// How stdout is coloured.
    pub style: Style,
    /// Width of stdout's terminal.
    pub width: Option<u16>,
}

/// Where a signal finds what to cancel.
pub type Cancel = Arc<Mutex<Option<Canceller>>>;

/// What every command has at hand.
pub struct Context {
    /// The checked configuration, or what is wrong with it: `init` and `man` need none.
    pub settings: Result<Settings>,
    /// Global options.
    pub global: Global,
    /// The terminal.
    pub terminal: Terminal,
    /// Who tells what happens.
    pub progress: Progress,
    /// What a signal cancels.
    pub cancel: Cancel,
    /// How a signal keeps the next statement from being begun.
    pub stop: Stop,
}

impl Context {
    /// The configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn settings(&self) -> Result<&Settings> {
        self.settings.as_ref().map_err(Clone::clone)
    }

    /// Reads and parses every migration file, to be run on a database.
    ///
    /// # Errors
    /// An engine that this kmig has not got, or everything that is wrong in the files, at once.
    pub fn migrations(&self) -> Result<MigrationSet> {
        self.files()
    }

    /// Reads and parses every migration file of the dialect in use; needs no engine for it.
    ///
    /// # Errors
    /// Everything that is wrong in them, at once.
    pub fn files(&self) -> Result<MigrationSet> {
        let settings = self.settings()?;
        let dialect = settings.dialect()?;
        let shown = settings.migrations.trim_end_matches('/');
        let folder =
            load::read(&settings.migrations_folder(), shown, dialect).map_err(|error| {
                Error::files(vec![
                    Diagnostic::file(
                        shown,
                        format!("the migrations folder cannot be read: {}", reason(&error)),
                    )
                    .help(match &settings.config {
                        Some(_) => "kmig init makes one; migrations = \"…\" in kmig.toml names another",
                        None => "there is no kmig.toml here either: run kmig in the project's folder or name it with -c; kmig init makes a new one",
                    }),
                ])
            })?;
        let set = parse::set(folder, &settings.depends_on, dialect).map_err(Error::files)?;
        let names = cassandra::names::Names::new("", &settings.table).tables();
        let mut wrong = own::touched(&set, &names);
        wrong.extend(safety::unknown(dialect, &set));
        match wrong.is_empty() {
            true => Ok(set),
            false => Err(Error::files(wrong)),
        }
    }

    /// Connects to the database.
    ///
    /// # Errors
    /// No url, one that cannot be read, or a server that cannot be reached.
    pub async fn open(&self) -> Result<Database> {
        let settings = self.settings()?;
        let engine = async {
            Ok::<_, Error>(match settings.dialect()? {
                Dialect::Postgres => Database::Postgres(Box::new(self.postgres(settings).await?)),
                Dialect::Cassandra => {
                    Database::Cassandra(Box::new(self.cassandra(settings).await?))
                }
            })
        };
        let database = self.unless_stopped(engine).await?;
        self.cancel_by(database.canceller());
        Ok(database)
    }

    /// Connects to a keyspace of Cassandra, for the commands that Postgres has no use for.
    ///
    /// # Errors
    /// As [`Context::open`], and a url of another engine.
    pub async fn keyspace(&self) -> Result<Box<Cassandra>> {
        if self.settings()?.dialect()? != Dialect::Cassandra {
            return Err(Error::usage("this is for keyspaces of Cassandra only")
                .next("--url cassandra://host1,host2/keyspace; a Postgres database is copied with pg_dump"));
        }
        match self.open().await? {
            Database::Cassandra(cassandra) => Ok(cassandra),
            Database::Postgres(_) => Err(Error::usage("this is for keyspaces of Cassandra only")),
        }
    }

    /// Where another keyspace is, which is read beside the one of the url; the first is the url's.
    ///
    /// # Errors
    /// A url that cannot be read.
    pub fn targets(&self, source: &str) -> Result<(Target, Target)> {
        let settings = self.settings()?;
        let target = self.target(settings)?;
        let beside = target.beside(source, &settings.cassandra, &settings.source);
        let beside = beside.map_err(of_source)?;
        Ok((target, beside))
    }

    /// Connects to a keyspace that is read beside the one of the url.
    ///
    /// # Errors
    /// A server that cannot be reached.
    pub async fn source(&self, target: &Target) -> Result<Cassandra> {
        let settings = self.settings()?;
        let opening = Cassandra::open(target, self.options(settings, target));
        self.unless_stopped(opening).await.map_err(of_source)
    }

    async fn unless_stopped<T>(&self, opening: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            opened = opening => opened,
            () = self.stop.wanted() => Err(self
                .stop
                .check()
                .map_or_else(|error| error, |()| Error::failed("not connected"))
                .now("nothing was run")),
        }
    }

    async fn postgres(&self, settings: &Settings) -> Result<Postgres> {
        let url = settings.url.as_ref().map_or("", |url| url.expose_secret());
        let who = who();
        let run = machine::this_run();
        let target = environment::target(url, &run.application(&who)).map_err(|error| {
            let mut failure = Error::usage(error.message);
            failure.next = error.help;
            failure
        })?;
        for warning in &target.warnings {
            self.progress.say(warning);
        }
        let options = postgres::Options {
            schema: settings.schema.clone(),
            table: settings.table.clone(),
            lock_timeout: settings.lock_timeout,
            ddl_deadline: settings.ddl_deadline,
            old_transaction: settings.old_transaction,
            gate: Places {
                replicas: match &settings.gate.replicas {
                    Replicas::Urls(urls) => urls.clone(),
                    Replicas::NoReaders => Vec::new(),
                },
                poolers: settings.gate.poolers.clone(),
                application: run.application(&who),
            },
            run,
            by: who,
            stop: self.stop.clone(),
        };
        Postgres::open(&target, options).await
    }

    async fn cassandra(&self, settings: &Settings) -> Result<Cassandra> {
        let target = self.target(settings)?;
        Cassandra::open(&target, self.options(settings, &target)).await
    }

    fn target(&self, settings: &Settings) -> Result<Target> {
        let url = settings.url.as_ref().map_or("", |url| url.expose_secret());
        Target::read(url, &settings.cassandra, &machine::this_run())
    }

    fn options(&self, settings: &Settings, target: &Target) -> cassandra::Options {
        let own = &settings.cassandra;
        cassandra::Options {
            table: settings.table.clone(),
            replication: own.replication.clone(),
            role: target.user.clone(),
            lease: own.lease,
            agreement: own.agreement,
            request_timeout: own.request_timeout,
            without: BTreeSet::new(),
            run: target.run.clone(),
            by: who(),
            stop: self.stop.clone(),
        }
    }

    /// Says what a signal cancels from now on, where there is anything.
    pub fn cancel_by(&self, canceller: Option<Canceller>) {
        if let Ok(mut slot) = self.cancel.lock() {
            *slot = canceller;
        }
    }

    /// Asks a question that only yes answers.
    ///
    /// # Errors
    /// No was answered, or nobody can be asked.
    pub fn confirm(&self, question: &str) -> Result<()> {
        if self.global.yes {
            return Ok(());
        }
        if !self.terminal.asks {
            return Err(Error::usage(format!(
                "{question} Nobody can be asked: stdin is no terminal"
            ))
            .now("nothing was run")
            .next("the same command with --yes"));
        }
        let answered = dialoguer::Confirm::new()
            .with_prompt(question)
            .default(false)
            .interact();
        match answered {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::usage("answered no").now("nothing was run")),
            Err(error) => Err(self
                .unanswered(error, "the same command with --yes")
                .now("nothing was run")),
        }
    }

    /// Asks for words, which no `--yes` stands for. `next` is what to do where nobody can be asked.
    ///
    /// # Errors
    /// Nobody can be asked, or answered.
    pub fn typed(&self, question: &str, next: &str) -> Result<String> {
        if !self.terminal.asks {
            return Err(Error::usage(format!(
                "{question}. Nobody can be asked: stdin is no terminal"
            ))
            .next(next));
        }
        let typed = dialoguer::Input::new()
            .with_prompt(question)
            .allow_empty(true)
            .interact_text();
        typed.map_err(|error| self.unanswered(error, next))
    }

    /// Why a question has no answer.
    fn unanswered(&self, error: dialoguer::Error, next: &str) -> Error {
        match error {
            dialoguer::Error::IO(error) if error.kind() == ErrorKind::Interrupted => {
                self.progress.end_line();
                Error::new(
                    Exit::Interrupted,
                    "stopped by a signal: nothing was answered",
                )
            }
            error => Error::usage(format!("the question could not be asked: {error}")).next(next),
        }
    }
}

/// What is wrong with the keyspace beside.
fn of_source(mut error: Error) -> Error {
    error.message = format!("--source: {}", error.message);
    error
}

/// `user@host`, as it stands in schema_meta.
fn who() -> String {
    let user = whoami::username().unwrap_or_else(|_| "unknown".to_string());
    match whoami::hostname() {
        Ok(host) => format!("{user}@{host}"),
        Err(_) => user,
    }
}
