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

use http::{HeaderValue, header};
use hybi::{Client, Server};
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
