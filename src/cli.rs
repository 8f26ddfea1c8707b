//! What can be typed. Parsing only: no effects, nothing decided.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Upgrades a database under a running application, in two phases.
#[derive(Debug, Parser)]
#[command(
    name = "kmig",
    version,
    about = "Upgrades a Postgres database or a Cassandra keyspace under a running application, without downtime",
    long_about = "Upgrades a Postgres database or a Cassandra keyspace under a running application, without downtime.\n\n\
        kmig up runs the up and backfill parts: non-destructive work, after which the old and the new version of the \
        application run side by side. What would take something from the old one is refused before it runs.\n\
        kmig finish runs the finish parts, the destructive rest, once the old version is gone.",
    after_help = "A first upgrade:\n  \
        kmig init                  make kmig.toml and migrations/core/001_base/up.sql\n  \
        kmig bootstrap             bring an empty database to the complete state\n  \
        kmig new add_email         write the next migration\n  \
        kmig plan up               every statement, and how it would be run\n  \
        kmig up                    expand, while the old version runs\n  \
        kmig status                where everything stands, and what to run next\n  \
        kmig finish                contract, once the old version is gone\n\n\
        Exit codes: 0 done, 1 failed, 2 usage or files, 3 bootstrap is due, 4 finish is due, 5 up is due, 6 locked, 7 refused, \
        8 files and database disagree, 9 the database is ahead. Interrupted, the same command continues.",
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file, or its folder; ./kmig.toml where it is not given (also KMIG_CONFIG)
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub config: Option<PathBuf>,
    /// Database, for example postgres://app@localhost/app (also KMIG_URL, url in kmig.toml, DATABASE_URL)
    #[arg(
        long,
        global = true,
        value_name = "URL",
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub url: Option<String>,
    /// Say more; twice for the driver's own messages
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
    /// Say nothing but results and errors
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Global options"
    )]
    pub quiet: bool,
    /// Answer yes to the question of finish, undo, import and lock break, not of reset
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub yes: bool,
    /// Print one JSON document on stdout, on failure too
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make kmig.toml and a first migration in a folder
    #[command(
        after_help = "Writes over nothing: a file that is there already ends it (exit code 2)."
    )]
    Init {
        /// The folder; the current one where it is not given
        #[arg(default_value = ".")]
        directory: PathBuf,
    },
    /// Write the next migration's folder
    #[command(
        after_help = "The number is the subsystem's next. All six parts: kmig new NAME --parts check,up,backfill,ready,finish,undo"
    )]
    New {
        /// What it does, in a few words: add_email, or "add email"
        name: String,
        /// Its subsystem, a folder of migrations; made where it is not there
        #[arg(short, long, default_value = "core")]
        subsystem: String,
        /// The parts to write, with commas between them
        #[arg(short, long, value_delimiter = ',', default_value = "up")]
        parts: Vec<PartName>,
    },
    /// Bring a fresh database to the complete state
    #[command(
        after_help = "Runs each migration's up, backfill and finish in order, as one batch. Killed in between, the same command goes on.\n\
        On a database that is bootstrapped already it runs nothing: 0 where all is executed, else the code of what is due.\n\
        No application runs on such a database yet, so there is no gate and no question, and check and ready parts are not asked."
    )]
    Bootstrap {
        /// Options of a run
        #[command(flatten)]
        run: RunArgs,
    },
    /// Expand: run every new migration's up and backfill, while the old version runs
    #[command(
        after_help = "Interrupted, the same command goes on at the first statement that is not done.\n\
        While an older batch owes its finish, new migrations wait (exit code 4).\n\
        One command for every pod, on fresh and running databases alike: kmig up --bootstrap"
    )]
    Up {
        /// Options of `up`
        #[command(flatten)]
        up: UpArgs,
        /// Options of a run
        #[command(flatten)]
        run: RunArgs,
    },
    /// Contract: run every pending migration's finish, once the old version is gone
    #[command(
        after_help = "Before the first destructive statement each backfill is run again until it changes nothing, and the ready parts \
        must return no row. Nothing overrides that. The gate opens once no client of the old version is seen for the window of [gate]; \
        what cannot be seen keeps it closed (exit code 7). It is looked again before each destructive step, and asked once (--yes answers).\n  \
        kmig finish --gate-wait 10m\n  \
        kmig finish --assume-gone --reason \"gateway 1.x was scaled to zero, see CHG-4711\""
    )]
    Finish {
        /// The gate
        #[command(flatten)]
        gate: GateArgs,
        /// Why (kept in the journal)
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Options of a run
        #[command(flatten)]
        run: RunArgs,
    },
    /// Take back the pending batch, newest first, as long as its finish has not begun
    #[command(
        after_help = "Runs the undo part of each migration of the batch. One that ran and has no undo part refuses all, beforehand \
        (exit code 7). After a half-run up, what is not there counts as undone. Clients of the batch's version keep it closed, \
        as those of the old version do a finish. It asks before it begins (--yes answers)."
    )]
    Undo {
        /// The gate
        #[command(flatten)]
        gate: GateArgs,
        /// Why (kept in the journal)
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Options of a run
        #[command(flatten)]
        run: RunArgs,
    },
    /// Show every migration, its state, and what to do next
    #[command(
        after_help = "Takes no lock and writes nothing; SELECT on kmig's tables is enough, on a standby too.\n\
        --exit-code ends with the first that holds of: 3 bootstrap, 8 disagree, 9 ahead, 5 interrupted up or undo, 4 finish, 5 up, 0."
    )]
    Status {
        /// End with the code of what is due, instead of 0
        #[arg(long)]
        exit_code: bool,
    },
    /// List every migration and its state, one line each
    List {
        /// End with the code of what is due, instead of 0
        #[arg(long)]
        exit_code: bool,
    },
    /// Show exactly what a command would run, statement by statement
    #[command(
        after_help = "Takes no lock, writes nothing, asks nothing; a refusal is shown with its exit code. The same as --dry-run of the command."
    )]
    Plan {
        /// The command
        command: Planned,
        /// Options of `up`
        #[command(flatten)]
        up: UpArgs,
    },
    /// Check the files without a database, or against one; tell of safety rules
    #[command(
        after_help = "Reads and parses every file, and names all that is wrong at once (exit code 2). Judges each migration by the safety rules: \
        what would take something from the old version is refused (7), locks are warned of. With --db: 8 where files and database \
        disagree, 9 where the database is ahead, and what is new is judged as up would.\n  \
        kmig check --explain                 lists the rules\n  \
        kmig check --explain drop-column     tells why, and what to write instead"
    )]
    Check(CheckArgs),
    /// Wait until an up or a finish has been done, for init containers; only looks
    #[command(
        after_help = "Polls with growing pauses and ends with 0 once it is so. Where the time runs out it ends with the code of what is due:\n\
        3 bootstrap, 4 finish, 5 up, 8 where files and database disagree, 9 where the database is ahead. A pod of the old version\n\
        that restarts on a database that is ahead is let through by --for up as long as all its own files are applied, and no finish\n\
        has taken away what its version needs. --require-version asks that alone, without files (9 where it does not fit):\n  \
        kmig wait --require-version 3.1"
    )]
    Wait {
        /// What to wait for
        #[arg(
            long = "for",
            value_name = "COMMAND",
            required_unless_present = "require_version"
        )]
        awaited: Option<Awaited>,
        /// The application's version: it must fit the schema, as far as finishes have contracted it
        #[arg(long, value_name = "VERSION")]
        require_version: Option<String>,
        /// How long to wait at most
        #[arg(long, value_name = "TIME", default_value = "5min")]
        timeout: String,
    },
    /// Accept the edit of a migration that has run; kept in the journal with its reason
    #[command(
        after_help = "Records the checksums of the files as they are now, and runs nothing:\n  \
        kmig accept core/001_base --reason \"only a comment was added\""
    )]
    Accept {
        /// The migration, core/001_base; core/1 will do
        name: String,
        /// Why the edit is fine
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// How long to wait for another executor
        #[arg(long, value_name = "TIME", default_value = "60s")]
        lock_wait: String,
    },
    /// Take over a database that has its tables already: mark migrations as executed, after a look at it
    #[command(
        after_help = "Marks every migration of the baseline's subsystem up to the baseline, and runs nothing. What their files made by name \
        must be there: what is missing is listed, and nothing is recorded (exit code 8). What comes after the baseline is for kmig up.\n  \
        kmig adopt --baseline core/001_base --dry-run\n  \
        kmig adopt --baseline core/007_orders --baseline acl/002_roles"
    )]
    Adopt(AdoptArgs),
    /// Show who holds the executor's lock, or end that executor
    Lock {
        /// What to do
        #[command(subcommand)]
        verb: LockVerb,
    },
    /// Cassandra: import a folder of kmig export into a keyspace that kmig bootstrap made
    #[command(
        after_help = "Before the first row it checks that every column of the export is accounted for, and looks for all that would be lost \
        without an error (exit code 7). Each file is proved by its SHA-256 first. Killed in between, the same command goes on; what is done is \
        not done again. Rows that do not fit go to a folder of rejects, and the exit code is 1. It asks before tables that are not empty and \
        before counters (--yes answers)."
    )]
    Import(ImportArgs),
    /// Cassandra: compare a folder of kmig export, or the old keyspace, with the keyspace that it was imported into
    #[command(
        after_help = "Range by range, through the mapping: keys, values and write times exactly, expiries within two seconds. What is gone by \
        either clock counts as gone. Rows that were written after the export read them, or while two keyspaces are compared, are counted, and \
        nothing is said of them: the answer is then neither \"equal\" nor \"different\". A difference ends it with 1. Takes no lock and writes \
        nothing.\n  \
        kmig verify DIR                                  a folder beside the keyspace of the url\n  \
        kmig verify --source cassandra://host/old        two keyspaces as they are"
    )]
    Verify(VerifyArgs),
    /// Cassandra: seal a folder of files that DuckDB, Spark or pandas made of an export, so that it can be imported
    #[command(
        after_help = "The folder has a folder for each table of the keyspace of the url, with files of its columns. Every file is read wholly and \
        everything that is wrong is named at once (exit code 2): columns that are missing or unknown, nulls in keys, values that do not fit, \
        keys that stand twice, times that cannot be. Then the manifest is written, last. It shows how many rows the export has of each table, \
        and how many the folder has. Takes no lock and writes nothing to the keyspace.\n  \
        kmig reseal reshaped --from backups/shop-20260131T120000Z"
    )]
    Reseal(ResealArgs),
    /// Drop what kmig's migrations made in a database, and kmig's own tables
    #[command(
        after_help = "Asks for the database's name, typed or as --database; --yes does not stand for it. All goes in one transaction, never with \
        CASCADE: where an object that is not kmig's depends on one of these, nothing is dropped. What may be somebody else's is left and listed: \
        what was adopted, or made with IF NOT EXISTS or OR REPLACE, by DO and CALL; roles and all else that belongs to the server.\n  \
        kmig reset --dry-run"
    )]
    Reset(ResetArgs),
    /// Copy a Cassandra keyspace into a folder of Parquet files, with write times and expiries
    #[command(
        after_help = "Interrupted, the same command goes on where it stopped. What this server does not tell, and so cannot be kept, is said per \
        table before the first row is read.\n  \
        kmig export                               into backups/, or on with the newest export there that is not complete\n  \
        kmig export --to DIR --shard 3/16         one of sixteen machines; any order, any number at once\n  \
        kmig export --to DIR --seal               once all are done: proves that the ring is covered and writes the manifest"
    )]
    Export(ExportArgs),
    /// Print each effective setting and where it came from
    #[command(
        after_help = "A flag beats the environment (KMIG_ and the key in capitals: KMIG_APP_VERSION), that beats kmig.toml, and that the default.\n\
        Passwords are shown as ***."
    )]
    Config,
    /// Print a completion script for a shell
    #[command(
        after_help = "For bash: kmig completions bash >~/.local/share/bash-completion/completions/kmig"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "kmig man >kmig.1; man ./kmig.1")]
    Man,
}

