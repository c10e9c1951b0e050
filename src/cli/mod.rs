//! The command line: one file per command. Every command but `serve`, `engine`, `worker` and `bench` is a client of the
//! HTTP API.
//!
//! Words, columns and exit codes follow Ollama's (the behaviour page, section 9): results on stdout, the rest on
//! stderr, errors as `Error: …` with exit code 1.

pub mod bench;
pub mod client;
pub mod copy;
pub mod create;
pub mod engine;
pub mod error;
#[cfg(test)]
mod fake;
pub mod format;
pub mod list;
pub mod progress;
pub mod ps;
pub mod remove;
pub mod run;
pub mod serve;
pub mod show;
pub mod stop;
pub mod table;
pub mod unix;
pub mod version;
pub mod worker;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::progress::Progress;
use crate::config::env::{self, Settings};
use crate::engine::openmp;

/// Large language model runner.
#[derive(Parser)]
#[command(disable_version_flag = true, disable_help_subcommand = true)]
struct Cli {
    /// Show version information
    #[arg(short, long)]
    version: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server
    #[command(visible_alias = "start")]
    Serve(serve::ServeArgs),
    /// The engine's process, which the server starts
    #[command(hide = true)]
    Engine(engine::EngineArgs),
    /// A process for one job on one file, which the server starts
    #[command(hide = true)]
    Worker(worker::WorkerArgs),
    /// Run a model
    Run(run::RunArgs),
    /// Create a model
    Create(create::CreateArgs),
    /// Show information for a model
    Show(show::ShowArgs),
    /// List models
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// List running models
    Ps(ps::PsArgs),
    /// Copy a model
    #[command(name = "cp")]
    Copy(copy::CopyArgs),
    /// Remove a model
    #[command(name = "rm")]
    Remove(remove::RemoveArgs),
    /// Stop a running model
    Stop(stop::StopArgs),
    /// Measure the engine alone, without HTTP
    Bench(bench::BenchArgs),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if let Some(Command::Bench(_) | Command::Serve(serve::ServeArgs { engine: serve::EngineMode::Thread, .. })) =
        &cli.command
    {
        // These decode in this very process, whose OpenMP has read its settings already.
        openmp::start_again_with_patience();
    }
    match dispatch(&cli, &Settings::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe may leave when it has seen enough.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: &Cli, settings: &Settings) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    let client = Client::new(&settings.host);
    match &cli.command {
        _ if cli.version => version::run(&client, &mut out),
        None => write!(out, "{}", command(name_of(std::env::args_os().next().as_ref())).render_help())
            .map_err(error::output),
        Some(Command::Serve(args)) => serve::run(args, settings),
        Some(Command::Engine(args)) => engine::run(args, settings),
        Some(Command::Worker(args)) => worker::run(args, settings),
        Some(Command::Bench(args)) => bench::run(args, settings),
        Some(Command::Run(args)) => run::run(args, &client, &mut out),
        Some(Command::Create(args)) => {
            // Not its lock: spinners turn on a thread of their own.
            let (mut err, terminal) = (io::stderr(), io::stderr().is_terminal());
            create::run(args, &client, &mut Progress::new(&mut err, terminal))
        }
        Some(Command::Show(args)) => show::run(args, &client, &mut out),
        Some(Command::Copy(args)) => copy::run(args, &client, &mut out),
        Some(Command::Remove(args)) => remove::run(args, &client, &mut out, &mut io::stderr()),
        Some(Command::List(args)) => list::run(args, &client, &mut out),
        Some(Command::Ps(args)) => ps::run(args, &client, &mut out),
        Some(Command::Stop(args)) => stop::run(args, &client),
    }
}

/// The parser under the name that the program was called by: a link named `ollama` answers to that name.
fn command(name: &'static str) -> clap::Command {
    let variables: Vec<_> = env::HELP.iter().map(|(name, help)| format!("  {name:<26} {help}\n")).collect();
    Cli::command().name(name).after_help(format!("Environment Variables:\n{}", variables.concat()))
}

/// The name that a path of the program stands for.
fn name_of(path: Option<&OsString>) -> &'static str {
    let called = path.and_then(|path| Path::new(path).file_name()?.to_str());
    if called == Some("ollama") { "ollama" } else { "llamero" }
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let name = name_of(args.first());
    Cli::from_arg_matches(&command(name).try_get_matches_from(args)?)
}

/// Help goes to stdout with success; a wrong command line is an error like every other.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    eprintln!("Error: {}", text.strip_prefix("error: ").unwrap_or(&text).trim_end());
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn aliases_and_short_flags() {
        assert!(matches!(parsed("llamero ls small").unwrap().command, Some(Command::List(_))));
        assert!(matches!(parsed("llamero start").unwrap().command, Some(Command::Serve(_))));
        assert!(parsed("llamero -v").unwrap().version);
        assert!(parsed("ollama --version").unwrap().version);
        assert!(parsed("llamero").unwrap().command.is_none());
        assert!(parsed("llamero no-such-command").is_err());
    }

    #[test]
    fn the_help_carries_the_name_it_was_called_by() {
        for (line, name) in [("/usr/bin/ollama ps --help", "ollama"), ("./llamero ps --help", "llamero")] {
            let help = parsed(line).err().unwrap().to_string();
            assert!(help.contains(&format!("Usage: {name} ps")), "{help}");
        }
        assert!(command("ollama").render_help().to_string().contains("OLLAMA_KEEP_ALIVE"));
    }
}
