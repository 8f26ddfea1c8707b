//! A node behind a proxy, for all tests of this process in which kmig dies and the node does not.

use std::sync::OnceLock;

use crate::support::cassandra::{Cluster, Options};
use crate::support::frame_proxy::FrameProxy;

/// The node, and what stands before it.
pub struct Node {
    pub cluster: Cluster,
    /// Every client goes by it, since the node tells no other address.
    pub line: FrameProxy,
}

/// The node, with an open line; who uses it has the turn ([`crate::support::cassandra::turn`]).
pub fn node() -> &'static Node {
    static NODE: OnceLock<Node> = OnceLock::new();
    let node = NODE.get_or_init(|| {
        let cluster = Cluster::start(Options {
            proxied: true,
            forgetful: true,
            ..Options::default()
        });
        let line = FrameProxy::start(&cluster);
        Node { cluster, line }
    });
    node.line.heal();
    node
}
