//! [`Dialer`]: from a host and a port to a TCP connection (RFC 8305, "Happy Eyeballs").

use crate::error::Error;
use hybi_proto::ErrorCode;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Sleep;

/// RFC 8305 §5: how long to wait for one address before the next one is tried as well.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Resolve = dyn Fn(&str, u16) -> Boxed<io::Result<Vec<SocketAddr>>> + Send + Sync;

/// How TCP connections are made.
#[derive(Clone, Default)]
pub(super) struct Dialer {
    pub(super) resolve: Option<Arc<Resolve>>,
    pub(super) local_address: Option<IpAddr>,
    pub(super) keep_alive: Option<Duration>,
    pub(super) timeout: Option<Duration>,
}

impl Dialer {
    /// Connects to the first address of `host` that answers.
    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Error> {
        // Pinned, as a future that is moved has a place before and one after.
        let connecting = pin!(async {
            let addresses = self.resolve(host, port).await?;
            let connect = |address| connect(address, self.local_address);
            let stream = race(addresses, connect).await.map_err(|failures| {
                Error::io(
                    ErrorCode::ConnectFailed,
                    format!("cannot connect to {}", authority(host, port)),
                    failures.into_error(),
                )
            })?;
            self.tune(&stream);
            Ok(stream)
        });
        let Some(timeout) = self.timeout else { return connecting.await };
        match tokio::time::timeout(timeout, connecting).await {
            Ok(result) => result,
            Err(_) => Err(Error::timeout(
                ErrorCode::ConnectFailed,
                format!("{} was not reached within {timeout:?}", authority(host, port)),
            )),
        }
    }

    /// The addresses of `host` that can be connected to from the local address.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let found = match (host.parse::<IpAddr>(), &self.resolve) {
            (Ok(ip), _) => Ok(vec![SocketAddr::new(ip, port)]),
            (Err(_), Some(resolve)) => resolve(host, port).await,
            (Err(_), None) => tokio::net::lookup_host((host, port)).await.map(Iterator::collect),
        };
        let mut addresses = found.map_err(|error| {
            Error::io(ErrorCode::ConnectFailed, format!("the name {host} was not found"), error)
        })?;
        let failed = |text| Err(Error::io(ErrorCode::ConnectFailed, text, none_left()));
        if addresses.is_empty() {
            return failed(format!("the name {host} was not found"));
        }
        if let Some(local) = self.local_address {
            addresses.retain(|address| address.is_ipv4() == local.is_ipv4());
            if addresses.is_empty() {
                return failed(format!("cannot connect to {host} from the local address {local}"));
            }
        }
        Ok(addresses)
    }

    fn tune(&self, stream: &TcpStream) {
        // Messages are written whole: waiting for more to send only costs time.
        let _ = stream.set_nodelay(true);
        if let Some(time) = self.keep_alive {
            let keep_alive = socket2::TcpKeepalive::new().with_time(time);
            let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keep_alive);
        }
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("resolve", &self.resolve.is_some())
            .field("local_address", &self.local_address)
            .field("keep_alive", &self.keep_alive)
            .field("timeout", &self.timeout)
            .finish()
    }
}

fn none_left() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "there is no address to connect to")
}

/// The host as it stands before a port.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn connect(address: SocketAddr, local: Option<IpAddr>) -> Boxed<io::Result<TcpStream>> {
    Box::pin(async move {
        let Some(local) = local else { return TcpStream::connect(address).await };
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(SocketAddr::new(local, 0))?;
        socket.connect(address).await
    })
}

/// Opens the Unix socket at `path`.
#[cfg(unix)]
pub(super) async fn connect_unix(path: &str) -> Result<tokio::net::UnixStream, Error> {
    tokio::net::UnixStream::connect(path).await.map_err(|error| {
        Error::io(ErrorCode::ConnectFailed, format!("cannot connect to {path}"), error)
    })
}

/// There are no Unix sockets here.
#[cfg(not(unix))]
pub(super) async fn connect_unix(path: &str) -> Result<TcpStream, Error> {
    Err(Error::Usage(hybi_proto::ErrorDetail::new(
        ErrorCode::InvalidUrl,
        format!("cannot connect to {path}: there are no Unix sockets on this system"),
    )))
}

/// RFC 8305 §4: the families take turns, beginning with that of the first address, so that a
/// family that does not work costs one delay and not one for each of its addresses.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return addresses };
    let first_is_ipv4 = first.is_ipv4();
    let (preferred, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_ipv4);
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = [preferred.next(), other.next()];
        if pair == [None, None] {
            return ordered;
        }
        ordered.extend(pair.into_iter().flatten());
    }
}

/// What became of the addresses that failed.
#[derive(Debug, Default)]
struct Failures(Vec<(SocketAddr, io::Error)>);

impl Failures {
    /// One error for all of them; that of a single address is kept as it is.
    fn into_error(mut self) -> io::Error {
        if self.0.len() < 2 {
            return self.0.pop().map_or_else(none_left, |(_, error)| error);
        }
        let each: Vec<_> =
            self.0.iter().map(|(address, error)| format!("{address}: {error}")).collect();
        io::Error::new(self.0[0].1.kind(), each.join("; "))
    }
}

/// Connects to the addresses, each begun when the one before has failed or taken too long; the first
/// connection wins, and the other attempts are given up.
async fn race<T>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> Boxed<io::Result<T>>,
) -> Result<T, Failures> {
    if let [address] = addresses[..] {
        return connect(address).await.map_err(|error| Failures(vec![(address, error)]));
    }
    let mut race = Race {
        waiting: interleave(addresses).into_iter(),
        running: Vec::new(),
        failures: Failures::default(),
        delay: None,
        due: true,
        connect,
    };
    poll_fn(|cx| race.poll(cx)).await
}

