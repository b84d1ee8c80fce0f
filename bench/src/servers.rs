//! The programs that are measured: how each is built, started and stopped.
//!
//! A server takes the address to listen on, and what it is to do beside echoing: `--broadcast` passes every message on to
//! every connection, `--deflate` agrees to compression, `--tls CERTIFICATE KEY` speaks TLS.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::certificate::Certificate;
use crate::frames::Peer;
use crate::machine::pin_this_thread;

/// How long a server may take from its start until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// What a program is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A server that echoes.
    Echo,
    /// A server that echoes over TLS.
    Tls,
    /// A server that echoes and compresses with context takeover.
    Deflate,
    /// A server that knows all of its connections and passes every message on to them.
    Broadcast,
    /// A client over TCP.
    Client,
    /// A client over TLS.
    ClientTls,
    /// `Echo`, among the servers on Node.js.
    Node,
    /// `Tls`, among the servers on Node.js.
    NodeTls,
    /// `Deflate`, among the servers on Node.js.
    NodeDeflate,
    /// `Echo`, among the servers on Node.js without native code.
    NodeJs,
    /// `Deflate`, among the servers on Node.js without native code.
    NodeJsDeflate,
    /// `Echo`, on both cores.
    Cores,
    /// `Echo`, by servers that may know their connections.
    Tracked,
    /// `Echo`, where it is the opening handshake that is measured: what echoes can do it.
    Handshake,
}

use Mode::{
    Broadcast, Client, ClientTls, Cores, Deflate, Echo, Handshake, Node, NodeDeflate, NodeJs,
    NodeJsDeflate, NodeTls, Tls, Tracked,
};

/// A server or client under test.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// What `--servers` and the table call it.
    pub name: &'static str,
    /// Whether `--quick` includes it.
    pub quick: bool,
    /// What it can do; see [`can`](Self::can).
    modes: &'static [Mode],
    /// What it expects to be sent.
    pub peer: Peer,
    program: Program,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    /// A binary of the package `server-<package>` in this workspace.
    Cargo { package: &'static str, binary: &'static str, arguments: &'static [&'static str] },
    /// A script in `npm/`, run by an interpreter that `npm ci` installed there or that is on the PATH.
    Npm { interpreter: &'static str, script: &'static str },
    /// As `Npm`, on the npm package of this project, which is built first.
    OurNpm { script: &'static str },
    /// The same without its native half.
    OurNpmInJavaScript { script: &'static str },
}

const fn rust(name: &'static str, package: &'static str, modes: &'static [Mode]) -> Server {
    let program = Program::Cargo { package, binary: package, arguments: &[] };
    Server { name, quick: false, modes, peer: Peer::WebSocket, program }
}

const fn raw(name: &'static str, peer: Peer) -> Server {
    let program = Program::Cargo { package: "server-raw", binary: name, arguments: &[] };
    Server { name, quick: true, modes: &[Echo], peer, program }
}

const fn npm(
    name: &'static str,
    interpreter: &'static str,
    script: &'static str,
    modes: &'static [Mode],
) -> Server {
    let program = Program::Npm { interpreter, script };
    Server { name, quick: false, modes, peer: Peer::WebSocket, program }
}

const fn ours(
    name: &'static str,
    modes: &'static [Mode],
    arguments: &'static [&'static str],
) -> Server {
    let program = Program::Cargo { package: "server-hybi", binary: "server-hybi", arguments };
    Server { name, quick: false, modes, peer: Peer::WebSocket, program }
}

const fn quick(server: Server) -> Server {
    Server { quick: true, ..server }
}

/// Every program there is, in the order of a round.
pub const SERVERS: &[Server] = &[
    raw("raw-epoll", Peer::Raw),
    raw("raw-tokio", Peer::Raw),
    raw("raw-frames", Peer::WebSocket),
    Server {
        quick: false,
        modes: &[Handshake],
        program: Program::Cargo {
            package: "server-raw",
            binary: "raw-tokio",
            arguments: &["--defer-accept"],
        },
        ..raw("raw-tokio, deferred", Peer::Raw)
    },
    quick(rust("hybi", "server-hybi", &[Echo, Tls, Deflate, Broadcast, Tracked])),
    quick(rust("fastwebsockets", "server-fastwebsockets", &[Echo, Tls, Broadcast])),
    quick(rust("tokio-tungstenite", "server-tokio-tungstenite", &[Echo, Tls])),
    rust("tokio-websockets", "server-tokio-websockets", &[Echo]),
    rust("yawc", "server-yawc", &[Echo, Deflate]),
    rust("sockudo-ws", "server-sockudo-ws", &[Echo, Deflate]),
    rust("axum", "server-axum", &[Echo]),
    Server {
        program: Program::OurNpm { script: "hybi.mjs" },
        ..npm("hybi (npm)", "node", "", &[Node, NodeTls, NodeDeflate, Broadcast])
    },
    npm("ws", "node", "ws.mjs", &[Echo, Tls, Deflate, Broadcast, Node, NodeTls, NodeDeflate]),
    Server {
        program: Program::OurNpmInJavaScript { script: "hybi-js.mjs" },
        ..npm("hybi (npm, JavaScript)", "node", "", &[NodeJs, NodeJsDeflate])
    },
    npm("ws (JavaScript)", "node", "ws-js.mjs", &[NodeJs, NodeJsDeflate]),
    npm("bun", "bun", "bun.mjs", &[Echo, Tls, Broadcast, Node, NodeTls]),
    ours("hybi, clients tracked", &[Tracked], &["--tracked"]),
    ours("hybi, workers(2)", &[Cores], &["--workers", "2"]),
    ours("hybi, multi-threaded", &[Cores], &["--threads", "2"]),
    rust("hybi-client", "client-hybi", &[Client, ClientTls]),
    rust("tokio-tungstenite-client", "client-tokio-tungstenite", &[Client, ClientTls]),
    rust("fastwebsockets-client", "client-fastwebsockets", &[Client, ClientTls]),
];

