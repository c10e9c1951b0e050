//! One run: what is counted, and when.

use crate::fake::{Fake, ensure, in_one_of_three, near, number};

#[test]
fn every_kind_is_asked_and_counted_on_both_drivers() {
    let fake = Fake::start("--ttft 1ms --gap 1ms");
    let epoll = Fake::start("--ttft 1ms --gap 1ms --epoll");
    for (api, tokens, prompts, vectors) in [
        ("generate", 60, true, 0),
        ("chat", 60, true, 0),
        ("openai-chat", 60, true, 0),
        ("openai-completions", 60, true, 0),
        ("embed", 0, true, 30),
        ("openai-embeddings", 0, true, 30),
        ("http", 0, false, 0),
        ("blob --path /bytes/100000", 0, false, 0),
        ("blob --upload 2000", 0, false, 0),
    ] {
        for (fake, driver) in [(&fake, ""), (&epoll, "--epoll")] {
            let flags =
                format!("--api {api} --requests 10 --warmup 2 --concurrency 3 --max-tokens 6 --batch 3 {driver}");
            let json = fake.load_well(&flags);
            for (field, want) in [("requests", 10), ("errors", 0), ("output_tokens", tokens), ("vectors", vectors)] {
                assert_eq!(json[field], want, "{flags}: {field} in {json}");
            }
            assert_eq!(number(&json, "prompt_tokens") > 0.0, prompts, "{flags}: {json}");
            assert_eq!((number(&json, "answers_differing"), number(&json, "answers_uncounted")), (0.0, 0.0));
            if api.contains("/bytes/") {
                assert!(number(&json, "bytes_in") >= 1_000_000.0, "{json}");
            }
            if api.contains("--upload") {
                assert!(number(&json, "bytes_out") >= 20_000.0, "{json}");
            }
        }
    }
    assert!(fake.load_well("--requests 1")["model"] == "fake", "the first model that is listed");
}

#[test]
fn times_are_those_of_the_server() {
    in_one_of_three(|| {
        let fake = Fake::start("--ttft 40ms --gap 10ms --tokens 11");
        let json = fake.load_well("--api chat --requests 24 --concurrency 8");
        let known = [("ttft_ms.p50", 40.0), ("itl_ms.p50", 10.0), ("e2e_ms.p50", 140.0)];
        known.into_iter().try_for_each(|(path, want)| near(&json, path, want))
    });
    in_one_of_three(|| {
        let fake = Fake::start("--ttft 20ms --gap 5ms --tokens 21 --spread exponential");
        let json = fake.load_well("--api openai-chat --requests 64 --concurrency 16");
        let truth = fake.truth();
        assert_eq!(truth["answers"], 64);
        let paths = ["ttft_ms.p50", "ttft_ms.p95", "itl_ms.p95", "e2e_ms.p50"];
        paths.into_iter().try_for_each(|path| near(&json, path, number(&truth, path)))
    });
}

/// One connection and a server that takes 50 ms: at 100 requests a second the queue grows by 50 ms with each second
/// request, and the times have to say so.
#[test]
fn an_open_loop_omits_nothing() {
    let fake = Fake::start("--delay 50ms");
    in_one_of_three(|| {
        let json = fake.load_well("--api http --rate 100 --arrivals constant --requests 20 --max-connections 1");
        assert_eq!(json["connections"], 1);
        let last = 20.0 * 50.0 - 19.0 * 10.0;
        near(&json, "e2e_ms.max", last)?;
        near(&json, "start_lag_ms.max", last - 50.0)
    });
    in_one_of_three(|| {
        // With enough connections nothing waits, and nothing is opened in vain.
        let json = fake.load_well("--api http --rate 100 --arrivals constant --requests 20");
        assert!((2.0..=20.0).contains(&number(&json, "connections")), "{json}");
        near(&json, "e2e_ms.p50", 50.0)
    });
}

#[test]
fn rates_and_durations() {
    let fake = Fake::start("--delay 1ms");
    for flags in ["--arrivals poisson", "--arrivals constant", "--burst 10 --arrivals constant"] {
        in_one_of_three(|| {
            let json = fake.load_well(&format!("--api http --rate 400 --duration 500ms --warmup 100ms {flags}"));
            let requests = number(&json, "requests");
            assert!((130.0..=270.0).contains(&requests), "{flags}: {requests}");
            ensure((number(&json, "wall_seconds") - 0.5).abs() < 0.08, || json.to_string())
        });
    }
    let json = fake.load_well("--api http --rate 1 --ramp-to 400 --duration 500ms --arrivals constant");
    assert!((85.0..=115.0).contains(&number(&json, "requests")), "half of the last rate: {json}");
}

