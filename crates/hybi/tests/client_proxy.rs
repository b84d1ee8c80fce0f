//! Through real proxies: tinyproxy (HTTP CONNECT) and microsocks (SOCKS5).
//!
//! Where they are not installed the tests say SKIPPED, and fail if `CI` is set.

mod common;

use common::assert_echoes;
use common::program::Program;
use common::scripted::Scripted;
use hybi::{Client, Error, ErrorCode};

/// An HTTP proxy; with `users` it wants this line of credentials.
fn tinyproxy(users: &str) -> Option<Program> {
    let path = |port| std::env::temp_dir().join(format!("hybi-tinyproxy-{port}.conf"));
    let proxy = Program::start("tinyproxy", |port| {
        let config = format!(
            "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nLogLevel Connect\n{users}\n"
        );
        std::fs::write(path(port), config).unwrap();
        vec!["-d".to_owned(), "-c".to_owned(), path(port).display().to_string()]
    })?;
    std::fs::remove_file(path(proxy.port)).unwrap();
    Some(proxy)
}

/// A SOCKS5 proxy; with `users` it wants a user and a password.
fn microsocks(users: &[&str]) -> Option<Program> {
    Program::start("microsocks", |port| {
        let fixed = ["-i", "127.0.0.1", "-p"].map(str::to_owned);
        let users = users.iter().map(|&user| user.to_owned());
        fixed.into_iter().chain([port.to_string()]).chain(users).collect()
    })
}

fn proxy_error<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Proxy(_)), "{error:?}");
    assert_eq!(error.code(), Some(ErrorCode::Proxy));
    error.to_string()
}

#[tokio::test]
async fn ws_goes_through_an_http_proxy() {
    let Some(proxy) = tinyproxy("") else { return };
    let port = common::echo_server().await;
    let client = Client::new().proxy(&format!("http://127.0.0.1:{}", proxy.port));
    let mut ws = client.connect(&format!("ws://localhost:{port}/")).await.unwrap();
    assert_echoes(&mut ws).await;
    proxy.wrote(&format!("CONNECT localhost:{port} HTTP/1.1")).await;
}

#[tokio::test]
async fn an_http_proxy_gets_the_credentials_that_it_wants() {
    let Some(proxy) = tinyproxy("BasicAuth user pass") else { return };
    let url = format!("ws://127.0.0.1:{}/", common::echo_server().await);
    let at = format!("127.0.0.1:{}", proxy.port);
    let mut ws =
        Client::new().proxy(&format!("http://user:pass@{at}")).connect(&url).await.unwrap();
    assert_echoes(&mut ws).await;

    let text = proxy_error(Client::new().proxy(&format!("http://{at}")).connect(&url).await);
    assert!(text.contains("status 407 Proxy Authentication Required (give user"), "{text}");
    let wrong = Client::new().proxy(&format!("http://user:wrong@{at}"));
    // tinyproxy answers a wrong password with 401.
    let text = proxy_error(wrong.connect(&url).await);
    assert!(text.contains("the proxy refused a tunnel to 127.0.0.1:"), "{text}");
    assert!(!text.contains("wrong"), "no password in a message: {text}");
}

#[tokio::test]
async fn an_http_proxy_that_does_not_reach_the_server_says_so() {
    let Some(proxy) = tinyproxy("") else { return };
    let client = Client::new().proxy(&format!("http://127.0.0.1:{}", proxy.port));
    let text = proxy_error(client.connect("ws://127.0.0.1:1/").await);
    assert!(text.starts_with("the proxy refused a tunnel to 127.0.0.1:1 with status 5"), "{text}");
}

#[tokio::test]
async fn a_socks_proxy_looks_names_up_if_it_is_to() {
    let Some(proxy) = microsocks(&[]) else { return };
    let port = common::echo_server().await;
    let url = format!("ws://localhost:{port}/");
    for (scheme, expected) in [("socks5h", "localhost"), ("socks5", "127.0.0.1")] {
        // Not looked up by the client where the proxy does it.
        let client = Client::new().proxy(&format!("{scheme}://127.0.0.1:{}", proxy.port)).resolver(
            move |_, port| async move {
                assert_eq!(scheme, "socks5");
                Ok(vec![([127, 0, 0, 1], port).into()])
            },
        );
        let mut ws = client.connect(&url).await.unwrap();
        assert_echoes(&mut ws).await;
        proxy.wrote(&format!("connected to {expected}:{port}")).await;
    }
}

#[tokio::test]
async fn a_socks_proxy_gets_the_password_that_it_wants() {
    let Some(proxy) = microsocks(&["-u", "user", "-P", "pass"]) else { return };
    let url = format!("ws://127.0.0.1:{}/", common::echo_server().await);
    let at = format!("127.0.0.1:{}", proxy.port);
    let client = Client::new().proxy(&format!("socks5h://user:pass@{at}"));
    let mut ws = client.connect(&url).await.unwrap();
    assert_echoes(&mut ws).await;

    let without = Client::new().proxy(&format!("socks5h://{at}")).connect(&url).await;
    let text = proxy_error(without);
    assert!(text.contains("wants authentication (give user and password in its URL)"), "{text}");
    let wrong = Client::new().proxy(&format!("socks5h://user:wrong@{at}")).connect(&url).await;
    assert_eq!(proxy_error(wrong), "the SOCKS5 proxy refused user and password");
}

