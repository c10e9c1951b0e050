//! From flags to a job: the address, the model, the requests as they go over the wire.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::args::RunArgs;
use crate::client::{Job, Pressure, Request};
use crate::error::LoadError;
use crate::http;
use crate::kinds::{Api, Ask};
use crate::manners::Manners;
use crate::models;
use crate::plan::{Amount, Plan};
use crate::prompts::{self, Mix, Prompt};
use crate::schedule::{Schedule, Shape};

/// Made-up prompts that are prepared; further requests take them again.
const PROMPTS_MAX: u64 = 4096;
/// Bytes of prepared requests after which no more prompts are made up.
const PROMPT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes of prepared uploads, all of them different.
const UPLOAD_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Tokens of an answer, unless flags or prompts say.
const MAX_TOKENS: u32 = 64;
/// Length of a run without `--requests` and `--duration`.
const DURATION: Duration = Duration::from_secs(10);

/// A job, and what its report has to name.
pub struct Prepared {
    /// What to do.
    pub job: Job,
    /// The model, asked of the server if no flag names one.
    pub model: String,
    /// Different prompts.
    pub prompts: u64,
}

/// Prepares a run.
///
/// # Errors
/// [`LoadError`]: a URL, a file or flags that do not work, or a server that names no model.
pub fn prepare(args: &RunArgs) -> Result<Prepared, LoadError> {
    let (host, address) = resolve(&args.url)?;
    let model = match &args.model {
        Some(model) => model.clone(),
        None if args.api.needs_model() => {
            models::first(&host, address).map_err(|source| LoadError::Model { url: args.url.clone(), source })?
        }
        None => String::new(),
    };
    let amount = amount(args);
    let requests = requests(args, &host, &model, amount)?;
    let prompts = requests.len() as u64;
    let job = Job {
        address,
        api: args.api,
        requests,
        pressure: pressure(args)?,
        plan: Plan::new(args.warmup, amount),
        manners: manners(args)?,
        drain: args.drain,
        server: args.pid.map(|pid| (pid, args.thread_name.clone())),
    };
    Ok(Prepared { job, model, prompts })
}

fn amount(args: &RunArgs) -> Amount {
    match (args.requests, args.duration) {
        (Some(requests), _) => Amount::Requests(requests),
        (None, duration) => Amount::Time(duration.unwrap_or(DURATION)),
    }
}

fn pressure(args: &RunArgs) -> Result<Pressure, LoadError> {
    let Some(rate) = args.rate else { return Ok(Pressure::Closed(args.concurrency, args.ramp_up)) };
    let ramp = match (args.ramp_to, args.duration) {
        (None, _) => None,
        (Some(to), Some(duration)) => {
            // Arrivals of a timed warm-up belong to the schedule too.
            let warmup = if let Amount::Time(warmup) = args.warmup { warmup } else { Duration::ZERO };
            Some((to, duration + warmup))
        }
        (Some(_), None) => return Err(LoadError::Flags("--ramp-to needs a --duration".to_owned())),
    };
    let shape = Shape { arrivals: args.arrivals, rate, ramp, burst: args.burst, seed: args.seed };
    Ok(Pressure::Open(Schedule::new(shape), args.max_connections))
}

fn manners(args: &RunArgs) -> Result<Manners, LoadError> {
    if args.slow + args.leave > 1.0 {
        return Err(LoadError::Flags("--slow and --leave together are more than 1".to_owned()));
    }
    Ok(Manners {
        slow_share: args.slow,
        slow_rate: args.slow_rate.max(1) as f64,
        leave_share: args.leave,
        requests_per_connection: if args.fresh { 1 } else { args.requests_per_connection.unwrap_or(u32::MAX) },
        seed: args.seed,
    })
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
fn requests(args: &RunArgs, host: &str, model: &str, amount: Amount) -> Result<Vec<Request>, LoadError> {
    match (args.api, args.upload) {
        (Api::Blob, Some(size)) => return uploads(args, host, size, amount),
        (Api::Http | Api::Blob, _) => {
            let path = args.path.as_deref().or((args.api == Api::Http).then_some("/api/version"));
            let path = path.ok_or_else(|| LoadError::Flags("--api blob needs --path or --upload".to_owned()))?;
            return Ok(vec![Request { bytes: http::request(host, path, None), max_tokens: 0 }]);
        }
        _ => {}
    }
    let extra = match &args.extra {
        None => serde_json::Map::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| LoadError::Flags(format!("--extra is no JSON object: {error}")))?,
    };
    let ask = Ask { model: model.to_owned(), raw: args.raw, batch: args.batch.max(1), extra };
    let prompts = prompts(args, amount)?;
    let mut requests = Vec::new();
    let mut bytes = 0;
    for prompts in prompts.chunks(if args.api.embeds() { ask.batch } else { 1 }) {
        let max_tokens = args.max_tokens.or(prompts.first().and_then(|one| one.output_tokens)).unwrap_or(MAX_TOKENS);
        let body = args.api.body(&ask, prompts, max_tokens).map(|body| body.to_string()).unwrap_or_default();
        let route = args.api.route().unwrap_or("/");
        let request = http::request(host, route, Some(("application/json", body.as_bytes())));
        bytes += request.len();
        requests.push(Request { bytes: request, max_tokens });
        if bytes > PROMPT_BYTES_MAX {
            break;
        }
    }
    Ok(requests)
}

