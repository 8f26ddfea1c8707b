//! The server's own functions and operators, as far as they are known to change nothing.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Functions of pg_catalog that are stable or immutable in every form, on every server from 13 to 18 (pg_proc.provolatile);
/// those that only catalogues call are left out.
static STEADY: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("functions.txt").lines().collect());

/// What looks like a function and is the grammar's own.
const GRAMMAR: [&str; 14] = [
    "coalesce",
    "greatest",
    "least",
    "nullif",
    "row",
    "grouping",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "exists",
    "xmlconcat",
    "normalize",
];

/// Functions of pg_catalog that answer differently each time, or look at the machine, and change nothing that others see.
const VOLATILE: [&str; 39] = [
    "array_sample",
    "array_shuffle",
    "clock_timestamp",
    "current_query",
    "currval",
    "gen_random_uuid",
    "lastval",
    "nextval",
    "pg_blocking_pids",
    "pg_collation_actual_version",
    "pg_current_wal_insert_lsn",
    "pg_current_wal_lsn",
    "pg_database_size",
    "pg_get_sequence_data",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_jit_available",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_relation_size",
    "pg_safe_snapshot_blocking_pids",
    "pg_sequence_last_value",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_stat_clear_snapshot",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "pg_xact_commit_timestamp",
    "pg_xact_status",
    "random",
    "random_normal",
    "setseed",
    "timeofday",
    "timezone",
    "txid_status",
    "uuidv4",
    "uuidv7",
];

/// Beginnings of functions of pg_catalog that reach outside of what a migration is.
const DENIED: [&str; 46] = [
    "binary_upgrade_",
    "brin_desummarize_range",
    "brin_summarize_",
    "cursor_to_xml",
    "gin_clean_pending_list",
    "lo_",
    "loread",
    "lowrite",
    "pg_advisory_",
    "pg_backup_",
    "pg_cancel_backend",
    "pg_clear_",
    "pg_copy_",
    "pg_create_",
    "pg_drop_replication_slot",
    "pg_export_snapshot",
    "pg_extension_config_dump",
    "pg_file_",
    "pg_hba_file_rules",
    "pg_import_system_collations",
    "pg_log_",
    "pg_logical_",
    "pg_ls_",
    "pg_nextoid",
    "pg_notify",
    "pg_promote",
    "pg_read_",
    "pg_reload_conf",
    "pg_replication_",
    "pg_restore_",
    "pg_rotate_logfile",
    "pg_start_backup",
    "pg_stat_file",
    "pg_stat_force_next_flush",
    "pg_stat_reset",
    "pg_stop_",
    "pg_switch_wal",
    "pg_sync_replication_slots",
    "pg_terminate_backend",
    "pg_try_advisory_",
    "pg_wal_replay_",
    "query_to_xml",
    "set_config",
    "setval",
    "ts_rewrite",
    "ts_stat",
];

/// The names of the server's own operators (pg_operator of 13 to 18), and `!=`, which the grammar reads as `<>`.
const OPERATORS: [&str; 76] = [
    "!", "!!", "!=", "!~", "!~*", "!~~", "!~~*", "#", "##", "#-", "#>", "#>>", "%", "&", "&&",
    "&<", "&<|", "&>", "*", "*<", "*<=", "*<>", "*=", "*>", "*>=", "+", "-", "->", "->>", "-|-",
    "/", "<", "<->", "<<", "<<=", "<<|", "<=", "<>", "<@", "<^", "=", ">", ">=", ">>", ">>=", ">^",
    "?", "?#", "?&", "?-", "?-|", "?|", "?||", "@", "@-@", "@>", "@?", "@@", "@@@", "^", "^@", "|",
    "|&>", "|/", "|>>", "||", "||/", "~", "~*", "~<=~", "~<~", "~=", "~>=~", "~>~", "~~", "~~*",
];

/// Whether a function of pg_catalog gives the same answer all through a statement, and changes nothing.
pub fn steady(name: &str) -> bool {
    STEADY.contains(name) || GRAMMAR.contains(&name)
}

/// Whether a function of pg_catalog changes nothing that others see, though its answers differ.
pub fn harmless_volatile(name: &str) -> bool {
    VOLATILE.contains(&name)
}

/// Whether a function of pg_catalog reaches outside of what a migration is.
pub fn denied(name: &str) -> bool {
    DENIED.iter().any(|beginning| name.starts_with(beginning))
}

/// Whether an operator is the server's own.
pub fn own_operator(name: &str) -> bool {
    OPERATORS.contains(&name)
}
