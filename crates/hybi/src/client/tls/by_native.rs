//! The settings as a native-tls connector.

use super::{Roots, Settings, TlsInfo, error, unavailable};
use crate::error::Error;
use crate::transport::Transport;
use native_tls::{Certificate, Identity, TlsConnector};

/// The connector that the settings describe.
pub(super) fn connector(settings: &Settings) -> Result<TlsConnector, Error> {
    if settings.on_certificates.is_some() {
        return Err(Error::usage(
            "native-tls shows nobody the certificates that it judges: leave on_certificates out, or \
             use rustls (feature tls)",
        ));
    }
    let mut builder = TlsConnector::builder();
    match settings.roots {
        Roots::Default | Roots::System | Roots::Platform => {}
        Roots::None => {
            builder.disable_built_in_roots(true);
        }
        Roots::Mozilla => return Err(unavailable(Roots::Mozilla, "tls")),
    }
    for pem in &settings.authorities {
        for certificate in certificates(pem)? {
            builder.add_root_certificate(certificate);
        }
    }
    if let Some((certificates, key)) = &settings.identity {
        builder.identity(identity(certificates, key)?);
    }
    builder.danger_accept_invalid_certs(settings.accept_any);
    builder.danger_accept_invalid_hostnames(settings.accept_any);
    builder.request_alpns(&["http/1.1"]);
    builder.build().map_err(|cause| error(format!("TLS cannot be set up: {cause}")))
}

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, Error> {
    match Certificate::stack_from_pem(pem) {
        Ok(certificates) if certificates.is_empty() => Err(error(
            "the authority has no certificate in PEM form (BEGIN CERTIFICATE)".to_owned(),
        )),
        Ok(certificates) => Ok(certificates),
        Err(cause) => Err(error(format!("the authority is not PEM: {cause}"))),
    }
}

/// The key must be PKCS #8, in PEM.
pub(super) fn identity(certificates: &[u8], key: &[u8]) -> Result<Identity, Error> {
    Identity::from_pkcs8(certificates, key)
        .map_err(|cause| error(format!("the client's certificate and key cannot be used: {cause}")))
}

/// The TLS handshake with `name` over `transport`.
pub(super) async fn connect(
    connector: &TlsConnector,
    transport: Transport,
    name: &str,
) -> Result<(Transport, TlsInfo), Error> {
    let connector = tokio_native_tls::TlsConnector::from(connector.clone());
    let stream = connector
        .connect(name.strip_suffix('.').unwrap_or(name), transport)
        .await
        .map_err(|cause| error(format!("the TLS handshake with {name} failed: {cause}")))?;
    let inner = stream.get_ref();
    let alpn = inner.negotiated_alpn().ok().flatten();
    let alpn = alpn.map(|alpn| String::from_utf8_lossy(&alpn).into_owned());
    if let Some(other) = alpn.as_deref().filter(|alpn| *alpn != "http/1.1") {
        return Err(error(format!(
            "{name} chose the protocol {other:?} (ALPN), which is not http/1.1"
        )));
    }
    let certificate = inner.peer_certificate().ok().flatten();
    let info = TlsInfo {
        version: None,
        cipher_suite: None,
        alpn,
        certificates: certificate.and_then(|it| it.to_der().ok()).into_iter().collect(),
    };
    Ok((Transport::new(stream), info))
}
