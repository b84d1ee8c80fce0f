//! [`Security`]: TLS below the opening handshake, if the server is asked for it.

use crate::error::Error;
use crate::transport::Transport;
#[cfg(feature = "tls")]
use {
    crate::transport::tls,
    hybi_proto::{ErrorCode, ErrorDetail},
    rustls::ServerConfig,
    std::path::Path,
    std::sync::Arc,
};

/// What accepted streams are secured with; nothing by default.
#[derive(Clone, Default)]
pub(super) struct Security {
    #[cfg(feature = "tls")]
    config: Option<Arc<ServerConfig>>,
}

impl Security {
    /// The stream of octets that WebSocket is spoken on.
    ///
    /// # Errors
    /// [`Error::Tls`] if the TLS handshake fails.
    pub(super) async fn secure(&self, transport: Transport) -> Result<Transport, Error> {
        #[cfg(feature = "tls")]
        if let Some(config) = &self.config {
            let acceptor = tokio_rustls::TlsAcceptor::from(config.clone());
            // Boxed, so that a handshake without TLS keeps no room for it.
            let accepted = Box::pin(acceptor.accept(transport)).await;
            let stream = accepted.map_err(|cause| tls::accept_error(&cause))?;
            return Ok(Transport::Tls(Box::new(stream.into())));
        }
        Ok(transport)
    }
}

#[cfg(feature = "tls")]
impl Security {
    pub(super) fn with_config(config: Arc<ServerConfig>) -> Self {
        Security { config: Some(config) }
    }

    pub(super) fn with_files(certificates: &Path, key: &Path) -> Result<Self, Error> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|cause| {
                Error::io(ErrorCode::Io, format!("cannot read {}", path.display()), cause)
            })
        };
        let (chain, secret) = (read(certificates)?, read(key)?);
        let chain = tls::certificates(&chain, &certificates.display().to_string())?;
        let secret = tls::private_key(&secret, &key.display().to_string())?;
        let mut config = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|cause| error(cause.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(|cause| {
                error(format!(
                    "the certificate in {} cannot be used with the key in {}: {cause}",
                    certificates.display(),
                    key.display()
                ))
            })?;
        config.alpn_protocols = vec![tls::ALPN.to_vec()];
        Ok(Security::with_config(Arc::new(config)))
    }
}

#[cfg(feature = "tls")]
fn error(text: String) -> Error {
    Error::Tls(ErrorDetail::new(ErrorCode::Tls, text))
}
