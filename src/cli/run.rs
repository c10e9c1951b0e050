//! `run`: one answer to one prompt, from the arguments or a pipe, streamed to stdout.

use std::io::{self, IsTerminal, Read, Write};
use std::ops::ControlFlow;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::client::Client;
use crate::cli::error::{CliError, output};
use crate::config::{duration, limits};

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The model
    model: String,
    /// The prompt; what is piped in goes in front of it
    prompt: Vec<String>,
    /// How long the model stays loaded (for example 5m)
    #[arg(long, allow_hyphen_values = true)]
    keepalive: Option<String>,
    /// Show timings
    #[arg(long)]
    verbose: bool,
    /// Taken for compatibility: lines are wrapped by the terminal alone
    #[arg(long)]
    nowordwrap: bool,
    /// Format of the answer: json, or a JSON schema
    #[arg(long)]
    format: Option<String>,
    /// Let the model think: true, false, high, medium, low or max
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = ["true", "false", "high", "medium", "low", "max"])]
    think: Option<String>,
    /// Do not show what the model thinks
    #[arg(long)]
    hidethinking: bool,
}

/// An event of `/api/generate`, as far as it is shown. Durations are nanoseconds; what is missing is 0.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GenerateEvent {
    response: String,
    thinking: String,
    done: bool,
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: u64,
    prompt_eval_duration: u64,
    eval_count: u64,
    eval_duration: u64,
}

/// Streams the answer to `out`. An empty prompt only loads the model.
///
/// # Errors
/// When there is no prompt on a terminal, a flag makes no sense, the server refuses, or writing fails.
pub fn run(args: &RunArgs, client: &Client, out: &mut dyn Write) -> Result<(), CliError> {
    let stdin = io::stdin();
    let piped = if stdin.is_terminal() { None } else { Some(read_piped(stdin.lock())?) };
    let prompt = join_prompt(piped, &args.prompt).ok_or(CliError::NoPrompt)?;
    let body = request(args, &prompt)?;
    client.check()?;
    let last = stream(client, &body, args.hidethinking, out)?;
    if !prompt.is_empty() {
        write!(out, "\n\n").and_then(|()| out.flush()).map_err(output)?;
    }
    if args.verbose {
        io::stderr().write_all(timings(&last).as_bytes()).map_err(output)?;
    }
    Ok(())
}

/// Reads a pipe to its end.
fn read_piped(pipe: impl Read) -> Result<String, CliError> {
    let mut text = String::new();
    let read = pipe.take(limits::PIPED_PROMPT_BYTES + 1).read_to_string(&mut text).map_err(CliError::Input)?;
    if read as u64 > limits::PIPED_PROMPT_BYTES { Err(CliError::LongPrompt) } else { Ok(text) }
}

/// The prompt: what was piped, then the arguments, joined by spaces. Nothing when nobody gave one.
fn join_prompt(piped: Option<String>, args: &[String]) -> Option<String> {
    if piped.is_none() && args.is_empty() {
        return None;
    }
    let piped = piped.filter(|text| !text.is_empty());
    Some(piped.iter().chain(args).map(String::as_str).collect::<Vec<_>>().join(" "))
}

/// The body for `/api/generate`.
fn request(args: &RunArgs, prompt: &str) -> Result<Value, CliError> {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(args.model));
    body.insert("prompt".to_owned(), json!(prompt));
    if let Some(format) = &args.format {
        let format =
            if format == "json" { json!("json") } else { serde_json::from_str(format).map_err(CliError::Format)? };
        body.insert("format".to_owned(), format);
    }
    if let Some(keep_alive) = &args.keepalive {
        duration::parse(keep_alive)?;
        body.insert("keep_alive".to_owned(), json!(keep_alive));
    }
    if let Some(think) = &args.think {
        let value = match think.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            level => json!(level),
        };
        body.insert("think".to_owned(), value);
    }
    Ok(Value::Object(body))
}

