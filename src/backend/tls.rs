//! What every engine's TLS is made of: files in PEM, the client's key, and who judges the server's certificate.

pub mod verify;

use crate::backend::files::FoundFile;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::io;
use std::path::Path;

/// TLS settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

/// How TLS settings reach files and the system's certificate authorities.
pub struct Sources<'a> {
    /// A file; `None` if there is none of that name.
    pub file: &'a dyn Fn(&Path) -> io::Result<Option<FoundFile>>,
    /// The authorities the operating system trusts.
    pub system_roots: &'a dyn Fn() -> Vec<CertificateDer<'static>>,
}

/// Settings that cannot be used, and what to do.
pub fn fault(message: impl Into<String>, help: &'static str) -> TlsError {
    TlsError {
        message: message.into(),
        help,
    }
}

/// A file; `what` says in messages what it is.
///
/// # Errors
/// It is there and cannot be read.
pub fn read(sources: &Sources<'_>, path: &Path, what: &str) -> Result<Option<FoundFile>, TlsError> {
    (sources.file)(path).map_err(|error| {
        fault(
            format!("{what} \"{}\" cannot be read: {error}", path.display()),
            "check the file's owner and permissions",
        )
    })
}

/// The certificates of a PEM file; at least one.
///
/// # Errors
/// There is none.
pub fn certificates(
    found: &FoundFile,
    path: &Path,
    what: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    match CertificateDer::pem_slice_iter(&found.contents).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(fault(
            format!("{what} \"{}\" has no certificate", path.display()),
            "it must be in PEM form",
        )),
        Err(error) => Err(fault(
            format!("{what} \"{}\": {error}", path.display()),
            "it must be in PEM form",
        )),
    }
}

/// A client's certificate with its key, by libpq's rule on who may read the key. `help` names the settings to look at
/// where the two do not belong together.
///
/// # Errors
/// Others may read the key, it cannot be read, or it is another certificate's.
pub fn key_pair(
    chain: Vec<CertificateDer<'static>>,
    path: &Path,
    found: &FoundFile,
    provider: &CryptoProvider,
    help: &'static str,
) -> Result<CertifiedKey, TlsError> {
    const PERMISSIONS: &str = "chmod 0600 if the file is owned by the current user, or 0640 or less if it is owned by root";
    let shown = path.display();
    if !found.regular {
        return Err(fault(
            format!("private key file \"{shown}\" is not a regular file"),
            PERMISSIONS,
        ));
    }
    let forbidden = if found.owner == 0 { 0o037 } else { 0o077 };
    if found.mode & forbidden != 0 {
        return Err(fault(
            format!("private key file \"{shown}\" has group or world access"),
            PERMISSIONS,
        ));
    }
    let key = private_key(&found.contents)
        .ok_or_else(|| fault(
            format!("private key file \"{shown}\" has no key that kmig can read"),
            "it must be an unencrypted PEM or DER key; decrypt it with: openssl pkey -in FILE -out FILE",
        ))?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| {
            fault(
                format!("private key file \"{shown}\": {error}"),
                "use an RSA, ECDSA (P-256, P-384) or Ed25519 key",
            )
        })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Err(fault(
            format!("certificate does not match private key file \"{shown}\""),
            help,
        )),
        // A certificate that rustls cannot parse (X.509 version 1) is for the server to judge.
        _ => Ok(certified),
    }
}

fn private_key(contents: &[u8]) -> Option<PrivateKeyDer<'static>> {
    match PrivateKeyDer::from_pem_slice(contents) {
        Ok(key) => Some(key),
        Err(_) => PrivateKeyDer::try_from(contents.to_vec()).ok(),
    }
}
