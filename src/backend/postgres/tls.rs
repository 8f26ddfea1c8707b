//! TLS as libpq does it (libpq documentation, "SSL Support"; `initialize_SSL` and `verify_cb` in libpq's source), with
//! rustls. Which files there are and what is in them comes in as a closure.
//!
//! Two differences remain, both stricter than OpenSSL: under `verify-ca` and `verify-full` a server certificate must be
//! X.509 version 3, and no TLS older than 1.2 is spoken.

mod verify;

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::conninfo::{FoundFile, RootCert, Ssl, SslMode, SslNegotiation, TlsVersion};
use verify::{Verification, Verifier};

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

/// The rustls settings for `ssl`. `sslmode` decides elsewhere whether TLS is tried at all.
pub fn client_config(ssl: &Ssl, sources: &Sources<'_>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let (verification, roots) = trust(ssl, sources)?;
    let verifier = Verifier::new(verification, roots, &provider)?;
    let versions: Vec<_> = [
        (TlsVersion::V12, &rustls::version::TLS12),
        (TlsVersion::V13, &rustls::version::TLS13),
    ]
    .into_iter()
    .filter(|(version, _)| (ssl.min_version..=ssl.max_version).contains(version))
    .map(|(_, version)| version)
    .collect();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| {
            fault(
                format!("TLS cannot be set up: {error}"),
                "check ssl_min_protocol_version",
            )
        })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match client_certificate(ssl, sources, &provider)? {
        None => builder.with_no_client_auth(),
        // Not `with_client_auth_cert`, which wants to parse the certificate: libpq sends whatever the file has.
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
    };
    config.enable_sni = ssl.sni;
    if ssl.negotiation == SslNegotiation::Direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(config)
}

/// Whether `ssl` wants the server's certificate to name the host.
pub fn needs_host_name(ssl: &Ssl) -> bool {
    ssl.mode == SslMode::VerifyFull
}

fn fault(message: impl Into<String>, help: &'static str) -> TlsError {
    TlsError {
        message: message.into(),
        help,
    }
}

/// What is verified, against which authorities. A root file that is there is used in every mode, as in libpq.
fn trust(
    ssl: &Ssl,
    sources: &Sources<'_>,
) -> Result<(Verification, Vec<CertificateDer<'static>>), TlsError> {
    const HELP: &str = "provide the file (sslrootcert, PGSSLROOTCERT), use the system's authorities with sslrootcert=system, or use sslmode=require, which does not verify the server";
    let roots = match &ssl.root {
        Some(RootCert::System) => match (sources.system_roots)() {
            roots if roots.is_empty() => {
                return Err(fault(
                    "the system has no trusted certificate authorities",
                    "install ca-certificates, or name a file with sslrootcert",
                ));
            }
            roots => Some(roots),
        },
        Some(RootCert::File(path)) => match read(sources, path, "root certificate file")? {
            Some(found) => Some(certificates(&found, path, "root certificate file")?),
            None if ssl.mode >= SslMode::VerifyCa => {
                return Err(fault(
                    format!(
                        "root certificate file \"{}\" does not exist",
                        path.display()
                    ),
                    HELP,
                ));
            }
            None => None,
        },
        None if ssl.mode >= SslMode::VerifyCa => {
            return Err(fault(
                "there is no home directory to look for the root certificate file in",
                HELP,
            ));
        }
        None => None,
    };
    let Some(roots) = roots else {
        return Ok((Verification::Nothing, Vec::new()));
    };
    if let Some(path) = &ssl.default_crl
        && read(sources, path, "revocation list")?.is_some()
    {
        return Err(fault(
            format!(
                "kmig does not check certificate revocation lists, and there is one: \"{}\"",
                path.display()
            ),
            "move the file away if that is acceptable",
        ));
    }
    match ssl.mode {
        SslMode::VerifyFull => Ok((Verification::ChainAndName, roots)),
        _ => Ok((Verification::Chain, roots)),
    }
}

fn read(sources: &Sources<'_>, path: &Path, what: &str) -> Result<Option<FoundFile>, TlsError> {
    (sources.file)(path).map_err(|error| {
        fault(
            format!("{what} \"{}\" cannot be read: {error}", path.display()),
            "check the file's owner and permissions",
        )
    })
}

/// The certificates of a PEM file; at least one.
fn certificates(
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

/// The client's certificate and key. As in libpq an absent certificate is none, and an absent key is an error.
fn client_certificate(
    ssl: &Ssl,
    sources: &Sources<'_>,
    provider: &CryptoProvider,
) -> Result<Option<CertifiedKey>, TlsError> {
    const PERMISSIONS: &str = "chmod 0600 if the file is owned by the current user, or 0640 or less if it is owned by root";
    let Some(path) = &ssl.cert else {
        return Ok(None);
    };
    let Some(found) = read(sources, path, "certificate file")? else {
        return Ok(None);
    };
    let chain = certificates(&found, path, "certificate file")?;
    let Some(path) = &ssl.key else {
        return Ok(None);
    };
    let shown = path.display();
    let Some(found) = read(sources, path, "private key file")? else {
        return Err(fault(
            format!("a client certificate is present, but not its private key file \"{shown}\""),
            "name it with sslkey or PGSSLKEY, or use sslcertmode=disable to send no certificate",
        ));
    };
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
            "check sslcert and sslkey",
        )),
        // A certificate that rustls cannot parse (X.509 version 1) is for the server to judge.
        _ => Ok(Some(certified)),
    }
}

fn private_key(contents: &[u8]) -> Option<PrivateKeyDer<'static>> {
    match PrivateKeyDer::from_pem_slice(contents) {
        Ok(key) => Some(key),
        Err(_) => PrivateKeyDer::try_from(contents.to_vec()).ok(),
    }
}
