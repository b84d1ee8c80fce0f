//! `wss:` by the server itself: certificate and key from files.
#![cfg(feature = "tls")]

use hybi::client::{Roots, Tls, TlsInfo};
use hybi::{Client, Error, Server};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A certificate for `localhost` that signs itself, and its key: as PEM, and as files.
struct Identity {
    certificate: String,
    files: [PathBuf; 2],
}

impl Identity {
    fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let files = ["certificate", "key"].map(|kind| {
            std::env::temp_dir().join(format!("hybi-{name}-{kind}-{}.pem", std::process::id()))
        });
        std::fs::write(&files[0], &certificate).unwrap();
        std::fs::write(&files[1], &key).unwrap();
        Identity { certificate, files }
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

#[tokio::test]
async fn a_message_comes_back_over_tls_and_a_client_without_it_harms_nobody() {
    let identity = Identity::new("echo");
    let [certificate, key] = &identity.files;
    let errors = Arc::new(Mutex::new(Vec::new()));
    let told = errors.clone();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let server = server
        .tls_files(certificate, key)
        .unwrap()
        .on_error(move |error, _| told.lock().unwrap().push(error.clone()));
    tokio::spawn(server.serve_with(|mut ws, request| async move {
        assert!(request.peer_addr().is_some());
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok(())
    }));
    let tls = Tls::new().roots(Roots::None).authority(&identity.certificate).unwrap();
    let client = Client::new().tls(tls);
    let mut ws = client.connect(&format!("wss://localhost:{port}")).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");

    let told_of = |words: &str| {
        let errors = std::mem::take(&mut *errors.lock().unwrap());
        match &errors[..] {
            [] => false,
            [error @ Error::Tls(_)] if error.to_string().contains(words) => true,
            other => panic!("{words}: {other:?}"),
        }
    };
    assert!(hybi::connect(&format!("ws://localhost:{port}")).await.is_err());
    while !told_of("does not speak TLS") {
        tokio::task::yield_now().await;
    }
    let other = Identity::new("other");
    let tls = Tls::new().roots(Roots::None).authority(&other.certificate).unwrap();
    assert!(Client::new().tls(tls).connect(&format!("wss://localhost:{port}")).await.is_err());
    while !told_of("gave the TLS handshake up: it sent the alert") {
        tokio::task::yield_now().await;
    }
    let mut hasty = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    hasty.write_all(b"\x16\x03\x01").await.unwrap();
    drop(hasty);
    while !told_of("closed the connection during the TLS handshake") {
        tokio::task::yield_now().await;
    }
    let large = vec![7; 1 << 20];
    ws.send(large.clone()).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().as_bytes(), large);
    ws.close(hybi::CloseCode::NORMAL, "").await.unwrap();
}

#[tokio::test]
async fn a_client_that_never_begins_its_tls_handshake_is_given_up() {
    let identity = Identity::new("silent");
    let [certificate, key] = &identity.files;
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let server =
        server.tls_files(certificate, key).unwrap().handshake_timeout(Duration::from_millis(50));
    tokio::spawn(server.serve(|_ws| async { Ok(()) }));
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let identity = Identity::new("named");
    let [certificate, key] = &identity.files;
    let bind = || Server::bind("127.0.0.1:0");
    let missing = certificate.with_extension("missing");
    let error = bind().await.unwrap().tls_files(&missing, key).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot read {}", missing.display())));
    let error = bind().await.unwrap().tls_files(key, key).unwrap_err();
    assert!(error.to_string().contains("has no certificate in PEM form"), "{error}");
    let error = bind().await.unwrap().tls_files(certificate, certificate).unwrap_err();
    assert!(error.to_string().contains("has no private key"), "{error}");
    let other = Identity::new("other");
    let error = bind().await.unwrap().tls_files(certificate, &other.files[1]).unwrap_err();
    assert!(error.to_string().contains("cannot be used with the key in"), "{error}");
}

#[tokio::test]
async fn a_configuration_of_rustls_is_used_as_it_is() {
    let names = vec!["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server = Server::bind("127.0.0.1:0").await.unwrap().tls_config(Arc::new(config));
    let port = server.local_addr().unwrap().port();
    tokio::spawn(server.serve(|ws| async move { ws.send("hello").await }));
    let tls = Tls::new().roots(Roots::None).authority(made.cert.pem()).unwrap();
    let client = Client::new().tls(tls);
    let url = format!("wss://localhost:{port}");
    let (mut ws, response) = client.connect_with_response(&url).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    let info = response.extensions().get::<TlsInfo>().unwrap();
    assert_eq!(info.version.as_deref(), Some("TLSv1_2"));
}