/// What `lock` does.
#[derive(Debug, Subcommand)]
pub enum LockVerb {
    /// Show who holds the lock, what it does, and who waits for it
    #[command(
        after_help = "Ends with 0 whether somebody holds it or not. Takes no lock and writes nothing. Of other roles' sessions the server \
        shows less, unless this role is a member of pg_read_all_stats."
    )]
    Show,
    /// End the executor that holds the lock
    #[command(
        after_help = "Shows who holds it, asks (--yes answers), and ends that server session: what it had not committed is rolled back, and \
        the command that ran there continues where it stopped. Ending another role's session takes membership in pg_signal_backend. \
        An executor that merely takes long is better waited for; one that is proved dead is ended by the next command."
    )]
    Break {
        /// Why (kept in the journal)
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// A command that can be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Planned {
    /// kmig up
    Up,
    /// kmig finish
    Finish,
    /// kmig undo
    Undo,
    /// kmig bootstrap
    Bootstrap,
}

/// What `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Awaited {
    /// Every migration is expanded
    Up,
    /// Every migration is executed
    Finish,
}

/// A part that `new` can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PartName {
    /// Non-destructive
    Up,
    /// Data work after up
    Backfill,
    /// Destructive
    Finish,
    /// Takes back an up
    Undo,
    /// Asked before up
    Check,
    /// Asked before finish
    Ready,
}

