//! The load generator against small servers whose behaviour is known.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hybi_bench::frames::{Exchange, Payload, Peer};
use hybi_bench::load::{Broadcast, Echo, Handshakes, Load, Target};

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Serves connections one thread each: the handshake, then `converse` until the peer is gone.
fn serve(converse: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, converse) = (stream.unwrap(), converse.clone());
            std::thread::spawn(move || {
                let mut head = [0; 512];
                let read = stream.read(&mut head).unwrap();
                assert!(head[..read].ends_with(b"\r\n\r\n"));
                stream.write_all(RESPONSE).unwrap();
                converse(stream);
            });
        }
    });
    address
}

/// Runs the load until at least `units` have completed, or, if they do not come, for 20 s.
fn run_until(load: &mut impl Load, units: u64) -> u64 {
    let mut total = 0;
    for _ in 0..1000 {
        total += load.run(Duration::from_millis(20)).unwrap();
        if total >= units {
            break;
        }
    }
    assert!(total >= units, "only {total} completed");
    total
}

#[test]
fn echoes_that_arrive_in_pieces_are_counted_once() {
    let exchange = Exchange::new(Peer::Raw, Payload::Binary, 32);
    let size = exchange.response.len() as u64;
    let echoed = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&echoed);
    let server = serve(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            for piece in buffer[..read].chunks(7) {
                // Counted first: the other side may count the echo before this thread runs again.
                counter.fetch_add(piece.len() as u64, Ordering::SeqCst);
                if stream.write_all(piece).is_err() {
                    return;
                }
            }
        }
    });
    let mut load = Echo::open(&server.into(), &exchange, 3, 5).unwrap();
    load.start().unwrap();
    let counted = run_until(&mut load, 200);
    drop(load);
    // The first echo of each connection is not counted, and up to five a connection are on their way.
    let echoed = echoed.load(Ordering::SeqCst) / size;
    assert!(counted + 3 <= echoed && echoed <= counted + 3 + 3 * 5, "{counted} of {echoed}");
}

#[test]
fn a_message_larger_than_the_socket_buffers_comes_back_whole() {
    let exchange = Exchange::new(Peer::Raw, Payload::Binary, 8 << 20);
    let server = serve(|mut stream| {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..read]).is_err() {
                return;
            }
        }
    });
    let mut load = Echo::open(&server.into(), &exchange, 1, 1).unwrap();
    load.start().unwrap();
    run_until(&mut load, 1);
}

#[test]
fn an_echo_that_is_still_masked_is_refused() {
    let exchange = Exchange::new(Peer::WebSocket, Payload::Binary, 32);
    let server = serve(|mut stream| {
        let mut request = [0; 38];
        stream.read_exact(&mut request).unwrap();
        let mut answer = vec![0x82, 32];
        answer.extend_from_slice(&request[6..]);
        stream.write_all(&answer).unwrap();
    });
    let error = Echo::open(&server.into(), &exchange, 1, 1).unwrap_err();
    assert_eq!(error.to_string(), "the first echo differs from the message sent");
}

#[test]
fn a_server_that_closes_is_an_error_not_a_pause() {
    let exchange = Exchange::new(Peer::Raw, Payload::Binary, 32);
    let server = serve(|mut stream| {
        let mut first = [0; 34];
        stream.read_exact(&mut first).unwrap();
        stream.write_all(&first).unwrap();
    });
    let mut load = Echo::open(&server.into(), &exchange, 1, 1).unwrap();
    let outcome = load.start().and_then(|()| load.run(Duration::from_secs(5)));
    assert!(outcome.is_err());
}

#[test]
fn a_broadcast_counts_a_delivery_per_receiver() {
    let exchange = Exchange::new(Peer::Raw, Payload::Binary, 64);
    let clients: Arc<std::sync::Mutex<Vec<TcpStream>>> = Arc::default();
    let (registry, passed_on) = (Arc::clone(&clients), Arc::new(AtomicU64::new(0)));
    let counter = Arc::clone(&passed_on);
    let server = serve(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        registry.lock().unwrap().push(stream.try_clone().unwrap());
        let mut message = [0; 66];
        while stream.read_exact(&mut message).is_ok() {
            for mut client in registry.lock().unwrap().iter() {
                counter.fetch_add(1, Ordering::SeqCst);
                if message.chunks(7).any(|piece| client.write_all(piece).is_err()) {
                    return;
                }
            }
        }
    });
    let mut load = Broadcast::open(&server.into(), &exchange, 4, 2).unwrap();
    while clients.lock().unwrap().len() < 4 {
        std::thread::yield_now();
    }
    load.start().unwrap();
    let counted = run_until(&mut load, 200);
    drop(load);
    let passed_on = passed_on.load(Ordering::SeqCst);
    assert!(
        counted + 4 <= passed_on && passed_on <= counted + 4 + 4 * 2,
        "{counted} of {passed_on}"
    );
}

#[test]
fn handshakes_are_counted_by_the_batch() {
    let server = serve(drop);
    let counted = Handshakes::new(server.into(), 4).run(Duration::from_millis(50)).unwrap();
    assert!(counted > 0 && counted.is_multiple_of(4), "{counted}");
}

#[test]
fn an_answer_that_is_not_the_101_is_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 512];
        let _ = stream.read(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 426 Upgrade Required\r\n\r\n").unwrap();
    });
    let error = Target::from(server).open().unwrap_err();
    assert!(error.to_string().contains("426 Upgrade Required"), "{error}");
}
