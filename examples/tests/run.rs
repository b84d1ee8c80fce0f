//! The examples do what they say.

#[allow(dead_code, unreachable_pub)]
#[path = "../src/bin/axum.rs"]
mod axum_server;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/bin/hyper.rs"]
mod hyper_server;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/bin/metrics.rs"]
mod metrics_server;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/bin/tls.rs"]
mod tls;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/bin/tower.rs"]
mod tower_server;

use hybi::{Client, CloseCode, Server, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

async fn bind() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A signal to stop: sent when the sender is dropped.
fn stop() -> (oneshot::Sender<()>, impl Future<Output = ()> + Send + 'static) {
    let (stop, stopped) = oneshot::channel::<()>();
    (stop, async move { drop(stopped.await) })
}

async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn assert_closed_with(ws: &mut WebSocket, code: CloseCode) {
    assert_eq!(ws.recv().await.unwrap(), None);
    assert_eq!(ws.close_info().unwrap().code(), code.get());
}

#[tokio::test]
async fn hyper_serves_two_endpoints_and_a_page_and_closes_them_in_the_end() {
    let (listener, address) = bind().await;
    let (stop, stopped) = stop();
    let serving = tokio::spawn(hyper_server::serve(listener, stopped));
    let mut echo = hybi::connect(&format!("ws://{address}/echo")).await.unwrap();
    let mut shout = hybi::connect(&format!("ws://{address}/shout")).await.unwrap();
    for (ws, answer) in [(&mut echo, "hello"), (&mut shout, "HELLO")] {
        ws.send("hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap(), answer);
    }
    assert!(get(&address, "/").await.starts_with("HTTP/1.1 200 "));
    assert!(get(&address, "/elsewhere").await.starts_with("HTTP/1.1 404 "));
    assert!(get(&address, "/echo").await.starts_with("HTTP/1.1 426 "));
    drop(stop);
    assert_closed_with(&mut echo, CloseCode::GOING_AWAY).await;
    assert_closed_with(&mut shout, CloseCode::GOING_AWAY).await;
    serving.await.unwrap();
}

#[tokio::test]
async fn tower_layers_answer_upgrades_on_their_path_and_pass_everything_else_on() {
    let (listener, address) = bind().await;
    let (stop, stopped) = stop();
    let serving = tokio::spawn(tower_server::serve(listener, stopped));
    let mut echo = hybi::connect(&format!("ws://{address}/echo")).await.unwrap();
    echo.send("hello").await.unwrap();
    assert_eq!(echo.recv().await.unwrap().unwrap(), "hello");
    // The address that was put among the extensions has reached the handler.
    let mut whoami = hybi::connect(&format!("ws://{address}/whoami")).await.unwrap();
    let answer = whoami.recv().await.unwrap().unwrap().to_string();
    assert!(answer.starts_with("Some(127.0.0.1:"), "{answer}");
    assert_closed_with(&mut whoami, CloseCode::NORMAL).await;
    // The acceptor's rules hold, its refusal has the body type of the service within.
    let client = Client::new().origin("https://evil.example");
    let error = client.connect(&format!("ws://{address}/whoami")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 403);
    // An upgrade on another path, and a plain request on the same.
    let error = hybi::connect(&format!("ws://{address}/other")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 200);
    assert!(get(&address, "/echo").await.ends_with("a page: /echo\n"));
    drop(stop);
    assert_closed_with(&mut echo, CloseCode::GOING_AWAY).await;
    serving.await.unwrap();
}

#[tokio::test]
async fn axum_serves_a_chat_and_a_page_and_closes_with_1012_in_the_end() {
    let (listener, address) = bind().await;
    let (stop, stopped) = stop();
    let serving = tokio::spawn(axum_server::serve(listener, stopped));
    let mut ada = hybi::connect(&format!("ws://{address}/chat")).await.unwrap();
    ada.send("am I alone?").await.unwrap();
    assert_eq!(ada.recv().await.unwrap().unwrap(), "am I alone?");
    let mut bob = hybi::connect(&format!("ws://{address}/chat")).await.unwrap();
    bob.send("hello").await.unwrap();
    assert_eq!(bob.recv().await.unwrap().unwrap(), "hello");
    assert_eq!(ada.recv().await.unwrap().unwrap(), "hello");
    assert!(get(&address, "/").await.ends_with("the chat is at /chat\n"));
    drop(stop);
    let ends = tokio::join!(ada.recv(), bob.recv());
    assert!(matches!(ends, (Ok(None), Ok(None))), "{ends:?}");
    assert_eq!(ada.close_info().unwrap().code(), CloseCode::SERVICE_RESTART.get());
    serving.await.unwrap();
}

#[tokio::test]
async fn tls_serves_wss_by_files() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("hybi-examples-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let serving = tokio::spawn(async move { tls::serve(server, &certificate, &key).await });

    let tls = hybi::client::Tls::new().authority(made.cert.pem()).unwrap();
    let client = Client::new().tls(tls);
    let mut ws = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    ws.send("secret").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "secret");
    serving.abort();
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn metrics_are_served_beside_the_websocket() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    tokio::spawn(metrics_server::serve(server, handle));
    let mut ws = hybi::connect(&format!("ws://{address}/")).await.unwrap();
    for _ in 0..3 {
        ws.send("hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    }
    let page = get(&address, "/metrics").await;
    assert!(page.contains("# TYPE hybi_connections gauge"), "{page}");
    for line in [
        "hybi_connections 1",
        "hybi_messages_total{direction=\"in\"} 3",
        "hybi_payload_bytes_total{direction=\"out\"} 15",
    ] {
        assert!(page.lines().any(|found| found == line), "{line:?} is not in {page}");
    }
    assert!(get(&address, "/").await.starts_with("HTTP/1.1 404 "));
}