/// Options of every command that runs statements.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Show what would be run, and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long to wait for another executor: 500ms, 10s, 5min, 1h
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub lock_wait: String,
    /// How long a statement waits for a lock before it makes way for the application [default: 500ms]
    #[arg(long, value_name = "TIME")]
    pub lock_timeout: Option<String>,
    /// How long a statement that made way is tried again [default: 5min]
    #[arg(long, value_name = "TIME")]
    pub ddl_deadline: Option<String>,
    /// How long to connect again where the connection is lost in the middle; 0 for not at all [default: 60s]
    #[arg(long, value_name = "TIME")]
    pub reconnect: Option<String>,
}

/// Options of `check`.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// Compare with the database too: changed, missing, ahead, late
    #[arg(long)]
    pub db: bool,
    /// Tell of a safety rule: why, and what to write instead; without a name, list the rules
    #[arg(long, value_name = "RULE", num_args = 0..=1, default_missing_value = "", conflicts_with = "db")]
    pub explain: Option<String>,
    /// How findings are printed: for people, or as annotations of a pull request on GitHub
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,
}

/// How `check` prints what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CheckFormat {
    /// For people
    #[default]
    Text,
    /// Workflow commands of GitHub Actions, ::error file=…
    Github,
}

/// Options of `up`.
#[derive(Debug, Clone, Default, Args)]
pub struct UpArgs {
    /// Stop after this migration, core/019_x; the rest stays new
    #[arg(long, value_name = "NAME")]
    pub to: Option<String>,
    /// Serve a fresh database too, as bootstrap does
    #[arg(long)]
    pub bootstrap: bool,
    /// Finish the older batch first, through the gate
    #[arg(long)]
    pub finish_first: bool,
    /// Run this late migration all the same; may be given several times (needs --reason)
    #[arg(long, value_name = "NAME", requires = "reason")]
    pub allow_late: Vec<String>,
    /// The application version that the database has, where none is recorded (needs --reason)
    #[arg(long, value_name = "VERSION", requires = "reason")]
    pub from_version: Option<String>,
    /// Cassandra: go on without this node, which is known to stay down; nothing is dropped meanwhile (needs --reason)
    #[arg(long, value_name = "HOST_ID", requires = "reason")]
    pub without_node: Vec<String>,
    /// The gate
    #[command(flatten)]
    pub gate: GateArgs,
    /// Why (kept in the journal)
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Options of `adopt`.
#[derive(Debug, Clone, Args)]
pub struct AdoptArgs {
    /// The last migration that the database has, core/001_base; once for each subsystem that it has
    #[arg(long, value_name = "NAME", required = true)]
    pub baseline: Vec<String>,
    /// Mark them although objects are missing (needs --reason)
    #[arg(long, requires = "reason")]
    pub accept_missing: bool,
    /// The application version that the database has now
    #[arg(long, value_name = "VERSION")]
    pub from_version: Option<String>,
    /// Why (kept in the journal)
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Look, show what would be marked, and record nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long to wait for another executor
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub lock_wait: String,
}

/// Options of `import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The folder that kmig export wrote
    pub directory: PathBuf,
    /// What becomes of tables and columns that the keyspace has otherwise
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// Check everything, convert so many rows of each table [default: 1000], and write nothing
    #[arg(
        long,
        value_name = "ROWS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1000"
    )]
    pub dry_run: Option<u64>,
    /// The policy for row markers of a table: TABLE=insert or TABLE=none; may be given several times
    #[arg(long, value_name = "TABLE=POLICY")]
    pub marker: Vec<String>,
    /// Which share of the files, from 0: 0/4 to 3/4, each in a process of its own
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
    /// Give roles on this keyspace what they may do with the old one
    #[arg(long)]
    pub grants: bool,
    /// Where rows go that do not fit [default: DIRECTORY/rejects]
    #[arg(long, value_name = "FOLDER")]
    pub rejects: Option<PathBuf>,
    /// Stop once more rows than this do not fit
    #[arg(long, value_name = "ROWS", default_value_t = 1000)]
    pub max_rejects: u64,
    /// Requests at once, at most; fewer where the cluster answers slowly
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub in_flight: usize,
    /// Rows a second, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_rows: Option<u64>,
    /// Megabytes a second, at most
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_megabytes: Option<u64>,
}

