//! Our client, against a server that is not ours: each check a line.

use crate::configuration::{DEFLATE, options, parameters};
use crate::corpus;
use crate::server::describe;
use hybi::client::Version;
use hybi::{Client, CloseCode, Error, Event, Message, WebSocket};
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

/// Many times what a check takes.
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;

type Outcome = Result<(), String>;

/// Runs every check and prints a line for each; `its_deflate` if the server takes the parameters of its
/// compression from the path.
///
/// # Errors
/// If one failed; the line said why.
pub(crate) async fn run(url: &str, its_deflate: bool) -> Outcome {
    let server = Peer { url: url.to_owned() };
    let mut run = Run { failed: 0 };
    for words in ["plain", "plain;fragments", "deflate", "deflate;fragments"] {
        // `fragments` makes both sides send fragments.
        run.check(&format!("{words}: text, binary, empty, 1 MiB"), server.echo(words)).await;
    }
    run.check("ping and pong", server.ping()).await;
    run.check("the server's ping", server.pong()).await;
    run.check("subprotocol", server.subprotocol()).await;
    run.check("version 8", server.version_8()).await;
    run.check("we close with 1000", server.we_close(1000, "")).await;
    run.check("we close with 4000 and a reason", server.we_close(4000, "genug für heute")).await;
    run.check("it closes with 1000", server.it_closes(1000, "")).await;
    run.check("it closes with 4001 and a reason", server.it_closes(4001, "à bientôt")).await;
    run.check("it is cut off", server.cut()).await;
    run.check("it refuses with 404", server.refused()).await;
    for words in DEFLATE {
        run.check(&format!("we offer {words}"), server.compressed(words, "deflate")).await;
        if its_deflate {
            run.check(&format!("it wants {words}"), server.compressed("deflate", words)).await;
        }
    }
    match run.failed {
        0 => Ok(()),
        failed => Err(format!("{failed} checks failed")),
    }
}

struct Run {
    failed: u32,
}

impl Run {
    async fn check(&mut self, name: &str, check: impl Future<Output = Outcome>) {
        let result = tokio::time::timeout(PATIENCE, check).await;
        match result.unwrap_or_else(|_| Err(format!("not done in {PATIENCE:?}"))) {
            Ok(()) => println!("ok      {name}"),
            Err(problem) => {
                self.failed += 1;
                println!("FAILED  {name}: {problem}");
            }
        }
    }
}

/// A server that is not ours.
struct Peer {
    url: String,
}

impl Peer {
    fn url(&self, words: &str, action: &str) -> String {
        format!("{}/{words}/{action}", self.url)
    }

    async fn open(&self, action: &str) -> Result<WebSocket, String> {
        let client = Client::new().options(options("plain"));
        client.connect(&self.url("plain", action)).await.map_err(text)
    }

    async fn echo(&self, words: &str) -> Outcome {
        let client = Client::new().options(options(words));
        let ws = client.connect(&self.url(words, "echo")).await.map_err(text)?;
        let messages = vec![
            Message::from("Grüße, Κόσμε, 🌍"),
            Message::from("\0 and \u{10FFFF}"),
            Message::from(""),
            Message::from(b""),
            Message::from((0..=255).collect::<Vec<u8>>()),
            Message::from(corpus::records(0, 65536)),
            Message::from(corpus::records(0, MIB)),
            Message::from(vec![0xA5; MIB]),
        ];
        echoes(ws, messages).await
    }

    /// `offered` is what our client asks for, `wanted` how the server is configured.
    async fn compressed(&self, offered: &str, wanted: &str) -> Outcome {
        let client = Client::new().options(options(offered));
        let opened = client.connect_with_response(&self.url(wanted, "echo")).await;
        let (ws, response) = opened.map_err(text)?;
        let answer = response.headers().get("sec-websocket-extensions");
        let answer = answer.map_or("", |answer| answer.to_str().unwrap_or(""));
        for parameter in parameters(offered).chain(parameters(wanted)) {
            if !answer.contains(parameter) {
                return Err(format!("`{parameter}` is not in the server's answer: `{answer}`"));
            }
        }
        echoes(ws, corpus::messages()).await
    }

    async fn ping(&self) -> Outcome {
        let mut ws = self.open("echo").await?;
        for payload in ["", "still there?", &"x".repeat(125)] {
            ws.ping(payload).await.map_err(text)?;
            match ws.next_event().await.map_err(text)? {
                Some(Event::Pong(pong)) => equal(&pong[..], payload.as_bytes())?,
                other => return Err(format!("{other:?} instead of a pong")),
            }
        }
        ws.close(CloseCode::NORMAL, "").await.map_err(text)
    }

    async fn pong(&self) -> Outcome {
        let mut ws = self.open("ping").await?;
        ws.send("still there?").await.map_err(text)?;
        match ws.next_event().await.map_err(text)? {
            Some(Event::Ping(ping)) => equal(&ping[..], b"still there?")?,
            other => return Err(format!("{other:?} instead of a ping")),
        }
        equal(received(&mut ws).await?, "pong still there?".to_owned())?;
        ws.close(CloseCode::NORMAL, "").await.map_err(text)
    }

