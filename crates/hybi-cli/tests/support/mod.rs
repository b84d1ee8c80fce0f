//! The real program as a child process, with a bound on every wait.

#![allow(dead_code, reason = "each test program uses a part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Only reached if something hangs.
pub(crate) const HANGS: Duration = Duration::from_secs(60);

pub(crate) fn hybi() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hybi"))
}

/// A running program: its output arrives line by line.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// What was read of standard error so far.
    log: String,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    pub(crate) fn start<'a>(args: impl IntoIterator<Item = &'a str>, input: Option<&[u8]>) -> Self {
        let mut command = hybi();
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().expect("the program starts");
        if let Some(input) = input {
            let mut stdin = child.stdin.take().expect("piped");
            let input = input.to_vec();
            // The program may end without reading it.
            thread::spawn(move || stdin.write_all(&input));
        }
        let stdout = lines(child.stdout.take().expect("piped"));
        let stderr = lines(child.stderr.take().expect("piped"));
        Running { child, stdout, stderr, log: String::new() }
    }

    /// The next line of standard output.
    pub(crate) fn line(&self) -> String {
        self.stdout.recv_timeout(HANGS).expect("a line on standard output")
    }

    /// Waits for a line of standard error that contains `text`.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.stderr.recv_timeout(HANGS) {
                Ok(line) => {
                    self.log.push_str(&line);
                    self.log.push('\n');
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("no {text:?} on standard error, only:\n{}", self.log),
            }
        }
    }

    /// What was read of standard error so far.
    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    /// What Ctrl-C does.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        use nix::sys::signal::{Signal, kill};
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill(nix::unistd::Pid::from_raw(id), Signal::SIGINT).expect("it runs");
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Ended {
        // The pipes end when the program does.
        let stdout = rest(&self.stdout);
        let stderr = std::mem::take(&mut self.log) + &rest(&self.stderr);
        let status = self.child.wait().expect("it was started");
        Ended { status: status.code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

fn rest(lines: &Receiver<String>) -> String {
    use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
    let mut text = String::new();
    loop {
        match lines.recv_timeout(HANGS) {
            Ok(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            Err(Disconnected) => return text,
            Err(Timeout) => panic!("the program does not end; so far:\n{text}"),
        }
    }
}

/// `hybi connect` with this input, to its end.
pub(crate) fn connect(args: &[&str], input: &[u8]) -> Ended {
    Running::start(["connect"].iter().chain(args).copied(), Some(input)).finish()
}

/// `hybi serve` on a free port.
pub(crate) struct Served {
    pub(crate) process: Running,
    pub(crate) address: SocketAddr,
    /// The URL of the WebSocket.
    pub(crate) url: String,
}

impl Served {
    pub(crate) fn start(args: &[&str]) -> Self {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let process = Running::start(serve.iter().chain(args).copied(), None);
        let line = process.line();
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("ws://"))
            .unwrap_or_else(|| panic!("no URL in {line:?}"))
            .to_owned();
        let address = url["ws://".len()..].split('/').next().expect("an address");
        Served { process, address: address.parse().expect("an address"), url }
    }
}

/// The status of a process that was not started through [`Running`] and is ending: its output has
/// come to its end.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let patience = Instant::now() + HANGS;
    loop {
        match child.try_wait().expect("it was started") {
            Some(status) => return status,
            None if Instant::now() > patience => {
                let _ = child.kill();
                panic!("the program does not end");
            }
            None => thread::yield_now(),
        }
    }
}
