//! The servers that are measured: how each is built, started and stopped.
//!
//! A server takes one argument, the address to listen on, and with `--broadcast` passes every message on to every
//! connection instead of echoing it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::frames::Peer;
use crate::machine::pin_this_thread;

/// How long a server may take from its start until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// A server under test.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// What `--servers` and the table call it.
    pub name: &'static str,
    /// Whether `--quick` includes it.
    pub quick: bool,
    /// Whether it knows `--broadcast`.
    pub broadcasts: bool,
    /// What it expects to be sent.
    pub peer: Peer,
    program: Program,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    /// A binary of the package `server-<package>` in this workspace.
    Cargo { package: &'static str, binary: &'static str },
    /// A script in `npm/`, run by an interpreter that `npm ci` installed there or that is on the PATH.
    Npm { interpreter: &'static str, script: &'static str },
}

const fn rust(name: &'static str, package: &'static str) -> Server {
    Server {
        name,
        quick: false,
        broadcasts: false,
        peer: Peer::WebSocket,
        program: Program::Cargo { package, binary: package },
    }
}

const fn raw(name: &'static str, binary: &'static str) -> Server {
    Server {
        name,
        quick: true,
        broadcasts: false,
        peer: Peer::Raw,
        program: Program::Cargo { package: "server-raw", binary },
    }
}

const fn npm(name: &'static str, interpreter: &'static str, script: &'static str) -> Server {
    Server {
        name,
        quick: false,
        broadcasts: true,
        peer: Peer::WebSocket,
        program: Program::Npm { interpreter, script },
    }
}

/// Every server there is, in the order of a round.
pub const SERVERS: &[Server] = &[
    raw("raw-epoll", "raw-epoll"),
    raw("raw-tokio", "raw-tokio"),
    Server { quick: true, ..rust("hybi", "server-hybi") },
    Server { quick: true, broadcasts: true, ..rust("fastwebsockets", "server-fastwebsockets") },
    Server { quick: true, ..rust("tokio-tungstenite", "server-tokio-tungstenite") },
    rust("tokio-websockets", "server-tokio-websockets"),
    rust("yawc", "server-yawc"),
    rust("sockudo-ws", "server-sockudo-ws"),
    rust("axum", "server-axum"),
    npm("ws", "node", "ws.mjs"),
    npm("bun", "bun", "bun.mjs"),
];

impl Server {
    /// Builds or installs what `start` will run.
    ///
    /// Every package is built on its own: in one build cargo would give all peers the union of their features.
    ///
    /// # Errors
    /// The build failed; its output is on stderr.
    pub fn build(&self) -> Result<()> {
        let mut command = match self.program {
            Program::Cargo { package, .. } => {
                let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
                let mut command = Command::new(cargo);
                command.args(["build", "--release", "--quiet", "-p", package]);
                command.current_dir(root());
                command
            }
            Program::Npm { .. } => {
                if root().join("npm/node_modules/.package-lock.json").exists() {
                    return Ok(());
                }
                let mut command = Command::new("npm");
                command.args(["ci", "--silent"]).current_dir(root().join("npm"));
                command
            }
        };
        let status =
            command.status().map_err(|error| format!("building {}: {error}", self.name))?;
        if !status.success() {
            return Err(format!("building {}: {status}", self.name).into());
        }
        Ok(())
    }

    /// Starts the server on a free port of 127.0.0.1, pinned to `core`, and waits until it accepts connections.
    ///
    /// # Errors
    /// It could not be started, ended at once, or did not listen in time.
    pub fn start(&self, core: usize, broadcast: bool) -> Result<Running> {
        let address = free_address()?;
        let mut command = match self.program {
            Program::Cargo { binary, .. } => {
                Command::new(target_directory().join("release").join(binary))
            }
            Program::Npm { interpreter, script } => {
                let local = root().join("npm/node_modules/.bin").join(interpreter);
                let interpreter = if local.exists() { local } else { interpreter.into() };
                let mut command = Command::new(interpreter);
                command.arg(root().join("npm").join(script));
                command
            }
        };
        command.arg(address.to_string()).stdin(Stdio::null()).stdout(Stdio::null());
        if broadcast {
            command.arg("--broadcast");
        }
        // A child inherits the cores of the thread that starts it, so this thread's own do not change.
        let child = std::thread::spawn(move || -> Result<Child> {
            pin_this_thread(core)?;
            Ok(command.spawn().map_err(|error| format!("{command:?}: {error}"))?)
        })
        .join()
        .map_err(|_| "the starting thread panicked")??;
        let mut running = Running { child, address };
        running.wait_until_listening().map_err(|error| format!("{}: {error}", self.name))?;
        Ok(running)
    }
}

/// A started server; it is killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_listening(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("ended at once: {status}").into());
            }
            match TcpStream::connect(self.address) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("does not listen: {error}").into());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// The folder of this workspace: where cargo says it is, else where this was compiled.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
