//! `wss:` by the system's TLS library.
#![cfg(feature = "native-tls")]

mod common;

use common::assert_echoes;
use common::certificates::{Authority, Identity};
use common::tls_server::{serve, server_config};
use hybi::client::{Roots, Tls, TlsInfo};
use hybi::{Client, Error};

fn trusting(authority: &Authority) -> Tls {
    Tls::native().roots(Roots::None).authority(&authority.pem).unwrap()
}

async fn refusal(identity: &Identity, tls: Tls) -> String {
    let port = serve(server_config(identity, None)).await;
    let url = format!("wss://localhost:{port}/");
    let error = Client::new().tls(tls).connect(&url).await.unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_certificate_of_ones_own_authority_is_accepted() {
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
    assert_eq!(info.certificates.len(), 1);
    ws.close(hybi::CloseCode::NORMAL, "").await.unwrap();
}

#[tokio::test]
async fn an_authority_that_nobody_trusts_and_another_name_are_refused() {
    let authority = Authority::new();
    let identity = authority.sign(&["localhost"]);
    let text = refusal(&identity, trusting(&Authority::new())).await;
    assert!(text.starts_with("the TLS handshake with localhost failed: "), "{text}");
    let other = authority.sign(&["example.com"]);
    let text = refusal(&other, trusting(&authority)).await;
    assert!(text.starts_with("the TLS handshake with localhost failed: "), "{text}");
}

#[tokio::test]
async fn certificates_that_cannot_be_shown_to_a_hook_are_not_left_out_silently() {
    let client = Client::new().tls(Tls::native().on_certificates(|_| {}));
    let error = client.connect("wss://127.0.0.1:1/").await.unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error:?}");
}

#[tokio::test]
async fn a_certificate_is_shown_to_a_server_that_wants_one() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let port = serve(server_config(&authority.sign(&["localhost"]), Some(&clients))).await;
    let known = clients.sign(&["a client"]);
    let tls = trusting(&authority).identity(known.certificate, known.key).unwrap();
    let url = format!("wss://localhost:{port}/");
    let mut ws = Client::new().tls(tls).connect(&url).await.unwrap();
    assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn a_connector_of_ones_own_is_used() {
    let authority = Authority::new();
    let port = serve(server_config(&authority.sign(&["localhost"]), None)).await;
    let root = native_tls::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let connector = native_tls::TlsConnector::builder().add_root_certificate(root).build();
    let url = format!("wss://localhost:{port}/");
    let mut ws = Client::new().tls(connector.unwrap()).connect(&url).await.unwrap();
    assert_echoes(&mut ws).await;
}