    async fn subprotocol(&self) -> Outcome {
        let client = Client::new().subprotocol("unheard-of").subprotocol("chat.v1");
        let mut ws = client.connect(&self.url("plain", "echo")).await.map_err(text)?;
        equal(ws.subprotocol(), Some("chat.v1"))?;
        ws.close(CloseCode::NORMAL, "").await.map_err(text)
    }

    /// RFC 6455 §4.4 lets a server support several versions; this one may not know 8, and says so.
    async fn version_8(&self) -> Outcome {
        match Client::new().version(Version::V8).connect(&self.url("plain", "echo")).await {
            Ok(ws) => echoes(ws, vec![Message::from("eight")]).await,
            Err(error) => {
                let response = error.response().ok_or_else(|| text(error.clone()))?;
                let versions = response.headers().get("sec-websocket-version");
                let refused = [400, 426].contains(&response.status().as_u16());
                let says_13 = versions.is_none_or(|versions| versions == "13");
                equal((refused, says_13), (true, true)).map_err(|_| error.to_string())
            }
        }
    }

    async fn we_close(&self, code: u16, reason: &str) -> Outcome {
        let mut ws = self.open("seen").await?;
        let id = received(&mut ws).await?;
        ws.close(CloseCode::new(code).map_err(|error| error.to_string())?, reason)
            .await
            .map_err(text)?;
        let mut report = self.open("report").await?;
        report.send(id).await.map_err(text)?;
        let expected = format!("{code} {reason}");
        equal(received(&mut report).await?, expected.trim_end().to_owned())?;
        report.close(CloseCode::NORMAL, "").await.map_err(text)
    }

    async fn it_closes(&self, code: u16, reason: &str) -> Outcome {
        let mut ws = self.open("close").await?;
        let expected = format!("{code} {reason}");
        ws.send(expected.as_str()).await.map_err(text)?;
        match ws.next_event().await.map_err(text)? {
            Some(Event::Close(frame)) => equal(describe(frame), expected.trim_end().to_owned())?,
            other => return Err(format!("{other:?} instead of a close")),
        }
        equal(ws.recv().await.map_err(text)?, None)
    }

    async fn cut(&self) -> Outcome {
        let mut ws = self.open("cut").await?;
        equal(received(&mut ws).await?, "hello".to_owned())?;
        match ws.recv().await {
            Err(Error::Closed(_) | Error::Io(_)) => Ok(()),
            other => Err(format!("{other:?} instead of an error")),
        }
    }

    async fn refused(&self) -> Outcome {
        let client = Client::new().options(options("plain"));
        let error = match client.connect(&self.url("plain", "refused")).await {
            Ok(_) => return Err("was accepted".to_owned()),
            Err(error) => error,
        };
        let response = error.response().ok_or_else(|| text(error.clone()))?;
        equal(response.status().as_u16(), 404)?;
        match error.to_string().contains("nothing is here") {
            true => Ok(()),
            false => Err(format!("the body is not in `{error}`")),
        }
    }
}

/// Sends the messages one after the other, and all again without waiting; then closes.
async fn echoes(ws: WebSocket, messages: Vec<Message>) -> Outcome {
    let (mut reader, writer) = ws.split();
    for message in &messages {
        writer.send(message.clone()).await.map_err(text)?;
        let echo = reader.recv().await.map_err(text)?.ok_or("closed before the echo")?;
        same(&echo, message)?;
    }
    let send_all = async {
        for message in &messages {
            writer.send(message.clone()).await.map_err(text)?;
        }
        Outcome::Ok(())
    };
    let receive_all = async {
        for message in &messages {
            let echo = reader.recv().await.map_err(text)?.ok_or("closed before the echo")?;
            same(&echo, message)?;
        }
        Ok(())
    };
    tokio::try_join!(send_all, receive_all)?;
    writer.close(CloseCode::NORMAL, "").await.map_err(text)?;
    equal(reader.recv().await.map_err(text)?, None)
}

async fn received(ws: &mut WebSocket) -> Result<String, String> {
    loop {
        match ws.next_event().await.map_err(text)? {
            Some(Event::Message(message)) => return Ok(message.to_string()),
            Some(Event::Close(_)) | None => return Err("closed before a message".to_owned()),
            Some(_) => {}
        }
    }
}

/// As [`equal`], for messages that are too long to print.
fn same(got: &Message, expected: &Message) -> Outcome {
    if got == expected {
        return Ok(());
    }
    let describe = |message: &Message| {
        let kind = if message.is_text() { "text" } else { "binary" };
        format!("{kind} of {} bytes", message.len())
    };
    let (a, b) = (got.as_bytes(), expected.as_bytes());
    let differs = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    Err(format!("{} came back as {}, from byte {differs} on", describe(expected), describe(got)))
}

fn equal<T: PartialEq + Debug>(got: T, expected: T) -> Outcome {
    if got == expected { Ok(()) } else { Err(format!("{got:?}; expected {expected:?}")) }
}

fn text(error: Error) -> String {
    error.to_string()
}