struct Race<T, C> {
    waiting: std::vec::IntoIter<SocketAddr>,
    running: Vec<(SocketAddr, Boxed<io::Result<T>>)>,
    failures: Failures,
    /// Runs while an address waits.
    delay: Option<Pin<Box<Sleep>>>,
    /// The next address is to be tried without waiting for the delay.
    due: bool,
    connect: C,
}

impl<T, C: Fn(SocketAddr) -> Boxed<io::Result<T>>> Race<T, C> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Failures>> {
        loop {
            if self.due {
                if let Some(address) = self.waiting.next() {
                    self.running.push((address, (self.connect)(address)));
                    self.delay = (self.waiting.len() > 0)
                        .then(|| Box::pin(tokio::time::sleep(ATTEMPT_DELAY)));
                }
                self.due = false;
            }
            let mut at = 0;
            while let Some((address, attempt)) = self.running.get_mut(at) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(connection)) => return Poll::Ready(Ok(connection)),
                    Poll::Ready(Err(error)) => {
                        self.failures.0.push((*address, error));
                        drop(self.running.remove(at));
                        self.due = true;
                    }
                    Poll::Pending => at += 1,
                }
            }
            if self.waiting.len() == 0 {
                return match self.running.is_empty() {
                    true => Poll::Ready(Err(std::mem::take(&mut self.failures))),
                    false => Poll::Pending,
                };
            }
            let delayed = |delay: &mut Pin<Box<Sleep>>| delay.as_mut().poll(cx).is_pending();
            if !self.due && self.delay.as_mut().is_some_and(delayed) {
                return Poll::Pending;
            }
            self.due = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    /// What connecting to an address comes to, and after how many milliseconds.
    fn after(ms: u64, outcome: io::Result<SocketAddr>) -> Boxed<io::Result<SocketAddr>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            outcome
        })
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    #[test]
    fn families_take_turns_beginning_with_the_preferred_one() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let ordered = interleave(addresses.map(address).to_vec());
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"];
        assert_eq!(ordered, expected.map(address));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() {
        let start = Instant::now();
        let addresses = vec![address("[::1]:1"), address("[::2]:1"), address("1.1.1.1:1")];
        let winner = race(addresses, |to| after(if to.is_ipv4() { 10 } else { 60_000 }, Ok(to)));
        assert_eq!(winner.await.unwrap(), address("1.1.1.1:1"));
        assert_eq!(start.elapsed().as_millis(), 260);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_nothing_but_its_answer() {
        let start = Instant::now();
        let addresses = vec![address("[::1]:1"), address("1.1.1.1:1")];
        let winner = race(addresses, |to| match to.is_ipv4() {
            true => after(5, Ok(to)),
            false => after(20, Err(refused())),
        });
        assert_eq!(winner.await.unwrap(), address("1.1.1.1:1"));
        assert_eq!(start.elapsed().as_millis(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_first_address_may_still_win() {
        let start = Instant::now();
        let addresses = vec![address("[::1]:1"), address("1.1.1.1:1")];
        let winner = race(addresses, |to| after(if to.is_ipv4() { 100 } else { 300 }, Ok(to)));
        assert_eq!(winner.await.unwrap(), address("[::1]:1"));
        assert_eq!(start.elapsed().as_millis(), 300);
    }

    #[tokio::test(start_paused = true)]
    async fn every_address_that_failed_is_named() {
        let addresses = vec![address("[::1]:1"), address("1.1.1.1:1")];
        let failures = race(addresses, |_| after(1, Err::<SocketAddr, _>(refused()))).await;
        assert_eq!(
            failures.unwrap_err().into_error().to_string(),
            "[::1]:1: connection refused; 1.1.1.1:1: connection refused"
        );
    }

    #[tokio::test]
    async fn the_system_looks_after_a_connection_if_it_is_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let time = Duration::from_secs(77);
        for keep_alive in [None, Some(time)] {
            let dialer = Dialer { keep_alive, ..Dialer::default() };
            let stream = dialer.connect("127.0.0.1", port).await.unwrap();
            assert!(stream.nodelay().unwrap());
            let socket = socket2::SockRef::from(&stream);
            assert_eq!(socket.keepalive().unwrap(), keep_alive.is_some());
            #[cfg(target_os = "linux")]
            if keep_alive.is_some() {
                assert_eq!(socket.tcp_keepalive_time().unwrap(), time);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_connect_timeout_covers_the_name_look_up() {
        let dialer = Dialer {
            resolve: Some(Arc::new(|_, _| Box::pin(std::future::pending()))),
            timeout: Some(Duration::from_secs(3)),
            ..Dialer::default()
        };
        let error = dialer.connect("slow.test", 80).await.unwrap_err();
        assert!(matches!(error, Error::Timeout(_)));
        assert_eq!(error.to_string(), "slow.test:80 was not reached within 3s");
    }

    #[tokio::test]
    async fn a_local_address_of_the_other_family_is_an_error_that_says_so() {
        let local_address = Some("127.0.0.1".parse().unwrap());
        let dialer = Dialer { local_address, ..Dialer::default() };
        let error = dialer.connect("::1", 80).await.unwrap_err();
        let expected = "cannot connect to ::1 from the local address 127.0.0.1: ";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
