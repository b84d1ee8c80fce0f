//! The settings as a rustls configuration.

use super::{OnCertificates, Roots, Settings, TlsInfo, error};
use crate::error::Error;
use crate::transport::tls;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use std::fmt;
use std::sync::Arc;

/// The configuration that the settings describe.
pub(super) fn config(settings: &Settings) -> Result<ClientConfig, Error> {
    let provider = tls::provider();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|cause| error(format!("TLS cannot be set up: {cause}")))?;
    let mut verifier = verifier(settings, provider)?;
    if let Some(hook) = settings.on_certificates.clone() {
        verifier = Arc::new(Shown { verifier, hook: Hook(hook) });
    }
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => builder
            .with_client_auth_cert(
                tls::certificates(certificates, "the client's certificate")?,
                tls::private_key(key, "the client's key")?,
            )
            .map_err(|cause| {
                error(format!("the client's certificate and key cannot be used: {cause}"))
            })?,
    };
    config.alpn_protocols = vec![tls::ALPN.to_vec()];
    Ok(config)
}

fn verifier(
    settings: &Settings,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if settings.accept_any {
        return Ok(Arc::new(AcceptAny { provider }));
    }
    let mut own = Vec::new();
    for pem in &settings.authorities {
        own.extend(tls::certificates(pem, "the authority")?);
    }
    let mut roots = RootCertStore::empty();
    match effective(settings.roots) {
        Roots::Platform => return platform(own, provider),
        Roots::System => add_system(&mut roots)?,
        Roots::None => {}
        _ => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    for certificate in own {
        roots
            .add(certificate)
            .map_err(|cause| error(format!("the authority cannot be trusted: {cause}")))?;
    }
    if roots.is_empty() {
        return Err(error("nobody is trusted to sign certificates (see Tls::roots)".to_owned()));
    }
    match WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() {
        Ok(verifier) => Ok(verifier),
        Err(cause) => Err(error(format!("TLS cannot be set up: {cause}"))),
    }
}

fn effective(roots: Roots) -> Roots {
    match roots {
        Roots::Default if cfg!(feature = "platform-verifier") => Roots::Platform,
        Roots::Default if cfg!(feature = "native-roots") => Roots::System,
        Roots::Default => Roots::Mozilla,
        other => other,
    }
}

#[cfg(feature = "native-roots")]
fn add_system(roots: &mut RootCertStore) -> Result<(), Error> {
    let found = rustls_native_certs::load_native_certs();
    // Stores hold certificates that rustls cannot read; they are not missed.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    match (added, found.errors.first()) {
        (0, Some(cause)) => {
            Err(error(format!("the system's certificate store cannot be read: {cause}")))
        }
        (0, None) => Err(error("the system's certificate store is empty".to_owned())),
        _ => Ok(()),
    }
}

#[cfg(not(feature = "native-roots"))]
fn add_system(_: &mut RootCertStore) -> Result<(), Error> {
    Err(super::unavailable(Roots::System, "native-roots"))
}

#[cfg(feature = "platform-verifier")]
fn platform(
    own: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(own, provider)
        .map_err(|cause| error(format!("the system's verifier cannot be used: {cause}")))?;
    Ok(Arc::new(verifier))
}

#[cfg(not(feature = "platform-verifier"))]
fn platform(
    _: Vec<CertificateDer<'static>>,
    _: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    Err(super::unavailable(Roots::Platform, "platform-verifier"))
}

/// What the handshake ended with.
pub(super) fn info(connection: &ClientConnection) -> TlsInfo {
    let debug = |value: &dyn std::fmt::Debug| format!("{value:?}");
    TlsInfo {
        version: connection.protocol_version().map(|version| debug(&version)),
        cipher_suite: connection.negotiated_cipher_suite().map(|suite| debug(&suite.suite())),
        alpn: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        certificates: connection
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|certificate| certificate.to_vec())
            .collect(),
    }
}

/// Shows the certificates to a hook before another verifier judges them.
#[derive(Debug)]
struct Shown {
    verifier: Arc<dyn ServerCertVerifier>,
    hook: Hook,
}

struct Hook(Arc<OnCertificates>);

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown: Vec<&[u8]> =
            std::iter::once(own).chain(others).map(|certificate| certificate.as_ref()).collect();
        (self.hook.0)(&shown);
        self.verifier.verify_server_cert(own, others, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.verifier.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[rustls::DistinguishedName]> {
        self.verifier.root_hint_subjects()
    }
}

/// Asks only that the server has the key of whatever certificate it shows.
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
