//! `cargo xtask interop`: our server and our client with implementations that are not ours.
//!
//! The checks are in interop/; this is where the peers come from, and who is started with whom.

use crate::shell::{self, Running, Verdict, install, program};
use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a pair may take before it counts as stuck; many times what it does take.
const PATIENCE: Duration = Duration::from_secs(400);

/// RFC 6455 §1.3: a key, and what accepts it.
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Ours and another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pair {
    WsClient,
    WsServer,
    WebsocketsClient,
    WebsocketsServer,
    Curl,
    Chromium,
}

const PAIRS: [(&str, Pair); 6] = [
    ("ws-client", Pair::WsClient),
    ("ws-server", Pair::WsServer),
    ("websockets-client", Pair::WebsocketsClient),
    ("websockets-server", Pair::WebsocketsServer),
    ("curl", Pair::Curl),
    ("chromium", Pair::Chromium),
];

pub(crate) fn command(options: &[String]) -> Result<(), String> {
    let chosen: Vec<_> = if options.is_empty() {
        PAIRS.to_vec()
    } else {
        let find = |name: &String| {
            let found = PAIRS.iter().find(|(known, _)| known == name).copied();
            found.ok_or_else(|| format!("there is no pair `{name}`"))
        };
        options.iter().map(find).collect::<Result<_, _>>()?
    };
    match run(&chosen)? {
        Verdict::Passed => Ok(()),
        Verdict::Skipped(why) if shell::in_ci() => Err(why),
        Verdict::Skipped(why) => {
            println!("SKIPPED: {why}");
            Ok(())
        }
    }
}

/// The step of `cargo xtask test --full`.
pub(crate) fn step() -> Result<Verdict, String> {
    run(&PAIRS)
}

