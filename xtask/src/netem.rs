//! `cargo xtask netem`: a minute of soak in a network namespace whose packets are lost, and, where the
//! kernel has netem, delayed and reordered. Needs Linux, root, the program ip, and tc or iptables.

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
    let namespace = Namespace::make()?;
    namespace.run(&["ip", "link", "set", "lo", "up"])?;
    let faults = namespace.be_faulty()?;
    let soak = shell::target().join("debug/soak");
    let arguments = [&*soak.to_string_lossy(), "--seconds", seconds, "--connections", "200"];
    let printed = namespace.run(&arguments)?;
    println!("{faults}:\n{printed}\n{}", namespace.lost()?);
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

    /// Runs a program in it; what it printed.
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("ip");
        shell::output(command.args(["netns", "exec", NAMESPACE]).args(arguments))
    }

    /// From now on packets are lost; says what else becomes of them.
    fn be_faulty(&self) -> Result<&'static str, String> {
        const NETEM: [&str; 15] = [
            "tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss", "1%", "delay", "5ms",
            "3ms", "reorder", "5%", "50%",
        ];
        // For kernels without netem: each packet, of either direction, comes in through lo.
        const DROP: [&str; 11] = [
            "iptables",
            "-A",
            "INPUT",
            "-m",
            "statistic",
            "--mode",
            "random",
            "--probability",
            "0.01",
            "-j",
            "DROP",
        ];

        let Err(no_netem) = self.run(&NETEM) else {
            return Ok("1 % of the packets lost, 5 % reordered, 5 ms ± 3 ms");
        };
        self.run(&DROP).map_err(|no_drop| format!("{no_netem}\n{no_drop}"))?;
        Ok("1 % of the packets lost (by netfilter: this kernel has no netem)")
    }

    /// How many packets there were and how many were lost, in the words of the system.
    fn lost(&self) -> Result<String, String> {
        let netem = self.run(&["tc", "-s", "qdisc", "show", "dev", "lo"])?;
        match netem.contains("netem") {
            true => Ok(netem),
            false => self.run(&["iptables", "-nvxL", "INPUT"]),
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What is left of it says `ip netns` itself.
        let _ = shell::output(Command::new("ip").args(["netns", "delete", NAMESPACE]));
    }
}
