//! Options of the commands that upgrade a database.

use clap::{Args, ValueEnum};

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
