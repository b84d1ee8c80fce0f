//! WebSockets beside ordinary routes of an axum server, on one port.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{any, get};
use hybi::server::{Clients, Origins, Shutdown};
use hybi::{Client, CloseCode, DeflateOptions, Event, Stats};
use hybi_axum::WebSocketUpgrade;
use std::net::SocketAddr;
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

/// Says in the 101 and in the first message what the extractor knew.
async fn inspect(upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade.select_subprotocol(|offered| {
        assert_eq!(offered, ["b", "a", "none"]);
        offered.iter().find(|name| *name == "a").cloned()
    });
    let selected = upgrade.selected_subprotocol().map(str::to_owned);
    let agent = upgrade.request().headers()["user-agent"].to_str().unwrap().to_owned();
    upgrade.on_upgrade_with(move |ws, request| async move {
        let agreed = ws.subprotocol().map(str::to_owned);
        let peer = request.peer_addr();
        ws.send(format!("{selected:?} {agreed:?} {agent} {peer:?}")).await
    })
}

async fn invents_a_subprotocol(upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .select_subprotocol(|_| Some("never offered".to_owned()))
        .on_upgrade(|_| async { Ok(()) })
}

#[tokio::test]
async fn the_callback_chooses_the_subprotocol_and_the_address_comes_from_connect_info() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new()
        .route("/inspect", any(inspect))
        .route("/invents", any(invents_a_subprotocol))
        .into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = Client::new()
        .subprotocol("b")
        .subprotocol("a")
        .subprotocol("none")
        .header("user-agent", "test");
    let mut ws = client.connect(&format!("ws://{address}/inspect")).await.unwrap();
    assert_eq!(ws.subprotocol(), Some("a"));
    let said = ws.recv().await.unwrap().unwrap().to_string();
    assert!(said.starts_with("Some(\"a\") Some(\"a\") test Some(127.0.0.1:"), "{said}");
    let error = client.connect(&format!("ws://{address}/invents")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 500);
}

#[tokio::test]
async fn what_the_extractor_is_told_to_count_is_counted() {
    let stats = Stats::new();
    let counted = stats.clone();
    let route = move |upgrade: WebSocketUpgrade| {
        let counted = counted.clone();
        async move {
            let upgrade = upgrade.stats(&counted).origins(Origins::same_origin());
            upgrade.on_upgrade(|mut ws| async move { ws.recv().await.map(drop) })
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let app = Router::new().route("/", any(route));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut ws = hybi::connect(&url).await.unwrap();
    ws.send("counted").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    Client::new().origin("https://evil.example").connect(&url).await.unwrap_err();
    let totals = stats.totals();
    assert_eq!((totals.received.messages, totals.received.payload_bytes), (1, 7));
    assert_eq!(totals.refused.get(&403), Some(&1));
}
