//! A browser without a window, which loads our page from our server and runs the checks in it.

use crate::server;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(180);

/// Runs the page to its end and prints what it says of each check.
pub(crate) async fn run(program: &str, profile: &str) -> Result<(), String> {
    let (results, mut received) = mpsc::unbounded_channel();
    let address = server::start(results).await?;
    let mut browser = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
        .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
        .args(["--disable-sync", "--disable-dev-shm-usage", "--no-proxy-server"])
        .arg(format!("--user-data-dir={profile}"))
        .arg(format!("http://{address}/"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("cannot start {program}: {e}"))?;
    let verdict = async {
        loop {
            match received.recv().await.as_deref() {
                Some("done") => return Ok(()),
                Some("failed") => return Err("a check failed in the browser".to_owned()),
                Some(line) => println!("{line}"),
                None => return Err("our server has ended".to_owned()),
            }
        }
    };
    let result = tokio::select! {
        verdict = tokio::time::timeout(PATIENCE, verdict) => verdict
            .unwrap_or_else(|_| Err(format!("the page was not done in {PATIENCE:?}"))),
        status = browser.wait() => Err(format!("the browser ended: {status:?}")),
    };
    // Fails only if it has ended already.
    let _ = browser.kill().await;
    result
}
