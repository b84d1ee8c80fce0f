//! `wss:` by rustls: what is accepted, what is refused, and how it is told.
#![cfg(feature = "tls")]

mod common;

use common::certificates::{Authority, Identity};
use common::counting::Counting;
use common::tls_server::{provider, serve, server_config};
use common::{assert_echoes, echo};
use hybi::client::{Roots, Tls, TlsInfo};
use hybi::{Client, Error, ErrorCode};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Trusts this authority and no other.
fn trusting(authority: &Authority) -> Tls {
    Tls::new().roots(Roots::None).authority(&authority.pem).unwrap()
}

/// How connecting to `localhost` with a certificate like this fails.
async fn refusal(identity: &Identity, tls: Tls) -> String {
    let port = serve(server_config(identity, None)).await;
    tls_error(Client::new().tls(tls).connect(&format!("wss://localhost:{port}/")).await)
}

fn tls_error<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    assert_eq!(error.code(), Some(ErrorCode::Tls));
    error.to_string()
}

#[tokio::test]
async fn a_certificate_of_ones_own_authority_is_accepted_and_the_facts_are_told() {
    let authority = Authority::new();
    let mut config = server_config(&authority.sign(&["localhost"]), None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let port = serve(config).await;
    let client = Client::new().tls(trusting(&authority));
    let url = format!("wss://localhost:{port}/");
    let (mut ws, response) = client.connect_with_response(&url).await.unwrap();
    assert_echoes(&mut ws).await;
    let info = response.extensions().get::<TlsInfo>().unwrap();
    assert_eq!(info.alpn.as_deref(), Some("http/1.1"));
    assert_eq!(info.version.as_deref(), Some("TLSv1_3"));
    assert_eq!(info.certificates.len(), 1);
    assert_eq!(ws.peer_addr().unwrap().port(), port);
    // The provider that a process may have is not asked for: with none, or with two to choose from,
    // asking would be a panic.
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn an_address_may_stand_in_the_certificate() {
    let authority = Authority::new();
    let port = serve(server_config(&authority.sign(&["127.0.0.1"]), None)).await;
    let client = Client::new().tls(trusting(&authority));
    let mut ws = client.connect(&format!("https://127.0.0.1:{port}/")).await.unwrap();
    assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn tls_1_2_is_spoken_too() {
    let authority = Authority::new();
    let identity = authority.sign(&["localhost"]);
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let port = serve(config).await;
    let client = Client::new().tls(trusting(&authority));
    let mut ws = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn an_authority_that_nobody_trusts_is_refused() {
    let authority = Authority::new();
    let identity = authority.sign(&["localhost"]);
    let elsewhere = trusting(&Authority::new());
    let text = refusal(&identity, elsewhere).await;
    assert_eq!(
        text,
        "the certificate of localhost is signed by nobody who is trusted here (add the authority \
         with Tls::authority)"
    );
    let mozilla = Tls::new().roots(Roots::Mozilla);
    assert_eq!(refusal(&identity, mozilla).await, text);
}

#[tokio::test]
async fn without_roots_nobody_is_trusted_and_nobody_dialled() {
    let client = Client::new().tls(Tls::new().roots(Roots::None));
    let text = tls_error(client.connect("wss://127.0.0.1:1/").await);
    assert_eq!(text, "nobody is trusted to sign certificates (see Tls::roots)");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_and_its_names_are_told() {
    let authority = Authority::new();
    let identity = authority.sign(&["example.com", "www.example.com", "127.0.0.1", "::1"]);
    let text = refusal(&identity, trusting(&authority)).await;
    assert_eq!(
        text,
        "the certificate is not for localhost, but for example.com, www.example.com, 127.0.0.1 and \
         1 more"
    );

    let named = trusting(&authority).server_name("www.example.com");
    let port = serve(server_config(&identity, None)).await;
    let client = Client::new().tls(named);
    let mut ws = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused() {
    let authority = Authority::new();
    let identity = authority.sign_with(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let text = refusal(&identity, trusting(&authority)).await;
    assert!(text.starts_with("the certificate of localhost has expired, "), "{text}");
    assert!(text.ends_with(" days ago by this machine's clock"), "{text}");
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_refused() {
    let authority = Authority::new();
    let identity = authority.sign_with(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2090, 1, 1);
        params.not_after = rcgen::date_time_ymd(2091, 1, 1);
    });
    let text = refusal(&identity, trusting(&authority)).await;
    assert!(text.starts_with("the certificate of localhost is not valid yet"), "{text}");
}

#[tokio::test]
async fn a_certificate_that_is_not_meant_for_servers_is_refused() {
    let authority = Authority::new();
    let identity = authority.sign_with(&["localhost"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let text = refusal(&identity, trusting(&authority)).await;
    assert_eq!(text, "the certificate of localhost is not meant for servers");
}

#[tokio::test]
async fn every_certificate_is_accepted_where_that_is_asked_for() {
    let identity = Authority::new().sign(&["elsewhere.example"]);
    let port = serve(server_config(&identity, None)).await;
    let client = Client::new().tls(Tls::new().dangerously_accept_any_certificate());
    let mut ws = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_one_or_says_so() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let port = serve(server_config(&authority.sign(&["localhost"]), Some(&clients))).await;
    let url = format!("wss://localhost:{port}/");

    let without = Client::new().tls(trusting(&authority)).connect(&url).await;
    assert_eq!(
        tls_error(without),
        "localhost refused the TLS handshake: it wants a certificate from the client (give one \
         with Tls::identity) (alert CertificateRequired)"
    );
    let stranger = Authority::new().sign(&["a client"]);
    let tls = trusting(&authority).identity(stranger.certificate, stranger.key).unwrap();
    let text = tls_error(Client::new().tls(tls).connect(&url).await);
    assert!(text.contains("it does not accept the client's certificate"), "{text}");

    let known = clients.sign(&["a client"]);
    let tls = trusting(&authority).identity(known.certificate, known.key).unwrap();
    let mut ws = Client::new().tls(tls).connect(&url).await.unwrap();
    assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn a_configuration_of_ones_own_is_used_but_never_asks_for_http_2() {
    let authority = Authority::new();
    let mut server = server_config(&authority.sign(&["localhost"]), None);
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let port = serve(server).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tls = Tls::from(Arc::new(config));
    let url = format!("wss://localhost:{port}/");
    let mut ws = Client::new().tls(tls.clone()).connect(&url).await.unwrap();
    assert_echoes(&mut ws).await;

    for tls in [tls.clone().roots(Roots::None), tls.on_certificates(|_| {})] {
        let error = Client::new().tls(tls).connect(&url).await.unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_only_speaks_http_2_is_refused() {
    let authority = Authority::new();
    let mut config = server_config(&authority.sign(&["localhost"]), None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let port = serve(config).await;
    let client = Client::new().tls(trusting(&authority));
    let text = tls_error(client.connect(&format!("wss://localhost:{port}/")).await);
    assert!(text.contains("it does not offer http/1.1"), "{text}");
}

#[tokio::test]
async fn a_server_without_tls_is_recognised() {
    let port = common::echo_server().await;
    let text = tls_error(hybi::connect(&format!("wss://127.0.0.1:{port}/")).await);
    assert_eq!(
        text,
        "127.0.0.1 does not speak TLS on this port (should the URL begin with ws:// ?)"
    );
}

#[tokio::test]
async fn a_server_that_hangs_up_during_the_tls_handshake_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        common::scripted::read_some(&mut stream).await;
        stream.shutdown().await.unwrap();
    });
    let text = tls_error(hybi::connect(&format!("wss://127.0.0.1:{port}/")).await);
    assert_eq!(text, "127.0.0.1 closed the connection during the TLS handshake");
}

#[tokio::test]
async fn large_messages_go_both_ways_at_once() {
    let authority = Authority::new();
    let port = serve(server_config(&authority.sign(&["localhost"]), None)).await;
    let client = Client::new().tls(trusting(&authority));
    let mut ws = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    let writer = ws.writer();
    tokio::spawn(async move {
        for i in 0..16 {
            writer.send(vec![i; 300_000]).await.unwrap();
        }
    });
    for i in 0..16 {
        let message = ws.recv().await.unwrap().unwrap();
        assert_eq!(message.len(), 300_000);
        assert!(message.as_bytes().iter().all(|&octet| octet == i));
    }
    ws.close(hybi::CloseCode::NORMAL, "").await.unwrap();
}

#[tokio::test]
async fn tcp_that_ends_without_a_farewell_is_an_abnormal_closure() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(server_config(&authority.sign(&["localhost"]), None));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = TlsAcceptor::from(config).accept(stream).await.unwrap();
        let ws = hybi::accept(stream).await.unwrap();
        ws.send("the last words").await.unwrap();
        drop(ws);
    });
    let client = Client::new().tls(trusting(&authority));
    let mut ws = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "the last words");
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::AbnormalClosure), "{error:?}");
}

#[tokio::test]
async fn tls_is_spoken_over_a_stream_that_was_given() {
    let authority = Authority::new();
    let config = Arc::new(server_config(&authority.sign(&["example.com"]), None));
    let (ours, theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let stream = TlsAcceptor::from(config).accept(theirs).await.unwrap();
        echo(hybi::accept(stream).await.unwrap()).await
    });
    let client = Client::new().tls(trusting(&authority));
    let mut ws = client.connect_over(ours, "wss://example.com/").await.unwrap();
    assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn the_request_leaves_with_the_last_message_of_the_tls_handshake() {
    let authority = Authority::new();
    let config = Arc::new(server_config(&authority.sign(&["example.com"]), None));
    let (stream, theirs) = tokio::io::duplex(65536);
    tokio::spawn(async move {
        let stream = TlsAcceptor::from(config).accept(theirs).await.unwrap();
        echo(hybi::accept(stream).await.unwrap()).await
    });
    let writes = Arc::<AtomicUsize>::default();
    let counting = Counting { stream, writes: writes.clone() };
    let client = Client::new().tls(trusting(&authority));
    let mut ws = client.connect_over(counting, "wss://example.com/").await.unwrap();
    // The ClientHello; and Finished, with the request.
    assert_eq!(writes.load(Ordering::SeqCst), 2);
    assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn a_request_too_large_to_leave_with_the_tls_handshake_arrives_whole() {
    let authority = Authority::new();
    let config = Arc::new(server_config(&authority.sign(&["localhost"]), None));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(config).accept(stream).await.unwrap();
        common::scripted::read_head(&mut stream).await
    });
    let large = (0..40_000).map(|i| format!("{i:05}")).collect::<String>();
    let client = Client::new().tls(trusting(&authority)).header("x-large", large.clone());
    let error = client.connect(&format!("wss://localhost:{port}/")).await.unwrap_err();
    assert_eq!(error.to_string(), "the server closed the connection without an answer");
    let head = server.await.unwrap();
    assert!(head.contains(&format!("X-Large: {large}\r\n")), "{} octets", head.len());
}

#[tokio::test]
async fn a_refusal_over_tls_tells_what_tls_agreed_on_too() {
    let authority = Authority::new();
    let config = Arc::new(server_config(&authority.sign(&["localhost"]), None));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(config).accept(stream).await.unwrap();
        common::scripted::read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let client = Client::new().tls(trusting(&authority));
    let error = client.connect(&format!("wss://localhost:{port}/")).await.unwrap_err();
    let response = error.response().unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.extensions().get::<TlsInfo>().unwrap().certificates.len(), 1);
}

#[tokio::test]
async fn certificates_are_shown_before_they_are_judged() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let identity = authority.sign(&["localhost"]);
    let own = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap().to_vec();
    for (trusted, accepted) in [(&authority, true), (&stranger, false)] {
        let port = serve(server_config(&identity, None)).await;
        let shown = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let seen = shown.clone();
        let tls = trusting(trusted).on_certificates(move |certificates| {
            seen.lock().unwrap().extend(certificates.iter().map(|it| it.to_vec()));
        });
        let result = Client::new().tls(tls).connect(&format!("wss://localhost:{port}/")).await;
        assert_eq!(result.is_ok(), accepted, "{result:?}");
        assert_eq!(*shown.lock().unwrap(), std::slice::from_ref(&own));
    }
}

