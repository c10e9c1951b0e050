//! Comparisons, sweeps and scenarios: what they find on servers whose differences and limits are known.

use crate::fake::{Fake, ensure, in_one_of_three, measure, number};

#[test]
fn a_comparison_finds_the_known_ratio() {
    in_one_of_three(|| {
        let (slow, fast) =
            (Fake::start("--ttft 60ms --gap 4ms --tokens 5"), Fake::start("--ttft 20ms --gap 4ms --tokens 5"));
        let flags =
            format!("compare --url {} --vs {} --name slow --rounds 3 --requests 8 --concurrency 4", slow.url, fast.url);
        let (output, json) = measure(&flags);
        assert!(output.status.success(), "{output:?}");
        assert_eq!((&json["rounds"], &json["requests"], &json["errors"]), (&3.into(), &48.into(), &0.into()));
        assert_eq!((&json["a"]["name"], json["b"]["name"].as_str()), (&"slow".into(), Some(fast.url.as_str())));
        assert_eq!(json["a"]["reports"].as_array().unwrap().len(), 3);
        assert!(json["a"]["reports"][0]["timeline"].is_null());
        // Each was asked once before the first round.
        assert_eq!((&slow.truth()["answers"], &fast.truth()["answers"]), (&25.into(), &25.into()));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("first event p50") && text.contains("(slow)"), "{text}");
        let first = &json["figures"]["ttft_p50_ms"];
        assert_eq!(first["better"], "lower");
        // 60 over 20; a busy machine adds to both, which draws the ratio towards 1.
        let ratio = number(first, "ratio.median");
        ensure(ratio > 1.3 && ratio < 3.1, || first.to_string())?;
        ensure(first["agree"] == true && text.contains("B is better in each round"), || text)?;
        let (output, _) = measure(&format!("{flags} --fail-if figures.ttft_p50_ms.ratio.median>1.1"));
        ensure(output.status.code() == Some(1), || format!("{output:?}"))
    });
}

#[test]
fn servers_take_turns_in_going_first() {
    let (one, other) = (Fake::start(""), Fake::start(""));
    let flags = format!("compare --api http --url {} --vs {} --rounds 4 --requests 20 --quiet", one.url, other.url);
    let (output, json) = measure(&flags);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let ratios = json["figures"]["requests_per_second"]["ratios"].as_array().unwrap();
    assert_eq!(ratios.len(), 4, "{json}");
    assert!(json["figures"]["ttft_p50_ms"].is_object() && json["figures"]["output_tokens_per_second"].is_null());
}

#[test]
fn a_comparison_with_a_server_that_is_not_there_fails_at_once() {
    let fake = Fake::start("");
    let (output, _) = measure(&format!("compare --api http --url {} --vs http://127.0.0.1:1 --requests 5", fake.url));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("http://127.0.0.1:1 does not answer: connecting: Connection refused"), "{told}");
    assert_eq!(fake.truth()["answers"], 1, "only asked whether it is there");
}

/// Four places of 100 ms: four clients wait for no one, of five one waits for as long as an answer takes.
#[test]
fn a_sweep_finds_the_known_limit() {
    let fake = Fake::start("--delay 100ms --slots 4");
    let flags = "--goal-e2e 150ms --goal-share 0.9 --requests 20 --to 32";
    in_one_of_three(|| {
        let (output, json) = measure(&format!("sweep --api http --url {} {flags}", fake.url));
        let best = json["best"].as_f64().unwrap_or(0.0);
        // A busy machine may miss the bound below the limit; above it no machine keeps it.
        assert!(best <= 4.0, "{json}");
        let loads: Vec<_> = json["levels"].as_array().unwrap().iter().map(|level| number(level, "load")).collect();
        assert!(loads.is_sorted() && loads.contains(&1.0) && loads.iter().any(|load| *load > best), "{loads:?}");
        ensure(best >= 2.0, || json.to_string())?;
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("kept up to {best} clients")), "{output:?}");
        Ok(())
    });
    let (output, json) =
        measure(&format!("sweep --api http --url {} --levels 1,2 --goal-e2e 5ms --requests 2", fake.url));
    assert_eq!((output.status.code(), &json["best"]), (Some(1), &serde_json::Value::Null), "nothing keeps that");
}

#[test]
fn a_sweep_by_rate_counts_what_waits() {
    in_one_of_three(|| {
        // Two places of 20 ms serve 100 requests a second.
        let fake = Fake::start("--delay 20ms --slots 2");
        let flags = "--rate 25 --levels 25,400 --arrivals constant --goal-e2e 120ms --requests 80";
        let (output, json) = measure(&format!("sweep --api http --url {} {flags}", fake.url));
        assert!(json["by"] == "rate" && number(&json["levels"][1], "share") < 0.5, "{json}");
        ensure(output.status.success() && json["best"] == 25.0, || json.to_string())
    });
}

#[test]
fn a_scenario_carries_out_all_its_steps() {
    let (one, other) = (Fake::start("--ttft 2ms --gap 1ms"), Fake::start("--ttft 2ms --gap 1ms"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    let text = r#"
        title = "all of it"
        [defaults]
        vs = "http://127.0.0.1:1"
        max-tokens = 4
        requests = 6
        [[step]]
        name = "chat"
        api = "chat"
        concurrency = [1, 3]
        [[step]]
        name = "too strict"
        fail-if = ["requests<7"]
        [[step]]
        name = "both"
        command = "compare"
        rounds = 2
        [[step]]
        name = "limit"
        command = "sweep"
        levels = [1, 2]
        goal-ttft = "5s"
    "#;
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let (output, json) = measure(&format!("scenario {file} --quiet --name ours --url {} --vs {}", one.url, other.url));
    assert_eq!(output.status.code(), Some(1), "one step failed: {output:?}");
    let steps = json["steps"].as_array().unwrap();
    let seen: Vec<_> = steps.iter().map(|step| (step["name"].as_str().unwrap(), step["problem"].is_null())).collect();
    assert_eq!(seen, [("chat", true), ("chat", true), ("too strict", false), ("both", true), ("limit", true)]);
    assert_eq!((&json["failed"], &json["title"]), (&1.into(), &"all of it".into()));
    assert_eq!((&steps[1]["member"], &steps[1]["result"]["concurrency"]), (&"concurrency 3".into(), &3.into()));
    assert_eq!(steps[3]["result"]["a"]["name"], "ours");
    assert_eq!((number(&steps[3]["result"], "requests"), number(&steps[4]["result"], "best")), (24.0, 2.0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("== chat, concurrency 3") && printed.contains("failed: --fail-if requests<7"),
        "{printed}"
    );

    let (output, _) = measure("scenario /no/such/file.toml");
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/file.toml: "), "{output:?}");
}
