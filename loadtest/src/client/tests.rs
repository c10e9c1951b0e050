//! The end of a run against a server that never answers: nothing of it may stay behind.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::{Job, Pressure, Request, block_on, run};
use crate::goal::Goal;
use crate::http;
use crate::kinds::Api;
use crate::manners::Manners;
use crate::plan::{Amount, Plan};
use crate::schedule::{Arrivals, Schedule, Shape};
use crate::tally::Tally;

/// Takes connections and answers nothing; sends a word for each that the client closed.
fn silent_server() -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (closed, told) = channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let closed = closed.clone();
            thread::spawn(move || {
                let mut bytes = [0; 1024];
                while stream.read(&mut bytes).is_ok_and(|read| read > 0) {}
                closed.send(())
            });
        }
    });
    (address, told)
}

fn job(address: SocketAddr, pressure: Pressure) -> Job {
    let request = Request { bytes: http::request("h", "/", None), max_tokens: 0 };
    let manners =
        Manners { slow_share: 0.0, slow_rate: 1.0, leave_share: 0.0, requests_per_connection: u32::MAX, seed: 1 };
    Job {
        address,
        api: Api::Http,
        requests: vec![request],
        pressure,
        plan: Plan::new(Amount::Requests(0), Amount::Time(Duration::from_millis(60))),
        manners,
        drain: Duration::from_millis(20),
        server: None,
    }
}

#[test]
fn no_connection_outlives_its_run() {
    let shape = Shape { arrivals: Arrivals::Constant, rate: 100.0, ramp: None, burst: 1, seed: 1 };
    for epoll in [false, true] {
        for pressure in [Pressure::Closed(3, Duration::ZERO), Pressure::Open(Schedule::new(shape.clone()), 4)] {
            let (address, closed) = silent_server();
            let ran = block_on(epoll, run(job(address, pressure), Tally::new(Goal::default()), None));
            let outcome = ran.unwrap().0.unwrap();
            assert!(outcome.tally.unfinished >= 3, "{}", outcome.tally.unfinished);
            assert!(!outcome.timeline.is_empty() && outcome.timeline.iter().all(|point| point.under_way <= 4));
            for _ in 0..outcome.tally.connections {
                assert!(closed.recv_timeout(Duration::from_secs(5)).is_ok(), "a connection is still open");
            }
        }
    }
}
