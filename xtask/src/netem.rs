//! `cargo xtask netem`: a minute of soak in a network namespace whose packets are lost, delayed and
//! reordered. Needs Linux, root, and the programs ip and tc.

use crate::shell;
use std::process::Command;

const NAMESPACE: &str = "hybi-netem";

pub(crate) fn command(options: &[String]) -> Result<(), String> {
    let seconds = match options {
        [] => "60",
        [name, seconds] if name == "--seconds" => seconds,
        other => return Err(format!("`netem` takes only --seconds N, not {other:?}")),
    };
    shell::cargo(&["build", "--package", "soak"])?;
    let _namespace = Namespace::make()?;
    let within = |arguments: &[&str]| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", NAMESPACE]).args(arguments);
        command
    };
    shell::output(&mut within(&["ip", "link", "set", "lo", "up"]))?;
    shell::output(&mut within(&[
        "tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss", "1%", "delay", "5ms", "3ms",
        "reorder", "5%",
    ]))?;
    let soak = shell::target().join("debug/soak");
    let soak = soak.to_string_lossy();
    let arguments = [&soak, "--seconds", seconds, "--connections", "200"];
    let printed = shell::output(&mut within(&arguments))?;
    println!("1 % of the packets lost, 5 % reordered, 5 ms ± 3 ms:\n{printed}");
    Ok(())
}

/// A network of its own; it goes with this value.
struct Namespace;

impl Namespace {
    fn make() -> Result<Self, String> {
        shell::output(Command::new("ip").args(["netns", "add", NAMESPACE]))
            .map_err(|e| format!("no network namespace can be made (are you root?): {e}"))?;
        Ok(Namespace)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What is left of it says `ip netns` itself.
        let _ = shell::output(Command::new("ip").args(["netns", "delete", NAMESPACE]));
    }
}
