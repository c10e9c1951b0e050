//! Measured times against known ones. A busy machine makes times longer and never shorter, so that one try in a few
//! that is right shows that the harness is: what it does wrong itself, it does wrong in each.

use serde_json::Value;

use crate::fake::{Fake, number};

/// Tries on a machine that may be busy.
const TRIES: u32 = 5;
/// Bound of each percentile: a share of what is known, and what a timer and a wake-up take.
const BOUND: (f64, f64) = (0.03, 0.3);

/// Whether all of these are within the bound, and if not, which is not. By as much as the server knows that it was late
/// itself, times may be longer.
fn wrong(measured: &Value, known: &Value, paths: &[&str]) -> Option<String> {
    let late = number(known, "late_ms.p99");
    let wrong = |path: &&&str| {
        let (measured, known) = (number(measured, path), number(known, path));
        let bound = known * BOUND.0 + BOUND.1;
        known - measured > bound || measured - known > bound + late
    };
    let path = paths.iter().find(wrong)?;
    Some(format!("{path}: measured {}, known {}", number(measured, path), number(known, path)))
}

/// 64 streams against delays that are known; each try has a server of its own, whose book has that try only.
fn is_accurate(server: &str, flags: &str, paths: &[&str]) {
    let mut told = String::new();
    for seed in 1..=TRIES {
        let fake = Fake::start(&format!("{server} --seed {seed}"));
        let measured = fake.load_well(&format!("--concurrency 64 --ramp-up 100ms {flags}"));
        let known = fake.truth();
        let Some(what) = wrong(&measured, &known, paths) else { return };
        told = format!("{what} (the server itself was late by {} ms, p99)", number(&known, "late_ms.p99"));
    }
    panic!("{server}: {told} in the last of {TRIES} tries");
}

#[test]
fn long_delays_of_64_streams() {
    for spread in ["constant", "exponential"] {
        let server = format!("--ttft 200ms --gap 20ms --tokens 10 --spread {spread}");
        is_accurate(
            &server,
            "--requests 192",
            &["ttft_ms.p50", "ttft_ms.p95", "itl_ms.p50", "itl_ms.p95", "e2e_ms.p50"],
        );
    }
}

#[test]
fn short_delays() {
    for spread in ["constant", "exponential"] {
        let server = format!("--ttft 5ms --gap 5ms --tokens 20 --spread {spread}");
        is_accurate(&server, "--requests 256 --api openai-chat", &["itl_ms.p50", "e2e_ms.p50"]);
    }
}
