//! Whether a server's certificate is accepted.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc4519::CN;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::{TlsError, fault};

/// How much of the server's certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Nothing: the channel is secret, the peer anybody.
    Nothing,
    /// Who signed it, and when it is valid.
    Chain,
    /// That, and whom it names.
    ChainAndName,
}

/// libpq's idea of a valid server certificate.
#[derive(Debug)]
pub struct Verifier {
    verification: Verification,
    /// The file's certificates as they are: OpenSSL also trusts a server that shows one of them itself, which is how
    /// a self-signed server certificate is used.
    roots: Vec<CertificateDer<'static>>,
    webpki: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// A verifier that trusts `roots`; `help` names the setting that they come from.
    ///
    /// # Errors
    /// None of them can be used.
    pub fn new(
        verification: Verification,
        roots: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
        help: &'static str,
    ) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let webpki = match verification {
            Verification::Nothing => None,
            _ => Some(
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
                    .build()
                    .map_err(|error| {
                        fault(format!("no trusted certificate can be used: {error}"), help)
                    })?,
            ),
        };
        Ok(Verifier {
            verification,
            roots,
            webpki,
            provider: Arc::clone(provider),
        })
    }

    /// The name, when webpki has refused it: not asked for, or in the common name of an old-fashioned certificate.
    fn name(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<(), rustls::Error> {
        if self.verification == Verification::Chain || common_name_matches(certificate, name) {
            return Ok(());
        }
        rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(webpki) = &self.webpki else {
            return Ok(ServerCertVerified::assertion());
        };
        match webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            Ok(verified) => Ok(verified),
            // webpki looks at the name last, so the chain is good here.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => self
                .name(end_entity, server_name)
                .map(|()| ServerCertVerified::assertion()),
            Err(_) if self.roots.iter().any(|root| root == end_entity) => {
                check_dates(end_entity, now)?;
                self.name(end_entity, server_name)
                    .map(|()| ServerCertVerified::assertion())
            }
            Err(error) => Err(error),
        }
    }

    // Where the certificate proves nothing its signature proves nothing either, and it may be one that webpki cannot
    // parse.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.verification {
            Verification::Nothing => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls12_signature(
                message,
                cert,
                dss,
                &self.provider.signature_verification_algorithms,
            ),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.verification {
            Verification::Nothing => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls13_signature(
                message,
                cert,
                dss,
                &self.provider.signature_verification_algorithms,
            ),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The dates of a certificate that is trusted by itself, which webpki does not look at.
fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let refuse = |error| Err(rustls::Error::InvalidCertificate(error));
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return refuse(CertificateError::BadEncoding);
    };
    let validity = &certificate.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        refuse(CertificateError::NotValidYet)
    } else if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        refuse(CertificateError::Expired)
    } else {
        Ok(())
    }
}

/// libpq's last resort: the subject's common name, if no alternative name is of the host's kind.
fn common_name_matches(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return false;
    };
    let certificate = &certificate.tbs_certificate;
    let is_ip = matches!(name, ServerName::IpAddress(_));
    if let Ok(Some((_, SubjectAltName(names)))) = certificate.get::<SubjectAltName>()
        && names.iter().any(|name| match name {
            GeneralName::DnsName(_) => !is_ip,
            GeneralName::IpAddress(_) => is_ip,
            _ => false,
        })
    {
        return false;
    }
    let host = name.to_str();
    let common_name = certificate
        .subject
        .0
        .iter()
        .flat_map(|part| part.0.iter())
        .find(|attribute| attribute.oid == CN)
        .map(|attribute| String::from_utf8_lossy(attribute.value.value()).into_owned());
    common_name.is_some_and(|pattern| {
        if is_ip {
            pattern == host
        } else {
            dns_matches(&pattern, &host)
        }
    })
}

/// A name or a `*.` pattern, whose star stands for one label (`pq_verify_peer_name_matches_certificate_name`).
fn dns_matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    match (pattern.strip_prefix("*."), host.split_once('.')) {
        (Some(domain), Some((label, rest))) => {
            !label.is_empty() && domain.contains('.') && domain.eq_ignore_ascii_case(rest)
        }
        _ => false,
    }
}
