//! [`Tls`]: how a server proves who it is, and what the client shows.

#[cfg(feature = "native-tls")]
mod by_native;
#[cfg(feature = "tls")]
mod by_rustls;

use crate::error::Error;
use crate::transport::Transport;
use hybi_proto::{ErrorCode, ErrorDetail};
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

/// How a server proves who it is, and what the client shows it.
///
/// By default the server needs a certificate for the host of the URL that is signed by one of the
/// [default roots](Roots::Default). Always checked, always with `http/1.1` as the protocol (ALPN).
///
/// Cloning is cheap, and clones share the sessions that are resumed.
///
/// ```
/// # fn example(own_authority: &[u8]) -> Result<(), hybi::Error> {
/// use hybi::client::{Client, Tls};
/// let client = Client::new().tls(Tls::new().authority(own_authority)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    settings: Settings,
    built: Arc<OnceLock<Backend>>,
}

/// Whom a client trusts to sign certificates, besides what [`Tls::authority`] adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Roots {
    /// [`Platform`](Roots::Platform) if the feature `platform-verifier` is on, otherwise
    /// [`System`](Roots::System) if `native-roots` is, otherwise [`Mozilla`](Roots::Mozilla). With
    /// native-tls always the system's.
    #[default]
    Default,
    /// Mozilla's list, compiled into the program (webpki-roots).
    Mozilla,
    /// The system's certificate store (feature `native-roots`, or native-tls), and what
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    System,
    /// The operating system's own verifier, with all its rules (feature `platform-verifier`).
    Platform,
    /// Nobody.
    None,
}

type OnCertificates = dyn Fn(&[&[u8]]) + Send + Sync;

#[derive(Clone, Default)]
struct Settings {
    library: Library,
    roots: Roots,
    /// PEM, each with one or more certificates.
    authorities: Vec<Vec<u8>>,
    /// PEM: the chain and the key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
    accept_any: bool,
    on_certificates: Option<Arc<OnCertificates>>,
    server_name: Option<String>,
    /// Made by the caller: nothing of the above but the name has an effect.
    own: Option<Backend>,
}

/// The library that speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Library {
    #[cfg(feature = "tls")]
    Rustls,
    #[cfg(feature = "native-tls")]
    Native,
}

#[allow(clippy::derivable_impls)] // The first variant depends on the features.
impl Default for Library {
    fn default() -> Self {
        #[cfg(feature = "tls")]
        return Library::Rustls;
        #[cfg(not(feature = "tls"))]
        return Library::Native;
    }
}

#[derive(Clone)]
enum Backend {
    #[cfg(feature = "tls")]
    Rustls(Arc<rustls::ClientConfig>),
    #[cfg(feature = "native-tls")]
    Native(native_tls::TlsConnector),
}

/// What the TLS handshake ended with, among the
/// [extensions](http::Response::extensions) of the response that
/// [`connect_with_response`](super::Client::connect_with_response) gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The version, as in `TLSv1_3`; `None` if the library does not tell.
    pub version: Option<String>,
    /// The cipher suite, as in `TLS13_AES_256_GCM_SHA384`; `None` if the library does not tell.
    pub cipher_suite: Option<String>,
    /// The protocol that was agreed on (ALPN): `http/1.1`, or `None` if the server does not care.
    pub alpn: Option<String>,
    /// The server's certificates in DER, its own first.
    pub certificates: Vec<Vec<u8>>,
}

impl Tls {
    /// The defaults: rustls, or native-tls if only that feature is on.
    pub fn new() -> Self {
        Tls { settings: Settings::default(), built: Arc::default() }
    }

    /// The one that a client uses if it is given no other; all of them share their sessions.
    pub(super) fn shared() -> Self {
        static SHARED: LazyLock<Tls> = LazyLock::new(Tls::new);
        SHARED.clone()
    }

    /// The defaults with the system's TLS library (OpenSSL, SChannel, Security.framework).
    #[cfg(feature = "native-tls")]
    pub fn native() -> Self {
        Tls::new().set(|settings| settings.library = Library::Native)
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self.built = Arc::default();
        self
    }

    /// Whom to trust to sign certificates (default [`Roots::Default`]).
    pub fn roots(self, roots: Roots) -> Self {
        self.set(|settings| settings.roots = roots)
    }

    /// Trusts one more authority: a certificate in PEM, or several. To trust no other, add
    /// [`roots`](Self::roots)`(Roots::None)`. `ws`: `ca`.
    ///
    /// A server's own certificate may be given if it signs itself, but rustls refuses one that is an
    /// authority's, as `openssl req -x509` makes it by default. This makes one for tests that serves:
    ///
    /// ```text
    /// openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 30 \
    ///   -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    ///   -addext basicConstraints=critical,CA:FALSE
    /// ```
    ///
    /// # Errors
    /// [`Error::Tls`] if it is not PEM, or has no certificate.
    pub fn authority(self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let pem = pem.as_ref().to_vec();
        #[cfg(feature = "tls")]
        crate::transport::tls::certificates(&pem, "the authority")?;
        #[cfg(not(feature = "tls"))]
        by_native::certificates(&pem)?;
        Ok(self.set(|settings| settings.authorities.push(pem)))
    }