#[tokio::test]
async fn a_socks_proxy_that_does_not_reach_the_server_says_why() {
    let Some(proxy) = microsocks(&[]) else { return };
    let client = Client::new().proxy(&format!("socks5h://127.0.0.1:{}", proxy.port));
    let text = proxy_error(client.connect("ws://127.0.0.1:1/").await);
    assert_eq!(
        text,
        "the SOCKS5 proxy could not connect to 127.0.0.1:1: the host refused the connection"
    );
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn wss_goes_through_both_kinds_with_tls_from_end_to_end() {
    use common::certificates::Authority;
    use common::tls_server::{serve, server_config};
    use hybi::client::{Roots, Tls};

    let (Some(http), Some(socks)) = (tinyproxy(""), microsocks(&[])) else { return };
    let authority = Authority::new();
    let port = serve(server_config(&authority.sign(&["localhost"]), None)).await;
    let tls = Tls::new().roots(Roots::None).authority(&authority.pem).unwrap();
    for proxy in
        [format!("http://127.0.0.1:{}", http.port), format!("socks5h://127.0.0.1:{}", socks.port)]
    {
        let client = Client::new().tls(tls.clone()).proxy(&proxy);
        let mut ws = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
        ws.send(vec![7; 500_000]).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().len(), 500_000);
        assert_echoes(&mut ws).await;
    }
    http.wrote(&format!("CONNECT localhost:{port} HTTP/1.1")).await;
    socks.wrote(&format!("connected to localhost:{port}")).await;
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_as_the_reason() {
    let client = Client::new().proxy("127.0.0.1:1");
    let text = proxy_error(client.connect("ws://example.com/").await);
    let expected = "the proxy on the way to example.com:80 was not reached: cannot connect to \
                    127.0.0.1:1: ";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test]
async fn what_a_proxy_says_after_its_answer_is_not_taken_for_the_server() {
    let forged = |_: &str| "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 x\r\n\r\n".to_owned();
    let proxy = Scripted::start_open(forged).await;
    let client = Client::new().proxy(&format!("127.0.0.1:{}", proxy.port));
    let text = proxy_error(client.connect("ws://example.com/").await);
    assert!(text.contains("before anything was asked of example.com:80"), "{text}");
}

/// Connects as the environment says, in a process of its own: see below.
#[tokio::test]
#[ignore = "started by the test below, with an environment"]
async fn connect_as_the_environment_says() {
    let Ok(url) = std::env::var("HYBI_TEST_URL") else { return };
    let client = Client::new();
    #[cfg(feature = "tls")]
    let client = client.tls(hybi::client::Tls::new().dangerously_accept_any_certificate());
    match client.connect(&url).await {
        Ok(mut ws) => {
            assert_echoes(&mut ws).await;
            println!("connected");
        }
        Err(error) => println!("failed: {error}"),
    }
    // Whatever the environment says.
    match client.no_proxy().connect(&url).await {
        Ok(_) => println!("reached without a proxy"),
        Err(error) => println!("failed without a proxy: {error}"),
    }
}

/// What connecting comes to in such an environment.
#[cfg(target_os = "linux")]
async fn connect_in(environment: &[(&'static str, String)], url: &str) -> String {
    let environment = environment.to_vec();
    let url = url.to_owned();
    let run = move || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command.args(["--exact", "connect_as_the_environment_says", "--ignored", "--nocapture"]);
        command.envs(environment).env("HYBI_TEST_URL", url).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `0.0.0.0` leads to this machine, but is no loopback address, which no proxy of the environment is
/// used for.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_environment_names_the_proxy_and_its_exceptions() {
    let port = common::echo_server().await;
    let url = format!("ws://0.0.0.0:{port}/");
    let nowhere = "http://127.0.0.1:1".to_owned();
    let proxied = [("HTTP_PROXY", nowhere.clone())];
    let said = connect_in(&proxied, &url).await;
    assert!(said.contains("failed: the proxy on the way to 0.0.0.0:"), "{said}");
    assert!(said.contains("reached without a proxy"), "{said}");
    let said = connect_in(&proxied, &format!("ws://127.0.0.1:{port}/")).await;
    assert!(said.contains("connected"), "loopback: {said}");
    let excepted = [("HTTP_PROXY", nowhere.clone()), ("NO_PROXY", "0.0.0.0/8".to_owned())];
    assert!(connect_in(&excepted, &url).await.contains("connected"));
    let other = [("HTTPS_PROXY", nowhere)];
    assert!(connect_in(&other, &url).await.contains("connected"));

    let Some(proxy) = microsocks(&[]) else { return };
    let all = [("all_proxy", format!("socks5h://127.0.0.1:{}", proxy.port))];
    assert!(connect_in(&all, &url).await.contains("connected"));
    proxy.wrote(&format!("connected to 0.0.0.0:{port}")).await;
}