#[test]
fn what_is_not_pem_is_refused_where_it_is_given() {
    let authority = Authority::new();
    let identity = authority.sign(&["localhost"]);
    for (result, expected) in [
        (Tls::new().authority("no PEM"), "the authority has no certificate in PEM form"),
        (Tls::new().authority(&identity.key), "the authority has no certificate in PEM form"),
        (
            Tls::new().identity(&identity.certificate, &identity.certificate),
            "the client's key has no private key in PEM form",
        ),
    ] {
        let text = tls_error(result);
        assert!(text.starts_with(expected), "{text}");
    }
}

#[tokio::test]
async fn a_key_that_does_not_belong_to_the_certificate_is_refused() {
    let authority = Authority::new();
    let (one, other) = (authority.sign(&["one"]), authority.sign(&["other"]));
    let tls = trusting(&authority).identity(one.certificate, other.key).unwrap();
    let port = serve(server_config(&authority.sign(&["localhost"]), None)).await;
    let text = tls_error(Client::new().tls(tls).connect(&format!("wss://localhost:{port}/")).await);
    assert!(text.starts_with("the client's certificate and key cannot be used: "), "{text}");
}

/// Notes the name that a client asks for.
#[derive(Debug)]
struct Listening {
    key: Arc<rustls::sign::CertifiedKey>,
    asked_for: Mutex<Option<String>>,
}

