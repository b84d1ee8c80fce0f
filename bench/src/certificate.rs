//! The certificate that the servers show and the load generator trusts, made anew for every run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::Result;

/// A self-signed certificate for this machine (`localhost` and `127.0.0.1`) and its key, in two PEM files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Where the certificate is.
    pub certificate: PathBuf,
    /// Where the private key is.
    pub key: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one; the files are written into `folder`.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn create(folder: &Path) -> Result<Self> {
        let key_pair = KeyPair::generate()?;
        let certificate = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?
            .self_signed(&key_pair)?;
        std::fs::create_dir_all(folder)?;
        let files = (folder.join("bench-certificate.pem"), folder.join("bench-key.pem"));
        std::fs::write(&files.0, certificate.pem())?;
        std::fs::write(&files.1, key_pair.serialize_pem())?;
        Ok(Self { certificate: files.0, key: files.1, der: certificate.der().clone() })
    }

    /// A client's configuration that trusts this certificate and nothing else.
    ///
    /// # Errors
    /// rustls does not take the certificate.
    pub fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        let config = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
