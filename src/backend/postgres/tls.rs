//! TLS as libpq does it (libpq documentation, "SSL Support"; `initialize_SSL` and `verify_cb` in libpq's source), with
//! rustls. Which files there are and what is in them comes in as a closure.
//!
//! Two differences remain, both stricter than OpenSSL: under `verify-ca` and `verify-full` a server certificate must be
//! X.509 version 3, and no TLS older than 1.2 is spoken.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::conninfo::{RootCert, Ssl, SslMode, SslNegotiation, TlsVersion};
use crate::backend::tls::verify::{Verification, Verifier};
use crate::backend::tls::{Sources, TlsError, certificates, fault, key_pair, read};

/// The rustls settings for `ssl`. `sslmode` decides elsewhere whether TLS is tried at all.
pub fn client_config(ssl: &Ssl, sources: &Sources<'_>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let (verification, roots) = trust(ssl, sources)?;
    let verifier = Verifier::new(verification, roots, &provider, "check sslrootcert")?;
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

/// The client's certificate and key. As in libpq an absent certificate is none, and an absent key is an error.
fn client_certificate(
    ssl: &Ssl,
    sources: &Sources<'_>,
    provider: &CryptoProvider,
) -> Result<Option<CertifiedKey>, TlsError> {
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
    key_pair(chain, path, &found, provider, "check sslcert and sslkey").map(Some)
}
