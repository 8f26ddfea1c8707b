//! The fault tests, one binary: what dies, hangs, crowds or stands in the way, a module per kind of fault.

#[path = "../support/mod.rs"]
mod support;

mod cassandra_bootstrap;
mod cassandra_crash;
mod cassandra_crowds;
mod cassandra_datacenters;
mod cassandra_doubt;
mod cassandra_edited;
mod cassandra_every_kind;
mod cassandra_gate;
mod cassandra_late;
mod cassandra_lease;
mod cassandra_left_out;
mod cassandra_node;
mod cassandra_nodes;
mod cassandra_nodes_down;
mod cassandra_nodes_dying;
mod cassandra_returns;
mod cassandra_rings;
mod cassandra_sleep;
mod connection;
mod crash;
mod crowds;
mod every_kind;
mod failover;
mod gate;
mod gate_outside;
mod grammar;
mod hostile;
mod inside;
mod limits;
mod obstacles;
mod orphans;
mod poolers;
mod reset;
mod signals;
mod stage;
mod torture;
mod traffic;
mod undo;
