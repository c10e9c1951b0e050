//! How far a long command is, on stderr: spinners and bars on a terminal, plain lines elsewhere.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::error::{CliError, output};

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(100);
/// How a terminal shows what has no end in sight, and what has.
const SPINNER: &str = "{msg} {spinner}";
const BAR: &str =
    "{msg} {percent:>3}% ▕{wide_bar}▏ {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";

/// What is shown of a command.
pub struct Progress<'a> {
    out: &'a mut dyn Write,
    /// `None`: nobody watches, so lines do.
    screen: Option<MultiProgress>,
    /// What was said last, and the spinner beside it.
    status: String,
    spinner: Option<ProgressBar>,
    /// Bars by what they are of, and the tenths that have been told of it.
    bars: HashMap<String, (ProgressBar, u64)>,
}

impl<'a> Progress<'a> {
    /// Writes lines to `out`, or draws on stderr where that is a terminal. Its lock must not be held then: spinners turn
    /// on a thread of their own.
    pub fn new(out: &'a mut dyn Write, terminal: bool) -> Self {
        let screen = terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { out, screen, status: String::new(), spinner: None, bars: HashMap::new() }
    }

    /// Tells what is being done now.
    ///
    /// # Errors
    /// When writing fails.
    pub fn status(&mut self, text: &str) -> Result<(), CliError> {
        if self.status == text {
            return Ok(());
        }
        text.clone_into(&mut self.status);
        let Some(screen) = self.screen.clone() else { return writeln!(self.out, "{text}").map_err(output) };
        self.stop_spinner();
        let spinner = screen.add(ProgressBar::new_spinner().with_style(style(SPINNER)).with_message(text.to_owned()));
        spinner.enable_steady_tick(TURN);
        self.spinner = Some(spinner);
        Ok(())
    }

    /// Tells how far one thing is, in bytes. `of` tells it from others.
    ///
    /// # Errors
    /// When writing fails.
    pub fn advance(&mut self, of: &str, text: &str, done: u64, total: u64) -> Result<(), CliError> {
        if !self.bars.contains_key(of) {
            let bar = ProgressBar::new(total).with_style(style(BAR)).with_message(text.to_owned());
            let bar = match &self.screen {
                Some(screen) => screen.add(bar),
                None => bar,
            };
            self.bars.insert(of.to_owned(), (bar, 0));
        }
        let Some((bar, told)) = self.bars.get_mut(of) else { return Ok(()) };
        if self.screen.is_some() {
            bar.set_position(done.min(total));
            if done >= total {
                bar.abandon();
            }
            return Ok(());
        }
        let tenths = (done.saturating_mul(10)).checked_div(total).unwrap_or(10).min(10);
        if tenths > *told {
            *told = tenths;
            writeln!(self.out, "{text} {}%", tenths * 10).map_err(output)?;
        }
        Ok(())
    }

    fn stop_spinner(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.set_style(style("{msg}"));
            spinner.abandon();
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.stop_spinner();
        self.bars.values().for_each(|(bar, _)| bar.abandon());
    }
}

/// The templates are ours: one that could not be read would show the usual bar.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("█ ").tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_there_are_lines() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, false);
        for text in ["one", "one", "two"] {
            progress.status(text).unwrap();
        }
        for done in [0, 5, 10, 11, 50, 100, 100] {
            progress.advance("a", "copying", done, 100).unwrap();
        }
        progress.advance("b", "empty", 0, 0).unwrap();
        drop(progress);
        let want = "one\ntwo\ncopying 10%\ncopying 50%\ncopying 100%\nempty 100%\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn the_templates_can_be_read() {
        for template in [SPINNER, BAR] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
