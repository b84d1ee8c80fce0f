//! The client that the options of `hybi connect` ask for, and its handshake as `--verbose` shows it.

use crate::args::ConnectArgs;
use crate::failure::{Failure, plain};
use crate::render;
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
        options = options.ping_interval(interval);
    }
    let mut client = Client::new().options(options).tls(tls(args)?);
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
        client = client.on_request(|target, headers| {
            render::note(&format!("> GET {}", render::visible(target.path_and_query())));
            for (name, value) in headers.iter() {
                let value = match value.is_sensitive() || name == http::header::AUTHORIZATION {
                    true => "(not shown)".into(),
                    false => String::from_utf8_lossy(value.as_bytes()),
                };
                render::note(&format!("> {name}: {}", render::visible(&value)));
            }
            Ok(())
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

/// What is asked for beside the headers, which [`client`] shows when they are sent.
pub(crate) fn show_request(args: &ConnectArgs) {
    render::note(&format!("connecting to {}", render::url(&args.url)));
    if let Some(origin) = &args.origin {
        render::note(&format!("> origin: {origin}"));
    }
    if !args.subprotocols.is_empty() {
        render::note(&format!("> sec-websocket-protocol: {}", args.subprotocols.join(", ")));
    }
}

/// What TLS has agreed on, and the head of the answer.
pub(crate) fn show_response<B>(response: &http::Response<B>) {
    if let Some(tls) = response.extensions().get::<TlsInfo>() {
        let told = [&tls.version, &tls.cipher_suite, &tls.alpn].into_iter().flatten();
        let told: Vec<&str> = told.map(String::as_str).collect();
        let chain = match tls.certificates.len() {
            1 => "1 certificate".to_owned(),
            count => format!("{count} certificates"),
        };
        render::note(&format!("< TLS: {}, {chain}", told.join(", ")));
    }
    render::note(&format!("< {:?} {}", response.version(), response.status()));
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        render::note(&format!("< {name}: {}", render::visible(&value)));
    }
}
