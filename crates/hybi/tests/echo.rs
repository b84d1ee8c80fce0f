//! A client and a server of ours, over real TCP.

use hybi::{Client, CloseCode, DeflateOptions, Error, Event, Message, Options, Server};

/// An echo server on a free port; returns its URL.
async fn echo_server() -> String {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.serve(|mut ws| async move {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok(())
    }));
    url
}

#[tokio::test]
async fn text_and_binary_come_back() {
    let mut ws = hybi::connect(&echo_server().await).await.unwrap();
    ws.send("something").await.unwrap();
    ws.send(&[1, 2, 3]).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "something");
    assert_eq!(ws.recv().await.unwrap().unwrap(), Message::binary(vec![1, 2, 3]));
    ws.close(CloseCode::NORMAL, "done").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
}

#[tokio::test]
async fn messages_of_every_size_come_back_in_order() {
    let mut ws = hybi::connect(&echo_server().await).await.unwrap();
    let writer = ws.writer();
    let sizes = [0, 1, 125, 126, 65535, 65536, 65537, 1 << 20, 5 << 20, 3, 200_000];
    tokio::spawn(async move {
        for (i, size) in sizes.into_iter().enumerate() {
            writer.send(vec![i as u8; size]).await.unwrap();
        }
    });
    for (i, size) in sizes.into_iter().enumerate() {
        let message = ws.recv().await.unwrap().unwrap();
        assert_eq!(message.len(), size);
        assert!(message.as_bytes().iter().all(|&octet| octet == i as u8));
    }
    ws.close(CloseCode::NORMAL, "").await.unwrap();
}

#[tokio::test]
async fn compressed_messages_come_back() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let options = Options::new().compression(DeflateOptions::new());
    tokio::spawn(server.options(options).serve(|mut ws| async move {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok(())
    }));
    let (mut ws, response) = Client::new().connect_with_response(&url).await.unwrap();
    assert!(
        response.headers()["sec-websocket-extensions"]
            .to_str()
            .unwrap()
            .starts_with("permessage-deflate")
    );
    for i in 0..100 {
        let text = format!("message {i} resembles the one before it").repeat(i * 10);
        ws.send(text.clone()).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap(), text.as_str());
    }
    ws.close(CloseCode::NORMAL, "").await.unwrap();
}

#[tokio::test]
async fn a_handler_that_returns_closes_with_1000_and_one_that_fails_with_1011() {
    for (fails, expected) in [(false, 1000), (true, 1011)] {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", server.local_addr().unwrap());
        tokio::spawn(server.serve(move |_ws| async move {
            if fails { Err(Error::application("no luck")) } else { Ok(()) }
        }));
        let mut ws = hybi::connect(&url).await.unwrap();
        let Some(Event::Close(Some(frame))) = ws.next_event().await.unwrap() else {
            panic!("a Close frame with a code");
        };
        assert_eq!(frame.code, expected);
        assert_eq!(ws.next_event().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_panicking_handler_closes_its_connection_with_1011_and_no_other() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.serve(|mut ws| async move {
        while let Some(message) = ws.recv().await? {
            assert!(message != "panic", "asked to");
            ws.send(message).await?;
        }
        Ok(())
    }));
    let mut calm = hybi::connect(&url).await.unwrap();
    let mut doomed = hybi::connect(&url).await.unwrap();
    doomed.send("panic").await.unwrap();
    let Some(Event::Close(Some(frame))) = doomed.next_event().await.unwrap() else {
        panic!("a Close frame with a code");
    };
    assert_eq!(frame.code, CloseCode::INTERNAL_ERROR);
    calm.send("still here").await.unwrap();
    assert_eq!(calm.recv().await.unwrap().unwrap(), "still here");
}

#[tokio::test]
async fn a_server_that_is_no_websocket_server_is_shown_with_status_and_body() {
    let server = Server::bind("127.0.0.1:0").await.unwrap().path("/chat");
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(|_ws| async { Ok(()) }));
    let error = hybi::connect(&format!("ws://{address}/elsewhere")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 404);
    assert_eq!(
        error.to_string(),
        "the server answered 404 Not Found instead of 101: no WebSocket here"
    );
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_named() {
    let error = hybi::connect("ws://127.0.0.1:1").await.unwrap_err();
    assert!(matches!(error, Error::Io(_)));
    assert!(error.to_string().starts_with("cannot connect to 127.0.0.1:1: "), "{error}");
}
