//! `hybi serve`: a server that echoes or broadcasts, and a page to try it with.

use crate::args::ServeArgs;
use crate::connect::close_text;
use crate::failure::{Failure, plain};
use crate::render;
use crate::signals::Signals;
use http::{HeaderValue, Method, Response, StatusCode, header};
use hybi::server::Request;
use hybi::{
    CloseCode, DeflateOptions, Event, Message, Options, PreparedMessage, Server, TrySendError,
    WebSocket, Writer,
};
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long everybody waits for one client that does not read its broadcast messages.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the clients may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

const PAGE: &str = include_str!("page.html");

/// Serves until a signal comes.
pub(crate) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let mut signals = Signals::catch()
        .map_err(|error| Failure::broken(format!("signals cannot be caught: {error}")))?;
    let listener = TcpListener::bind(&args.listen)
        .await
        .map_err(|error| cannot_listen(&args.listen, &error))?;
    let mut server = Server::from_listener(listener);
    let address = server.local_addr().map_err(|error| Failure::connection(&error))?;
    let room = Arc::new(Room::new(args.broadcast, args.quiet));
    let site = Site::new(&args);

    if let Some(path) = &args.path {
        server = server.path(path);
    }
    if !args.subprotocols.is_empty() {
        server = server.subprotocols(&args.subprotocols);
    }
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        let secured = server.tls_files(certificate, key);
        server = secured.map_err(|error| Failure::usage(plain(&error)))?;
    }
    if args.compress {
        server = server.options(Options::new().compression(DeflateOptions::new()));
    }
    let told = room.clone();
    let server = server
        .http(move |request| site.answer(request))
        .on_error(move |error, _peer| told.log(&format!("not connected: {}", plain(error))));
    announce(address, &args);

    let entered = room.clone();
    let serve = server.serve_with(move |ws, request| attend(ws, request, entered.clone()));
    tokio::select! {
        result = serve => return result.map_err(|error| Failure::connection(&error)),
        () = signals.next() => {}
    }

    let open = room.close();
    if open > 0 {
        room.log(&format!("closing {}", connections(open)));
    }
    tokio::select! {
        () = room.empty() => {}
        () = tokio::time::sleep(GOODBYE) => {}
        () = signals.next() => {}
    }
    Ok(())
}

fn cannot_listen(listen: &str, error: &io::Error) -> Failure {
    let (host, port) = listen.rsplit_once(':').unwrap_or((listen, "0"));
    let text = format!("cannot listen on {listen}");
    Failure::broken(match error.kind() {
        io::ErrorKind::AddrInUse => {
            let other = port.parse::<u16>().map_or(0, |port| port.wrapping_add(1));
            format!("{text}: the port is in use; choose another with --listen {host}:{other}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{text}: ports below 1024 need more rights; try --listen {host}:8080")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{text}: {host} is not an address of this machine")
        }
        _ => format!("{text}: {}", plain(error)),
    })
}

/// Says where the server is to be found. On standard output, so that a program can read the port.
fn announce(address: SocketAddr, args: &ServeArgs) {
    let kind = if args.broadcast { "broadcast" } else { "echo" };
    let path = args.path.as_deref().unwrap_or("/");
    let secure = if args.tls_cert.is_some() { "s" } else { "" };
    // Nobody can connect to 0.0.0.0 or [::]; on this machine, loopback is meant.
    let here = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    };
    // That nobody reads it is no reason not to serve.
    let _ = writeln!(
        io::stdout(),
        "hybi: {kind} server on ws{secure}://{here}{path} (try it at http{secure}://{here}/; Ctrl-C ends it)"
    );
    if !address.ip().is_loopback() && !args.quiet {
        render::note(&format!("listening on {address}: other machines may be able to connect"));
    }
}

/// Serves one connection. How it ends is logged here; for the server it ended well.
async fn attend(mut ws: WebSocket, request: Request, room: Arc<Room>) -> Result<(), hybi::Error> {
    let peer = request.peer_addr().map_or_else(|| "a client".to_owned(), |peer| peer.to_string());
    let guest = Guest::enter(&room, ws.writer());
    room.log(&format!("{peer} connected to {}; {}", request.uri(), connections(room.count())));
    let mut ending = "left".to_owned();
    let ending = loop {
        match ws.next_event().await {
            Ok(Some(Event::Message(message))) => {
                if room.broadcast {
                    room.send_to_all(message).await;
                } else {
                    // It fails only when the connection ends, and how it does comes next.
                    let _ = ws.send(message).await;
                }
            }
            Ok(Some(Event::Close(Some(frame)))) => {
                ending = format!("closed with {}", close_text(&frame));
            }
            Ok(Some(Event::Close(None))) => "closed without a code".clone_into(&mut ending),
            Ok(Some(_)) => {}
            Ok(None) => break ending,
            Err(error) => break format!("failed: {}", plain(&error)),
        }
    };
    drop(guest);
    room.log(&format!("{peer} {ending}; {}", connections(room.count())));
    Ok(())
}