/// Options of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The folder that kmig export wrote
    pub directory: Option<PathBuf>,
    /// The old keyspace itself instead of a folder, cassandra://host1,host2/keyspace; its password may come from
    /// KMIG_SOURCE_PASSWORD
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// The mapping that the import was given
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// Which share of the files or tokens, from 0: 0/4 to 3/4, each in a process of its own
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
    /// Ranges that are read at once, at most
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub parallel: u16,
    /// Rows a second that are read of a keyspace, at most
    #[arg(long, value_name = "N")]
    pub max_rows: Option<u64>,
}

/// Options of `reseal`.
#[derive(Debug, Clone, Args)]
pub struct ResealArgs {
    /// The folder of the files
    pub directory: PathBuf,
    /// The export that they were made of
    #[arg(long, value_name = "EXPORT")]
    pub from: PathBuf,
    /// Seal a folder that is sealed already, and whose files were changed; an export's own manifest is kept beside
    #[arg(long)]
    pub again: bool,
    /// Check everything, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `reset`.
#[derive(Debug, Clone, Args)]
pub struct ResetArgs {
    /// The database's name, instead of typing it
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Show what would be dropped and what would be left, and drop nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long to wait for another executor
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub lock_wait: String,
    /// How long a statement waits for a lock before it makes way for the application [default: 500ms]
    #[arg(long, value_name = "TIME")]
    pub lock_timeout: Option<String>,
    /// How long it is tried again to drop all of it [default: 5min]
    #[arg(long, value_name = "TIME")]
    pub ddl_deadline: Option<String>,
}

/// Options of `export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// The folder; one that holds a part of this export is gone on with [default: a new one below backups]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Only what changed since the export in this folder, and what is gone since; of counters nothing
    #[arg(long, value_name = "DIR", conflicts_with = "seal")]
    pub since: Option<PathBuf>,
    /// Export only this share of the ring: 0/16 to 15/16 (needs --to)
    #[arg(long, value_name = "I/N", requires = "to", conflicts_with = "seal")]
    pub shard: Option<String>,
    /// Prove that the shards in the folder cover the ring once, and write the manifest; reads no row (needs --to)
    #[arg(long, requires = "to")]
    pub seal: bool,
    /// How uuids are written; Spark refuses files with logical ones
    #[arg(long, value_name = "FORM")]
    pub uuid: Option<UuidArg>,
    /// Before Cassandra 5.0: what stands for the times of elements, row-max or a time such as 2026-01-31T00:00:00Z
    #[arg(long, value_name = "row-max|TIME")]
    pub element_times: Option<String>,
    /// Leave out a table, or table.column; may be given several times (needs --reason)
    #[arg(long, value_name = "NAME", requires = "reason")]
    pub leave_out: Vec<String>,
    /// Why (kept in the manifest)
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// At which level rows are read [default: LOCAL_QUORUM]
    #[arg(long, value_name = "LEVEL")]
    pub consistency: Option<String>,
    /// Ranges of tokens that are read at once, at most
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: u16,
    /// Rows a second, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_rows: Option<u64>,
    /// Megabytes a second, at most, as the protocol carries them
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_megabytes: Option<u64>,
    /// Say what would be exported and what cannot be kept, and read no row
    #[arg(long)]
    pub dry_run: bool,
}

/// How uuids are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UuidArg {
    /// Text of 36 letters
    Text,
    /// 16 bytes
    Bytes,
    /// 16 bytes of Parquet's logical type UUID
    Logical,
}

/// The gate of `finish` and `undo`.
#[derive(Debug, Clone, Default, Args)]
pub struct GateArgs {
    /// Nobody is left who would not survive it: take my word against what is seen (needs --reason)
    #[arg(long, requires = "reason")]
    pub assume_gone: bool,
    /// How long to wait for those in the way to leave [default: not at all]
    #[arg(long, value_name = "TIME")]
    pub gate_wait: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_description_of_the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