fn run(pairs: &[(&str, Pair)]) -> Result<Verdict, String> {
    shell::cargo(&["build", "--release", "--package", "interop"])?;
    shell::fresh_directory(&directory().join("logs"))?;
    let (mut skipped, mut failed) = (Vec::new(), Vec::new());
    for (name, pair) in pairs {
        let start = Instant::now();
        let command = match pair.prepare() {
            Ok(peer) => peer,
            Err(why) => {
                println!("{name}: SKIPPED: {why}");
                skipped.push(format!("{name}: {why}"));
                continue;
            }
        };
        let result = pair.run(name, &command);
        // The lines of the checks, whatever came of them.
        let log = directory().join("logs").join(format!("{name}.txt"));
        for line in fs::read_to_string(&log).unwrap_or_default().lines() {
            if line.starts_with("ok ") || line.starts_with("FAILED ") {
                println!("{name}: {line}");
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("{name}: all as it has to be, {seconds:.1} s"),
            Err(problem) => {
                println!("{name}: FAILED after {seconds:.1} s");
                failed.push(format!("{name}: {problem}"));
            }
        }
    }
    match (&failed[..], &skipped[..]) {
        ([], []) => Ok(Verdict::Passed),
        ([], _) => Ok(Verdict::Skipped(skipped.join("; "))),
        _ => Err(format!("{} of the pairs failed\n{}", failed.len(), failed.join("\n"))),
    }
}

impl Pair {
    /// The program of the peer, installed; without the arguments that say its role.
    ///
    /// # Errors
    /// Why it cannot be had on this machine.
    fn prepare(self) -> Result<Vec<PathBuf>, String> {
        match self {
            Pair::WsClient | Pair::WsServer => ws(),
            Pair::WebsocketsClient | Pair::WebsocketsServer => websockets(),
            Pair::Curl => program(&["curl"], "curl").map(|curl| vec![curl]),
            Pair::Chromium => {
                let names = ["chromium", "chromium-browser", "google-chrome"];
                program(&names, "chromium").map(|chromium| vec![chromium])
            }
        }
    }

    fn run(self, name: &str, peer: &[PathBuf]) -> Result<(), String> {
        let log = directory().join("logs").join(format!("{name}.txt"));
        let other = directory().join("logs").join(format!("{name}-server.txt"));
        let mut command = Command::new(&peer[0]);
        command.args(&peer[1..]);
        match self {
            Pair::WsServer | Pair::WebsocketsServer => {
                let (_server, address) = Running::listening(command.arg("server"), &other)?;
                let url = format!("ws://{address}");
                let mut client = ours();
                client.args(["client", "--url", &url]);
                // PyPI `websockets` has one setting for all its connections: the default is tested.
                if self == Pair::WsServer {
                    client.arg("--its-deflate");
                }
                Running::start(&mut client, &log)?.finish(PATIENCE)
            }
            Pair::WsClient | Pair::WebsocketsClient => {
                let (_server, address) = Running::listening(ours().arg("server"), &other)?;
                command.arg("client").arg(address.to_string());
                Running::start(&mut command, &log)?.finish(PATIENCE)
            }
            Pair::Curl => {
                let (_server, address) = Running::listening(ours().arg("server"), &other)?;
                curl(&peer[0], address, &log)
            }
            Pair::Chromium => {
                // New each time: what an earlier run has cached must not be what is tested.
                let profile = directory().join("chromium");
                shell::fresh_directory(&profile)?;
                let mut browser = ours();
                browser.arg("browser").arg("--browser").arg(&peer[0]);
                browser.arg("--profile").arg(&profile);
                Running::start(&mut browser, &log)?.finish(PATIENCE)
            }
        }
    }
}

/// Everything that is installed or written goes here.
fn directory() -> PathBuf {
    shell::target().join("interop")
}

fn ours() -> Command {
    Command::new(shell::target().join(format!("release/interop{}", std::env::consts::EXE_SUFFIX)))
}

/// Installs npm `ws` beside a copy of its peer: Node looks for packages from where a module lies.
fn ws() -> Result<Vec<PathBuf>, String> {
    let node = program(&["node"], "nodejs")?;
    let npm = program(&["npm"], "npm")?;
    let (peers, copy) = (shell::root().join("interop/peers"), directory().join("ws"));
    let lock = shell::read(&peers.join("package-lock.json"))?;
    let receipt = copy.join("installed.json");
    if !fs::read_to_string(&receipt).is_ok_and(|installed| installed == lock) {
        shell::fresh_directory(&copy)?;
        for name in ["package.json", "package-lock.json"] {
            shell::write(&copy.join(name), &shell::read(&peers.join(name))?)?;
        }
        let mut install = Command::new(npm);
        install.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&copy);
        shell::output(&mut install)?;
        shell::write(&receipt, &lock)?;
    }
    for name in ["peer.mjs", "checks.mjs"] {
        shell::write(&copy.join(name), &shell::read(&peers.join(name))?)?;
    }
    Ok(vec![node, copy.join("peer.mjs")])
}

/// Installs PyPI `websockets` in a virtual environment.
fn websockets() -> Result<Vec<PathBuf>, String> {
    let system_python = program(&["python3"], "python3-venv")?;
    let peers = shell::root().join("interop/peers");
    let requirements = peers.join("requirements.txt");
    let wanted = shell::read(&requirements)?;
    let environment = directory().join("websockets");
    let python = environment.join("bin/python");
    let receipt = environment.join("installed.txt");
    if !fs::read_to_string(&receipt).is_ok_and(|installed| installed == wanted) {
        shell::fresh_directory(&environment)?;
        let make = || {
            shell::output(
                Command::new(&system_python).args(["-m", "venv", "--clear"]).arg(&environment),
            )
        };
        // Debian's python3 comes without what `venv` needs.
        if make().is_err() {
            install("python3-venv")?;
            make()?;
        }
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "-r"]).arg(&requirements);
        shell::output(pip.env("PIP_DISABLE_PIP_VERSION_CHECK", "1"))?;
        shell::write(&receipt, &wanted)?;
    }
    Ok(vec![python, peers.join("peer.py")])
}

