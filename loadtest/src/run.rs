//! One run: from flags to a report.

use crate::args::RunArgs;
use crate::client;
use crate::clock;
use crate::error::LoadError;
use crate::live::{Style, View};
use crate::report::{Report, Setup};
use crate::setup::{self, Prepared};
use crate::tally::Tally;

/// Measures once. `title` stands over what is shown meanwhile.
///
/// # Errors
/// [`LoadError`] if there is no result; failed requests are part of one.
pub fn measure(args: &RunArgs, title: &str) -> Result<Report, LoadError> {
    let Prepared { job, model, prompts } = setup::prepare(args)?;
    let goal = args.judge.goal();
    let mut setup = Setup {
        url: args.url.clone(),
        api: args.api.name(),
        model,
        r#loop: if args.rate.is_some() { "open" } else { "closed" },
        concurrency: args.rate.is_none().then_some(args.concurrency),
        rate: args.rate,
        driver: "",
        prompts,
        goal_ms: goal.told(),
        began: clock::now(),
    };
    let view = View::start(&format!("{title}{}", setup.title()), Style::found(args.result.quiet));
    let ran = client::block_on(args.epoll, client::run(job, Tally::new(goal), view));
    let (outcome, driver) = ran.map_err(LoadError::Runtime)?;
    setup.driver = driver;
    Ok(Report::new(setup, &outcome?))
}

/// Has the server answer one request that is not measured, so that it has its model loaded, and shows that it works.
///
/// # Errors
/// [`LoadError`], [`LoadError::Asleep`] if the request failed.
pub fn wake(args: &RunArgs) -> Result<(), LoadError> {
    let mut one = args.clone();
    (one.rate, one.ramp_to, one.concurrency) = (None, None, 1);
    (one.requests, one.duration, one.warmup) = (Some(1), None, crate::plan::Amount::Requests(0));
    (one.slow, one.leave, one.pid, one.result.quiet) = (0.0, 0.0, None, true);
    // A seed that the measured runs do not take: no prompt is known before.
    one.seed = args.seed.wrapping_sub(1);
    let report = measure(&one, "")?;
    match report.errors {
        0 => Ok(()),
        _ => Err(LoadError::Asleep { url: args.url.clone(), why: report.why_failed() }),
    }
}

impl Setup {
    /// What is asked, in a line.
    fn title(&self) -> String {
        let model = if self.model.is_empty() { String::new() } else { format!(" {}", self.model) };
        format!("{} {}{model}, {}", self.api, self.url, self.load())
    }
}