/// Prints the events as they come and returns the last one.
fn stream(client: &Client, body: &Value, hide_thinking: bool, out: &mut dyn Write) -> Result<GenerateEvent, CliError> {
    let mut last = GenerateEvent::default();
    let mut printer = Printer { hide_thinking, thinking: false, at_line_start: true };
    client.stream("/api/generate", body, |event: GenerateEvent| {
        printer.print(&event, out).and_then(|()| out.flush()).map_err(output)?;
        last = event;
        Ok(if last.done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(last)
}

/// Frames what the model thinks by two lines.
struct Printer {
    hide_thinking: bool,
    /// The first line was printed and the second was not.
    thinking: bool,
    at_line_start: bool,
}

impl Printer {
    fn print(&mut self, event: &GenerateEvent, out: &mut dyn Write) -> io::Result<()> {
        if !event.thinking.is_empty() && !self.hide_thinking {
            if !self.thinking {
                writeln!(out, "Thinking...")?;
                self.thinking = true;
            }
            write!(out, "{}", event.thinking)?;
            self.at_line_start = event.thinking.ends_with('\n');
        }
        if !event.response.is_empty() {
            if self.thinking {
                let end = if self.at_line_start { "" } else { "\n" };
                write!(out, "{end}...done thinking.\n\n")?;
                self.thinking = false;
            }
            write!(out, "{}", event.response)?;
        }
        Ok(())
    }
}

/// The block of `--verbose`; what is 0 is left out.
fn timings(event: &GenerateEvent) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: String| lines.push(format!("{:<22}{value}\n", format!("{name}:")));
    let rate = |count: u64, ns: u64| format!("{:.2} tokens/s", count as f64 / (ns as f64 / 1e9));
    if event.total_duration > 0 {
        line("total duration", duration::format(event.total_duration));
    }
    if event.load_duration > 0 {
        line("load duration", duration::format(event.load_duration));
    }
    if event.prompt_eval_count > 0 {
        line("prompt eval count", format!("{} token(s)", event.prompt_eval_count));
    }
    if event.prompt_eval_duration > 0 {
        line("prompt eval duration", duration::format(event.prompt_eval_duration));
        line("prompt eval rate", rate(event.prompt_eval_count, event.prompt_eval_duration));
    }
    if event.eval_count > 0 {
        line("eval count", format!("{} token(s)", event.eval_count));
    }
    if event.eval_duration > 0 {
        line("eval duration", duration::format(event.eval_duration));
        line("eval rate", rate(event.eval_count, event.eval_duration));
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::{FakeServer, reply};

    fn args(flags: &str) -> RunArgs {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            run: RunArgs,
        }
        <Only as clap::Parser>::try_parse_from(["run", "m"].into_iter().chain(flags.split_whitespace())).unwrap().run
    }

    #[test]
    fn the_pipe_comes_first() {
        let words = ["why".to_owned(), "so".to_owned()];
        for (piped, args, want) in [
            (None, &words[..], Some("why so")),
            (Some("text\n"), &words[..], Some("text\n why so")),
            (Some("text\n"), &[], Some("text\n")),
            (Some(""), &words[..], Some("why so")),
            (Some(""), &[], Some("")),
            (None, &[], None),
        ] {
            assert_eq!(join_prompt(piped.map(str::to_owned), args).as_deref(), want);
        }
    }

    #[test]
    fn a_pipe_is_bounded() {
        assert!(matches!(read_piped(io::repeat(b'x')), Err(CliError::LongPrompt)));
        assert!(matches!(read_piped(&b"\xff"[..]), Err(CliError::Input(_))));
    }

    #[test]
    fn flags_become_fields() {
        for (flags, want) in [
            ("", json!({"model": "m", "prompt": "p"})),
            (
                "--format json --keepalive 10m",
                json!({"model": "m", "prompt": "p", "format": "json", "keep_alive": "10m"}),
            ),
            ("--format {\"type\":\"object\"}", json!({"model": "m", "prompt": "p", "format": {"type": "object"}})),
            ("--think", json!({"model": "m", "prompt": "p", "think": true})),
            ("--think=false", json!({"model": "m", "prompt": "p", "think": false})),
            (
                "--think=high --keepalive -1s",
                json!({"model": "m", "prompt": "p", "keep_alive": "-1s", "think": "high"}),
            ),
        ] {
            assert_eq!(request(&args(flags), "p").unwrap(), want, "{flags}");
        }
        assert!(matches!(request(&args("--format xml"), "p"), Err(CliError::Format(_))));
        let error = request(&args("--keepalive 5"), "p").unwrap_err().to_string();
        assert_eq!(error, "--keepalive: time: missing unit in duration \"5\"");
    }

    #[test]
    fn text_goes_out_as_it_comes_and_thinking_is_framed() {
        let lines = "{\"thinking\":\"hm\"}\n{\"thinking\":\" yes\"}\n{\"response\":\"4\"}\n{\"response\":\"2\"}\n\
                     {\"response\":\"\",\"done\":true,\"eval_count\":4}\n{\"response\":\"not read\"}\n";
        for (hide, want) in [(false, "Thinking...\nhm yes\n...done thinking.\n\n42"), (true, "42")] {
            let server = FakeServer::start(vec![reply(200, lines)]);
            let mut out = Vec::new();
            let last = stream(&server.client(), &json!({}), hide, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), want);
            assert_eq!(last.eval_count, 4);
        }
    }

    #[test]
    fn the_timings_block() {
        let event = GenerateEvent {
            total_duration: 1_699_938_100,
            load_duration: 1_701_724,
            prompt_eval_count: 16,
            prompt_eval_duration: 465_000_000,
            eval_count: 24,
            eval_duration: 752_600_000,
            ..GenerateEvent::default()
        };
        let want = "\
total duration:       1.6999381s
load duration:        1.701724ms
prompt eval count:    16 token(s)
prompt eval duration: 465ms
prompt eval rate:     34.41 tokens/s
eval count:           24 token(s)
eval duration:        752.6ms
eval rate:            31.89 tokens/s
";
        assert_eq!(timings(&event), want);
        assert_eq!(timings(&GenerateEvent::default()), "");
    }
}
