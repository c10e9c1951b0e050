//! The flags of the commands that run more than once.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::run::{ResultArgs, RunArgs};
use crate::kinds::Api;
use crate::units;

/// Rounds of a comparison, and loads of a sweep.
const RUNS_MAX: i64 = 100;

/// The flags of `compare`.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// The second server: http://host:port
    #[arg(long, help_heading = "Second server", value_name = "URL")]
    pub vs: String,
    /// Its model; without it the first that it lists, or the one of --model if that is given
    #[arg(long, help_heading = "Second server", value_name = "MODEL")]
    pub vs_model: Option<String>,
    /// What it is asked, if not the same
    #[arg(long, help_heading = "Second server", value_enum, value_name = "API")]
    pub vs_api: Option<Api>,
    /// Fields that are laid over its requests, instead of --extra
    #[arg(long, help_heading = "Second server", value_name = "JSON")]
    pub vs_extra: Option<String>,
    /// Its process
    #[arg(long, help_heading = "Second server", value_name = "PID")]
    pub vs_pid: Option<u32>,
    /// What it is called in the result
    #[arg(long, help_heading = "Second server", value_name = "NAME")]
    pub vs_name: Option<String>,
    /// What the first is called in the result
    #[arg(long)]
    pub name: Option<String>,
    /// Runs on each server; they take turns in going first
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=RUNS_MAX))]
    pub rounds: u32,
    /// The flags of each run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What a sweep changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Clients of a closed loop
    Concurrency,
    /// Requests a second of an open loop
    Rate,
}

/// The flags of `sweep`.
#[derive(Debug, Clone, Args)]
pub struct SweepArgs {
    /// These loads, instead of seeking: 1,4,16,64
    #[arg(long, value_delimiter = ',', value_parser = level)]
    pub levels: Vec<f64>,
    /// Try no higher load [default: 1024 clients, or 10000 requests a second]
    #[arg(long, value_parser = level, conflicts_with = "levels")]
    pub to: Option<f64>,
    /// Runs at most
    #[arg(long, default_value_t = 12, conflicts_with = "levels",
          value_parser = clap::value_parser!(u32).range(1..=RUNS_MAX))]
    pub tries: u32,
    /// Share of the requests that have to keep the objective
    #[arg(long, default_value = "0.95", value_parser = units::share)]
    pub goal_share: f64,
    /// The flags of each run.
    #[command(flatten)]
    pub run: RunArgs,
}

impl SweepArgs {
    /// What the sweep changes.
    pub fn by(&self) -> By {
        if self.run.rate.is_some() { By::Rate } else { By::Concurrency }
    }
}

/// The flags of `scenario`. Flags that are given here win over the file's.
#[derive(Debug, Clone, Args)]
pub struct ScenarioArgs {
    /// The TOML file
    pub file: PathBuf,
    /// The server of all steps
    #[arg(long)]
    pub url: Option<String>,
    /// The model of all steps
    #[arg(long)]
    pub model: Option<String>,
    /// The second server of all comparisons
    #[arg(long, value_name = "URL")]
    pub vs: Option<String>,
    /// Its model
    #[arg(long, value_name = "MODEL")]
    pub vs_model: Option<String>,
    /// What the first server of comparisons is called
    #[arg(long)]
    pub name: Option<String>,
    /// What the second is called
    #[arg(long, value_name = "NAME")]
    pub vs_name: Option<String>,
    /// The server's process
    #[arg(long)]
    pub pid: Option<u32>,
    /// The second server's process
    #[arg(long, value_name = "PID")]
    pub vs_pid: Option<u32>,
    /// What stands under the title: the machine, the versions
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// The counted time of each run
    #[arg(long)]
    pub duration: Option<String>,
    /// Where the result goes.
    #[command(flatten)]
    pub result: ResultArgs,
}

fn level(text: &str) -> Result<f64, String> {
    let level = text.parse::<f64>().ok().filter(|level| *level > 0.0 && *level <= 1e6);
    level.ok_or_else(|| format!("{text:?} is no number above 0 and up to a million"))
}
