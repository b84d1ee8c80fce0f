//! Where a server listens: addresses, Unix sockets, listeners made elsewhere, several threads.

use hybi::server::{Listen, Shutdown};
use hybi::{Error, ErrorCode, Server, WebSocket};
use std::collections::HashSet;
use std::io::Write;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(300);

async fn echo(mut ws: WebSocket) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn expect_echo(ws: &mut WebSocket) {
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
}

#[tokio::test]
async fn a_listener_that_exists_already_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(Server::from_listener(listener).serve(echo));
    expect_echo(&mut hybi::connect(&url).await.unwrap()).await;
}

#[tokio::test]
async fn an_address_in_use_is_named_in_the_error() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let error = Server::bind(address).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
}

#[tokio::test]
async fn an_address_that_is_for_ipv6_only_leaves_the_port_to_ipv4() {
    let how = Listen::new().only_v6(true).backlog(16);
    let server = match Server::bind_with("[::]:0", &how).await {
        Ok(server) => server,
        // A machine without IPv6.
        Err(_) => return,
    };
    let port = server.local_addr().unwrap().port();
    let _other = Server::bind(("127.0.0.1", port)).await.unwrap();
}

#[tokio::test]
async fn an_ipv6_address_is_served() {
    let Ok(server) = Server::bind("[::1]:0").await else { return };
    let url = format!("ws://{}", server.local_addr().unwrap());
    assert!(url.starts_with("ws://[::1]:"), "{url}");
    tokio::spawn(server.serve(echo));
    expect_echo(&mut hybi::connect(&url).await.unwrap()).await;
}

#[cfg(unix)]
#[tokio::test]
async fn an_address_can_be_shared_only_by_those_that_all_allow_it() {
    let shared = Listen::new().reuse_port(true);
    let first = Server::bind_with("127.0.0.1:0", &shared).await.unwrap();
    let address = first.local_addr().unwrap();
    Server::bind_with(address, &shared).await.unwrap();
    Server::bind(address).await.unwrap_err();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_more_connections_wait_than_the_backlog_says() {
    let server = Server::bind_with("127.0.0.1:0", &Listen::new().backlog(2)).await.unwrap();
    let address = server.local_addr().unwrap();
    // One that says nothing does not wait to be accepted.
    let connect = || {
        let mut stream =
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300))?;
        stream.write_all(b"G").map(|()| stream)
    };
    // Nobody accepts; Linux keeps one more than it is told.
    let waiting: Vec<_> = (0..10).map_while(|_| connect().ok()).collect();
    assert_eq!(waiting.len(), 3);
}

/// In real time, because it is the kernel that waits: a second.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_says_nothing_is_accepted_late_and_then_has_its_timeout() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let server = server.handshake_timeout(Duration::from_millis(1));
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(echo));
    let connected = Instant::now();
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    assert!(connected.elapsed() > Duration::from_millis(500), "{:?}", connected.elapsed());
}

#[tokio::test]
async fn a_client_that_goes_without_a_word_is_reported_and_holds_nobody_up() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::bind("127.0.0.1:0").await.unwrap().handshake_timeout(LONG);
    let server = server.on_error(move |error, peer| {
        let _ = tell.send((error.code(), peer));
    });
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(echo));
    let gone = TcpStream::connect(address).await.unwrap();
    let peer = gone.local_addr().unwrap();
    drop(gone);
    assert_eq!(told.recv().await.unwrap(), (Some(ErrorCode::InvalidHandshake), Some(peer)));
    expect_echo(&mut hybi::connect(&format!("ws://{address}")).await.unwrap()).await;
}

#[cfg(unix)]
mod unix {
    use super::*;
    use tokio::net::UnixStream;

    /// A path of this test's own, in the directory that cargo keeps for tests.
    fn path(name: &str) -> std::path::PathBuf {
        let name = format!("{name}-{}.sock", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[tokio::test]
    async fn a_unix_socket_is_served_and_its_file_removed_at_the_end() {
        let path = path("hybi-served");
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::bind_unix(&path).unwrap();
        let error = Server::bind_unix(&path).unwrap_err();
        assert!(error.to_string().starts_with("cannot listen on "), "{error}");
        let server = server.shutdown_on(async move { drop(stopped.await) });
        let serving = tokio::spawn(server.serve_with(|ws, request| {
            assert_eq!(request.peer_addr(), None);
            echo(ws)
        }));
        let stream = UnixStream::connect(&path).await.unwrap();
        let mut ws = hybi::connect_over(stream, "ws://localhost/").await.unwrap();
        expect_echo(&mut ws).await;
        drop(stop);
        assert!(ws.recv().await.unwrap().is_none());
        serving.await.unwrap().unwrap();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_a_crashed_server_left_is_replaced_but_no_other_file() {
        let path = path("hybi-left");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Server::bind_unix(&path).unwrap());
        assert!(!path.exists());
        std::fs::write(&path, "precious").unwrap();
        assert!(Server::bind_unix(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::fs::remove_file(&path).unwrap();
    }
}

/// Serves with three threads until all of them have had a connection; returns their names.
async fn serve_on_three_threads(server: Server) -> HashSet<String> {
    let url = format!("ws://{}", server.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = server
        .workers(3)
        .shutdown(Shutdown::new().deadline(LONG))
        .shutdown_on(async move { drop(stopped.await) });
    let serving = tokio::spawn(server.serve(|mut ws| async move {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        ws.send(name.as_str()).await?;
        while ws.recv().await?.is_some() {}
        // A connection stays on its thread.
        assert_eq!(std::thread::current().name(), Some(&name[..]));
        Ok(())
    }));
    let (mut names, mut clients) = (HashSet::new(), Vec::new());
    for _ in 0..60 {
        let mut ws = hybi::connect(&url).await.unwrap();
        names.insert(ws.recv().await.unwrap().unwrap().to_string());
        clients.push(ws);
    }
    drop(stop);
    for mut ws in clients {
        assert!(ws.recv().await.unwrap().is_none());
    }
    serving.await.unwrap().unwrap();
    assert!(hybi::connect(&url).await.is_err(), "nobody listens any more");
    names
}

#[tokio::test]
async fn worker_threads_with_a_socket_each_share_the_connections() {
    let how = Listen::new().reuse_port(true);
    let names = serve_on_three_threads(Server::bind_with("127.0.0.1:0", &how).await.unwrap()).await;
    if cfg!(unix) {
        // The kernel spreads 60 connections by a hash: that one of three gets none has a chance of
        // about 1e-10.
        assert_eq!(names.len(), 3, "{names:?}");
    }
    assert!(names.iter().all(|name| name.starts_with("hybi-worker-")));
}

#[tokio::test]
async fn worker_threads_can_share_one_socket() {
    let names = serve_on_three_threads(Server::bind("127.0.0.1:0").await.unwrap()).await;
    assert!(names.iter().all(|name| name.starts_with("hybi-worker-")), "{names:?}");
}

#[tokio::test]
async fn dropping_the_server_stops_its_threads_from_accepting_and_lets_connections_go_on() {
    let server = Server::bind("127.0.0.1:0").await.unwrap().workers(2);
    let url = format!("ws://{}", server.local_addr().unwrap());
    let serving = tokio::spawn(server.serve(echo));
    let mut ws = hybi::connect(&url).await.unwrap();
    expect_echo(&mut ws).await;
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    while hybi::connect(&url).await.is_ok() {
        tokio::task::yield_now().await;
    }
    expect_echo(&mut ws).await;
}
