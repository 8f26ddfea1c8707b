//! The parameters about TLS, read into [`Ssl`] (libpq documentation, "SSL Support").

use std::path::PathBuf;

use super::ConnInfoError;
use super::settings::{Result, Settings};
use super::target::{RootCert, Ssl, SslMode, SslNegotiation, TlsVersion};

impl Settings {
    /// TLS; `in_home` finds the default files of `~/.postgresql`.
    pub fn ssl(&self, in_home: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Ssl> {
        let root = match self.text("sslrootcert") {
            Some(text) if text == "system" => Some(RootCert::System),
            Some(path) => Some(RootCert::File(PathBuf::from(path))),
            None => in_home("root.crt").map(RootCert::File),
        };
        let system = root == Some(RootCert::System);
        let default = if system {
            SslMode::VerifyFull
        } else {
            SslMode::Prefer
        };
        let mode = self.choice(
            "sslmode",
            default,
            &[
                ("disable", SslMode::Disable),
                ("allow", SslMode::Allow),
                ("prefer", SslMode::Prefer),
                ("require", SslMode::Require),
                ("verify-ca", SslMode::VerifyCa),
                ("verify-full", SslMode::VerifyFull),
            ],
        )?;
        if system && mode != SslMode::VerifyFull {
            let message = format!("sslmode={} is too weak for sslrootcert=system", mode.name());
            return Err(ConnInfoError::new(message).help(
                "use sslmode=verify-full: anybody can have a certificate of a public authority",
            ));
        }
        let negotiation = self.choice(
            "sslnegotiation",
            SslNegotiation::Postgres,
            &[
                ("postgres", SslNegotiation::Postgres),
                ("direct", SslNegotiation::Direct),
            ],
        )?;
        if negotiation == SslNegotiation::Direct && mode < SslMode::Require {
            let message = format!(
                "sslmode={} is too weak for sslnegotiation=direct",
                mode.name()
            );
            return Err(ConnInfoError::new(message).help("use sslmode=require or stronger"));
        }
        let (min_version, max_version) = self.tls_versions()?;
        let sends_cert = self.cert_mode()?;
        Ok(Ssl {
            mode,
            negotiation,
            root,
            default_crl: in_home("root.crl"),
            cert: self
                .text("sslcert")
                .map(PathBuf::from)
                .or_else(|| in_home("postgresql.crt"))
                .filter(|_| sends_cert),
            key: self
                .text("sslkey")
                .map(PathBuf::from)
                .or_else(|| in_home("postgresql.key")),
            sni: self.text("sslsni").is_none_or(|text| text != "0"),
            min_version,
            max_version,
        })
    }

    /// `sslcertmode`: whether a client certificate may be sent.
    fn cert_mode(&self) -> Result<bool> {
        match self.text("sslcertmode").as_deref() {
            None | Some("allow") => Ok(true),
            Some("disable") => Ok(false),
            Some("require") => Err(ConnInfoError::new(format!(
                "kmig does not support sslcertmode=require{}",
                self.origin("sslcertmode")
            ))
            .help("kmig cannot tell whether the server asked for the certificate; let the server insist (clientcert=verify-full in pg_hba.conf)")),
            Some(_) => Err(self.invalid("sslcertmode", "it is one of disable, allow, require")),
        }
    }

    /// The range of TLS versions. Older ones as a lower bound are fine, rustls starts at 1.2; as an upper bound not.
    fn tls_versions(&self) -> Result<(TlsVersion, TlsVersion)> {
        const NAMES: &str = "it is one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3";
        let read = |name: &str, default| match self
            .text(name)
            .map(|text| text.to_lowercase())
            .as_deref()
        {
            None => Ok(Some(default)),
            Some("tlsv1" | "tlsv1.1") => Ok(None),
            Some("tlsv1.2") => Ok(Some(TlsVersion::V12)),
            Some("tlsv1.3") => Ok(Some(TlsVersion::V13)),
            Some(_) => Err(self.invalid(name, NAMES)),
        };
        let min = read("ssl_min_protocol_version", TlsVersion::V12)?.unwrap_or(TlsVersion::V12);
        let max = read("ssl_max_protocol_version", TlsVersion::V13)?.ok_or_else(|| {
            ConnInfoError::new(format!(
                "kmig does not support {}{}",
                self.shown("ssl_max_protocol_version"),
                self.origin("ssl_max_protocol_version")
            ))
            .help("kmig speaks TLS 1.2 and 1.3; older versions are broken")
        })?;
        if min > max {
            return Err(ConnInfoError::new(
                "ssl_min_protocol_version is above ssl_max_protocol_version",
            ));
        }
        Ok((min, max))
    }
}
