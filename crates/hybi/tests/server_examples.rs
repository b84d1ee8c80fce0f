//! The examples of the server do what they say.

#[allow(dead_code, unreachable_pub)]
#[path = "../examples/authentication.rs"]
mod authentication;
#[allow(dead_code, unreachable_pub)]
#[path = "../examples/broadcast.rs"]
mod broadcast;
#[allow(dead_code, unreachable_pub)]
#[path = "../examples/echo.rs"]
mod echo;
#[allow(dead_code, unreachable_pub)]
#[path = "../examples/endpoints.rs"]
mod endpoints;
#[allow(dead_code, unreachable_pub)]
#[path = "../examples/heartbeat.rs"]
mod heartbeat;
#[allow(dead_code, unreachable_pub)]
#[path = "../examples/large_message.rs"]
mod large_message;
#[allow(dead_code, unreachable_pub)]
#[path = "../examples/tunnel.rs"]
mod tunnel;

use http::{HeaderValue, header};
use hybi::{Client, Server};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

async fn bind() -> (Server, String) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    (server, url)
}

#[tokio::test]
async fn echo_answers_and_ends_when_it_is_told_to() {
    let (server, url) = bind().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(echo::serve(server, async move { drop(stopped.await) }));
    let mut ws = hybi::connect(&url).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    drop(stop);
    assert!(ws.recv().await.unwrap().is_none());
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn broadcast_reaches_the_others_in_the_same_room() {
    let (server, url) = bind().await;
    tokio::spawn(broadcast::serve(server));
    let mut ada = hybi::connect(&format!("{url}/garden")).await.unwrap();
    assert_eq!(ada.recv().await.unwrap().unwrap(), "0 others are here");
    let mut elsewhere = hybi::connect(&format!("{url}/kitchen")).await.unwrap();
    assert_eq!(elsewhere.recv().await.unwrap().unwrap(), "0 others are here");
    let mut bob = hybi::connect(&format!("{url}/garden")).await.unwrap();
    assert_eq!(bob.recv().await.unwrap().unwrap(), "1 others are here");
    ada.send("from ada").await.unwrap();
    assert_eq!(bob.recv().await.unwrap().unwrap(), "from ada");
    bob.send("from bob").await.unwrap();
    assert_eq!(ada.recv().await.unwrap().unwrap(), "from bob");
    elsewhere.close(hybi::CloseCode::NORMAL, "").await.unwrap();
}

#[tokio::test]
async fn authentication_lets_in_who_has_a_session() {
    let (server, url) = bind().await;
    tokio::spawn(authentication::serve(server));
    let error = hybi::connect(&url).await.unwrap_err();
    let response = error.response().unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.headers().contains_key("www-authenticate"));
    let cookie = HeaderValue::from_static("session=session-of-ada");
    let client = Client::new().header(header::COOKIE, cookie);
    let mut ws = client.connect(&url).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "ada: hello");
    let page = client.origin("https://evil.example").connect(&url).await.unwrap_err();
    assert_eq!(page.response().unwrap().status(), 403);
}

#[tokio::test]
async fn endpoints_and_a_page_share_a_port() {
    let (server, url) = bind().await;
    tokio::spawn(endpoints::serve(server));
    let mut echo = hybi::connect(&format!("{url}/echo")).await.unwrap();
    echo.send("hello").await.unwrap();
    assert_eq!(echo.recv().await.unwrap().unwrap(), "hello");
    let mut time = hybi::connect(&format!("{url}/time")).await.unwrap();
    assert!(time.recv().await.unwrap().unwrap().as_text().unwrap().ends_with(" s"));
    let error = hybi::connect(&format!("{url}/elsewhere")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 404);

    let address = url.strip_prefix("ws://").unwrap();
    for (path, status) in [("/", "200"), ("/elsewhere", "404")] {
        let mut page = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        page.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        page.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn heartbeat_measures_the_round_trip() {
    let (server, url) = bind().await;
    tokio::spawn(heartbeat::serve(server, Duration::from_millis(200)));
    let mut ws = hybi::connect(&url).await.unwrap();
    loop {
        ws.send("how long?").await.unwrap();
        let answer = ws.recv().await.unwrap().unwrap();
        if answer.as_text().unwrap().starts_with("the round trip takes ") {
            break;
        }
        // The ping that this waits for is answered meanwhile.
        let event = ws.next_event().await.unwrap().unwrap();
        assert!(matches!(event, hybi::Event::Ping(_)), "{event:?}");
    }
}

#[tokio::test]
async fn large_messages_go_up_and_down_in_pieces() {
    let (server, url) = bind().await;
    tokio::spawn(large_message::serve(server));
    let mut ws = hybi::connect(&url).await.unwrap();
    ws.send(vec![7; 3_000_000]).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "3000000 bytes");
    let mut down = hybi::connect(&format!("{url}/download?2000000")).await.unwrap();
    assert_eq!(down.recv().await.unwrap().unwrap().len(), 2_000_000);
    assert_eq!(down.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_tunnel_connects_through_to_a_tcp_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let (server, url) = bind().await;
    tokio::spawn(tunnel::serve(server, to));
    let mut near = hybi::ByteStream::new(hybi::connect(&url).await.unwrap());
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(b"there").await.unwrap();
    let mut octets = [0; 5];
    far.read_exact(&mut octets).await.unwrap();
    assert_eq!(&octets, b"there");
    far.write_all(b"and back").await.unwrap();
    drop(far);
    let mut back = String::new();
    near.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "and back");
}
