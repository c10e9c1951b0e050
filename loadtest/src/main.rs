//! A load client for Ollama-shaped servers: a closed loop over keep-alive connections on one core.
//!
//! It asks as fast as it is answered, so that its times say what N patient users see. It is no open loop: a server
//! that stalls is asked less in that time.

mod api;
mod client;
mod cpu;
mod http;
mod prompts;
mod report;

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::api::Api;
use crate::client::{Run, connect, phase};
use crate::prompts::PromptsError;
use crate::report::{Cpu, Report, Setup, Tally};

/// Connections of one run: one core feeds no more.
const CONNECTIONS_MAX: i64 = 16 * 1024;
/// Made-up prompts that are prepared; further requests take them again.
const PROMPTS_MAX: u64 = 4096;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Load client for Ollama-shaped servers
#[derive(Parser)]
#[command(name = "llamero-loadtest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send requests over N connections and tell what came back
    Run(RunArgs),
}

#[derive(Args)]
struct RunArgs {
    /// The server: http://host:port
    #[arg(long)]
    url: String,
    /// What to ask
    #[arg(long, value_enum)]
    api: Api,
    /// The path for --api http
    #[arg(long, default_value = "/api/version")]
    path: String,
    /// The model
    #[arg(long, default_value = "", required_if_eq_any([("api", "generate"), ("api", "chat")]))]
    model: String,
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    concurrency: u32,
    /// Requests, all connections together
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// Requests before these that are not counted
    #[arg(long, default_value_t = 0)]
    warmup: u64,
    /// Made-up prompts of about this many tokens
    #[arg(long, default_value_t = 85)]
    prompt_tokens: usize,
    /// Most tokens of an answer
    #[arg(long, default_value_t = 64)]
    max_tokens: u32,
    /// Prompts from this file instead: a JSON array of strings, or of objects with a `prompt`
    #[arg(long)]
    prompts: Option<PathBuf>,
    /// Write the result to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// The server's process, whose CPU time is told
    #[arg(long)]
    pid: Option<u32>,
    /// Only its threads of this name
    #[arg(long, requires = "pid")]
    thread_name: Option<String>,
    /// Use epoll even where io_uring works
    #[arg(long)]
    epoll: bool,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("--url {0:?} is not of the form http://host:port")]
    Url(String),
    #[error("{host}: {source}")]
    Resolve { host: String, source: io::Error },
    #[error(transparent)]
    Prompts(#[from] PromptsError),
    #[error("starting the runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("nothing came for two minutes")]
    Stalled,
    #[error("process {0} has no such thread, or is not there")]
    Process(u32),
    #[error("writing the result: {0}")]
    Output(#[source] io::Error),
    #[error("{errors} of {total} requests failed")]
    Failed { errors: u64, total: u64 },
}

fn main() -> ExitCode {
    let Command::Run(args) = Cli::parse().command;
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("llamero-loadtest: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &RunArgs) -> Result<(), LoadError> {
    let (host, address) = resolve(&args.url)?;
    let requests = requests(args, &host)?;
    let uring = !args.epoll && monoio::utils::detect_uring();
    let setup = Setup {
        url: args.url.clone(),
        api: args.api.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
        model: args.model.clone(),
        concurrency: args.concurrency as usize,
        driver: if uring { "io_uring" } else { "epoll" },
    };
    let Measured { tally, wall, cpu } = if uring {
        let runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new().with_entries(4096).enable_timer().build();
        runtime.map_err(LoadError::Runtime)?.block_on(measure(args, address, requests))?
    } else {
        let runtime = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().enable_timer().build();
        runtime.map_err(LoadError::Runtime)?.block_on(measure(args, address, requests))?
    };
    let report = Report::new(setup, &tally, wall, cpu);
    write(args, &report)?;
    let total = report.requests + report.errors;
    if report.errors > 0 { Err(LoadError::Failed { errors: report.errors, total }) } else { Ok(()) }
}

/// `host:port` of a URL, and the first address behind it.
fn resolve(url: &str) -> Result<(String, SocketAddr), LoadError> {
    let bad = || LoadError::Url(url.to_owned());
    let host = url.strip_prefix("http://").ok_or_else(bad)?.trim_end_matches('/');
    if host.is_empty() || host.contains('/') {
        return Err(bad());
    }
    let with_port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut addresses =
        with_port.to_socket_addrs().map_err(|source| LoadError::Resolve { host: host.to_owned(), source })?;
    Ok((host.to_owned(), addresses.next().ok_or_else(bad)?))
}

/// The requests as they go over the wire.
fn requests(args: &RunArgs, host: &str) -> Result<Vec<Vec<u8>>, LoadError> {
    if args.api == Api::Http {
        return Ok(vec![http::request(host, &args.path, None)]);
    }
    let prompts = if let Some(path) = &args.prompts {
        prompts::read(path)?
    } else {
        let count = args.requests.saturating_add(args.warmup).min(PROMPTS_MAX);
        (0..count).map(|number| prompts::made_up(number, args.prompt_tokens)).collect()
    };
    let whole = |prompt: &String| {
        let body = args.api.body(&args.model, prompt, args.max_tokens).map(|body| body.to_string());
        http::request(host, args.api.path(), body.as_deref().map(str::as_bytes))
    };
    Ok(prompts.iter().map(whole).collect())
}

/// What came out of the counted requests.
struct Measured {
    tally: Tally,
    wall: Duration,
    cpu: Cpu,
}

/// Opens the connections, warms them up and measures on them: only what lies between the first counted request and
/// the last answer goes into the result.
async fn measure(args: &RunArgs, address: SocketAddr, requests: Vec<Vec<u8>>) -> Result<Measured, LoadError> {
    let shared = |requests, left| {
        let (next, left, tally) = (Cell::new(0), Cell::new(left), RefCell::new(Tally::new()));
        Rc::new(Run { address, api: args.api, requests, next, left, tally })
    };
    let mut open = connect(address, args.concurrency).await;
    let warmup = shared(requests.clone(), args.warmup);
    open = phase(warmup, open).await.ok_or(LoadError::Stalled)?;
    let run = shared(requests, args.requests);
    let (before, began) = (cpu_now(args)?, Instant::now());
    phase(run.clone(), open).await.ok_or(LoadError::Stalled)?;
    let (wall, after) = (began.elapsed(), cpu_now(args)?);
    let spent = |before: Option<f64>, after: Option<f64>| Some(after? - before?);
    let cpu = Cpu {
        client_cpu_seconds: spent(before.client_cpu_seconds, after.client_cpu_seconds),
        server_cpu_seconds: spent(before.server_cpu_seconds, after.server_cpu_seconds),
    };
    let tally = run.tally.replace(Tally::new());
    Ok(Measured { tally, wall, cpu })
}

fn cpu_now(args: &RunArgs) -> Result<Cpu, LoadError> {
    let server_cpu_seconds = match args.pid {
        Some(pid) => Some(cpu::seconds(pid, args.thread_name.as_deref()).ok_or(LoadError::Process(pid))?),
        None => None,
    };
    Ok(Cpu { client_cpu_seconds: cpu::seconds(std::process::id(), None), server_cpu_seconds })
}

fn write(args: &RunArgs, report: &Report) -> Result<(), LoadError> {
    io::stdout().write_all(report.table().as_bytes()).map_err(LoadError::Output)?;
    let Some(path) = &args.json else { return Ok(()) };
    let mut text = serde_json::to_string_pretty(report).map_err(|error| LoadError::Output(error.into()))?;
    text.push('\n');
    std::fs::write(path, text).map_err(LoadError::Output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn urls() {
        assert_eq!(resolve("http://127.0.0.1:8080/").unwrap().1.port(), 8080);
        assert_eq!(resolve("http://127.0.0.1").unwrap().1.port(), 80);
        assert_eq!(resolve("http://[::1]:9").unwrap().0, "[::1]:9");
        for bad in ["https://a:1", "127.0.0.1:1", "http://", "http://a:1/path"] {
            assert!(matches!(resolve(bad), Err(LoadError::Url(_))), "{bad}");
        }
    }
}
