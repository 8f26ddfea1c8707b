//! `[source]`: what another keyspace needs otherwise than the one of the url. Pure.

use super::file;
use super::layers::Layers;
use secrecy::SecretString;

/// `[source]`. All else is as in `[cassandra]`.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The role's password; that of its url goes before.
    pub password: Option<SecretString>,
    /// The datacenter whose nodes are asked first, where its cluster has others.
    pub local_datacenter: Option<String>,
}

impl Source {
    /// Environment over file.
    pub(super) fn read(layers: &mut Layers<'_>, values: file::Source) -> Self {
        Source {
            password: layers.secret("source.password"),
            local_datacenter: layers.text(
                "source.local_datacenter",
                None,
                values.local_datacenter,
                None,
            ),
        }
    }
}