fn prompts(args: &RunArgs, amount: Amount) -> Result<Vec<Prompt>, LoadError> {
    if let Some(path) = &args.prompts {
        return Ok(prompts::file::read(path)?);
    }
    let asked = match (args.warmup, amount) {
        (Amount::Requests(warmup), Amount::Requests(requests)) => requests.saturating_add(warmup),
        _ => PROMPTS_MAX,
    };
    let batch = if args.api.embeds() { args.batch.max(1) as u64 } else { 1 };
    let mut prompts = Vec::new();
    let mut bytes = 0;
    for number in 0..asked.min(PROMPTS_MAX).saturating_mul(batch) {
        let prompt = prompts::mix::prompt(args.mix.unwrap_or(Mix::Fixed), args.seed, number, args.prompt_tokens);
        bytes += prompt.bytes();
        prompts.push(prompt);
        if bytes > PROMPT_BYTES_MAX {
            break;
        }
    }
    Ok(prompts)
}

/// Uploads, each of other bytes: a server that has a blob does not read it again.
fn uploads(args: &RunArgs, host: &str, size: u64, amount: Amount) -> Result<Vec<Request>, LoadError> {
    let (Amount::Requests(requests), Amount::Requests(warmup)) = (amount, args.warmup) else {
        return Err(LoadError::Flags("--upload needs --requests, and a --warmup in requests".to_owned()));
    };
    let count = requests.saturating_add(warmup);
    if count.saturating_mul(size) > UPLOAD_BYTES_MAX {
        let why = format!("{count} uploads of {size} bytes are more than the {UPLOAD_BYTES_MAX} bytes that fit");
        return Err(LoadError::Flags(why));
    }
    let mut random = fastrand::Rng::with_seed(args.seed);
    let mut upload = |_| {
        let mut body = vec![0; size as usize];
        random.fill(&mut body);
        let path = format!("/api/blobs/sha256:{}", hex(&Sha256::digest(&body)));
        Request { bytes: http::request(host, &path, Some(("application/octet-stream", &body))), max_tokens: 0 }
    };
    Ok((0..count).map(&mut upload).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::Parser;

    fn args(flags: &str) -> RunArgs {
        let words = ["llamero-loadtest", "run"].into_iter().chain(flags.split_whitespace());
        let crate::args::Command::Run(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
        *args
    }

    fn bodies(flags: &str) -> Vec<String> {
        let args = args(flags);
        let requests = requests(&args, "h", "m", amount(&args)).unwrap();
        requests.into_iter().map(|request| String::from_utf8(request.bytes).unwrap()).collect()
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

    #[test]
    fn one_request_for_each_that_is_asked() {
        assert_eq!(bodies("--requests 3 --warmup 2").len(), 5);
        assert_eq!(bodies("--api embed --requests 3 --batch 4").len(), 3);
        assert_eq!(bodies("--duration 1s").len() as u64, PROMPTS_MAX);
        assert_eq!(bodies("--api http --requests 9"), ["GET /api/version HTTP/1.1\r\nHost: h\r\n\r\n"]);
        let raw = bodies("--requests 1 --raw --max-tokens 3");
        assert!(raw[0].contains("\"raw\":true") && raw[0].contains("\"num_predict\":3"), "{raw:?}");
    }

    #[test]
    fn the_mix_sets_the_length_unless_a_flag_does() {
        let ours = bodies("--api openai-chat --mix shared --requests 4");
        assert!(ours.iter().all(|body| body.contains("\"system\"")), "{ours:?}");
        assert!(ours.iter().any(|body| !body.contains("\"max_tokens\":64")), "{ours:?}");
        let fixed = bodies("--api openai-chat --mix shared --requests 4 --max-tokens 9");
        assert!(fixed.iter().all(|body| body.contains("\"max_tokens\":9")), "{fixed:?}");
    }

    #[test]
    fn uploads_are_named_by_their_content() {
        let found = requests(&args("--api blob --upload 3 --requests 2"), "h", "", Amount::Requests(2)).unwrap();
        let text = String::from_utf8_lossy(&found[0].bytes).into_owned();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let body = &found[0].bytes[found[0].bytes.len() - 3..];
        let digest = hex(&Sha256::digest(body));
        assert!(head.starts_with(&format!("POST /api/blobs/sha256:{digest} HTTP/1.1\r\n")), "{head}");
        assert_ne!(found[0].bytes, found[1].bytes);
        for bad in ["--api blob", "--api blob --upload 3 --duration 1s", "--api blob --upload 1G --requests 2"] {
            let args = args(bad);
            assert!(matches!(requests(&args, "h", "", amount(&args)), Err(LoadError::Flags(_))), "{bad}");
        }
    }

    #[test]
    fn flags_that_do_not_go_together() {
        assert!(matches!(manners(&args("--slow 0.6 --leave 0.6")), Err(LoadError::Flags(_))));
        assert!(matches!(pressure(&args("--rate 5 --ramp-to 9")), Err(LoadError::Flags(_))));
        assert!(matches!(pressure(&args("--rate 5 --ramp-to 9 --duration 2s")), Ok(Pressure::Open(..))));
        assert!(matches!(pressure(&args("--concurrency 3")), Ok(Pressure::Closed(3, _))));
        let extra = requests(&args("--extra [1]"), "h", "m", Amount::Requests(1));
        assert!(matches!(extra, Err(LoadError::Flags(_))));
    }
}
