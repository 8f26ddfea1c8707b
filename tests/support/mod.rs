//! What tests, benches and the demo share: throw-away servers, a slow network, the kmig program and its projects.
//!
//! Included by `#[path = "…/support/mod.rs"] mod support;`. Everything here panics with a message instead of returning
//! errors: a harness that cannot do its work has nothing better to say.

#![allow(
    dead_code,
    reason = "each binary that includes this module uses its own share of it"
)]

pub mod case;
pub mod cassandra;
pub mod fingerprint;
pub mod frame_proxy;
pub mod kmig;
pub mod machine;
pub mod pgbouncer;
pub mod programs;
pub mod proxy;
pub mod server;
pub mod wire_proxy;
