//! The command line.

mod examples;
mod more;
mod run;

use clap::{Parser, Subcommand};

use crate::fake::FakeArgs;

pub use more::{By, CompareArgs, ScenarioArgs, SweepArgs};
pub use run::{ResultArgs, RunArgs};

/// Load harness for Ollama- and OpenAI-shaped servers
#[derive(Debug, Parser)]
#[command(name = "llamero-loadtest", version, after_help = examples::ALL)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send requests and tell what came back
    #[command(after_help = examples::RUN)]
    Run(Box<RunArgs>),
    /// Send the same to two servers, round by round, and tell the ratio of each figure with its spread
    #[command(after_help = examples::COMPARE)]
    Compare(Box<CompareArgs>),
    /// Find the highest load under which a server keeps an objective
    #[command(after_help = examples::SWEEP)]
    Sweep(Box<SweepArgs>),
    /// Do several of these one after another, as a TOML file describes them
    #[command(after_help = examples::SCENARIO)]
    Scenario(ScenarioArgs),
    /// Serve answers with known delays, to try the harness itself
    #[command(hide = true)]
    Fake(FakeArgs),
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
    fn examples_are_valid() {
        let mut tried = 0;
        for text in [examples::ALL, examples::RUN, examples::COMPARE, examples::SWEEP, examples::SCENARIO] {
            for line in text.lines().filter_map(|line| line.trim().strip_prefix("llamero-loadtest ")) {
                let line = line.replace("$(pidof ollama)", "1").replace('\'', "");
                let words = std::iter::once("llamero-loadtest").chain(line.split(' '));
                assert!(Cli::try_parse_from(words).is_ok(), "{line}");
                tried += 1;
            }
        }
        assert!(tried >= 15, "{tried}");
    }

    #[test]
    fn flags_that_contradict_are_refused() {
        for bad in [
            "run --rate 0",
            "run --rate 5 --concurrency 2",
            "run --burst 3",
            "run --requests 3 --duration 1s",
            "run --batch 0",
            "compare",
            "compare --vs http://h:1 --rounds 0",
            "sweep --levels 1,x",
            "sweep --levels 1 --to 5",
            "sweep --goal-share 1.5",
            "scenario",
        ] {
            let words = std::iter::once("llamero-loadtest").chain(bad.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{bad}");
        }
    }
}
