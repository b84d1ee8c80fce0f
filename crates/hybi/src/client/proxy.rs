//! [`ProxyChoice`]: whether there is a proxy, and the way through it.

use super::dial::{Dialer, authority};
use crate::error::Error;
use crate::transport::Transport;
use hybi_proto::tunnel::{Progress, ProxyUrl, Tunnel};
use hybi_proto::{ErrorCode, ErrorDetail, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Through which proxy a client connects.
#[derive(Debug, Clone)]
pub(super) enum ProxyChoice {
    /// What the environment asks for.
    Environment,
    Never,
    Always(ProxyUrl),
}

impl ProxyChoice {
    /// The proxy on the way to this target, which is not a Unix socket.
    pub(super) fn for_target(&self, target: &Target) -> Result<Option<ProxyUrl>, Error> {
        match self {
            ProxyChoice::Never => Ok(None),
            ProxyChoice::Always(proxy) => Ok(Some(proxy.clone())),
            // As in Go: a proxy would reach its own machine instead of this one.
            ProxyChoice::Environment if is_loopback(target) => Ok(None),
            ProxyChoice::Environment => {
                let variable = |name: &str| std::env::var(name).ok();
                Ok(ProxyUrl::from_environment(target, variable)?)
            }
        }
    }
}

fn is_loopback(target: &Target) -> bool {
    match target.ip() {
        Some(ip) => ip.to_canonical().is_loopback(),
        // RFC 6761 §6.3.
        None => {
            let host = target.host();
            let host = host.strip_suffix('.').unwrap_or(host);
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

/// The transport to the target, through the proxy.
pub(super) async fn tunnel(
    dialer: &Dialer,
    proxy: &ProxyUrl,
    target: &Target,
) -> Result<Transport, Error> {
    let resolved = match proxy.resolves_names() {
        true => None,
        false => {
            let addresses = dialer.resolve(target.host(), target.port()).await?;
            addresses.first().map(|address| address.ip())
        }
    };
    let mut dialogue = Tunnel::new(proxy, target, resolved)?;
    let mut stream = dialer.connect(proxy.host(), proxy.port()).await.map_err(|error| {
        failed(format!("the proxy on the way to {} was not reached: {error}", name(target)))
    })?;
    let broken =
        |error: std::io::Error| failed(format!("the connection to {proxy} broke: {error}"));
    let mut octets = Vec::new();
    loop {
        octets.clear();
        dialogue.encode(&mut octets);
        stream.write_all(&octets).await.map_err(broken)?;
        octets.clear();
        let read = stream.read_buf(&mut octets).await.map_err(broken)?;
        if read == 0 {
            return Err(dialogue.receive_eof().into());
        }
        let mut input = &octets[..];
        match dialogue.receive(&mut input)? {
            Progress::Pending => {}
            Progress::Open if input.is_empty() => return Ok(Transport::Tcp(stream)),
            // Neither TLS nor WebSocket lets the server speak first: it is the proxy that speaks.
            Progress::Open => {
                return Err(failed(format!(
                    "{proxy} sent {} bytes after its answer, before anything was asked of {}",
                    input.len(),
                    name(target)
                )));
            }
        }
    }
}

fn name(target: &Target) -> String {
    authority(target.host(), target.port())
}

fn failed(text: String) -> Error {
    Error::Proxy(ErrorDetail::new(ErrorCode::Proxy, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_recognised() {
        for (url, expected) in [
            ("ws://localhost:8080", true),
            ("ws://app.localhost.", true),
            ("ws://127.1.2.3", true),
            ("ws://[::1]", true),
            ("ws://[::ffff:127.0.0.1]", true),
            ("ws://localhost.example.com", false),
            ("ws://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Target::parse(url).unwrap()), expected, "{url}");
        }
    }
}
