//! TLS by rustls: PEM files, the client's handshake, and the words for what either side refused.
//!
//! The provider of the cryptography is always named (ring): the process-wide one that rustls would
//! look for is a panic when there are none or two.

use super::Transport;
use crate::error::Error;
use hybi_proto::{ErrorCode, ErrorDetail};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, InvalidMessage,
    PeerIncompatible,
};
use std::io::{self, Write as _};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// A WebSocket is opened in HTTP/1.1, and a server may choose HTTP/2 for a client that does not say
/// so (RFC 7301).
pub(crate) const ALPN: &[u8] = b"http/1.1";

/// The provider of the cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificates of a PEM file, in their order.
///
/// # Errors
/// [`Error::Tls`] if it is not PEM or has no certificate; `what` names the file in the message.
pub(crate) fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(error(format!("{what} has no certificate in PEM form (BEGIN CERTIFICATE)")))
        }
        Ok(certificates) => Ok(certificates),
        Err(cause) => Err(error(format!("{what} is not PEM: {cause}"))),
    }
}

/// The first private key of a PEM file: PKCS #8, PKCS #1 or SEC 1.
///
/// # Errors
/// [`Error::Tls`] if it is not PEM or has no key in the clear.
pub(crate) fn private_key(pem: &[u8], what: &str) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|cause| match cause {
        pem::Error::NoItemsFound => error(format!(
            "{what} has no private key in PEM form that is not encrypted (BEGIN PRIVATE KEY)"
        )),
        cause => error(format!("{what} is not PEM: {cause}")),
    })
}

/// The name that the certificate must be for.
///
/// # Errors
/// [`Error::Tls`] if no certificate can be.
pub(crate) fn server_name(name: &str) -> Result<ServerName<'static>, Error> {
    // RFC 6066 §3: the name is sent without the dot of the root.
    ServerName::try_from(name.strip_suffix('.').unwrap_or(name).to_owned())
        .map_err(|_| error(format!("{name:?} is no name that a certificate can have")))
}

/// The client's TLS handshake over `transport`, and how many octets of `first` it has taken along.
///
/// They leave in the same write as the client's last message of the handshake, and not before: until
/// then rustls keeps them, and if the server does not prove who it is they are dropped.
pub(crate) async fn connect(
    transport: Transport,
    name: &str,
    config: Arc<ClientConfig>,
    first: &[u8],
) -> Result<(tokio_rustls::client::TlsStream<Transport>, usize), Error> {
    let server_name = server_name(name)?;
    let mut taken = 0;
    let take = |session: &mut ClientConnection| {
        // What does not fit is for the caller to write.
        taken = session.writer().write(first).unwrap_or(0);
    };
    let stream = TlsConnector::from(config)
        .connect_with(server_name, transport, take)
        .await
        .map_err(|cause| handshake_error(name, cause))?;
    match stream.get_ref().1.alpn_protocol() {
        None | Some(ALPN) => Ok((stream, taken)),
        Some(other) => Err(error(format!(
            "{name} chose the protocol {:?} (ALPN), which is not http/1.1",
            String::from_utf8_lossy(other)
        ))),
    }
}

/// The error of a TLS handshake that ended like this.
fn handshake_error(name: &str, cause: io::Error) -> Error {
    if let Some(error) = refusal(name, &cause) {
        return error;
    }
    if cause.kind() == io::ErrorKind::UnexpectedEof {
        return error(format!("{name} closed the connection during the TLS handshake"));
    }
    Error::io(ErrorCode::ConnectFailed, format!("the TLS handshake with {name} failed"), cause)
}

