//! The chat in a browser: two pages in headless Chromium, driven through its debugging protocol, which is
//! spoken over a WebSocket, by our client.

#[allow(dead_code, unreachable_pub)]
#[path = "../src/bin/chat.rs"]
mod chat;
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/hybi/tests/common/program.rs"]
mod program;

use hybi::{Client, Server, WebSocket};
use program::Program;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a page may take over what is asked of it; many times what it does take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium's end of the debugging protocol.
struct Browser {
    ws: WebSocket,
    id: u64,
}

impl Browser {
    async fn connect(chromium: &Program) -> Self {
        const HERE: &str = "DevTools listening on ";
        chromium.wrote(HERE).await;
        let log = chromium.log();
        let url = log.split(HERE).nth(1).unwrap().lines().next().unwrap();
        Browser { ws: hybi::connect(url).await.unwrap(), id: 0 }
    }

    /// Calls a method of the page with this session, or of the browser; returns the result.
    async fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.id += 1;
        let mut call = json!({ "id": self.id, "method": method, "params": params });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        self.ws.send(call.to_string()).await.unwrap();
        let answer = async {
            loop {
                let message = self.ws.recv().await.unwrap().expect("the browser has ended");
                let mut message: Value = serde_json::from_slice(message.as_bytes()).unwrap();
                if message["id"] == self.id {
                    assert!(message.get("error").is_none(), "{method}: {message}");
                    return message["result"].take();
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, answer).await;
        in_time.unwrap_or_else(|_| panic!("{method} was not answered: {params}"))
    }

    /// Opens a page; returns its session.
    async fn open(&mut self, url: &str) -> String {
        let target = self.call(None, "Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", attach).await;
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        self.call(Some(&session), "Page.navigate", json!({ "url": url })).await;
        session
    }

    /// Waits until an expression of the page is true.
    async fn until(&mut self, session: &str, condition: &str) {
        // What the page has not defined yet is not true yet.
        let expression = format!(
            "new Promise((done) => {{ const look = () => {{ try {{ if ({condition}) return done(true); }} \
             catch {{}} setTimeout(look, 10); }}; look(); }})"
        );
        let params =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = self.call(Some(session), "Runtime.evaluate", params).await;
        assert_eq!(result["result"]["value"], true, "{condition}: {result}");
    }

    /// Types a message and sends it.
    async fn say(&mut self, session: &str, text: &str) {
        let what = format!(
            "document.getElementById('text').value = {}; \
             document.querySelector('form').requestSubmit()",
            json!(text)
        );
        self.run(session, &what).await;
    }

    /// Lets the page run a script.
    async fn run(&mut self, session: &str, script: &str) {
        self.call(Some(session), "Runtime.evaluate", json!({ "expression": script })).await;
    }
}

/// What the page shows.
fn shows(said: &[&str]) -> String {
    let shown = "JSON.stringify([...document.querySelectorAll('li')].map((li) => li.textContent))";
    format!("{shown} === {}", json!(json!(said).to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pages_chat() {
    let profile = std::env::temp_dir().join(format!("hybi-chromium-{}", std::process::id()));
    let started = Program::start("chromium", |port| {
        let mut arguments: Vec<String> =
            ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
                .map(str::to_owned)
                .into();
        arguments.extend(
            ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
                .map(str::to_owned),
        );
        arguments.extend(["--disable-dev-shm-usage", "--no-proxy-server"].map(str::to_owned));
        arguments.push(format!("--remote-debugging-port={port}"));
        arguments.push(format!("--user-data-dir={}", profile.display()));
        arguments
    });
    let Some(chromium) = started else { return };

    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(chat::serve(server, async { drop(stopped.await) }));
    let mut browser = Browser::connect(&chromium).await;
    let page = format!("http://{address}/");
    let (ada, bob) = (browser.open(&page).await, browser.open(&page).await);
    for session in [&ada, &bob] {
        browser.until(session, "state.textContent === 'connected'").await;
    }
    browser.say(&ada, "hello, <b>bob</b>").await;
    browser.until(&bob, &shows(&["hello, <b>bob</b>"])).await;
    browser.say(&bob, "hello, ada ☺").await;
    for session in [&ada, &bob] {
        browser.until(session, &shows(&["hello, <b>bob</b>", "hello, ada ☺"])).await;
    }

    // A page from elsewhere gets no connection, what is no text ends one.
    let client = Client::new().origin("https://evil.example");
    let refused = client.connect(&format!("ws://{address}/")).await.unwrap_err();
    assert_eq!(refused.response().unwrap().status(), 403);
    let mut binary = hybi::connect(&format!("ws://{address}/")).await.unwrap();
    binary.send(vec![1]).await.unwrap();
    assert_eq!(binary.recv().await.unwrap(), None);
    assert_eq!(binary.close_info().unwrap().code(), 1003);

    // The page connects again soon, in vain, and says so: all that it shows is written down.
    let write_down = "window.shown = []; new MutationObserver(() => shown.push(state.textContent))\
                      .observe(state, { childList: true })";
    for session in [&ada, &bob] {
        browser.run(session, write_down).await;
    }
    drop(stop);
    serving.await.unwrap().unwrap();
    for session in [&ada, &bob] {
        let told = "shown.some((text) => text.startsWith('disconnected (1001)'))";
        browser.until(session, told).await;
    }
    drop((browser, chromium));
    let _ = std::fs::remove_dir_all(profile);
}
