//! Programs that the tests need and that this workspace does not have.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A program that listens on a port of the loopback interface; it ends with the test.
pub struct Program {
    pub port: u16,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Program {
    /// Starts a program; `arguments` are made from the port that it is to listen on. `None` if it is
    /// not installed, which is a failure where `CI` is set.
    pub fn start(name: &str, arguments: impl Fn(u16) -> Vec<String>) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let started = Command::new(name)
            .args(arguments(port))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) if std::env::var_os("CI").is_some_and(|ci| !ci.is_empty()) => {
                panic!("{name} is needed where CI is set: {error}")
            }
            Err(error) => {
                eprintln!("SKIPPED: {name} cannot be started: {error}");
                return None;
            }
        };
        let log = Arc::new(Mutex::new(String::new()));
        gather(child.stdout.take().unwrap(), &log);
        gather(child.stderr.take().unwrap(), &log);
        let program = Program { port, child, log };
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < patience, "{name} does not listen: {}", program.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(program)
    }

    /// What it has written.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has written this.
    pub async fn wrote(&self, text: &str) {
        let patience = Instant::now() + Duration::from_secs(20);
        while !self.log().contains(text) {
            assert!(Instant::now() < patience, "{text:?} is not in the log: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(output: impl Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            log.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
}
