//! Files that a connection needs: secrets, certificates, keys.

use rustls::pki_types::CertificateDer;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bits of a file's mode that let group or world at it.
pub const GROUP_AND_WORLD: u32 = 0o077;

/// A file as it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// What is in it.
    pub contents: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub owner: u32,
    /// Whether it is a plain file.
    pub regular: bool,
}

/// Reads a file with what matters of its metadata. `None` if there is none.
pub fn read(path: &Path) -> io::Result<Option<FoundFile>> {
    let absent = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
    };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    // Whatever else it is (a pipe may block for ever), it is not read.
    let contents = if metadata.is_file() {
        std::fs::read(path)?
    } else {
        Vec::new()
    };
    Ok(Some(FoundFile {
        contents,
        mode: metadata.mode() & 0o7777,
        owner: metadata.uid(),
        regular: metadata.is_file(),
    }))
}

/// The certificate authorities that the operating system trusts. Those that cannot be read are left out; if none is
/// left, that is an error of the caller's.
pub fn system_roots() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}
