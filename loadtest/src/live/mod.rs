//! What a run shows of itself while it goes: a picture that is drawn anew on a terminal, a line now and then elsewhere.
//! It is drawn by a thread of its own, so that a terminal that hangs holds up no load.

mod draw;

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::tally::Counters;

/// Pictures that rates are taken over: with two a second, the last two seconds.
const PICTURES: usize = 5;
/// When the first plain line comes, and the time between two.
const LINES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));
/// Width of a terminal that does not tell.
const WIDTH: usize = 80;

/// What part of a run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing counts yet.
    Warmup,
    /// The window.
    Counting,
    /// Nothing begins any more.
    Draining,
}

/// A run at one moment.
#[derive(Debug, Clone)]
pub struct Now {
    /// Since its start.
    pub elapsed: Duration,
    /// The part of the run.
    pub phase: Phase,
    /// Share of the counted work that is done, 0 to 1.
    pub done: f64,
    /// All that came so far.
    pub counters: Counters,
    /// Requests that failed so far.
    pub errors: u64,
    /// Requests that are under way.
    pub under_way: u64,
    /// First events so far: median and p99 in milliseconds.
    pub ttft: Option<(f64, f64)>,
    /// Between events so far.
    pub itl: Option<(f64, f64)>,
    /// Whole answers so far.
    pub e2e: Option<(f64, f64)>,
}

/// How a run shows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A picture that is drawn anew.
    Terminal,
    /// A line now and then.
    Lines,
    /// Not at all.
    Quiet,
}

impl Style {
    /// What fits the standard error.
    pub fn found(quiet: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        match (quiet, io::stderr().is_terminal() && !dumb) {
            (true, _) => Self::Quiet,
            (_, true) => Self::Terminal,
            _ => Self::Lines,
        }
    }
}

/// The thread that draws one run.
pub struct View {
    sender: SyncSender<Now>,
    thread: JoinHandle<()>,
}

impl View {
    /// Starts to show a run; nothing if it is not to be shown.
    pub fn start(title: &str, style: Style) -> Option<Self> {
        // One waits at most: what is drawn late is not worth drawing.
        let (sender, moments) = sync_channel(1);
        let title = title.to_owned();
        let thread = std::thread::Builder::new().name("view".to_owned());
        let thread = match style {
            Style::Quiet => return None,
            Style::Terminal => thread.spawn(move || pictures(&title, &moments)),
            Style::Lines => thread.spawn(move || lines(&title, &moments)),
        };
        thread.ok().map(|thread| Self { sender, thread })
    }

    /// Shows this moment, unless the thread is behind.
    pub fn show(&self, now: Now) {
        let _ = self.sender.try_send(now);
    }

    /// Takes the picture away.
    pub fn finish(self) {
        drop(self.sender);
        let _ = self.thread.join();
    }
}

/// Draws over what was drawn before, and leaves nothing behind. A terminal that is gone is no reason to fail.
fn pictures(title: &str, moments: &Receiver<Now>) {
    let mut out = io::stderr();
    let mut seen: VecDeque<Now> = VecDeque::new();
    let mut drawn = 0;
    for now in moments {
        let told = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
        let width = if told == 0 { WIDTH } else { told };
        let picture = draw::picture(title, &now, seen.front(), width);
        let text = format!("{}{}\n", draw::up(drawn), picture.join("\n"));
        let _ = out.write_all(text.as_bytes());
        drawn = picture.len();
        seen.push_back(now);
        if seen.len() > PICTURES {
            seen.pop_front();
        }
    }
    let _ = out.write_all(draw::up(drawn).as_bytes());
}

fn lines(title: &str, moments: &Receiver<Now>) {
    let mut before: Option<Now> = None;
    for now in moments {
        let due = before.as_ref().map_or(LINES.0, |before| before.elapsed + LINES.1);
        if now.elapsed >= due {
            let _ = writeln!(io::stderr(), "{}", draw::line(title, &now, before.as_ref()));
            before = Some(now);
        }
    }
}
