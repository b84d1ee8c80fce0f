//! `hybi connect`: a connection, its input and its output, until it ends.
//!
//! Where messages come from and go to is decided in [`pipe`] and [`terminal`]; how the connection
//! ends is the same for both.

use crate::args::{ConnectArgs, Wait};
use crate::client::{client, show_response};
use crate::failure::Failure;
use crate::signals::Signals;
use crate::{pipe, render, terminal};
use hybi::{CloseCode, CloseFrame, Event, Message, WebSocket, Writer};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long `--exec` waits for its answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an orderly end is tried for when nobody reads the output any more.
const QUIET_END: Duration = Duration::from_secs(1);
/// How many lines are read ahead of what has been sent.
const READ_AHEAD: usize = 64;

/// Connects, and stays until the end.
pub(crate) async fn run(args: ConnectArgs) -> Result<(), Failure> {
    if args.verbose {
        render::note(&format!("connecting to {}", render::url(&args.url)));
    }
    let connected = client(&args)?.connect_with_response(&args.url).await;
    let (ws, response) = connected.map_err(|error| {
        if let (true, Some(response)) = (args.verbose, error.response()) {
            show_response(response);
        }
        Failure::connecting(&error, &args.url)
    })?;
    if args.verbose {
        show_response(&response);
    }
    // Before the line editor, which puts its own handler in front of it for as long as a line lasts.
    let signals = Signals::catch()
        .map_err(|error| Failure::broken(format!("signals cannot be caught: {error}")))?;

    let (input, items) = mpsc::channel(READ_AHEAD);
    if !args.exec.is_empty() {
        let messages: Vec<Message> =
            args.exec.iter().map(|text| message(text.clone(), args.binary)).collect();
        // Not awaited here: more messages than the channel holds are sent meanwhile.
        tokio::spawn(async move {
            for message in messages {
                if input.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        });
        return converse(ws, &args, signals, items, pipe::Output::new()).await;
    }
    if terminal::is_present() {
        let screen = terminal::open(input, args.binary)?;
        screen.notice(&format!("connected to {}; Ctrl-D closes", render::url(&args.url)));
        return converse(ws, &args, signals, items, screen).await;
    }
    pipe::read_lines(input, args.binary)?;
    converse(ws, &args, signals, items, pipe::Output::new()).await
}

/// The message for a line of text.
pub(crate) fn message(text: String, binary: bool) -> Message {
    if binary { Message::binary(text.into_bytes()) } else { Message::text(text) }
}

/// Where what comes is shown.
pub(crate) trait Screen {
    /// Shows a message.
    fn message(&mut self, message: &Message) -> io::Result<()>;

    /// Shows something that is not a message: one line.
    fn notice(&self, text: &str);

    /// True if [`flush`](Self::flush) has something to do.
    fn is_dirty(&self) -> bool;

    /// What was shown reaches its reader at the latest now.
    fn flush(&mut self) -> io::Result<()>;

    /// Nothing is shown any more; gives the terminal back as it was.
    fn close(self);
}

/// How a connection came to its end.
enum Ending {
    /// The server's Close frame came, after ours or before.
    Closed {
        by_us: bool,
        frame: Option<CloseFrame>,
    },
    Failed(Failure),
    /// Nobody reads the output any more.
    Unread,
}

/// What the sending side and the receiving side know of each other.
#[derive(Default)]
struct Shared {
    /// Our Close frame has been sent, or is about to be.
    closing: AtomicBool,
    /// Why the sending side has closed, if it was not the end of its input.
    failure: OnceLock<Failure>,
}

/// Sends what comes from `items`, shows what comes from the server, and says how it ended.
async fn converse(
    ws: WebSocket,
    args: &ConnectArgs,
    signals: Signals,
    items: mpsc::Receiver<Result<Message, Failure>>,
    mut screen: impl Screen,
) -> Result<(), Failure> {
    let writer = ws.writer();
    let shared = Arc::new(Shared::default());
    let (count, answers) = watch::channel(0);
    let finish = match args.wait {
        Some(wait) => Finish::After(wait),
        None if args.exec.is_empty() => Finish::AtOnce,
        None => Finish::Answered(answers),
    };
    let wanted = if args.wait.is_none() { args.exec.len() } else { 0 };
    // A task of its own, so that it goes on while standard output is not being read.
    let sending = tokio::spawn(hybi::batch(send(writer.clone(), items, finish, shared.clone())));
    let mut receiving = Receiving {
        ws,
        writer,
        shared: shared.clone(),
        count,
        signals,
        pings: args.ping.is_some(),
        show_control: args.show_control,
    };
    let ending = receiving.run(&mut screen).await;
    let answered = *receiving.count.borrow() >= wanted;
    sending.abort();
    screen.close();
    let Ending::Closed { by_us, frame } = ending else {
        return match ending {
            Ending::Failed(failure) => Err(failure),
            _ => Ok(()),
        };
    };
    match shared.failure.get() {
        Some(failure) => Err(failure.clone()),
        None => closed(by_us, frame, answered),
    }
}

/// The exit status for the server's Close frame; success is reported here.
///
/// The code decides, not who was first: that is a race when the server fails over our last message.
fn closed(by_us: bool, frame: Option<CloseFrame>, answered: bool) -> Result<(), Failure> {
    let who = if by_us { "closed" } else { "the server closed the connection" };
    let (how, clean) = match &frame {
        None => ("without a code".to_owned(), true),
        Some(frame) => {
            let clean = frame.code == CloseCode::NORMAL || frame.code == CloseCode::GOING_AWAY;
            (format!("with {}", close_text(frame)), clean)
        }
    };
    if !answered && !by_us {
        return Err(Failure::broken(format!("{who} {how} before it had answered")));
    }
    if !clean {
        return Err(Failure::broken(format!("{who} {how}")));
    }
    render::note(&format!("{who} {how}"));
    Ok(())
}

/// Code and reason, for people.
pub(crate) fn close_text(frame: &CloseFrame) -> String {
    if frame.reason.is_empty() {
        return frame.code.to_string();
    }
    format!("{} ({})", frame.code, render::one_line(&frame.reason, CloseFrame::MAX_REASON))
}

/// When the connection is closed after the last message was sent.
enum Finish {
    AtOnce,
    After(Wait),
    /// When as many messages have come as were sent; the number of those that have.
    Answered(watch::Receiver<usize>),
}

/// Sends everything, then closes. What goes wrong with the connection is left to the receiving side
/// to say.
async fn send(
    writer: Writer,
    mut items: mpsc::Receiver<Result<Message, Failure>>,
    finish: Finish,
    shared: Arc<Shared>,
) {
    let mut sent = 0;
    let mut result = Ok(());
    while let Some(item) = items.recv().await {
        match item {
            Ok(message) => {
                if writer.send(message).await.is_err() {
                    return;
                }
                sent += 1;
            }
            Err(failure) => {
                result = Err(failure);
                break;
            }
        }
    }
    if result.is_ok() {
        result = finish.wait(sent).await;
    }
    if let Err(failure) = result {
        let _ = shared.failure.set(failure);
    }
    shared.closing.store(true, Ordering::Release);
    let _ = writer.close(CloseCode::NORMAL, "").await;
}

impl Finish {
    async fn wait(self, sent: usize) -> Result<(), Failure> {
        match self {
            Finish::AtOnce => {}
            Finish::After(Wait::For(duration)) => tokio::time::sleep(duration).await,
            Finish::After(Wait::Forever) => std::future::pending().await,
            Finish::Answered(mut answers) => {
                let all = answers.wait_for(|count| *count >= sent);
                if tokio::time::timeout(ANSWER_TIMEOUT, all).await.is_err() {
                    return Err(Failure::broken(format!(
                        "no answer within {} (--wait changes how long)",
                        render::seconds(ANSWER_TIMEOUT)
                    )));
                }
            }
        }
        Ok(())
    }
}

/// The receiving side, which also minds signals.
struct Receiving {
    ws: WebSocket,
    writer: Writer,
    shared: Arc<Shared>,
    /// The messages received so far.
    count: watch::Sender<usize>,
    signals: Signals,
    /// `--ping`: the pongs that come answer pings of ours.
    pings: bool,
    show_control: bool,
}

impl Receiving {
    /// Shows what comes until nothing more does.
    async fn run(&mut self, screen: &mut impl Screen) -> Ending {
        let mut ending = None;
        loop {
            tokio::select! {
                biased;
                () = self.signals.next() => {
                    if self.shared.closing.swap(true, Ordering::AcqRel) {
                        self.writer.terminate();
                        return Ending::Failed(Failure::interrupted());
                    }
                    self.close();
                }
                event = self.ws.next_event() => match event {
                    Ok(Some(Event::Close(received))) => {
                        let by_us = self.shared.closing.load(Ordering::Acquire);
                        if self.show_control {
                            screen.notice(&match &received {
                                Some(frame) => format!("< close {}", close_text(frame)),
                                None => "< close without a code".to_owned(),
                            });
                        }
                        ending = Some(Ending::Closed { by_us, frame: received });
                    }
                    Ok(Some(event)) => {
                        if let Err(error) = self.show(event, screen) {
                            return self.unwritable(error).await;
                        }
                    }
                    Ok(None) => {
                        if let Err(error) = screen.flush() {
                            return self.unwritable(error).await;
                        }
                        return ending.unwrap_or_else(|| {
                            Ending::Failed(Failure::broken("the connection was cut"))
                        });
                    }
                    Err(error) => {
                        if let Err(error) = screen.flush() {
                            return self.unwritable(error).await;
                        }
                        return Ending::Failed(Failure::connection(&error));
                    }
                },
                // Only when nothing else is to be done, so that many messages are one write.
                () = std::future::ready(()), if screen.is_dirty() => {
                    if let Err(error) = screen.flush() {
                        return self.unwritable(error).await;
                    }
                }
            }
        }
    }

    fn show(&mut self, event: Event, screen: &mut impl Screen) -> io::Result<()> {
        match event {
            Event::Message(message) => {
                screen.message(&message)?;
                self.count.send_modify(|count| *count += 1);
            }
            Event::Ping(payload) if self.show_control => {
                screen.notice(&format!("< ping, {}", render::octets(&payload)));
            }
            Event::Pong(payload) if self.show_control => {
                let mut text = format!("< pong, {}", render::octets(&payload));
                if let Some(round_trip) = self.ws.round_trip().filter(|_| self.pings) {
                    text = format!("{text}, after {}", render::milliseconds(round_trip));
                }
                screen.notice(&text);
            }
            _ => {}
        }
        Ok(())
    }

    /// Begins the closing handshake; it goes on while events are received.
    fn close(&self) {
        let writer = self.writer.clone();
        tokio::spawn(async move { writer.close(CloseCode::NORMAL, "").await });
    }

    /// The output cannot be written. A reader who has had enough is no failure.
    async fn unwritable(&mut self, error: io::Error) -> Ending {
        self.shared.closing.store(true, Ordering::Release);
        self.close();
        let end = async { while let Ok(Some(_)) = self.ws.next_event().await {} };
        if tokio::time::timeout(QUIET_END, end).await.is_err() {
            self.writer.terminate();
        }
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Ending::Unread;
        }
        Ending::Failed(Failure::broken(format!("cannot write to standard output: {error}")))
    }
}
