//! The server behind nginx, which is really run, with the configuration that lies beside.

#[allow(dead_code, unreachable_pub)]
#[path = "../src/bin/behind_nginx.rs"]
mod behind_nginx;
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/hybi/tests/common/program.rs"]
mod program;

use hybi::{Client, Server};
use program::Program;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_nginx_the_handler_knows_where_the_client_is() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let behind = server.local_addr().unwrap();
    tokio::spawn(behind_nginx::serve(server));
    let folder = std::env::temp_dir().join(format!("hybi-nginx-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let started = Program::start("nginx", |port| {
        let listen = format!("127.0.0.1:{port}");
        let configuration = include_str!("../nginx.conf")
            .replace("127.0.0.1:8080", &listen)
            .replace("127.0.0.1:9000", &behind.to_string());
        let file = folder.join("nginx.conf");
        std::fs::write(&file, configuration).unwrap();
        let [folder, file] = [&folder, &file].map(|path| path.display().to_string());
        ["-p".to_owned(), folder, "-c".to_owned(), file].into()
    });
    let Some(nginx) = started else { return };
    let front = format!("127.0.0.1:{}", nginx.port);
    let url = format!("ws://{front}/");

    // nginx has seen the client at 127.0.0.1; what the client says of itself does not count.
    let client = Client::new().header("x-forwarded-for", "10.9.8.7");
    let mut ws = client.connect(&url).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "127.0.0.1: hello");
    // More than nginx buffers, both ways.
    let large = "x".repeat(1_000_000);
    ws.send(large.as_str()).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().len(), "127.0.0.1: ".len() + large.len());
    ws.close(hybi::CloseCode::NORMAL, "").await.unwrap();
    assert!(ws.close_info().unwrap().is_clean());

    // What only a proxy of this machine could say: a client that nginx has seen elsewhere.
    let client = Client::new().header("x-forwarded-for", "10.9.8.7, 2001:db8::1");
    let mut ws = client.connect(&format!("ws://{behind}/")).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "2001:db8::1: hello");

    // `Host` is passed on: the page's own origin may connect, others may not.
    let own = Client::new().origin(format!("http://{front}"));
    own.connect(&url).await.unwrap();
    let error = Client::new().origin("http://evil.example").connect(&url).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 403);
    // A plain request gets the reason through nginx.
    let mut page = TcpStream::connect(&front).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {front}\r\nConnection: close\r\n\r\n");
    page.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    drop(nginx);
    let _ = std::fs::remove_dir_all(folder);
}
