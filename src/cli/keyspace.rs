//! Options of the commands that move a keyspace.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

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
    /// How long to wait for another import of the same files
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub lock_wait: String,
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
