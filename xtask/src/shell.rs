//! Where things are, and how other programs are started, watched and ended.

use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What a step came to, when it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// Why it was not run; [`in_ci`] makes it a failure.
    Skipped(String),
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().expect("xtask/ lies in the workspace").to_path_buf()
}

/// Cargo's target directory: the one that this program was built into.
pub(crate) fn target() -> PathBuf {
    let program = std::env::current_exe().expect("the path of a running program is known");
    let target = program.ancestors().nth(2).expect("cargo builds into TARGET/PROFILE/");
    target.to_path_buf()
}

/// Whether this is a run that nobody watches: then nothing may be skipped.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Runs cargo in the root of the workspace, its output going where ours goes.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    println!("$ cargo {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .status()
        .map_err(|e| format!("cannot start cargo: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {}: {status}", arguments.join(" "))) }
}

/// Runs a program and returns what it printed, trimmed.
///
/// # Errors
/// If it cannot be started or fails; with the last lines it wrote.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = Path::new(command.get_program()).display().to_string();
    let output =
        command.stdin(Stdio::null()).output().map_err(|e| format!("cannot start {name}: {e}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}\n{printed}\n{}", output.status, last_lines(&complaint, 20)))
}

/// What `cargo metadata` tells of the workspace.
pub(crate) fn metadata(arguments: &[&str]) -> Result<Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let printed = output(
        Command::new(cargo)
            .args(["metadata", "--format-version", "1"])
            .args(arguments)
            .current_dir(root()),
    )?;
    serde_json::from_str(&printed).map_err(|e| format!("cargo metadata: {e}"))
}

/// The program behind `cargo NAME`; it is installed beside what cargo builds if it is nowhere.
pub(crate) fn cargo_tool(name: &str) -> Result<PathBuf, String> {
    let package = format!("cargo-{name}");
    if output(Command::new(&package).args([name, "--version"])).is_ok() {
        return Ok(package.into());
    }
    let tools = target().join("tools");
    let program = tools.join("bin").join(&package);
    if !program.exists() {
        cargo(&["install", &package, "--locked", "--root", &tools.to_string_lossy()])?;
    }
    Ok(program)
}

/// A program of this machine; in CI it is installed if it is missing.
pub(crate) fn program(names: &[&str], package: &str) -> Result<PathBuf, String> {
    let runs = |name: &&&str| {
        let mut command = Command::new(name);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if let Some(name) = names.iter().find(runs) {
        return Ok(PathBuf::from(name));
    }
    install(package)?;
    let found = names.iter().find(runs).map(PathBuf::from);
    found.ok_or_else(|| format!("`{}` does not run, though it is installed", names.join("`, `")))
}

/// Installs a package of Debian, but only in CI: elsewhere the machine is somebody's.
pub(crate) fn install(package: &str) -> Result<(), String> {
    if !in_ci() {
        return Err(format!("not on this machine (Debian: `apt-get install {package}`)"));
    }
    println!("installing {package}");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        output(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "-q"])?;
    apt(&["install", "-y", "-q", "--no-install-recommends", package])?;
    Ok(())
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Writes a file, and the directories above it.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    let result = path.parent().map_or(Ok(()), fs::create_dir_all);
    result
        .and_then(|()| fs::write(path, text))
        .map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// Makes a directory that is empty, whatever was there.
pub(crate) fn fresh_directory(path: &Path) -> Result<(), String> {
    let removed = match fs::remove_dir_all(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    removed
        .and_then(|()| fs::create_dir_all(path))
        .map_err(|e| format!("cannot make the directory {}: {e}", path.display()))
}

pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A program that this one started; it is ended, at the latest, when the value is dropped.
pub(crate) struct Running {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Starts a program; what it prints goes to the file `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        let (out, err) = log_file(log)?;
        Self::spawn(command.stdout(out).stderr(err), log)
    }

    /// Starts a program that prints `listening on ADDRESS`, and waits until it does.
    pub(crate) fn listening(
        command: &mut Command,
        log: &Path,
    ) -> Result<(Self, SocketAddr), String> {
        const PATIENCE: Duration = Duration::from_secs(60);

        let (mut out, err) = log_file(log)?;
        let mut running = Self::spawn(command.stdout(Stdio::piped()).stderr(err), log)?;
        let mut printed = BufReader::new(running.child.stdout.take().expect("stdout is piped"));
        let (found, wait) = mpsc::channel();
        // Lives as long as the program has its output open: it would block on a pipe nobody reads.
        thread::spawn(move || {
            let mut line = Vec::new();
            while printed.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                // A full disk must not stop the reading; the log is then short.
                let _ = out.write_all(&line);
                let address = std::str::from_utf8(&line)
                    .ok()
                    .and_then(|line| line.trim().strip_prefix("listening on "))
                    .and_then(|address| address.parse().ok());
                if let Some(address) = address {
                    // Nobody waits any more after the first address.
                    let _ = found.send(address);
                }
                line.clear();
            }
        });
        match wait.recv_timeout(PATIENCE) {
            Ok(address) => Ok((running, address)),
            Err(_) => Err(format!("{} does not listen\n{}", running.name, running.last_words())),
        }
    }

    fn spawn(command: &mut Command, log: &Path) -> Result<Self, String> {
        let name = Path::new(command.get_program())
            .file_name()
            .unwrap_or(OsStr::new("program"))
            .to_string_lossy()
            .into_owned();
        let child = command.stdin(Stdio::null()).spawn().map_err(|e| {
            format!("cannot start {}: {e}", command.get_program().to_string_lossy())
        })?;
        Ok(Running { child, name, log: log.to_path_buf() })
    }

    /// Waits for the end of the program.
    ///
    /// # Errors
    /// If it fails, or has not ended in time (then it is ended); with the last lines it printed.
    pub(crate) fn finish(mut self, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        loop {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(format!("{}: {status}\n{}", self.name, self.last_words()));
                }
                None if Instant::now() >= deadline => {
                    let seconds = patience.as_secs();
                    return Err(format!(
                        "{} did not end in {seconds} s\n{}",
                        self.name,
                        self.last_words()
                    ));
                }
                // std can wait for a child, or with a limit, but not both.
                None => thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// How the program ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, String> {
        self.child.try_wait().map_err(|e| format!("cannot wait for {}: {e}", self.name))
    }

    /// The last lines that the program printed, and where the others are.
    pub(crate) fn last_words(&self) -> String {
        let mut text = Vec::new();
        // Without a log there is nothing to show; the caller's message stands alone.
        let _ = File::open(&self.log).and_then(|mut file| file.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        format!("{}\n(all of it: {})", last_lines(&text, 15), self.log.display())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the program has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_file(path: &Path) -> Result<(File, File), String> {
    let open = || {
        let file = File::create(path)?;
        Ok((file.try_clone()?, file))
    };
    open().map_err(|e: std::io::Error| format!("cannot write {}: {e}", path.display()))
}