/// The opening handshake as HTTP sees it, octet by octet.
fn curl(curl: &Path, address: SocketAddr, log: &Path) -> Result<(), String> {
    // The addresses of the other configurations: one of them has no page for a plain request.
    let servers = fetch(curl, &[], &format!("http://{address}/servers"))?;
    let servers: serde_json::Value = servers
        .split_once("\r\n\r\n")
        .and_then(|(_, body)| serde_json::from_str(body).ok())
        .ok_or_else(|| format!("/servers is not JSON: {servers}"))?;
    let plain = servers["plain;fragments"].as_str().ok_or("no `plain;fragments` in /servers")?;
    let upgrade = |version, more: &[&'static str]| {
        let mut headers = vec!["Connection: Upgrade", "Upgrade: websocket", KEY, version];
        headers.extend(more);
        headers
    };
    let version_13 = "Sec-WebSocket-Version: 13";
    let without_key = vec!["Connection: Upgrade", "Upgrade: websocket", version_13];
    // After the head, a frame of text (81 05 "hello"); 81 alone is no UTF-8, and shown as U+FFFD.
    let hello = "\r\n\r\n\u{fffd}\u{5}hello";
    let checks = [
        (
            "101, the accept key and a message",
            "cut",
            upgrade(version_13, &[]),
            101,
            vec![ACCEPT, "upgrade: websocket", hello],
        ),
        (
            "101 for version 8",
            "cut",
            upgrade("Sec-WebSocket-Version: 8", &[]),
            101,
            vec![ACCEPT, hello],
        ),
        (
            "101 with a subprotocol",
            "cut",
            upgrade(version_13, &["Sec-WebSocket-Protocol: none, chat.v1"]),
            101,
            vec!["sec-websocket-protocol: chat.v1"],
        ),
        (
            "426 for a plain request",
            "",
            vec![],
            426,
            vec!["upgrade: websocket", "connection: ", "the upgrade header is missing"],
        ),
        (
            "426 for version 7",
            "",
            upgrade("Sec-WebSocket-Version: 7", &[]),
            426,
            vec!["sec-websocket-version: 13, 8", "spoken here: 13, 8"],
        ),
        ("404 with its body", "refused", upgrade(version_13, &[]), 404, vec!["nothing is here"]),
        ("400 without a key", "", without_key, 400, vec!["sec-websocket-key"]),
    ];
    let (mut lines, mut failed) = (String::new(), 0);
    for (name, path, headers, status, expected) in checks {
        let result = fetch(curl, &headers, &format!("http://{plain}/{path}"));
        match result.and_then(|answer| missing(&answer, status, &expected)) {
            Ok(()) => lines.push_str(&format!("ok      {name}\n")),
            Err(problem) => {
                failed += 1;
                lines.push_str(&format!("FAILED  {name}: {problem}\n"));
            }
        }
    }
    shell::write(log, &lines)?;
    if failed == 0 { Ok(()) } else { Err(format!("{failed} checks failed")) }
}

/// What of `status` and `expected` is not in the answer.
fn missing(answer: &str, status: u16, expected: &[&str]) -> Result<(), String> {
    let answer = answer.to_lowercase();
    let status = format!("HTTP/1.1 {status} ");
    let missing: Vec<String> = [status.as_str()]
        .iter()
        .chain(expected)
        .filter(|part| !answer.contains(&part.to_lowercase()))
        .map(|part| format!("{part:?}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("{} not in the answer {answer:?}", missing.join(", ")))
}

/// Head and body of the answer, and after a 101 what came until the server ended the connection.
fn fetch(curl: &Path, headers: &[&str], url: &str) -> Result<String, String> {
    let mut command = Command::new(curl);
    command.args(["--silent", "--show-error", "--include", "--no-buffer", "--http1.1"]);
    command.args(["--noproxy", "*", "--max-time", "60", "--output", "-"]);
    for header in headers {
        command.args([OsStr::new("--header"), OsStr::new(header)]);
    }
    shell::output(command.arg(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_curl_is_compared_without_regard_to_case() {
        let answer = "HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nNothing is here";
        assert_eq!(missing(answer, 404, &["a: b", "nothing is here"]), Ok(()));
        let problem = missing(answer, 426, &["a: c"]).unwrap_err();
        assert!(problem.contains("426") && problem.contains("a: c"), "{problem}");
    }

    #[test]
    fn a_pair_that_is_not_known_is_refused_before_anything_is_built() {
        let problem = command(&["netscape".to_owned()]).unwrap_err();
        assert!(problem.contains("`netscape`"), "{problem}");
    }
}
