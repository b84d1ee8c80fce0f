//! WebSockets beside ordinary routes of an axum server, on one port.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{any, get};
use hybi::server::{Clients, Origins, Shutdown};
use hybi::{Client, CloseCode, DeflateOptions, Event};
use hybi_axum::WebSocketUpgrade;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo(State(clients): State<Clients>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .clients(&clients)
        .compression(DeflateOptions::new())
        .max_message_size(2000)
        .response_headers(|_, headers| drop(headers.insert("x-served-by", "hybi".parse().unwrap())))
        .subprotocols(["chat.v2", "chat.v1"])
        .on_upgrade(|mut ws| async move {
            while let Some(message) = ws.recv().await? {
                ws.send(message).await?;
            }
            Ok(())
        })
}

async fn greet(upgrade: WebSocketUpgrade) -> Response {
    upgrade.origins(Origins::same_origin()).on_upgrade_with(|ws, request| async move {
        ws.send(request.uri().query().unwrap_or("nobody")).await
    })
}

/// Serves until the sender is dropped; returns the address.
async fn serve(clients: &Clients) -> (String, tokio::sync::oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let app = Router::new()
        .route("/echo", any(echo))
        .route("/greet", any(greet))
        .route("/", get(|| async { "a page" }))
        .with_state(clients.clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async move { drop(stopped.await) };
    let serving = axum::serve(listener, app).with_graceful_shutdown(stopped);
    tokio::spawn(async move { serving.await.unwrap() });
    (address, stop)
}

async fn answer(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn two_endpoints_and_a_page_share_a_port() {
    let (address, _stop) = serve(&Clients::new()).await;
    let client = Client::new().subprotocol("chat.v1");
    let (mut echo, response) =
        client.connect_with_response(&format!("ws://{address}/echo")).await.unwrap();
    assert_eq!(echo.subprotocol(), Some("chat.v1"));
    assert_eq!(response.headers()["x-served-by"], "hybi");
    let extensions = response.headers()["sec-websocket-extensions"].to_str().unwrap();
    assert!(extensions.starts_with("permessage-deflate"), "{extensions}");
    let text = "compressible ".repeat(100);
    echo.send(text.clone()).await.unwrap();
    assert_eq!(echo.recv().await.unwrap().unwrap(), text.as_str());

    echo.send("too large ".repeat(201)).await.unwrap();
    assert_eq!(echo.recv().await.unwrap(), None);
    assert_eq!(echo.close_info().unwrap().code(), CloseCode::MESSAGE_TOO_BIG.get());

    let mut greeting = hybi::connect(&format!("ws://{address}/greet?hello")).await.unwrap();
    assert_eq!(greeting.recv().await.unwrap().unwrap(), "hello");
    let Some(Event::Close(Some(frame))) = greeting.next_event().await.unwrap() else {
        panic!("a Close frame with a code");
    };
    assert_eq!(frame.code, CloseCode::NORMAL);

    let get =
        |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    assert!(answer(&address, &get("/")).await.ends_with("a page"));
    let refused = answer(&address, &get("/echo")).await;
    assert!(refused.starts_with("HTTP/1.1 426 "), "{refused}");
    assert!(refused.ends_with("the Upgrade header is missing"), "{refused}");
}

#[tokio::test]
async fn a_page_from_elsewhere_is_refused_with_403() {
    let (address, _stop) = serve(&Clients::new()).await;
    let url = format!("ws://{address}/greet");
    let error = Client::new().origin("https://evil.example").connect(&url).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 403);
    assert_eq!(
        error.response().unwrap().body(),
        "pages from https://evil.example may not connect here"
    );
    let origin = format!("http://{address}");
    Client::new().origin(origin).connect(&url).await.unwrap();
}

#[tokio::test]
async fn what_comes_together_with_the_request_is_not_lost() {
    let (address, _stop) = serve(&Clients::new()).await;
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let mut octets = b"GET /echo HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n"
        .to_vec();
    octets.extend_from_slice(b"\x81\x82\0\0\0\0hi");
    stream.write_all(&octets).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x02hi");
}

#[tokio::test]
async fn clients_are_closed_by_the_graceful_shutdown() {
    let clients = Clients::new();
    let (address, stop) = serve(&clients).await;
    let mut ws = hybi::connect(&format!("ws://{address}/echo")).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    assert_eq!(clients.len(), 1);
    drop(stop);
    let how = Shutdown::new().code(CloseCode::SERVICE_RESTART).deadline(Duration::from_secs(300));
    let shutdown = tokio::spawn({
        let clients = clients.clone();
        async move { clients.shutdown(how).await }
    });
    let Some(Event::Close(Some(frame))) = ws.next_event().await.unwrap() else {
        panic!("a Close frame with a code");
    };
    assert_eq!(frame.code, CloseCode::SERVICE_RESTART);
    assert!(ws.next_event().await.unwrap().is_none());
    assert_eq!(shutdown.await.unwrap(), 0);
    assert!(clients.is_empty());
}
