//! What `hybi connect` can be asked for on the way to the server: TLS, a proxy, a login.

mod support;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use support::{HANGS, Running, Served, connect};

/// Files that are gone after the test.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("hybi-cli-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        Files(directory)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An authority, and a certificate for `localhost` that it has signed, as PEM.
struct Pki {
    authority: String,
    certificate: String,
    key: String,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("signed").pem();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("valid");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("signed").pem();
        Pki { authority, certificate, key: key.serialize_pem() }
    }
}

/// `hybi serve` over TLS; its URL by name.
fn secure_server(files: &Files, pki: &Pki) -> (Served, String) {
    let certificate = files.write("certificate.pem", &pki.certificate);
    let key = files.write("key.pem", &pki.key);
    let server =
        ["serve", "--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key];
    let process = Running::start(server, None);
    let line = process.line();
    let url = line.split_whitespace().find(|word| word.starts_with("wss://")).expect("a URL");
    let address: std::net::SocketAddr =
        url["wss://".len()..].trim_end_matches('/').parse().expect("an address");
    let named = format!("wss://localhost:{}/", address.port());
    (Served { process, address, url: url.to_owned() }, named)
}

#[test]
fn an_authority_of_ones_own_is_trusted_and_verbose_tells_what_tls_agreed_on() {
    let (files, pki) = (Files::new("ca"), Pki::new());
    let (_server, url) = secure_server(&files, &pki);
    let authority = files.write("authority.pem", &pki.authority);

    let ended = connect(&["-v", "--ca", &authority, &url], b"over TLS\n");
    assert_eq!((ended.stdout.as_str(), ended.status), ("over TLS\n", Some(0)));
    for fact in [
        "version: TLSv1_3\n",
        "cipher suite: TLS13_AES_256_GCM_SHA384\n",
        "protocol (ALPN): http/1.1\n",
        "subject: CN=rcgen self signed cert\n",
        "names: localhost\n",
        "issuer: CN=rcgen self signed cert\n",
        "valid: from 1975-01-01 to 4096-01-01\n",
    ] {
        let line = format!("hybi: < TLS {fact}");
        assert!(ended.stderr.contains(&line), "no {line:?} in:\n{}", ended.stderr);
    }

    // Whose certificate it is matters most if it is refused.
    let ended = connect(&["-v", &url], b"never sent\n");
    assert_eq!((ended.stdout.as_str(), ended.status), ("", Some(1)));
    assert!(ended.stderr.contains("hybi: < TLS names: localhost\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("add the authority with --ca"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("GET /"), "{}", ended.stderr);

    let ended = connect(&["--insecure", &url], b"whoever it is\n");
    assert_eq!((ended.stdout.as_str(), ended.status), ("whoever it is\n", Some(0)));
}

#[test]
fn a_certificate_is_shown_to_a_server_that_wants_one() {
    let (files, pki) = (Files::new("cert"), Pki::new());
    let pem = |text: &str| CertificateDer::from_pem_slice(text.as_bytes()).expect("PEM");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pem(&pki.authority)).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .expect("a verifier");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![pem(&pki.certificate)],
            PrivateKeyDer::from_pem_slice(pki.key.as_bytes()).expect("PEM"),
        )
        .expect("a certificate");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(hybi::Server::bind("127.0.0.1:0")).expect("a free port");
    let port = server.local_addr().expect("an address").port();
    runtime.spawn(server.tls_config(Arc::new(config)).serve(|mut ws| async move {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok(())
    }));
    let url = format!("wss://localhost:{port}/");
    let authority = files.write("authority.pem", &pki.authority);
    let certificate = files.write("certificate.pem", &pki.certificate);
    let key = files.write("key.pem", &pki.key);
    let both = files.write("both.pem", &format!("{}{}", pki.certificate, pki.key));

    for shown in [&["--cert", &certificate, "--key", &key][..], &["--cert", &both]] {
        let ended = connect(&[&["--ca", &authority, &url], shown].concat(), b"it is me\n");
        assert_eq!((ended.stdout.as_str(), ended.status), ("it is me\n", Some(0)), "{shown:?}");
    }
    let ended = connect(&["--ca", &authority, &url], b"anonymous\n");
    assert_eq!((ended.stdout.as_str(), ended.status), ("", Some(1)));
    assert!(ended.stderr.contains("(give one with --cert and --key)"), "{}", ended.stderr);
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let files = Files::new("wrong");
    let text = files.write("text.pem", "no PEM at all");
    let (missing, url) = (files.0.join("missing.pem"), "wss://127.0.0.1:1/");
    let missing = missing.to_str().expect("text");
    for (args, expected) in [
        (&["--ca", missing][..], "hybi: --ca: cannot read "),
        (&["--ca", &text], "hybi: the authority has no certificate in PEM form"),
        (&["--cert", &text], "hybi: the client's certificate has no certificate in PEM form"),
        (&["--key", &text], "error: the following required arguments"),
    ] {
        let ended = connect(&[args, &[url]].concat(), b"");
        assert_eq!(ended.status, Some(2), "{args:?}");
        assert!(ended.stderr.starts_with(expected), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn a_login_is_sent_and_not_shown() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(hybi::Server::bind("127.0.0.1:0")).expect("a free port");
    let url = format!("ws://{}/private", server.local_addr().expect("an address"));
    runtime.spawn(server.serve_with(|ws, request: hybi::server::Request| async move {
        ws.send(request.header("authorization").unwrap_or("nothing").to_owned()).await
    }));
    let wait = ["--wait", "forever"];
    let ended = connect(&["-v", "--auth", "Aladdin:open sesame", &url, wait[0], wait[1]], b"");
    assert_eq!(ended.stdout, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\n");
    assert!(ended.stderr.contains("> Authorization: (not shown)\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("> GET /private HTTP/1.1\n"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("QWxh") && !ended.stderr.contains("sesame"));
}

/// tinyproxy on a free port; ends with the test. `None` if it is not installed, which is a failure
/// where `CI` is set.
struct Proxy(Child, u16);

impl Proxy {
    fn start(files: &Files) -> Option<Self> {
        let port =
            TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one").port();
        let config = files.write(
            "tinyproxy.conf",
            &format!(
                "Port {port}\nListen 127.0.0.1\nBasicAuth user pass\nMaxClients 10\nTimeout 60\n"
            ),
        );
        let started = Command::new("tinyproxy")
            .args(["-d", "-c", &config])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match started {
            Ok(child) => child,
            Err(error) if std::env::var_os("CI").is_some_and(|ci| !ci.is_empty()) => {
                panic!("tinyproxy is needed where CI is set: {error}")
            }
            Err(error) => {
                eprintln!("SKIPPED: tinyproxy cannot be started: {error}");
                return None;
            }
        };
        let proxy = Proxy(child, port);
        let patience = Instant::now() + HANGS;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < patience, "tinyproxy does not listen");
            std::thread::yield_now();
        }
        Some(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_proxy_is_gone_through_with_its_password_and_for_wss_too() {
    let (files, pki) = (Files::new("proxy"), Pki::new());
    let Some(proxy) = Proxy::start(&files) else { return };
    let server = Served::start(&[]);
    let (_secure, secure_url) = secure_server(&files, &pki);
    let authority = files.write("authority.pem", &pki.authority);
    let through = format!("http://user:pass@127.0.0.1:{}", proxy.1);

    let ended = connect(&["--proxy", &through, &server.url], b"through it\n");
    assert_eq!((ended.stdout.as_str(), ended.status), ("through it\n", Some(0)));
    let ended = connect(&["--proxy", &through, "--ca", &authority, &secure_url], b"secret\n");
    assert_eq!((ended.stdout.as_str(), ended.status), ("secret\n", Some(0)));
    let without = format!("http://127.0.0.1:{}", proxy.1);
    let ended = connect(&["--proxy", &without, &server.url], b"never sent\n");
    assert_eq!((ended.stdout.as_str(), ended.status), ("", Some(1)));
    assert!(ended.stderr.contains("407"), "{}", ended.stderr);
    let ended = connect(&["--proxy", "ftp://127.0.0.1", &server.url], b"");
    assert_eq!(ended.status, Some(2), "{}", ended.stderr);
    let ended = connect(&["--proxy", "none", &server.url], b"directly\n");
    assert_eq!((ended.stdout.as_str(), ended.status), ("directly\n", Some(0)));
}

#[test]
fn both_commands_compress_if_they_are_to() {
    let shown = |serve: &[&str], args: &[&str]| {
        let server = Served::start(serve);
        let ended = connect(&[&["-v", &server.url], args].concat(), b"compress me\n");
        assert_eq!((ended.stdout.as_str(), ended.status), ("compress me\n", Some(0)));
        ended.stderr.contains("hybi: < sec-websocket-extensions: permessage-deflate")
    };
    assert!(shown(&["--compress"], &[]));
    assert!(shown(&["--compress"], &["--no-compress", "--compress"]));
    assert!(!shown(&["--compress"], &["--no-compress"]));
    assert!(!shown(&[], &["--compress"]));
}

#[test]
fn a_wrong_answer_is_refused_with_its_reason() {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut head = Vec::new();
        let mut octet = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut octet).is_ok_and(|n| n > 0) {
            head.push(octet[0]);
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        assert!(head.contains("upgrade: websocket"));
        // Not the accept key: what is refused is refused at once, with its reason.
        write!(stream, "HTTP/1.1 101 Switching Protocols\r\nServer: odd\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n").expect("written");
    });
    let ended = connect(&["-v", "--ping", "1e15", &url], b"hello\n");
    server.join().expect("the server answered");
    assert_eq!(ended.status, Some(1));
    let last = ended.stderr.lines().last().expect("a line");
    assert!(last.starts_with("hybi: the server's Sec-WebSocket-Accept"), "{}", ended.stderr);
    for line in ["< HTTP/1.1 101 Switching Protocols", "< server: odd"] {
        assert!(ended.stderr.contains(&format!("hybi: {line}\n")), "{}", ended.stderr);
    }
}
