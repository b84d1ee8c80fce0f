//! WebSockets beside ordinary routes of a hyper 1 server.
#![cfg(feature = "hyper")]

use hybi::server::{Acceptor, Clients, Shutdown};
use hybi::{CloseCode, Error, Event, WebSocket};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo(mut ws: WebSocket) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn route(
    mut request: Request<Incoming>,
    clients: Clients,
) -> Result<Response<String>, Infallible> {
    let endpoint = request.uri().path().to_owned();
    if endpoint == "/" {
        return Ok(Response::new("a page".to_owned()));
    }
    let acceptor = Acceptor::new().subprotocols(["chat"]);
    Ok(match acceptor.upgrade(&mut request).await {
        Ok((response, upgrading)) => {
            let upgrading = upgrading.clients(&clients);
            match &endpoint[..] {
                "/echo" => upgrading.serve(|ws, _| echo(ws)),
                _ => upgrading
                    .serve(|ws, request| async move { ws.send(request.uri().path()).await }),
            }
            response.map(|()| String::new())
        }
        Err(refusal) => refusal.into_response(),
    })
}

/// Serves with hyper itself, or with the builder of hyper-util that recognises the version.
async fn serve(auto: bool, clients: &Clients) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let clients = clients.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let clients = clients.clone();
            let service = service_fn(move |request| route(request, clients.clone()));
            let io = TokioIo::new(stream);
            if auto {
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                tokio::spawn(async move {
                    builder.serve_connection_with_upgrades(io, service).await.unwrap();
                });
            } else {
                let builder = hyper::server::conn::http1::Builder::new();
                tokio::spawn(builder.serve_connection(io, service).with_upgrades());
            }
        }
    });
    address
}

#[tokio::test]
async fn two_endpoints_and_a_page_share_a_port() {
    for auto in [false, true] {
        let address = serve(auto, &Clients::new()).await;
        let mut ws = hybi::Client::new()
            .subprotocol("chat")
            .connect(&format!("ws://{address}/echo"))
            .await
            .unwrap();
        assert_eq!(ws.subprotocol(), Some("chat"));
        ws.send("hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
        let mut other = hybi::connect(&format!("ws://{address}/other")).await.unwrap();
        assert_eq!(other.recv().await.unwrap().unwrap(), "/other");

        let mut page = TcpStream::connect(&address).await.unwrap();
        page.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        page.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("a page"), "{answer}");
    }
}

#[tokio::test]
async fn what_comes_together_with_the_request_is_not_lost() {
    for auto in [false, true] {
        let address = serve(auto, &Clients::new()).await;
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
}

#[tokio::test]
async fn clients_are_closed_by_the_graceful_shutdown() {
    let clients = Clients::new();
    let address = serve(true, &clients).await;
    let mut ws = hybi::connect(&format!("ws://{address}/echo")).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    let shutdown = tokio::spawn({
        let clients = clients.clone();
        async move { clients.shutdown(Shutdown::new().deadline(Duration::from_secs(300))).await }
    });
    let Some(Event::Close(Some(frame))) = ws.next_event().await.unwrap() else {
        panic!("a Close frame with a code");
    };
    assert_eq!(frame.code, CloseCode::GOING_AWAY);
    assert!(ws.next_event().await.unwrap().is_none());
    assert_eq!(shutdown.await.unwrap(), 0);
}
