//! TLS with the nodes of a cluster, from `tls = { ca, cert, key, verify }`.

use super::target::{Contact, Target};
use crate::backend::tls::verify::{Verification, Verifier};
use crate::backend::tls::{Sources, TlsError, certificates, fault, key_pair, read};
use crate::settings::{Tls, Verify};
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// The rustls settings for the nodes of a target.
///
/// # Errors
/// A file that is not there, or that cannot be used.
pub fn client_config(
    tls: &Tls,
    target: &Target,
    sources: &Sources<'_>,
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let (verification, roots) = match tls.verify {
        Verify::None => (Verification::Nothing, Vec::new()),
        Verify::Ca => (Verification::Chain, roots(tls, sources)?),
        Verify::Full => (Verification::ChainAndName, roots(tls, sources)?),
    };
    let verifier = Named {
        inner: Verifier::new(
            verification,
            roots,
            &provider,
            "check tls.ca in [cassandra]",
        )?,
        names: names(target),
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(format!("TLS cannot be set up: {error}"), "report it"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(match identity(tls, sources, &provider)? {
        None => builder.with_no_client_auth(),
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
    })
}

fn roots(tls: &Tls, sources: &Sources<'_>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    match &tls.ca {
        Some(path) => pem(path, "tls.ca", sources),
        None => match (sources.system_roots)() {
            roots if roots.is_empty() => Err(fault(
                "the system has no trusted certificate authorities",
                "install ca-certificates, or name a file with tls.ca in [cassandra]",
            )),
            roots => Ok(roots),
        },
    }
}

fn identity(
    tls: &Tls,
    sources: &Sources<'_>,
    provider: &CryptoProvider,
) -> Result<Option<CertifiedKey>, TlsError> {
    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else {
        return Ok(None);
    };
    let chain = pem(cert, "tls.cert", sources)?;
    let found = read(sources, key, "tls.key")?.ok_or_else(|| absent(key, "tls.key"))?;
    key_pair(
        chain,
        key,
        &found,
        provider,
        "check tls.cert and tls.key in [cassandra]",
    )
    .map(Some)
}

fn pem(
    path: &Path,
    what: &str,
    sources: &Sources<'_>,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = read(sources, path, what)?.ok_or_else(|| absent(path, what))?;
    certificates(&found, path, what)
}

fn absent(path: &Path, what: &str) -> TlsError {
    fault(
        format!("{what} \"{}\" does not exist", path.display()),
        "relative paths start at the folder of kmig.toml",
    )
}

/// The hosts of the url that have names.
fn names(target: &Target) -> Vec<ServerName<'static>> {
    let names = target.contacts.iter().filter_map(|contact| match contact {
        Contact::Name(name) => ServerName::try_from(name.clone()).ok(),
        Contact::Ip(_) => None,
    });
    names.collect()
}

/// Accepts a certificate that names the node's address, or any host of the url. Nodes are told apart by address only, so
/// which of the names is this node's is not known.
#[derive(Debug)]
struct Named {
    inner: Verifier,
    names: Vec<ServerName<'static>>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify = |name: &ServerName<'_>| {
            self.inner
                .verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
        };
        match verify(server_name) {
            Err(
                error @ rustls::Error::InvalidCertificate(
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. },
                ),
            ) => self
                .names
                .iter()
                .find_map(|name| verify(name).ok())
                .ok_or(error),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
