//! The client that the options of `hybi connect` ask for, and its handshake as `--verbose` shows it.

use crate::args::ConnectArgs;
use crate::failure::{Failure, plain};
use crate::{certificate, render};
use hybi::client::{Tls, TlsInfo};
use hybi::{Client, Options};
use std::path::Path;

/// The client that was asked for.
///
/// # Errors
/// If a file cannot be read, or has not in it what it should.
pub(crate) fn client(args: &ConnectArgs) -> Result<Client, Failure> {
    let mut options = Options::new();
    if args.no_compress {
        options = options.no_compression();
    }
    if let Some(interval) = args.ping {
        options = options.ping_interval(interval).ping_timeout(args.ping_timeout);
    }
    let mut tls = tls(args)?;
    if args.verbose {
        tls = tls.on_certificates(show_certificates);
    }
    let mut client = Client::new().options(options).tls(tls);
    for (name, value) in &args.headers {
        client = client.header(name.clone(), value.clone());
    }
    for name in &args.subprotocols {
        client = client.subprotocol(name);
    }
    if let Some(origin) = &args.origin {
        client = client.origin(origin);
    }
    if let Some(auth) = &args.auth {
        let (user, password) = auth.split_once(':').unwrap_or((auth, ""));
        client = client.basic_auth(user, password);
    }
    if let Some(proxy) = &args.proxy {
        client = if proxy == "none" { client.no_proxy() } else { client.proxy(proxy) };
    }
    if args.verbose {
        client = client.on_request_sent(|target, head| {
            render::note(&format!("asking {target} for a WebSocket"));
            show_request(head);
        });
    }
    Ok(client)
}

fn tls(args: &ConnectArgs) -> Result<Tls, Failure> {
    let wrong = |error: hybi::Error| Failure::usage(plain(&error));
    let mut tls = Tls::new();
    for authority in &args.ca {
        tls = tls.authority(read("--ca", authority)?).map_err(wrong)?;
    }
    if let Some(certificate) = &args.cert {
        let chain = read("--cert", certificate)?;
        let key = match &args.key {
            Some(key) => read("--key", key)?,
            None => chain.clone(),
        };
        tls = tls.identity(chain, key).map_err(wrong)?;
    }
    if args.insecure {
        tls = tls.dangerously_accept_any_certificate();
    }
    Ok(tls)
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::usage(format!("{option}: cannot read {}: {}", path.display(), plain(&error)))
    })
}

/// The request as it is sent, without what it logs in with.
fn show_request(head: &[u8]) {
    const SECRET: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
    for line in String::from_utf8_lossy(head).trim_end().split("\r\n") {
        match line.split_once(": ") {
            Some((name, _)) if SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret)) => {
                render::note(&format!("> {name}: (not shown)"));
            }
            _ => render::note(&format!("> {}", render::visible(line))),
        }
    }
}

/// Whose certificate it is that the server shows, whether it is accepted or not.
fn show_certificates(certificates: &[&[u8]]) {
    note_tls("certificates", &certificates.len().to_string());
    for (what, fact) in certificates.first().map_or_else(Vec::new, |der| certificate::facts(der)) {
        note_tls(what, &fact);
    }
}

fn note_tls(what: &str, fact: &str) {
    render::note(&format!("< TLS {what}: {}", render::one_line(fact, usize::MAX)));
}

/// What TLS has agreed on, and the head of the answer.
pub(crate) fn show_response<B>(response: &http::Response<B>) {
    if let Some(tls) = response.extensions().get::<TlsInfo>() {
        show_tls(tls);
    }
    render::note(&format!("< {:?} {}", response.version(), response.status()));
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        render::note(&format!("< {name}: {}", render::visible(&value)));
    }
}

fn show_tls(tls: &TlsInfo) {
    let told = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "not told".to_owned());
    note_tls("version", &told(&tls.version));
    note_tls("cipher suite", &told(&tls.cipher_suite));
    note_tls("protocol (ALPN)", tls.alpn.as_deref().unwrap_or("none agreed on"));
}
