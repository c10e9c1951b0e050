//! The flags of `run`, which `compare` and `sweep` take too.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::goal::{FailIf, Goal};
use crate::kinds::Api;
use crate::plan::Amount;
use crate::prompts::Mix;
use crate::schedule::Arrivals;
use crate::units;

/// Connections of one run: one core feeds no more.
const CONNECTIONS_MAX: i64 = 16 * 1024;
/// Texts in one embedding request.
const BATCH_MAX: u64 = 4096;
/// Requests of one burst.
const BURST_MAX: i64 = 16 * 1024;
/// Requests a second.
const RATE_MAX: f64 = 1e6;

/// The flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The server: http://host:port
    #[arg(long, default_value = "http://127.0.0.1:11434")]
    pub url: String,
    /// What to ask
    #[arg(long, value_enum, default_value_t = Api::Generate)]
    pub api: Api,
    /// The model; without it the first that the server lists
    #[arg(long)]
    pub model: Option<String>,

    /// Closed loop: clients that each ask again when they were answered
    #[arg(long, help_heading = "Load", default_value_t = 1, conflicts_with = "rate",
          value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub concurrency: u32,
    /// The clients begin spread over this time
    #[arg(long, help_heading = "Load", default_value = "0s", conflicts_with = "rate", value_parser = units::time)]
    pub ramp_up: Duration,
    /// Open loop: requests a second, whether the server keeps up or not; times count from when a request was due
    #[arg(long, help_heading = "Load", value_parser = rate)]
    pub rate: Option<f64>,
    /// How requests lie around the rate
    #[arg(long, help_heading = "Load", requires = "rate", value_enum, default_value_t = Arrivals::Poisson)]
    pub arrivals: Arrivals,
    /// The rate changes evenly to this one over --duration
    #[arg(long, help_heading = "Load", requires = "rate", value_parser = rate)]
    pub ramp_to: Option<f64>,
    /// So many requests are due at once; the rate still counts requests
    #[arg(long, help_heading = "Load", requires = "rate", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=BURST_MAX))]
    pub burst: u32,
    /// Most connections of an open loop; requests that find none wait, and their time counts
    #[arg(long, help_heading = "Load", requires = "rate", default_value_t = CONNECTIONS_MAX as u32,
          value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub max_connections: u32,
    /// Counted requests [without it and --duration: 10 s]
    #[arg(long, help_heading = "Load", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,
    /// Counted time, in which requests begin
    #[arg(long, help_heading = "Load", value_parser = units::time)]
    pub duration: Option<Duration>,
    /// What comes before and is not counted: requests (20) or a time (5s)
    #[arg(long, help_heading = "Load", default_value = "0", value_parser = Amount::parse)]
    pub warmup: Amount,
    /// How long answers may take to end after --duration
    #[arg(long, help_heading = "Load", default_value = "60s", value_parser = units::time)]
    pub drain: Duration,

    /// Lengths of prompts and answers
    #[arg(long, help_heading = "Prompts", value_enum, conflicts_with = "prompts")]
    pub mix: Option<Mix>,
    /// Length of made-up prompts, about, in tokens
    #[arg(long, help_heading = "Prompts", default_value_t = 85)]
    pub prompt_tokens: usize,
    /// Most tokens of an answer [default: what the mix or the file says, or 64]
    #[arg(long, help_heading = "Prompts")]
    pub max_tokens: Option<u32>,
    /// Prompts from this file: a JSON array or JSON lines, of strings or of objects with `prompt`, `messages` or
    /// `conversations` (as `ShareGPT` has them)
    #[arg(long, help_heading = "Prompts")]
    pub prompts: Option<PathBuf>,
    /// Generate without the model's template
    #[arg(long, help_heading = "Prompts")]
    pub raw: bool,
    /// Texts in one embedding request
    #[arg(long, help_heading = "Prompts", default_value = "1", value_parser = batch)]
    pub batch: usize,
    /// Fields that are laid over each request: `{"ignore_eos": true}`
    #[arg(long, help_heading = "Prompts", value_name = "JSON")]
    pub extra: Option<String>,
    /// What is made up or drawn differs from that of another seed
    #[arg(long, help_heading = "Prompts", default_value_t = 1)]
    pub seed: u64,
    /// The path for --api http [default: /api/version] and blob
    #[arg(long, help_heading = "Prompts")]
    pub path: Option<String>,
    /// --api blob: upload blobs of this size
    #[arg(long, help_heading = "Prompts", value_parser = units::size, conflicts_with = "path")]
    pub upload: Option<u64>,

    /// A new connection for each request
    #[arg(long, help_heading = "Clients", conflicts_with = "requests_per_connection")]
    pub fresh: bool,
    /// Reconnect after so many requests
    #[arg(long, help_heading = "Clients", value_parser = clap::value_parser!(u32).range(1..))]
    pub requests_per_connection: Option<u32>,
    /// Share of requests whose client reads slowly, over a connection of its own; its times are left out
    #[arg(long, help_heading = "Clients", default_value = "0", value_parser = units::share)]
    pub slow: f64,
    /// Bytes that a slow client reads in a second
    #[arg(long, help_heading = "Clients", default_value = "500", value_parser = units::size)]
    pub slow_rate: u64,
    /// Share of requests whose client disconnects at a random token
    #[arg(long, help_heading = "Clients", default_value = "0", value_parser = units::share)]
    pub leave: f64,
    /// Use epoll even where io_uring works
    #[arg(long, help_heading = "Clients")]
    pub epoll: bool,

    /// What the goodput counts, and when the run has failed.
    #[command(flatten)]
    pub judge: JudgeArgs,

    /// Where the result goes.
    #[command(flatten)]
    pub result: ResultArgs,
    /// The server's process, whose CPU time, memory and threads are told, with its children
    #[arg(long, help_heading = "Result")]
    pub pid: Option<u32>,
    /// CPU time of its threads of this name only
    #[arg(long, help_heading = "Result", requires = "pid")]
    pub thread_name: Option<String>,
}

