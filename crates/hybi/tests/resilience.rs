//! What goes wrong in one place stays there: panics, and file descriptors that run out.

use hybi::{Error, Options, Server};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;

async fn echo(mut ws: hybi::WebSocket) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        assert!(message != "panic", "the client asked for it");
        ws.send(message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_handler_that_panics_takes_nobody_along() {
    for workers in [0, 1, 2] {
        let server = Server::bind("127.0.0.1:0").await.unwrap().workers(workers);
        let url = format!("ws://{}", server.local_addr().unwrap());
        tokio::spawn(server.serve(echo));
        // With one worker, all of these are on its thread.
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(hybi::connect(&url).await.unwrap());
        }
        let mut panics = hybi::connect(&url).await.unwrap();
        panics.send("panic").await.unwrap();
        assert_eq!(panics.recv().await.unwrap(), None);
        assert_eq!(panics.close_info().unwrap().code(), 1011);
        others.push(hybi::connect(&url).await.unwrap());
        for ws in &mut others {
            ws.send("still here").await.unwrap();
            assert_eq!(ws.recv().await.unwrap().unwrap(), "still here");
        }
    }
}

#[tokio::test]
async fn a_rule_that_panics_takes_nobody_along() {
    for workers in [0, 1] {
        let server = Server::bind("127.0.0.1:0").await.unwrap().workers(workers).authorize(
            |request: &hybi::server::Request| {
                assert!(request.uri().path() != "/panic", "the client asked for it");
                async { Ok(()) }
            },
        );
        let url = format!("ws://{}", server.local_addr().unwrap());
        tokio::spawn(server.serve(echo));
        let mut other = hybi::connect(&url).await.unwrap();
        assert!(hybi::connect(&format!("{url}/panic")).await.is_err());
        other.send("still here").await.unwrap();
        assert_eq!(other.recv().await.unwrap().unwrap(), "still here");
        hybi::connect(&url).await.unwrap();
    }
}

#[tokio::test]
async fn an_error_hook_that_panics_takes_nobody_along() {
    for workers in [0, 1] {
        let told = Arc::new(AtomicUsize::new(0));
        let count = told.clone();
        let server = Server::bind("127.0.0.1:0").await.unwrap().workers(workers).on_error(
            move |error, _| {
                count.fetch_add(1, Ordering::SeqCst);
                panic!("{error}");
            },
        );
        let url = format!("ws://{}", server.local_addr().unwrap());
        let address = server.local_addr().unwrap();
        tokio::spawn(server.serve(echo));
        let mut other = hybi::connect(&url).await.unwrap();
        drop(TcpStream::connect(address).await.unwrap());
        while told.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        other.send("still here").await.unwrap();
        assert_eq!(other.recv().await.unwrap().unwrap(), "still here");
        hybi::connect(&url).await.unwrap();
    }
}

/// The server of the test below, in a process that may open 40 files.
#[tokio::test]
async fn server_with_few_file_descriptors() {
    if std::env::var_os("HYBI_TEST_FEW_FILES").is_none() {
        return;
    }
    let server = Server::bind("127.0.0.1:0").await.unwrap().options(Options::new());
    println!("\nlistening on {}", server.local_addr().unwrap());
    let stopped = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    tokio::select! {
        result = server.serve(echo) => panic!("the server ended: {result:?}"),
        _ = stopped => {}
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_without_file_descriptors_keeps_serving_and_recovers() {
    use std::io::BufRead;

    let program = std::env::current_exe().unwrap();
    let mut child = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 40; exec \"$0\" --exact --nocapture server_with_few_file_descriptors",
        ])
        .arg(program)
        .env("HYBI_TEST_FEW_FILES", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    // Kept open: the process prints more at its end.
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
        .expect("the server listens");
    let url = format!("ws://{address}");

    let mut early = hybi::connect(&url).await.unwrap();
    // Until a connection is not accepted any more, although the kernel has completed it.
    let mut open = Vec::new();
    let client = hybi::Client::new().handshake_timeout(Duration::from_secs(2));
    let refused = loop {
        match client.connect(&url).await {
            Ok(ws) => open.push(ws),
            Err(error) => break error,
        }
        assert!(open.len() < 100, "40 descriptors were enough for {}", open.len());
    };
    assert!(matches!(refused, Error::Timeout(_)), "{refused}");
    assert!(open.len() > 10, "{}", open.len());
    // Those that are open are served.
    for ws in open.iter_mut().chain([&mut early]) {
        ws.send("still served").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap(), "still served");
    }
    // When some leave, others get in.
    open.truncate(5);
    let mut late = hybi::connect(&url).await.unwrap();
    late.send("let in").await.unwrap();
    assert_eq!(late.recv().await.unwrap().unwrap(), "let in");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
