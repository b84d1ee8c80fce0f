//! What the servers under test have in common: their arguments, and TLS for those that leave it to others.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// `ADDRESS [--broadcast] [--deflate] [--tracked] [--workers N] [--threads N] [--tls CERTIFICATE KEY]`
#[derive(Debug)]
pub struct Arguments {
    /// Where to listen.
    pub address: String,
    /// Pass every message on to every connection.
    pub broadcast: bool,
    /// Agree to compression.
    pub deflate: bool,
    /// Know all connections.
    pub tracked: bool,
    /// Runtimes of one thread each; 0 for one on the main thread.
    pub workers: usize,
    /// Threads of one runtime; 0 for a runtime of one thread.
    pub threads: usize,
    /// The files of the certificate and of its key.
    pub tls: Option<(String, String)>,
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    /// Something is missing or unknown.
    pub fn of_process() -> Result<Self, Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let mut next = || arguments.next();
        let address = next().ok_or("the address to listen on is missing")?;
        let mut read = Self {
            address,
            broadcast: false,
            deflate: false,
            tracked: false,
            workers: 0,
            threads: 0,
            tls: None,
        };
        while let Some(argument) = next() {
            let mut value = || next().ok_or("a value is missing");
            match argument.as_str() {
                "--broadcast" => read.broadcast = true,
                "--deflate" => read.deflate = true,
                "--tracked" => read.tracked = true,
                "--workers" => read.workers = value()?.parse()?,
                "--threads" => read.threads = value()?.parse()?,
                "--tls" => read.tls = Some((value()?, value()?)),
                other => return Err(format!("unknown argument {other}").into()),
            }
        }
        Ok(read)
    }

    /// What accepts TLS, if it was asked for.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn acceptor(&self) -> Result<Option<TlsAcceptor>, Box<dyn Error>> {
        let Some((certificate, key)) = &self.tls else { return Ok(None) };
        let certificates =
            CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
        let config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates, PrivateKeyDer::from_pem_file(key)?)?;
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }
}

/// A client's configuration that trusts the certificate in this file.
///
/// # Errors
/// The file cannot be used.
pub fn client_config(
    certificate: &Path,
) -> Result<Arc<ClientConfig>, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let config = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
