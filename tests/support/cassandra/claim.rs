//! Addresses that no other cluster on this machine has.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};

/// Addresses `127.0.<x>.*` for nodes and `127.1.<x>.*` for what stands between them and clients.
#[derive(Debug)]
pub struct Claim {
    /// The `x`.
    pub x: u8,
    /// Locked as long as this file, or a duplicate of it in another process, is open.
    pub file: File,
}

impl Claim {
    /// Takes addresses that nobody holds and nobody listens on.
    pub fn take() -> Self {
        let user = rustix::process::getuid();
        let folder = std::env::temp_dir().join(format!("kmig-cassandra-addresses-{user}"));
        fs::create_dir_all(&folder).expect("make the folder of claims");
        // Not always the same first: a client of the cluster before may still be looking for it.
        let first = fastrand::u8(..);
        for offset in 0..=u8::MAX {
            let x = first.wrapping_add(offset);
            if x < 64 {
                continue; // left to clusters that people start by hand
            }
            let file = File::options()
                .create(true)
                .append(true)
                .open(folder.join(x.to_string()))
                .expect("open a claim");
            let free =
                |port: u16| TcpListener::bind(SocketAddr::from(([127, 0, x, 1], port))).is_ok();
            if file.try_lock().is_ok() && free(9042) && free(7000) {
                return Self { x, file };
            }
        }
        panic!("every 127.0.x is taken");
    }
}
