//! The short variant for CI; `cargo xtask soak` runs the long one.

use std::process::Command;

#[test]
fn hundreds_of_connections_lose_nothing_for_15_seconds() {
    let status = Command::new(env!("CARGO_BIN_EXE_soak"))
        .args(["--seconds", "15", "--connections", "300"])
        .status()
        .unwrap();
    assert!(status.success());
}