impl Server {
    /// Whether it can do this.
    pub fn can(&self, mode: Mode) -> bool {
        self.modes.contains(&mode) || (mode == Handshake && self.modes.contains(&Echo))
    }

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
            Program::Npm { .. } | Program::OurNpm { .. } | Program::OurNpmInJavaScript { .. } => {
                if !matches!(self.program, Program::Npm { .. }) {
                    build_our_package()?;
                }
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

    /// Fails if what would be measured is something else than the name says: our npm package works without its native
    /// half too.
    ///
    /// # Errors
    /// There is no native half, or it cannot be loaded.
    pub fn check(&self) -> Result<()> {
        let Program::OurNpm { .. } = self.program else { return Ok(()) };
        let status = Command::new("node")
            .args([
                "-e",
                "process.exit(require('./lib/codec') === require('./lib/codec/native') ? 0 : 1)",
            ])
            .current_dir(root().join("../node"))
            .status()?;
        if status.success() {
            return Ok(());
        }
        Err(format!(
            "{}: its native half is missing, or not in use (`npm run build` in node/)",
            self.name
        )
        .into())
    }

    /// Starts the server on a free port of 127.0.0.1, pinned to `core`, and waits until it accepts connections.
    ///
    /// # Errors
    /// It could not be started, ended at once, or did not listen in time.
    pub fn start(&self, core: usize, mode: Mode, certificate: &Certificate) -> Result<Running> {
        let address = free_address()?;
        let mut command = self.command();
        command.arg(address.to_string()).stdin(Stdio::null()).stdout(Stdio::null());
        if let Program::Cargo { arguments, .. } = self.program {
            command.args(arguments);
        }
        match mode {
            Echo | Node | NodeJs | Cores | Tracked | Handshake => {}
            Broadcast => drop(command.arg("--broadcast")),
            Deflate | NodeDeflate | NodeJsDeflate => drop(command.arg("--deflate")),
            Tls | NodeTls => {
                command.arg("--tls").arg(&certificate.certificate).arg(&certificate.key);
            }
            Client | ClientTls => return Err(format!("{} is no server", self.name).into()),
        }
        let cores = if mode == Cores { &[0, 1][..] } else { &[core] };
        let child = spawn_on(cores, command)?;
        let mut running = Running { child, address };
        running.wait_until_listening().map_err(|error| format!("{}: {error}", self.name))?;
        Ok(running)
    }

    /// The program without its arguments.
    pub fn command(&self) -> Command {
        let (interpreter, script) = match self.program {
            Program::Cargo { binary, .. } => {
                return Command::new(target_directory().join("release").join(binary));
            }
            Program::Npm { interpreter, script } => (interpreter, script),
            Program::OurNpm { script } | Program::OurNpmInJavaScript { script } => ("node", script),
        };
        let local = root().join("npm/node_modules/.bin").join(interpreter);
        let interpreter = if local.exists() { local } else { interpreter.into() };
        let mut command = Command::new(interpreter);
        command.arg(root().join("npm").join(script));
        command
    }
}

/// Starts a program that is bound to these cores.
///
/// # Errors
/// It cannot be started.
pub fn spawn_on(cores: &[usize], mut command: Command) -> Result<Child> {
    // A child inherits the cores of the thread that starts it, so this thread's own do not change.
    let cores = cores.to_vec();
    std::thread::spawn(move || -> Result<Child> {
        pin_this_thread(&cores)?;
        Ok(command.spawn().map_err(|error| format!("{command:?}: {error}"))?)
    })
    .join()
    .map_err(|_| "the starting thread panicked")?
}

/// Builds the npm package of this project as its users do.
fn build_our_package() -> Result<()> {
    let folder = root().join("../node");
    if !folder.join("package.json").exists() {
        return Err("there is no npm package beside this folder".into());
    }
    let status =
        Command::new("npm").args(["run", "--silent", "build"]).current_dir(folder).status()?;
    if status.success() { Ok(()) } else { Err(format!("npm run build: {status}").into()) }
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
pub fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// Where cargo puts what it builds.
pub fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