    /// Shows the server this certificate (PEM, followed by those that signed it, without the root),
    /// of which this is the key (PEM). `ws`: `cert`, `key`.
    ///
    /// # Errors
    /// [`Error::Tls`] if either is not PEM or lacks what is looked for; whether they belong together
    /// is seen by connecting.
    pub fn identity(
        self,
        certificates: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, Error> {
        let (certificates, key) = (certificates.as_ref().to_vec(), key.as_ref().to_vec());
        #[cfg(feature = "tls")]
        {
            crate::transport::tls::certificates(&certificates, "the client's certificate")?;
            crate::transport::tls::private_key(&key, "the client's key")?;
        }
        #[cfg(not(feature = "tls"))]
        by_native::identity(&certificates, &key)?;
        Ok(self.set(|settings| settings.identity = Some((certificates, key))))
    }

    /// The name that the certificate must be for, and that the server is told (SNI), in place of the
    /// URL's host. `ws`: `servername`.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.settings.server_name = Some(name.into());
        self
    }

    /// Accepts every certificate: anybody on the way can then read and change everything. For tests
    /// only. `ws`: `rejectUnauthorized: false`.
    pub fn dangerously_accept_any_certificate(self) -> Self {
        self.set(|settings| settings.accept_any = true)
    }

    /// Is shown the certificates of each server before they are judged, in DER, the server's own
    /// first: for logs. Of those that are refused [`TlsInfo`] does not tell. A session that is resumed
    /// shows none.
    ///
    /// With native-tls, or beside a configuration of your own, this is an [`Error::Usage`] when
    /// connecting.
    pub fn on_certificates(self, hook: impl Fn(&[&[u8]]) + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.on_certificates = Some(Arc::new(hook)))
    }

    fn backend(&self) -> Result<&Backend, Error> {
        if let Some(built) = self.built.get() {
            return Ok(built);
        }
        let settings = &self.settings;
        let built = match (&settings.own, settings.library) {
            (Some(own), _) => {
                settings.refuse_beside_own()?;
                own.clone()
            }
            #[cfg(feature = "tls")]
            (None, Library::Rustls) => Backend::Rustls(Arc::new(by_rustls::config(settings)?)),
            #[cfg(feature = "native-tls")]
            (None, Library::Native) => Backend::Native(by_native::connector(settings)?),
        };
        Ok(self.built.get_or_init(|| built))
    }

    fn name<'a>(&'a self, host: &'a str) -> &'a str {
        self.settings.server_name.as_deref().unwrap_or(host)
    }

    /// Tells what is wrong with the settings, before the server `host` is dialled.
    pub(super) fn check(&self, host: &str) -> Result<(), Error> {
        match self.backend()? {
            #[cfg(feature = "tls")]
            Backend::Rustls(_) => crate::transport::tls::server_name(self.name(host)).map(drop),
            // Its library looks at the name itself.
            #[cfg(feature = "native-tls")]
            Backend::Native(_) => {
                let _ = host;
                Ok(())
            }
        }
    }

    /// The TLS handshake with `host` over `transport`, and how many octets of `first` went with it.
    pub(super) async fn connect(
        &self,
        transport: Transport,
        host: &str,
        first: &[u8],
    ) -> Result<(Transport, TlsInfo, usize), Error> {
        let name = self.name(host);
        match self.backend()? {
            #[cfg(feature = "tls")]
            Backend::Rustls(config) => {
                let (stream, taken) =
                    crate::transport::tls::connect(transport, name, config.clone(), first).await?;
                let info = by_rustls::info(stream.get_ref().1);
                Ok((Transport::Tls(Box::new(stream.into())), info, taken))
            }
            #[cfg(feature = "native-tls")]
            Backend::Native(connector) => {
                // Its library sends nothing beside its own last message.
                let _ = first;
                let (transport, info) = by_native::connect(connector, transport, name).await?;
                Ok((transport, info, 0))
            }
        }
    }
}

impl Settings {
    fn refuse_beside_own(&self) -> Result<(), Error> {
        let set = self.roots != Roots::Default
            || !self.authorities.is_empty()
            || self.identity.is_some()
            || self.accept_any
            || self.on_certificates.is_some();
        match set {
            false => Ok(()),
            true => Err(Error::usage(
                "roots, authorities, identity and the like have no effect beside a TLS \
                 configuration of your own; set them there",
            )),
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Tls::new()
    }
}

/// Without keys.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("library", &self.settings.library)
            .field("roots", &self.settings.roots)
            .field("authorities", &self.settings.authorities.len())
            .field("identity", &self.settings.identity.is_some())
            .field("accept_any", &self.settings.accept_any)
            .field("server_name", &self.settings.server_name)
            .field("own", &self.settings.own.is_some())
            .finish()
    }
}

/// A configuration of your own. Its list of protocols (ALPN) is replaced by `http/1.1`.
#[cfg(feature = "tls")]
impl From<Arc<rustls::ClientConfig>> for Tls {
    fn from(config: Arc<rustls::ClientConfig>) -> Self {
        let alpn = vec![crate::transport::tls::ALPN.to_vec()];
        let config = match config.alpn_protocols == alpn {
            true => config,
            false => {
                let mut config = (*config).clone();
                config.alpn_protocols = alpn;
                Arc::new(config)
            }
        };
        Tls::new().set(|settings| settings.own = Some(Backend::Rustls(config)))
    }
}

/// A configuration of your own. It must not ask for HTTP/2 (ALPN).
#[cfg(feature = "native-tls")]
impl From<native_tls::TlsConnector> for Tls {
    fn from(connector: native_tls::TlsConnector) -> Self {
        Tls::new().set(|settings| settings.own = Some(Backend::Native(connector)))
    }
}

fn error(text: String) -> Error {
    Error::Tls(ErrorDetail::new(ErrorCode::Tls, text))
}

// With every source of roots built in there is none to be missed.
#[allow(dead_code)]
fn unavailable(roots: Roots, feature: &str) -> Error {
    Error::usage(format!("Roots::{roots:?} needs the feature {feature} of hybi"))
}
