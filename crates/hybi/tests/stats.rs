//! What is counted, and that it is right to the octet.

use hex_literal::hex;
use hybi::server::{Acceptor, Clients, Origins};
use hybi::{Client, CloseCode, Group, Options, Server, Stats, WebSocket};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

const REQUEST: &str = "GET /chat?token=secret HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A server on one end of a pipe, and the other end for the test to be the client; `early` comes with
/// the request.
async fn open(acceptor: &Acceptor, early: &[u8]) -> (WebSocket, DuplexStream) {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    theirs.write_all(&[REQUEST.as_bytes(), early].concat()).await.unwrap();
    let (ws, _) = acceptor.accept(ours).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(theirs.read_u8().await.unwrap());
    }
    (ws, theirs)
}

/// Sends a request and reads the answer to its end.
async fn ask(acceptor: &Acceptor, request: &str) -> String {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    theirs.write_all(request.as_bytes()).await.unwrap();
    let asking = async {
        let mut answer = String::new();
        theirs.shutdown().await.unwrap();
        theirs.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (result, answer) = tokio::join!(acceptor.accept(ours), asking);
    result.unwrap_err();
    answer
}

#[tokio::test]
async fn messages_and_octets_are_counted_in_both_directions() {
    let stats = Stats::new();
    let acceptor = Acceptor::new().stats(&stats);
    // The first message comes together with the request: 7 octets and 4 of the key.
    let (mut ws, mut pipe) = open(&acceptor, &hex!("81 85 00000000 68656c6c6f")).await;
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    // Two fragments and a ping between them: one message of 4 octets.
    pipe.write_all(&hex!("02 82 00000000 0102" "89 80 00000000" "80 82 00000000 0304"))
        .await
        .unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().as_bytes(), [1, 2, 3, 4]);
    ws.send("12345678").await.unwrap();
    ws.send(vec![0; 300]).await.unwrap();
    ws.try_send("abc").unwrap();
    ws.feed("d").await.unwrap();
    ws.flush().await.unwrap();

    let connection = ws.stats().unwrap();
    assert_eq!(ws.writer().stats(), Some(connection));
    assert_eq!((connection.received.messages, connection.received.payload_bytes), (2, 9));
    assert_eq!(connection.received.wire_bytes, 11 + 8 + 6 + 8);
    assert_eq!((connection.sent.messages, connection.sent.payload_bytes), (4, 312));
    // The pong is of 2 octets; 300 need a length of 2 octets more.
    assert_eq!(connection.sent.wire_bytes, 2 + (2 + 8) + (4 + 300) + (2 + 3) + (2 + 1));

    let totals = stats.totals();
    assert_eq!((totals.connections, totals.opened), (1, 1));
    assert_eq!((totals.received, totals.sent), (connection.received, connection.sent));
    pipe.write_all(&hex!("88 82 00000000 03e8")).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    assert_eq!(stats.totals().connections, 0);
    drop(ws);
    // What it has counted stays, and the Close frames (8 and 4 octets) with it.
    let totals = stats.totals();
    assert_eq!((totals.connections, totals.opened), (0, 1));
    assert_eq!(totals.received.wire_bytes, connection.received.wire_bytes + 8);
    assert_eq!(totals.sent.wire_bytes, connection.sent.wire_bytes + 4);
    assert_eq!(totals.closed, BTreeMap::from([(1000, 1)]));
    assert!(totals.errors.is_empty());
}

#[tokio::test]
async fn a_connection_that_nobody_counts_has_no_numbers() {
    let (ws, _pipe) = open(&Acceptor::new(), b"").await;
    assert_eq!(ws.stats(), None);
}

#[tokio::test]
async fn messages_in_pieces_count_once_and_their_octets_as_they_come() {
    let stats = Stats::new();
    let (mut ws, mut pipe) = open(&Acceptor::new().stats(&stats), b"").await;
    pipe.write_all(&hex!("01 82 00000000 6162" "80 82 00000000 6364")).await.unwrap();
    let mut message = ws.message_reader().await.unwrap().unwrap();
    while message.next_piece().await.unwrap().is_some() {}
    drop(message);
    let mut message = ws.message_writer().await.unwrap();
    message.write_all(&[7; 10_000]).await.unwrap();
    message.shutdown().await.unwrap();
    let counted = ws.stats().unwrap();
    assert_eq!((counted.received.messages, counted.received.payload_bytes), (1, 4));
    assert_eq!((counted.sent.messages, counted.sent.payload_bytes), (1, 10_000));
}

