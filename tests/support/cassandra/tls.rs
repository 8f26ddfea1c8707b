//! Key and certificates of a cluster whose clients speak TLS: one authority signs for the nodes and for a client.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What a cluster asks of its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientTls {
    /// Plain text only.
    #[default]
    None,
    /// Plain text or TLS, on one port.
    Optional,
    /// TLS only.
    Required,
    /// TLS only, and a certificate of the client.
    Mutual,
}

/// The files, in PEM, in a folder that goes with the cluster.
#[derive(Debug)]
pub struct Tls {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// A certificate of a client.
    pub client_certificate: PathBuf,
    /// The key that goes with it.
    pub client_key: PathBuf,
    /// Key and certificate of every node, in one file.
    node: PathBuf,
}

impl Tls {
    /// Makes them; the nodes' certificate is for these addresses.
    pub fn make(folder: &Path, addresses: Vec<String>) -> Self {
        let new_key = || KeyPair::generate().expect("make a key");
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = new_key();
        let authority = params.self_signed(&key).expect("sign").pem();
        let issuer = Issuer::new(params, key);
        let issue = |names| {
            let (key, params) = (new_key(), CertificateParams::new(names).expect("names"));
            let certificate = params.signed_by(&key, &issuer).expect("sign").pem();
            (key.serialize_pem(), certificate)
        };
        let (node_key, node_certificate) = issue(addresses);
        let (client_key, client_certificate) = issue(vec!["client".to_owned()]);
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).expect("write a certificate");
            path
        };
        Self {
            node: write("node.pem", &format!("{node_key}{node_certificate}")),
            authority: write("authority.pem", &authority),
            client_certificate: write("client.pem", &client_certificate),
            client_key: write("client.key", &client_key),
        }
    }

    /// The lines of cassandra.yaml; PEM files are read since 4.1.
    pub fn yaml(&self, asked: ClientTls) -> String {
        let (optional, mutual) = (asked == ClientTls::Optional, asked == ClientTls::Mutual);
        format!(
            "client_encryption_options:\n\
             \x20 enabled: true\n\
             \x20 optional: {optional}\n\
             \x20 require_client_auth: {mutual}\n\
             \x20 keystore: {}\n\
             \x20 truststore: {}\n\
             \x20 ssl_context_factory:\n\
             \x20   class_name: org.apache.cassandra.security.PEMBasedSslContextFactory\n",
            self.node.display(),
            self.authority.display()
        )
    }

    /// TLS over a connection, with the client's certificate.
    pub fn wrap(
        &self,
        stream: TcpStream,
    ) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
        let address = stream.peer_addr().map_err(|error| error.to_string())?;
        let certificate = |path| CertificateDer::from_pem_file(path).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots
            .add(certificate(&self.authority))
            .expect("the authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the versions of TLS")
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![certificate(&self.client_certificate)],
                PrivateKeyDer::from_pem_file(&self.client_key).expect("the client's key"),
            )
            .expect("the client's certificate");
        let name = ServerName::IpAddress(address.ip().into());
        let connection = ClientConnection::new(Arc::new(config), name);
        let connection = connection.map_err(|error| error.to_string())?;
        Ok(StreamOwned::new(connection, stream))
    }
}