/// The error if it is TLS that failed, and not what is below it.
///
/// In TLS 1.3 a server refuses the client's certificate only after the handshake is over for the
/// client: the alert comes with the first read.
pub(crate) fn refusal(name: &str, cause: &io::Error) -> Option<Error> {
    let cause = cause.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(error(match cause {
        rustls::Error::InvalidCertificate(cause) => certificate_text(name, cause),
        rustls::Error::AlertReceived(alert) => alert_text(name, *alert),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            format!("{name} does not speak TLS on this port (should the URL begin with ws:// ?)")
        }
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => format!("{name} speaks no TLS version that is allowed here (1.2 and 1.3 by default)"),
        rustls::Error::NoCertificatesPresented => format!("{name} has shown no certificate"),
        cause => format!("the TLS handshake with {name} failed: {cause}"),
    }))
}

fn certificate_text(name: &str, cause: &CertificateError) -> String {
    let days = |from: u64, to: u64| to.saturating_sub(from) / 86_400;
    match cause {
        CertificateError::Expired => format!("the certificate of {name} has expired"),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the certificate of {name} has expired, {} days ago by this machine's clock",
            days(not_after.as_secs(), time.as_secs())
        ),
        CertificateError::NotValidYet => {
            format!("the certificate of {name} is not valid yet (is this machine's clock right?)")
        }
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the certificate of {name} is not valid yet, but in {} days (is this machine's clock \
             right?)",
            days(time.as_secs(), not_before.as_secs())
        ),
        CertificateError::NotValidForName => {
            format!("the certificate is not for {name}, but for another name")
        }
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "the certificate is not for {name}, but for {}",
            if presented.is_empty() { "no name at all".to_owned() } else { names(presented) }
        ),
        CertificateError::UnknownIssuer => format!(
            "the certificate of {name} is signed by nobody who is trusted here (add the \
             authority with Tls::authority)"
        ),
        CertificateError::Revoked => format!("the certificate of {name} has been revoked"),
        CertificateError::BadSignature => {
            format!("the certificate of {name} has a signature that is wrong")
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("the certificate of {name} is not meant for servers")
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            format!(
                "the certificate of {name} is that of an authority, not of a server: it signs \
                 itself"
            )
        }
        cause => format!("the certificate of {name} is refused: {cause}"),
    }
}

/// The names in a certificate, as many as fit in a sentence.
fn names(presented: &[String]) -> String {
    const SHOWN: usize = 3;
    // rustls gives them as `DnsName("example.com")` and `IpAddress(127.0.0.1)`.
    let plain = |name: &String| match name.split_once('(') {
        Some((_, name)) => name.trim_matches([')', '"']).to_owned(),
        None => name.clone(),
    };
    let mut text = presented.iter().take(SHOWN).map(plain).collect::<Vec<_>>().join(", ");
    if presented.len() > SHOWN {
        text.push_str(&format!(" and {} more", presented.len() - SHOWN));
    }
    text
}

fn alert_text(name: &str, alert: AlertDescription) -> String {
    let reason = match alert {
        AlertDescription::CertificateRequired => {
            "it wants a certificate from the client (give one with Tls::identity)"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => "it does not accept the client's certificate",
        AlertDescription::NoApplicationProtocol => "it does not offer http/1.1 (ALPN)",
        AlertDescription::UnrecognisedName => "it does not know this name",
        AlertDescription::ProtocolVersion => "it speaks no TLS version that is allowed here",
        AlertDescription::HandshakeFailure => {
            "it has no version, cipher or certificate in common with this client"
        }
        _ => "no reason is known for it",
    };
    format!("{name} refused the TLS handshake: {reason} (alert {alert:?})")
}

/// The error of a server whose TLS handshake with a client ended like this.
pub(crate) fn accept_error(cause: &io::Error) -> Error {
    let by_tls = cause.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    error(match by_tls {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "the client does not speak TLS (did it use ws:// or http:// instead of wss:// or \
             https:// ?)"
                .to_owned()
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("the client gave the TLS handshake up: it sent the alert {alert:?}")
        }
        _ if cause.kind() == io::ErrorKind::UnexpectedEof => {
            "the client closed the connection during the TLS handshake".to_owned()
        }
        _ => format!("the TLS handshake with the client failed: {cause}"),
    })
}

fn error(text: String) -> Error {
    Error::Tls(ErrorDetail::new(ErrorCode::Tls, text))
}