#[tokio::test(start_paused = true)]
async fn handshakes_that_come_to_nothing_are_counted_by_what_became_of_them() {
    let stats = Stats::new();
    let acceptor = Acceptor::new()
        .stats(&stats)
        .path("/chat")
        .origins(Origins::same_origin())
        .http(|_| http::Response::new(b"a page".to_vec()));
    let elsewhere = REQUEST.replace("/chat", "/other");
    assert!(ask(&acceptor, &elsewhere).await.starts_with("HTTP/1.1 404 "));
    let foreign = REQUEST.replace("Host: test", "Host: test\r\nOrigin: https://evil.example");
    assert!(ask(&acceptor, &foreign).await.starts_with("HTTP/1.1 403 "));
    assert!(ask(&acceptor, &foreign).await.starts_with("HTTP/1.1 403 "));
    assert!(ask(&acceptor, "no HTTP at all\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    let page = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    assert!(ask(&acceptor, page).await.ends_with("a page"));
    // One goes away, another is too slow.
    assert_eq!(ask(&acceptor, "GET / HT").await, "");
    let (ours, _theirs) = tokio::io::duplex(1024);
    acceptor.accept(ours).await.unwrap_err();

    let totals = stats.totals();
    assert_eq!(totals.refused, BTreeMap::from([(400, 1), (403, 2), (404, 1)]));
    assert_eq!((totals.plain_requests, totals.failed, totals.opened), (1, 2, 0));
}

#[tokio::test]
async fn ends_are_counted_by_the_code_of_who_began_and_errors_by_their_name() {
    let stats = Stats::new();
    let acceptor = Acceptor::new().stats(&stats);
    // A reserved opcode: we answer 1002.
    let (mut ws, mut pipe) = open(&acceptor, b"").await;
    pipe.write_all(&hex!("83 80 00000000")).await.unwrap();
    ws.recv().await.unwrap_err();
    drop(ws);
    // The end of TCP without a word.
    let (mut ws, pipe) = open(&acceptor, b"").await;
    drop(pipe);
    ws.recv().await.unwrap_err();
    drop(ws);
    // Cut by us.
    let (ws, _pipe) = open(&acceptor, b"").await;
    ws.terminate();
    // A Close frame without a code.
    let (mut ws, mut pipe) = open(&acceptor, b"").await;
    pipe.write_all(&hex!("88 80 00000000")).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    // We say goodbye with 1001, the peer answers with 1000.
    let (mut ws, mut pipe) = open(&acceptor, b"").await;
    pipe.write_all(&hex!("88 82 00000000 03e8")).await.unwrap();
    ws.close(CloseCode::GOING_AWAY, "").await.unwrap();

    let totals = stats.totals();
    assert_eq!(totals.closed, BTreeMap::from([(1001, 1), (1002, 1), (1005, 1), (1006, 2)]));
    let errors = [("WS_ERR_ABNORMAL_CLOSURE", 1), ("WS_ERR_INVALID_OPCODE", 1)];
    assert_eq!(totals.errors, BTreeMap::from(errors));
    assert_eq!((totals.connections, totals.opened), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_is_counted() {
    let second = Duration::from_secs(1);
    let stats = Stats::new();
    let options = Options::new().ping_interval(10 * second).ping_timeout(5 * second);
    let acceptor = Acceptor::new().stats(&stats).options(options);
    let (mut ws, mut pipe) = open(&acceptor, b"").await;
    let peer = async {
        for (number, wait) in [(1, second), (2, 3 * second)] {
            let mut ping = [0; 6];
            pipe.read_exact(&mut ping).await.unwrap();
            tokio::time::sleep(wait).await;
            let pong = [0x8a, 0x84, 0, 0, 0, 0, 0, 0, 0, number];
            pipe.write_all(&pong).await.unwrap();
        }
    };
    let (error, ()) = tokio::join!(ws.recv(), peer);
    error.unwrap_err();
    let totals = stats.totals();
    assert_eq!((totals.round_trips.count, totals.round_trips.sum), (2, 4 * second));
    assert_eq!(totals.round_trips.max, 3 * second);
    assert_eq!(totals.round_trips.mean(), Some(2 * second));
    // The third ping was not answered.
    assert_eq!(totals.errors, BTreeMap::from([("WS_ERR_PEER_TIMEOUT", 1)]));
    assert_eq!(totals.closed, BTreeMap::from([(1006, 1)]));
}

#[tokio::test]
async fn messages_that_slow_members_miss_are_counted() {
    let stats = Stats::new();
    let acceptor = Acceptor::new().stats(&stats).options(Options::new().max_buffered(1000));
    let (ours, mut theirs) = tokio::io::duplex(1024);
    theirs.write_all(REQUEST.as_bytes()).await.unwrap();
    let (ws, _) = acceptor.accept(ours).await.unwrap();
    let group = Group::new();
    let _member = group.join(&ws.writer());
    // Nobody reads: the pipe and the buffer take some, the rest is dropped.
    let deliveries = (0..10).map(|_| group.broadcast(vec![0; 600]));
    let dropped: usize = deliveries.map(|delivery| delivery.dropped).sum();
    assert!(dropped >= 7, "{dropped}");
    assert_eq!(ws.stats().unwrap().dropped, dropped as u64);
    assert_eq!(stats.totals().dropped, dropped as u64);
    assert_eq!(stats.totals().sent.messages, 10 - dropped as u64);
}

#[tokio::test]
async fn messages_that_slow_clients_miss_are_counted() {
    let (stats, clients) = (Stats::new(), Clients::new());
    let server = Server::bind("127.0.0.1:0").await.unwrap().stats(&stats).clients(&clients);
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.serve(|mut ws| async move {
        ws.send("welcome").await?;
        ws.recv().await.map(drop)
    }));
    let mut ws = hybi::connect(&url).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "welcome");
    // Nobody reads: the sockets and the buffer take some.
    let accepted = (0..1000).take_while(|_| clients.broadcast(vec![0; 1024 * 1024]) == 1).count();
    assert!((1..1000).contains(&accepted), "{accepted}");
    let totals = stats.totals();
    assert_eq!((totals.dropped, totals.sent.messages), (1, 1 + accepted as u64));
}

#[tokio::test]
async fn a_server_and_a_client_count_the_same() {
    let (server_stats, client_stats) = (Stats::new(), Stats::new());
    let server = Server::bind("127.0.0.1:0").await.unwrap().stats(&server_stats);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(|mut ws| async move {
        while let Some(message) = ws.recv().await? {
            if message == "fail" {
                return Err(hybi::Error::application("as told"));
            }
            ws.send(message).await?;
        }
        Ok(())
    }));
    let client = Client::new().stats(&client_stats);
    let mut ws = client.connect(&format!("ws://{address}/")).await.unwrap();
    for _ in 0..100 {
        ws.send("0123456789").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap(), "0123456789");
    }
    ws.send("fail").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    // The server has noted the end before it closed TCP.
    assert_eq!(TcpStream::connect(address).await.unwrap().write(b"").await.unwrap(), 0);
    let (server, client) = (server_stats.totals(), client_stats.totals());
    assert_eq!((client.received, client.sent), (server.sent, server.received));
    assert_eq!((server.received.messages, server.received.payload_bytes), (101, 1004));
    for totals in [&server, &client] {
        assert_eq!(totals.closed, BTreeMap::from([(1011, 1)]));
        assert_eq!((totals.connections, totals.opened), (0, 1));
    }
    drop(ws);
    // Nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    client_connect_fails(&Client::new().stats(&client_stats), nobody).await;
    assert_eq!(client_stats.totals().failed, 1);
}

async fn client_connect_fails(client: &Client, address: std::net::SocketAddr) {
    client.connect(&format!("ws://{address}/")).await.unwrap_err();
}
