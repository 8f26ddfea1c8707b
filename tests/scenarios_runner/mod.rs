//! What plays a scenario: the steps as data, the world that they act on, and what differs from backend to backend.

pub mod backend;
pub mod session;
pub mod status;
pub mod step;
pub mod world;
