//! The features of `hybi`: the workspace builds it with those that its members ask for (`tls`, `hyper`);
//! here it is checked with every one of them alone, and checked and tested with all of them, and with none.

use crate::shell::{self, Verdict};

/// The step of `cargo xtask test --full`.
pub(crate) fn step() -> Result<Verdict, String> {
    for feature in names()? {
        let alone =
            ["clippy", "-p", "hybi", "--lib", "--features", &feature, "--", "-D", "warnings"];
        shell::cargo(&alone)?;
    }
    for features in [&["--all-features"][..], &[]] {
        let lint = [&["clippy", "-p", "hybi", "--all-targets"], features].concat();
        shell::cargo(&[&lint[..], &["--", "-D", "warnings"]].concat())?;
    }
    // What depends on features: the client, TLS on both sides, spans and metrics.
    let all = ["client_*", "server_tls", "server_hyper", "metrics", "tracing"];
    let all = all.map(|test| ["--test", test]).concat();
    shell::cargo(
        &[&["test", "-p", "hybi", "--all-features", "--no-fail-fast", "--lib"][..], &all].concat(),
    )?;
    let none = ["--lib", "--test", "client_request", "--test", "echo", "--test", "stats"];
    shell::cargo(&[&["test", "-p", "hybi", "--no-fail-fast"][..], &none].concat())?;
    Ok(Verdict::Passed)
}

fn names() -> Result<Vec<String>, String> {
    let metadata = shell::metadata(&["--no-deps"])?;
    let packages = metadata["packages"].as_array();
    let hybi = packages.into_iter().flatten().find(|package| package["name"] == "hybi");
    let features = hybi.and_then(|package| package["features"].as_object());
    let features = features.ok_or("cargo metadata names no features of hybi")?;
    Ok(features.keys().filter(|name| *name != "default").cloned().collect())
}
