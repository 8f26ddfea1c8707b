//! Tests of the way of a keyspace through files, one binary: export, what stands in the folder, and who reads it.

#[path = "../support/mod.rs"]
mod support;

mod compare;
mod doubt;
mod element_times;
mod export_faults;
mod exports;
mod formats;
mod halt;
mod import_changes;
mod import_crowds;
mod import_extremes;
mod import_faults;
mod import_markers;
mod imports;
mod kinds;
mod memory;
mod random;
mod readers;
mod reshape;
mod ring;
mod since;
mod sources;
mod space;
mod tables;
mod takeover;
mod throttle;
mod tombstones;
