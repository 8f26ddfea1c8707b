//! The rows of a keyspace, read as the protocol carries them: no object for a value between the server's frame and a file.

mod delete;
mod doubt;
pub mod feed;
mod find;
mod hitches;
mod keyspace;
pub mod load;
mod look;
mod page;
mod patience;
pub mod ranges;
mod raw;
mod read;
pub mod select;
pub mod sent;
mod settings;
mod silence;
pub mod statements;
mod throttle;
mod token;
pub mod write;

pub use doubt::Before;
pub use find::Finder;
pub use hitches::Hitches;
pub use look::{Described, Look};
pub use page::Page;
pub use patience::PATIENCE;
pub use read::{Fetched, Place, Scan, Trouble, Way};
pub use select::Selection;
pub use settings::write_timeout;
pub use throttle::{Limits, Throttle};
pub use token::token;

use super::Cassandra;
use super::query::Sender;
use std::time::Duration;

/// A keyspace whose rows are read.
#[derive(Clone)]
pub struct Source {
    sender: Sender,
    /// The keyspace, unquoted.
    pub keyspace: String,
    /// The role, where the cluster wants one.
    role: Option<String>,
    /// Tables that are kmig's own.
    own: [String; 3],
    /// How long the answer to a request is awaited.
    timeout: Duration,
}

impl Cassandra {
    /// Where the rows of the keyspace are read. kmig's own tables need not be there.
    pub fn source(&self) -> Source {
        Source {
            sender: self.sender.clone(),
            keyspace: self.recorder.names.keyspace.clone(),
            role: self.options.role.clone(),
            own: self.recorder.names.tables(),
            timeout: self.options.request_timeout,
        }
    }
}