/// Where results go.
#[derive(Debug, Clone, Args)]
pub struct ResultArgs {
    /// Write the result to this file, as JSON; - is the standard output, which the table then leaves alone
    #[arg(long, help_heading = "Result", value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a report to this file (or -): one page with plots that needs nothing else
    #[arg(long, help_heading = "Result", value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Show nothing while it runs
    #[arg(long, help_heading = "Result")]
    pub quiet: bool,
}

/// The flags that judge a run.
#[derive(Debug, Clone, Args)]
pub struct JudgeArgs {
    /// Goodput: the first event within this time
    #[arg(long, help_heading = "Result", value_parser = units::time)]
    pub goal_ttft: Option<Duration>,
    /// Goodput: the mean time between a stream's events
    #[arg(long, help_heading = "Result", value_parser = units::time)]
    pub goal_itl: Option<Duration>,
    /// Goodput: the longest time between two of a stream's events
    #[arg(long, help_heading = "Result", value_parser = units::time)]
    pub goal_gap: Option<Duration>,
    /// Goodput: the whole answer within this time
    #[arg(long, help_heading = "Result", value_parser = units::time)]
    pub goal_e2e: Option<Duration>,
    /// Exit with 1 if a number of the JSON result is so: `ttft_ms.p99>500`
    #[arg(long, help_heading = "Result", value_name = "CONDITION")]
    pub fail_if: Vec<FailIf>,
}

impl JudgeArgs {
    /// The objective.
    pub fn goal(&self) -> Goal {
        Goal { ttft: self.goal_ttft, itl: self.goal_itl, gap: self.goal_gap, e2e: self.goal_e2e }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= RATE_MAX);
    rate.ok_or_else(|| format!("{text:?} is no number above 0 and up to a million"))
}

fn batch(text: &str) -> Result<usize, String> {
    let batch = text.parse::<u64>().ok().filter(|batch| (1..=BATCH_MAX).contains(batch));
    batch.map(|batch| batch as usize).ok_or_else(|| format!("{text:?} is no number from 1 to {BATCH_MAX}"))
}
