//! `hybi connect` at a terminal: the real program on a pseudo-terminal.

#![cfg(unix)]

mod support;

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use support::{HANGS, Served, hybi};

/// A person's terminal, with `hybi connect` in it.
struct Terminal {
    child: Child,
    keys: File,
    screen: Receiver<Vec<u8>>,
    /// What was shown so far, and how much of it was looked at.
    shown: String,
    seen: usize,
    /// Kept open, so that its mode can be looked at after the program has ended.
    side: OwnedFd,
}

impl Terminal {
    fn start(args: &[&str]) -> Self {
        Self::start_at(Path::new("/"), args)
    }

    /// As somebody whose home is this directory.
    fn start_at(home: &Path, args: &[&str]) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).expect("a pseudo-terminal");
        let stdio = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let child = hybi()
            .arg("connect")
            .args(args)
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .env("HOME", home)
            .current_dir(home)
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .expect("the program starts");
        let keys = File::from(pty.master);
        let mut output = keys.try_clone().expect("a descriptor");
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut octets) {
                if sender.send(octets[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { child, keys, screen, shown: String::new(), seen: 0, side: pty.slave }
    }

    /// Waits until `text` is shown after what was seen before.
    fn shows(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            match self.screen.recv_timeout(HANGS) {
                Ok(octets) => self.shown.push_str(&String::from_utf8_lossy(&octets)),
                Err(_) => panic!("no {text:?} after byte {} of {:?}", self.seen, self.shown),
            }
        }
    }

    /// Waits for the next message, and gives what is shown of it.
    fn message(&mut self) -> String {
        self.shows("< ");
        let from = self.seen;
        self.shows("\r\n");
        self.shown[from..self.seen - 2].to_owned()
    }

    fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    fn is_as_usual(&self) -> bool {
        let mode = tcgetattr(&self.side).expect("a terminal").local_flags;
        mode.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    /// Waits for the end, with the terminal as it was; gives the exit status.
    fn finish(&mut self) -> Option<i32> {
        let status = support::wait(&mut self.child).code();
        assert!(self.is_as_usual(), "the terminal was not given back");
        status
    }
}

#[test]
fn a_line_is_sent_and_what_comes_is_shown_above_the_line_being_typed() {
    let server = Served::start(&["--broadcast"]);
    let mut terminal = Terminal::start(&[&server.url]);
    terminal.shows("> ");
    assert!(!terminal.is_as_usual(), "the line editor is at work");
    terminal.type_keys("hello\r");
    terminal.shows("< hello");
    terminal.shows("> "); // what is typed before may be lost
    terminal.type_keys("half a li");
    terminal.shows("half a li");
    let other = support::connect(&[&server.url], "from\x1b[2J another\n".as_bytes());
    assert_eq!(other.status, Some(0));
    terminal.shows("< from\\u{1b}[2J another");
    terminal.shows("> half a li"); // drawn again below
    terminal.type_keys("ne\r");
    terminal.shows("< half a line");
    terminal.shows("> ");
    terminal.type_keys("\x1b[A"); // up: the line before, to send it again
    terminal.shows("> half a line");
    terminal.type_keys("!\r");
    terminal.shows("< half a line!");
    terminal.shows("> ");
    terminal.type_keys("\x04");
    terminal.shows("hybi: closed with 1000");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn earlier_lines_are_recalled_and_edited_and_forgotten_at_the_end() {
    const UP: &str = "\x1b[A";
    const DOWN: &str = "\x1b[B";
    const LEFT: &str = "\x1b[D";
    const BACKSPACE: &str = "\x7f";
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home-without-history");
    let _ = fs::remove_dir_all(&home); // of the last time
    fs::create_dir_all(&home).expect("a directory");
    let server = Served::start(&[]);
    let mut terminal = Terminal::start_at(&home, &[&server.url]);
    for (keys, sent) in [
        ("one", "one"),
        ("two", "two"),
        (UP, "two"),
        (&[UP, UP].concat(), "one"),
        (&[UP, UP, DOWN, "!"].concat(), "one!"),
        (&["hallo", LEFT, LEFT, LEFT, BACKSPACE, "e"].concat(), "hello"),
    ] {
        terminal.shows("> "); // what is typed before may be lost
        terminal.type_keys(keys);
        terminal.type_keys("\r");
        assert_eq!(terminal.message(), sent, "{keys:?}");
    }
    terminal.shows("> ");
    terminal.type_keys("\x04");
    assert_eq!(terminal.finish(), Some(0));

    let mut terminal = Terminal::start_at(&home, &[&server.url]);
    terminal.shows("> ");
    terminal.type_keys(UP);
    terminal.type_keys("new\r");
    assert_eq!(terminal.message(), "new");
    terminal.shows("> ");
    terminal.type_keys("\x04");
    assert_eq!(terminal.finish(), Some(0));
    let left = fs::read_dir(&home).expect("a directory").count();
    assert_eq!(left, 0, "what was typed may be secret");
}

#[test]
fn the_terminal_is_given_back_when_the_server_closes_in_the_middle_of_a_line() {
    let mut server = Served::start(&[]);
    let mut terminal = Terminal::start(&[&server.url]);
    server.process.wait_for("1 connection");
    terminal.shows("> ");
    terminal.type_keys("unfinished");
    terminal.shows("unfinished");
    server.process.interrupt();
    terminal.shows("\nhybi: the server closed the connection with 1001");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn the_last_messages_before_the_end_are_all_shown() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(hybi::Server::bind("127.0.0.1:0")).expect("a free port");
    let url = format!("ws://{}/", server.local_addr().expect("an address"));
    runtime.spawn(server.serve(|mut ws| async move {
        ws.recv().await?;
        for number in 0..100 {
            ws.send(format!("message {number}")).await?;
        }
        Ok(())
    }));
    let mut terminal = Terminal::start(&[&url]);
    terminal.shows("> ");
    terminal.type_keys("go\r");
    for number in 0..100 {
        terminal.shows(&format!("< message {number}\r\n"));
    }
    terminal.shows("\nhybi: the server closed the connection with 1000");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn control_c_closes_the_connection() {
    let mut server = Served::start(&[]);
    let mut terminal = Terminal::start(&[&server.url]);
    terminal.shows("> ");
    terminal.type_keys("\x03");
    terminal.shows("hybi: closed with 1000");
    assert_eq!(terminal.finish(), Some(0));
    server.process.wait_for(" closed with 1000");
}
