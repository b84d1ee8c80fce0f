//! [`Args`]: what may be asked for on the command line.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "what stands in brackets is optional: this is what `--help` prints"
)]

use clap::{Parser, Subcommand};
use http::{HeaderName, HeaderValue};
use hybi_proto::handshake::check_subprotocol;
use std::path::PathBuf;
use std::time::Duration;

/// A WebSocket server and client for the terminal.
#[derive(Debug, Parser)]
#[command(name = "hybi", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server that echoes messages, with a page to try it from a browser
    Serve(ServeArgs),
    /// Connect to a server and exchange messages with it
    #[command(after_long_help = CONNECT_HELP)]
    Connect(ConnectArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where to listen: HOST:PORT, or a PORT of this machine alone (0: any free port)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    pub(crate) listen: String,

    /// Send each message to everybody who is connected, its sender included
    #[arg(long)]
    pub(crate) broadcast: bool,

    /// Accept WebSocket connections on this path only (default: on every path)
    #[arg(long, value_parser = path)]
    pub(crate) path: Option<String>,

    /// Speak a subprotocol if the client offers it; may be repeated
    #[arg(long = "subprotocol", value_name = "NAME", value_parser = subprotocol)]
    pub(crate) subprotocols: Vec<String>,

    /// Serve wss:// with this certificate (PEM, followed by those that signed it)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Compress messages with clients that offer it
    #[arg(long)]
    pub(crate) compress: bool,

    /// Do not report connections on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

const CONNECT_HELP: &str = "\
At a terminal, each line typed is a message; Ctrl-D or Ctrl-C closes the connection. Up recalls the \
lines before, to send them again; they are kept in memory alone and forgotten at the end.

With a pipe, each line of standard input is a message, without its line end, and each message is \
written to standard output as it is, text or binary, with a line feed after it. At the end of the \
input the connection is closed with 1000, and what comes before the server's answer to that is \
still written. Everything else goes to standard error.

Exit status:
  0    the connection was closed with 1000, 1001 or no code
  1    it could not be opened, broke, or was closed with another code; or --exec got no answer
  2    the command line or the input was wrong
  130  interrupted twice

Examples:
  hybi connect ws://127.0.0.1:8080
  echo hello | hybi connect ws://127.0.0.1:8080
  hybi connect --exec hello ws://127.0.0.1:8080
  hybi connect --wait forever ws://127.0.0.1:8080/feed < /dev/null";

#[derive(Debug, clap::Args)]
pub(crate) struct ConnectArgs {
    /// Where to connect to: ws://HOST[:PORT]/PATH, wss://HOST[:PORT]/PATH, or ws+unix:/PATH/TO.SOCK:/PATH
    pub(crate) url: String,

    /// Add a header to the request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,

    /// Offer a subprotocol; may be repeated, the most wanted first
    #[arg(long = "subprotocol", value_name = "NAME")]
    pub(crate) subprotocols: Vec<String>,

    /// Say from which web origin the request comes
    #[arg(long)]
    pub(crate) origin: Option<String>,

    /// Log in with Basic authentication, as user info in the URL does
    #[arg(long, value_name = "USER:PASSWORD")]
    pub(crate) auth: Option<String>,

    /// Connect through this proxy: http://, socks5:// or socks5h://[USER:PASSWORD@]HOST:PORT
    /// ("none": not through the one of the environment) [default: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY]
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,

    /// Trust the authority in this file (PEM) too; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,

    /// Show the server this certificate (PEM, followed by those that signed it)
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// The private key of --cert (PEM) [default: in the file of --cert]
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Accept any certificate of the server: anybody on the way can read and change everything
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Offer to compress messages (the default)
    #[arg(long, overrides_with = "no_compress")]
    pub(crate) compress: bool,

    /// Do not offer to compress messages
    #[arg(long, overrides_with = "compress")]
    pub(crate) no_compress: bool,

    /// Ping the server this often
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ping: Option<Duration>,

    /// Give the server up if it does not answer a ping for so long
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "20",
        requires = "ping"
    )]
    pub(crate) ping_timeout: Duration,

    /// Send binary messages instead of text
    #[arg(long)]
    pub(crate) binary: bool,

    /// Show pings, pongs and Close frames as they come
    #[arg(long)]
    pub(crate) show_control: bool,

    /// Send this message, write the answer, and close; may be repeated: an answer each
    #[arg(long, value_name = "MESSAGE", allow_hyphen_values = true)]
    pub(crate) exec: Vec<String>,

    /// After the last message of a pipe or --exec, go on receiving for so long, then close
    /// ("forever": until the server closes) [default: with a pipe not at all, with --exec until the
    /// answers have come, at most 10]
    #[arg(long, value_name = "SECONDS", value_parser = wait)]
    pub(crate) wait: Option<Wait>,

    /// Show the opening handshake, and what TLS has agreed on
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// How long to go on receiving after the last message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    For(Duration),
    Forever,
}

fn address(text: &str) -> Result<String, String> {
    if text.parse::<u16>().is_ok() {
        return Ok(format!("127.0.0.1:{text}"));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        _ => Err("write it as HOST:PORT, for example 127.0.0.1:8081 or [::1]:8081".to_owned()),
    }
}

fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("a path begins with /".to_owned());
    }
    if !text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#')) {
        return Err("a path has neither spaces, ? nor #; write other characters as %XX".to_owned());
    }
    Ok(text.to_owned())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    let name = name.parse().map_err(|_| format!("{name:?} is not a name of a header"))?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes())
        .map_err(|_| "the value of a header has no control characters")?;
    Ok((name, value))
}

fn subprotocol(text: &str) -> Result<String, hybi_proto::Error> {
    check_subprotocol(text).map(|()| text.to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) if !duration.is_zero() => Ok(duration),
        _ => Err("a number of seconds above 0 is wanted, for example 30 or 0.5".to_owned()),
    }
}

fn wait(text: &str) -> Result<Wait, String> {
    match text.parse().map(Duration::try_from_secs_f64) {
        _ if text == "forever" => Ok(Wait::Forever),
        Ok(Ok(duration)) => Ok(Wait::For(duration)),
        _ => Err("a number of seconds or \"forever\" is wanted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_address_is_a_port_or_host_and_port() {
        assert_eq!(address("9000").as_deref(), Ok("127.0.0.1:9000"));
        assert_eq!(address("[::1]:0").as_deref(), Ok("[::1]:0"));
        assert_eq!(address("localhost:80").as_deref(), Ok("localhost:80"));
        for wrong in ["localhost", ":80", "1.2.3.4:99999", ""] {
            assert!(address(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let (name, value) = header("X-Token:  a: b ").expect("valid");
        assert_eq!((name.as_str(), value.as_bytes()), ("x-token", &b"a: b"[..]));
        for wrong in ["no colon", "two words: x", ": x", "a: b\r\nc: d"] {
            assert!(header(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn times_are_not_negative_and_a_ping_is_not_sent_all_the_time() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(wait("0"), Ok(Wait::For(Duration::ZERO)));
        assert_eq!(wait("forever"), Ok(Wait::Forever));
        for wrong in ["0", "-1", "inf", "nan", "1e300", "soon"] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
        assert!(wait("-1").is_err() && wait("1e300").is_err());
    }
}