impl rustls::server::ResolvesServerCert for Listening {
    fn resolve(
        &self,
        hello: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        *self.asked_for.lock().unwrap() = hello.server_name().map(str::to_owned);
        Some(self.key.clone())
    }
}

#[tokio::test]
async fn the_server_is_told_which_name_is_wanted() {
    let authority = Authority::new();
    let identity = authority.sign(&["localhost"]);
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let key = rustls::sign::CertifiedKey::from_der(chain, key, &provider()).unwrap();
    let listening = Arc::new(Listening { key: Arc::new(key), asked_for: Mutex::default() });
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(listening.clone());
    let port = serve(config).await;
    let client = Client::new().tls(trusting(&authority));
    client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    assert_eq!(listening.asked_for.lock().unwrap().as_deref(), Some("localhost"));
}

/// Connects with the roots of the system, in a process of its own: see below.
#[cfg(feature = "platform-verifier")]
#[tokio::test]
#[ignore = "started by the test below, with an environment"]
async fn connect_with_the_roots_of_the_system() {
    let Ok(url) = std::env::var("HYBI_TEST_URL") else { return };
    for roots in [Roots::System, Roots::Platform, Roots::Default] {
        match Client::new().tls(Tls::new().roots(roots)).connect(&url).await {
            Ok(mut ws) => {
                assert_echoes(&mut ws).await;
                println!("{roots:?} connected");
            }
            Err(error) => println!("{roots:?} failed: {error}"),
        }
    }
}

#[cfg(all(feature = "platform-verifier", target_os = "linux"))]
#[tokio::test]
async fn the_roots_of_the_system_are_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let port = serve(server_config(&authority.sign(&["localhost"]), None)).await;
    let directory = std::env::temp_dir().join(format!("hybi-roots-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (trusted, expected) in [(&authority, "connected"), (&other, "failed: ")] {
        let file = directory.join("roots.pem");
        std::fs::write(&file, &trusted.pem).unwrap();
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "connect_with_the_roots_of_the_system", "--ignored", "--nocapture"])
            .env("HYBI_TEST_URL", format!("wss://localhost:{port}/"))
            .env("SSL_CERT_FILE", &file)
            .env("SSL_CERT_DIR", &directory);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        for roots in ["System", "Platform", "Default"] {
            assert!(said.contains(&format!("{roots} {expected}")), "{said}");
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
