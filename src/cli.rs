//! What can be typed. Parsing only: no effects, nothing decided.

mod keyspace;
mod upgrade;

pub use keyspace::{ExportArgs, ImportArgs, ResealArgs, UuidArg, VerifyArgs};
pub use upgrade::{AdoptArgs, CheckArgs, CheckFormat, GateArgs, ResetArgs, RunArgs, UpArgs};

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
    /// Cassandra: copy a keyspace into a folder of Parquet files, with write times and expiries
    #[command(
        after_help = "Interrupted, the same command goes on where it stopped. What this server does not tell, and so cannot be kept, is said per \
        table before the first row is read.\n  \
        kmig export                               into backups/, or on with the newest export there that is not complete\n  \
        kmig export --to DIR --shard 3/16         one of sixteen machines; any order, any number at once\n  \
        kmig export --to DIR --seal               once all are done: proves that the ring is covered and writes the manifest"
    )]
    Export(ExportArgs),
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_description_of_the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
