//! Redirects: what is followed, what is left behind, and where it ends.

mod common;

use common::assert_echoes;
use common::scripted::{Scripted, header, redirect, switching};
use hybi::{Client, Error, ErrorCode};

/// Secrets that were meant for one origin, and a header that was not.
fn client() -> Client {
    Client::new()
        .follow_redirects(10)
        .header("Authorization", "Bearer secret")
        .header("Cookie", "id=1")
        .header("Proxy-Authorization", "Basic xyz")
        .header("Host", "a.name")
        .header("X-Harmless", "1")
}

const SECRETS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

#[tokio::test]
async fn a_redirect_is_a_refusal_unless_it_is_asked_for() {
    let server = Scripted::start(|_| redirect("/elsewhere")).await;
    let error = hybi::connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnexpectedResponse));
    assert_eq!(error.response().unwrap().headers()["location"], "/elsewhere");
    assert_eq!(
        error.to_string(),
        "the server answered 302 Found instead of 101, and leads to /elsewhere \
         (Client::follow_redirects goes there)"
    );
}

#[tokio::test]
async fn secrets_go_along_within_an_origin() {
    let mut server = Scripted::start_open(|head| match head.starts_with("GET /old/path ") {
        true => redirect("../new?x=1"),
        false => switching(head),
    })
    .await;
    client().connect(&server.url("/old/path")).await.unwrap();
    server.request().await;
    let head = server.request().await;
    assert!(head.starts_with("GET /new?x=1 "), "{head}");
    for name in SECRETS {
        assert!(header(&head, name).is_some(), "{name}");
    }
    assert_eq!(header(&head, "host"), Some("a.name"));
}

#[tokio::test]
async fn secrets_do_not_go_to_another_origin() {
    let mut other = Scripted::start_open(switching).await;
    let location = other.url("/");
    let mut server = Scripted::start(move |_| redirect(&location)).await;
    client().connect(&server.url("/")).await.unwrap();
    let head = server.request().await;
    assert_eq!(header(&head, "authorization"), Some("Bearer secret"));
    let head = other.request().await;
    for name in SECRETS {
        assert_eq!(header(&head, name), None, "{name}");
    }
    assert_eq!(header(&head, "host").unwrap(), format!("127.0.0.1:{}", other.port));
    assert_eq!(header(&head, "x-harmless"), Some("1"));
}

#[tokio::test]
async fn user_info_of_the_url_does_not_go_to_another_origin() {
    let mut other = Scripted::start_open(switching).await;
    let location = other.url("/");
    let server = Scripted::start(move |_| redirect(&location)).await;
    let url = server.url("/").replace("ws://", "ws://user:password@");
    Client::new().follow_redirects(1).connect(&url).await.unwrap();
    assert_eq!(header(&other.request().await, "authorization"), None);
}

#[cfg(unix)]
#[tokio::test]
async fn secrets_do_not_go_from_a_unix_socket_to_tcp() {
    use tokio::io::AsyncWriteExt;
    let path = std::env::temp_dir().join(format!("hybi-redirect-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let mut other = Scripted::start_open(switching).await;
    let location = other.url("/");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(redirect(&location).as_bytes()).await.unwrap();
    });
    client().connect(&format!("ws+unix:{}:/", path.display())).await.unwrap();
    let head = other.request().await;
    for name in SECRETS {
        assert_eq!(header(&head, name), None, "{name}");
    }
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn no_redirect_leads_to_a_unix_socket() {
    let server = Scripted::start(|_| redirect("ws+unix:/run/secret.sock:/")).await;
    let error = client().connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::InvalidRedirect));
    assert_eq!(
        error.to_string(),
        "the redirect cannot be followed: it leads from TCP to a Unix socket"
    );
}

#[tokio::test]
async fn a_circle_ends_after_the_limit_and_is_called_one() {
    let mut server = Scripted::start(|head| match head.starts_with("GET /a ") {
        true => redirect("/b"),
        false => redirect("/a"),
    })
    .await;
    let error = client().connect(&server.url("/a")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::InvalidRedirect));
    assert_eq!(
        error.to_string(),
        format!(
            "the server redirects in a circle: 10 redirects were followed, and the next one leads \
             to {} again",
            server.url("/b")
        )
    );
    assert_eq!(error.response().unwrap().status(), 302);
    for _ in 0..11 {
        server.request().await;
    }
    assert!(server.no_more_requests());
}

#[tokio::test]
async fn a_chain_ends_after_the_limit() {
    let server = Scripted::start(|head| {
        let n: u32 = head.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        redirect(&format!("/{}", n + 1))
    })
    .await;
    let error = Client::new().follow_redirects(2).connect(&server.url("/0")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "2 redirects were followed, and the next one leads to {} (raise \
             Client::follow_redirects to go there)",
            server.url("/3")
        )
    );
}

#[tokio::test]
async fn the_hook_sees_a_redirect_and_may_change_it_or_refuse() {
    let port = common::echo_server().await;
    let location = format!("ws://127.0.0.1:{port}/");
    let server = Scripted::start(move |_| redirect(&location)).await;
    let client = Client::new().follow_redirects(10).on_redirect(move |redirect| {
        assert_eq!(redirect.response.status(), 302);
        assert_eq!(redirect.to.port(), port);
        match redirect.from.path_and_query() {
            "/refuse" => Err(Error::application("not there")),
            _ => {
                redirect.headers.insert("x-from-hook", "1".parse().unwrap());
                Ok(())
            }
        }
    });
    let mut ws = client.connect(&server.url("/")).await.unwrap();
    assert_echoes(&mut ws).await;
    let error = client.connect(&server.url("/refuse")).await.unwrap_err();
    assert_eq!(error.to_string(), "not there");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn secrets_do_not_go_from_wss_to_ws() {
    use common::certificates::Authority;
    use hybi::client::{Roots, Tls};
    use tokio::io::AsyncWriteExt;

    let mut other = Scripted::start_open(switching).await;
    let location = other.url("/");
    let authority = Authority::new();
    let config = common::tls_server::server_config(&authority.sign(&["127.0.0.1"]), None);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let mut stream = acceptor.accept(stream).await.unwrap();
        stream.write_all(redirect(&location).as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        stream
    });
    let tls = Tls::new().roots(Roots::None).authority(&authority.pem).unwrap();
    client().tls(tls).connect(&format!("wss://127.0.0.1:{port}/")).await.unwrap();
    let head = other.request().await;
    for name in SECRETS {
        assert_eq!(header(&head, name), None, "{name}");
    }
}