fn connections(count: usize) -> String {
    match count {
        1 => "1 connection".to_owned(),
        count => format!("{count} connections"),
    }
}

/// Everybody who is connected.
struct Room {
    broadcast: bool,
    quiet: bool,
    guests: Mutex<Guests>,
    count: watch::Sender<usize>,
}

#[derive(Default)]
struct Guests {
    writers: HashMap<u64, Writer>,
    next: u64,
    closing: bool,
}

/// Somebody's place in the room, until it is dropped.
struct Guest {
    room: Arc<Room>,
    number: u64,
}

impl Guest {
    fn enter(room: &Arc<Room>, writer: Writer) -> Self {
        let mut guests = room.guests();
        if guests.closing {
            say_goodbye(writer.clone());
        }
        let number = guests.next;
        guests.next += 1;
        guests.writers.insert(number, writer);
        room.count.send_replace(guests.writers.len());
        drop(guests);
        Guest { room: room.clone(), number }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.room.guests();
        guests.writers.remove(&self.number);
        self.room.count.send_replace(guests.writers.len());
    }
}

impl Room {
    fn new(broadcast: bool, quiet: bool) -> Self {
        Room { broadcast, quiet, guests: Mutex::default(), count: watch::Sender::new(0) }
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        *self.count.borrow()
    }

    fn log(&self, text: &str) {
        if !self.quiet {
            render::note(&render::one_line(text, 500));
        }
    }

    /// Sends a message to everybody. Who does not take it in time is cut off, so that one program
    /// that was stopped does not stop all the others.
    async fn send_to_all(&self, message: Message) {
        let prepared = PreparedMessage::new(message);
        let writers: Vec<Writer> = self.guests().writers.values().cloned().collect();
        for writer in writers {
            let Err(TrySendError::Full(message)) = writer.try_send_prepared(&prepared) else {
                continue;
            };
            if tokio::time::timeout(PATIENCE, writer.send(message)).await.is_err() {
                self.log("a client does not read its messages, and is cut off");
                writer.terminate();
            }
        }
    }

    /// Begins to close every connection, now and from now on; tells how many there are.
    fn close(&self) -> usize {
        let mut guests = self.guests();
        guests.closing = true;
        for writer in guests.writers.values() {
            say_goodbye(writer.clone());
        }
        guests.writers.len()
    }

    /// Waits until nobody is left.
    async fn empty(&self) {
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

fn say_goodbye(writer: Writer) {
    tokio::spawn(async move {
        // It fails when the client has gone already.
        let _ = writer.close(CloseCode::GOING_AWAY, "the server is shutting down").await;
    });
}

/// What a browser finds here.
struct Site {
    page: String,
    /// Where the WebSocket is, if it is not everywhere.
    path: Option<String>,
}

impl Site {
    fn new(args: &ServeArgs) -> Self {
        let path = args.path.as_deref().unwrap_or("/");
        let page = PAGE
            .replace("{{path}}", &escape(path))
            .replace("{{mode}}", if args.broadcast { "broadcast" } else { "echo" });
        Site { page, path: args.path.clone() }
    }

    fn answer(&self, request: &http::Request<()>) -> Response<Vec<u8>> {
        let mut response = self.response(request);
        // RFC 9110 §9.3.2: the same without the body.
        if request.method() == Method::HEAD {
            response.body_mut().clear();
        }
        response
    }

    fn response(&self, request: &http::Request<()>) -> Response<Vec<u8>> {
        let path = request.uri().path();
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is allowed here");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if path == "/" {
            return html(&self.page);
        }
        if self.path.as_deref() == Some(path) {
            let mut response =
                text(StatusCode::UPGRADE_REQUIRED, "here is a WebSocket; the page is at /");
            response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            return response;
        }
        text(StatusCode::NOT_FOUND, "there is nothing here; the page is at /")
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Vec<u8>> {
    let mut response = Response::new(body.into_bytes());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(status: StatusCode, text: &str) -> Response<Vec<u8>> {
    respond(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

fn html(page: &str) -> Response<Vec<u8>> {
    // Whatever a message holds, the page loads nothing and talks to nobody but this server.
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src \
                          'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; \
                          form-action 'none'; frame-ancestors 'none'";
    let mut response = respond(StatusCode::OK, "text/html; charset=utf-8", page.to_owned());
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Text as the value of an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_suggests_another() {
        let in_use = io::Error::from(io::ErrorKind::AddrInUse);
        assert_eq!(
            cannot_listen("127.0.0.1:8080", &in_use).text,
            "cannot listen on 127.0.0.1:8080: the port is in use; choose another with --listen \
             127.0.0.1:8081"
        );
        assert!(cannot_listen("[::1]:65535", &in_use).text.ends_with("--listen [::1]:0"));
    }

    #[test]
    fn a_path_cannot_leave_its_attribute() {
        assert_eq!(escape(r#"/a"&<b"#), "/a&quot;&amp;&lt;b");
    }
}
