//! Examples that `--help` shows.

/// Of `--help`.
pub const ALL: &str = "\
Examples:
  Measure what listens on Ollama's port, ten seconds long, one client:
    llamero-loadtest run
  What does it stand, if first tokens may take a second?
    llamero-loadtest sweep --api chat --goal-ttft 1s
  Which of two servers is faster?
    llamero-loadtest compare --url http://127.0.0.1:11434 --vs http://127.0.0.1:11435 --concurrency 8
See `llamero-loadtest COMMAND --help` for the flags of each.";

/// Of `run --help`.
pub const RUN: &str = "\
Examples:
  16 chats at a time, a minute long, against an Ollama on its usual port:
    llamero-loadtest run --api chat --concurrency 16 --duration 1m
  20 requests a second, whatever the server does, judged by an objective:
    llamero-loadtest run --rate 20 --mix chat --duration 2m --goal-ttft 500ms --goal-itl 50ms
  From 1 to 50 requests a second in five minutes, a report for a script and one to look at:
    llamero-loadtest run --rate 1 --ramp-to 50 --duration 5m --json out.json --html out.html --fail-if 'ttft_ms.p99>2000'
  A vLLM or llama-server with prompts from a ShareGPT file:
    llamero-loadtest run --url http://gpu:8000 --api openai-chat --prompts sharegpt.json --requests 500
  One client in ten leaves in the middle, one in twenty reads 200 bytes a second:
    llamero-loadtest run --concurrency 64 --leave 0.1 --slow 0.05 --slow-rate 200
  Plain requests on new connections, with the server's CPU time:
    llamero-loadtest run --api http --path /api/version --fresh --pid $(pidof ollama)

It exits with 1 when a request failed or a --fail-if was met.";

/// Of `compare --help`.
pub const COMPARE: &str = "\
Examples:
  Two Ollama-shaped servers, 8 clients, five rounds of 10 seconds on each:
    llamero-loadtest compare --url http://127.0.0.1:11434 --vs http://127.0.0.1:11435 --concurrency 8
  An Ollama and a llama-server, whose API and model name differ; a page for the table:
    llamero-loadtest compare --api generate --vs http://127.0.0.1:8080 --vs-api openai-completions --vs-model m --html out.html
  Fail if the first is more than 5 % slower than the second:
    llamero-loadtest compare --vs http://h:1 --fail-if 'figures.output_tokens_per_second.ratio.median<0.95'

Ratios are the first server's figure over the second's (--vs). --requests, --duration and --warmup are those of one round.
It exits with 1 when a request failed or a --fail-if was met.";

/// Of `sweep --help`.
pub const SWEEP: &str = "\
Examples:
  The most chats at a time for which 95 % have their first token within a second:
    llamero-loadtest sweep --api chat --goal-ttft 1s
  The highest rate of requests, from 1 a second on, with 99 % of the answers within 5 seconds:
    llamero-loadtest sweep --rate 1 --to 100 --goal-e2e 5s --goal-share 0.99
  These loads and no others, as a page with plots:
    llamero-loadtest sweep --levels 1,4,16,64 --duration 30s --warmup 5s --html sweep.html
  Fail if fewer than 16 clients are served well:
    llamero-loadtest sweep --goal-ttft 500ms --goal-itl 50ms --fail-if 'best<16'

--concurrency or --rate is where it begins; with --rate it looks for a rate. --requests, --duration and --warmup are those
of one load. It exits with 1 when no load keeps the objective or a --fail-if was met.";

/// Of `scenario --help`.
pub const SCENARIO: &str = "\
Examples:
  llamero-loadtest scenario configs/loadtest/quick.toml
  llamero-loadtest scenario configs/loadtest/versus.toml --vs http://127.0.0.1:11435 --html out.html --json out.json

A scenario's steps have the names of flags:
  title = \"chat and completion\"
  [defaults]              # for each step
  url = \"http://127.0.0.1:11434\"
  duration = \"20s\"
  [[step]]
  name = \"chat\"
  command = \"run\"         # or compare, sweep
  api = \"chat\"
  concurrency = [1, 4, 16]  # a list: a step for each
  fail-if = [\"errors>0\"]   # but for fail-if, which may be given many times

It exits with 1 when one of the steps does.";