#[test]
fn connections_that_the_server_closed_are_opened_anew() {
    for (close, driver) in [("--close-after 1", ""), ("--close-after 3", "--epoll")] {
        let fake = Fake::start(&format!("--ttft 1ms --gap 1ms --tokens 4 {close}"));
        let json = fake.load_well(&format!("--api openai-completions --requests 30 --concurrency 4 {driver}"));
        assert_eq!((&json["requests"], &json["errors"]), (&30.into(), &0.into()), "{json}");
        assert!(number(&json, "stale_connections") >= 6.0, "{json}");
        assert_eq!(fake.truth()["answers"], 30, "nothing was asked twice");
    }
}

#[test]
fn connections_are_kept_unless_told_otherwise() {
    let fake = Fake::start("");
    for (flags, want) in [("", 2), ("--fresh", 12), ("--requests-per-connection 3", 4)] {
        let json = fake.load_well(&format!("--api http --requests 12 --concurrency 2 {flags}"));
        let opened = number(&json, "connections");
        assert!((opened - f64::from(want)).abs() <= 1.0, "{flags}: {opened} connections, wanted {want}");
    }
}

#[test]
fn clients_that_leave_and_clients_that_are_slow() {
    let fake = Fake::start("--ttft 1ms --gap 2ms --tokens 20");
    let json = fake.load_well("--api generate --max-tokens 20 --requests 100 --concurrency 20 --leave 0.5");
    let (left, requests) = (number(&json, "left"), number(&json, "requests"));
    assert!(left >= 25.0 && requests >= 25.0 && (left + requests - 100.0).abs() < 0.5, "{json}");
    assert!(number(&fake.truth(), "broken") > 0.0);
    for driver in ["", "--epoll"] {
        let flags = "--api generate --max-tokens 20 --requests 8 --concurrency 8 --slow 1 --slow-rate 4k";
        let json = fake.load_well(&format!("{flags} {driver}"));
        // Some 2 KB at 4 KiB a second.
        assert!(number(&json, "wall_seconds") > 0.3, "{json}");
        assert_eq!(json["requests"], 8);
        assert!(json["ttft_ms"].is_null(), "the times of slow clients are their own: {json}");
    }
}

#[test]
fn a_run_is_judged() {
    let fake = Fake::start("--ttft 20ms --gap 1ms --tokens 3");
    let (output, json) = fake.load("--requests 4 --goal-ttft 10ms --fail-if good_share<1");
    assert!(!output.status.success());
    assert_eq!((&json["good_share"], &json["goodput_per_second"]), (&0.0.into(), &0.0.into()));
    let json = fake.load_well("--requests 4 --goal-ttft 2s --goal-itl 2s --fail-if good_share<1 --fail-if errors>0");
    assert_eq!(json["goal_ms"]["ttft"], 2000.0);
    assert_eq!(json["goodput_per_second"], json["requests_per_second"]);
    assert!(!fake.load("--requests 1 --fail-if no.such>1").0.status.success());
}

#[test]
fn an_answer_that_does_not_end_is_cut_off_and_told() {
    let fake = Fake::start("--ttft 1ms --gap 60s");
    let json = fake.load_well("--duration 300ms --drain 100ms --concurrency 3");
    assert_eq!((&json["unfinished"], &json["requests"]), (&3.into(), &0.into()), "{json}");
    assert!(json["warnings"].to_string().contains("cut off"), "{json}");
}

#[test]
fn the_server_is_watched() {
    let fake = Fake::start("--ttft 5ms --gap 5ms");
    let pid = fake.process.id();
    let json = fake.load_well(&format!("--duration 700ms --concurrency 4 --pid {pid}"));
    assert!(number(&json, "server_memory_bytes") > 500_000.0 && number(&json, "server_threads") >= 1.0, "{json}");
    assert!(json["server_cpu_seconds"].is_number() && json["client_cpu_share"].is_number(), "{json}");
    assert!(!fake.load(&format!("--requests 1 --pid {pid} --thread-name nobody")).0.status.success());
}
