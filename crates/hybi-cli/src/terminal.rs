//! `hybi connect` at a terminal: a line to type in below, what comes above it.
//!
//! Two threads: one edits the line (rustyline), one prints; rustyline redraws the line below what is
//! printed. When the connection ends in the middle of a line, the editor must end before the program
//! does: only it gives the terminal back as it was.

use crate::connect::{self, Screen};
use crate::failure::Failure;
use crate::render;
use hybi::Message;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor, ExternalPrinter};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

type LineEditor = Editor<(), MemHistory>;

/// How many messages may wait to be printed before nothing more is received.
const PRINT_AHEAD: usize = 64;
/// How long the editor may take to print the last messages, and how long to end.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long to wait before the editor is told again to end: it may have been between two lines.
const AGAIN: Duration = Duration::from_millis(10);
/// One row up, one row down: nothing to see.
const NOTHING: &str = "\x1b[A\n";

/// True if a person sits at both ends.
pub(crate) fn is_present() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Begins to read lines; the end of the channel is that the person wants to close.
pub(crate) fn open(
    input: mpsc::Sender<Result<Message, Failure>>,
    binary: bool,
) -> Result<Terminal, Failure> {
    let failed = |what: &'static str| {
        move |error: ReadlineError| Failure::broken(format!("the terminal {what}: {error}"))
    };
    let config = Config::builder().auto_add_history(true).build();
    let mut editor =
        LineEditor::with_history(config, MemHistory::new()).map_err(failed("cannot be used"))?;
    // A terminal without cursor movements has no printer: there, lines mix.
    let printer = editor.create_external_printer().ok();
    let (print, jobs) = sync_channel(PRINT_AHEAD);
    spawn("printing", move || print_all(&jobs, printer))?;
    let ending = Arc::new(AtomicBool::new(false));
    let (running, ended) = sync_channel(0);
    let told = ending.clone();
    spawn("line editor", move || {
        edit(editor, &input, binary, &told);
        drop(running);
    })?;
    Ok(Terminal { print, ending, ended, color: std::env::var_os("NO_COLOR").is_none() })
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread
        .spawn(run)
        .map(drop)
        .map_err(|error| Failure::broken(format!("a thread cannot be started: {error}")))
}

fn edit(
    mut editor: LineEditor,
    input: &mpsc::Sender<Result<Message, Failure>>,
    binary: bool,
    ending: &AtomicBool,
) {
    while !ending.load(Ordering::Acquire) {
        let item = match editor.readline("> ") {
            Ok(line) => Ok(connect::message(line, binary)),
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => return,
            Err(error) => Err(Failure::broken(format!("reading the terminal failed: {error}"))),
        };
        let failed = item.is_err();
        if input.blocking_send(item).is_err() || failed {
            return;
        }
    }
}

enum Job {
    Line(String),
    /// Say when everything before this has been printed, or will be before the editor ends.
    Flush(SyncSender<()>),
}

fn print_all(jobs: &Receiver<Job>, mut printer: Option<impl ExternalPrinter>) {
    let mut print = |text: String| match &mut printer {
        Some(printer) => {
            // It fails when the editor has ended: then there is no line to spare.
            if printer.print(text.clone()).is_err() {
                print_plainly(&text);
            }
        }
        None => print_plainly(&text),
    };
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Line(text) => print(text),
            Job::Flush(done) => {
                // The editor takes one text at a time: that there is room for this one means that
                // it has taken the one before, and it prints that before it does anything else.
                print(NOTHING.to_owned());
                let _ = done.send(());
            }
        }
    }
}

fn print_plainly(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// The terminal while the connection lasts.
pub(crate) struct Terminal {
    print: SyncSender<Job>,
    /// Tells the editor not to begin another line.
    ending: Arc<AtomicBool>,
    /// Tells that the editor has ended, by being disconnected.
    ended: Receiver<()>,
    color: bool,
}

impl Terminal {
    fn line(&self, style: &str, text: &str) {
        let line = if self.color && !style.is_empty() {
            format!("\x1b[{style}m{text}\x1b[0m\n")
        } else {
            format!("{text}\n")
        };
        // It fails when the printing thread has ended, and with it the terminal.
        let _ = self.print.send(Job::Line(line));
    }
}

impl Screen for Terminal {
    fn message(&mut self, message: &Message) -> io::Result<()> {
        const MESSAGE: &str = "36"; // cyan
        match message {
            Message::Text(text) => {
                // Further lines are moved in, so that none can pass for a message of its own.
                let text = render::visible(text).replace('\n', "\n  ");
                self.line(MESSAGE, &format!("< {text}"));
            }
            Message::Binary(octets) => {
                self.line(MESSAGE, &format!("< [binary, {}]", render::octets(octets)));
            }
        }
        Ok(())
    }

    fn notice(&self, text: &str) {
        const NOTICE: &str = "2"; // dim
        self.line(NOTICE, text);
    }

    fn is_dirty(&self) -> bool {
        false
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn close(self) {
        let (done, wait) = sync_channel(1);
        if self.print.send(Job::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(LAST_WORDS);
        }
        self.ending.store(true, Ordering::Release);
        let patience = Instant::now() + LAST_WORDS;
        let mut wait = Duration::ZERO; // it has ended already if the person wanted to close
        while self.ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            if Instant::now() > patience {
                return;
            }
            interrupt_editor();
            wait = AGAIN;
        }
    }
}

/// Ends the line being edited. rustyline handles this signal while it reads, and at other times
/// [`Signals`](crate::signals::Signals) does, so it ends nothing else.
fn interrupt_editor() {
    #[cfg(unix)]
    {
        use nix::sys::signal::{Signal, kill};
        let _ = kill(nix::unistd::Pid::this(), Signal::SIGINT);
    }
}
