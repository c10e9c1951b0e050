//! Workers that end badly, too late, or say what they should not. A shell plays the worker: it runs the file `worker` in
//! the folder that workers are started in, which is that of the blobs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use llamero::config::limits::WORKER_QUEUE_MAX;
use llamero::convert::{Job, Limits, Work};
use llamero::worker::{Rules, Task, WorkError, Workshop};

use crate::place::{PROGRAM, Place, by_hand, eventually, llamita};

/// A place whose workers run this script. `$into` is the file that they should write.
fn acted(script: &str, rules: Rules) -> Place {
    let mut place = Place::new();
    place.workshop = Workshop::start("/bin/sh".into(), rules).unwrap();
    let head = "read -r job; into=$(echo \"$job\" | sed -n 's/.*\"into\":\"\\([^\"]*\\)\".*/\\1/p'); echo $$ > pid\n";
    fs::write(place.folder.path().join("blobs/worker"), format!("{head}{script}\n")).unwrap();
    place
}

fn start(place: &Place) -> Task<llamero::worker::Quantized> {
    let digest = place.upload(b"anything");
    place.workshop.quantize(&place.store, digest, "q8_0".parse().unwrap()).unwrap()
}

/// The process that plays the worker, once it runs.
fn pid(place: &Place) -> String {
    let path = place.folder.path().join("blobs/pid");
    eventually("the worker starts", || fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n')));
    fs::read_to_string(path).unwrap().trim().to_owned()
}

fn is_gone(pid: &str) -> bool {
    !Path::new("/proc").join(pid).exists()
}

fn leaves_nothing(place: &Place) {
    let own = |name: &String| name != "worker" && name != "pid" && !name.starts_with("sha256-");
    assert!(!place.blobs().iter().any(own), "{:?}", place.blobs());
}

#[test]
fn whatever_a_worker_says_becomes_an_answer() {
    let fails = "the model makes llama.cpp fail: ";
    let nonsense = "the worker process could not do its work: ";
    let rows = [
        ("echo '{\"refused\":\"no\"}'", "no".to_owned()),
        ("echo '{\"refused\":\"no\"}'; exit 3", format!("{fails}it ended with exit code 3")),
        ("exit 0", format!("{fails}it ended with exit code 0")),
        ("kill -ABRT $$", format!("{fails}it aborted")),
        ("echo '/a/b.cpp:7: GGML_ABORT(x)' >&2; kill -ABRT $$", format!("{fails}b.cpp:7: GGML_ABORT(x)")),
        ("kill -SEGV $$", format!("{fails}a segmentation fault")),
        ("kill -KILL $$", "the worker process was killed, perhaps because memory ran out".to_owned()),
        ("echo '\"no_memory\"'", "the model needs more memory than a file of its size may take".to_owned()),
        ("echo '{\"failed\":\"why\"}'", format!("{nonsense}why")),
        (
            "echo '{\"loads\":{\"writes_text\":true,\"vocabulary\":1,\"trained_context\":1}}'",
            format!("{nonsense}it told of another job than its own"),
        ),
        ("echo nonsense; echo '{}'; printf '\\377\\n'", format!("{fails}it ended with exit code 0")),
        ("yes | head -c 1000000; yes | head -c 1000000 >&2; echo; echo '{\"refused\":\"a lot\"}'", "a lot".to_owned()),
        ("echo '\"quantized\"'", format!("{nonsense}not a GGUF file")),
        ("echo x > $into; echo '\"quantized\"'", format!("{nonsense}not a GGUF file")),
    ];
    for (script, wanted) in rows {
        let place = acted(script, Rules::default());
        assert_eq!(start(&place).wait(|_| true).unwrap_err().to_string(), wanted, "{script}");
        leaves_nothing(&place);
    }
}

#[test]
fn a_worker_that_takes_too_long_is_killed() {
    let short = |_| Limits { milliseconds: 300, ..Limits::of_probe(0) };
    let place = acted("echo x > $into; exec sleep 1000", Rules { quantize: short, ..Rules::default() });
    assert!(matches!(start(&place).wait(|_| true), Err(WorkError::TooSlow)));
    assert!(is_gone(&pid(&place)));
    leaves_nothing(&place);
}

#[test]
fn a_worker_that_closes_its_pipes_and_lingers_is_killed() {
    let place = acted("exec sleep 1000 > /dev/null 2>&1", Rules::default());
    assert!(matches!(start(&place).wait(|_| true), Err(WorkError::Killed)));
    assert!(is_gone(&pid(&place)));
}

#[test]
fn whoever_leaves_ends_the_worker() {
    let place = acted("echo x > $into; exec sleep 1000", Rules::default());
    let task = start(&place);
    let pid = pid(&place);
    assert!(!is_gone(&pid));
    drop(task);
    eventually("the worker is gone", || is_gone(&pid));
    eventually("its file is gone", || place.blobs().iter().all(|name| !name.starts_with(".llamero")));
}

#[test]
fn the_line_has_an_end_and_probes_do_not_stand_in_it() {
    let place = acted("exec sleep 1000", Rules::default());
    let first = start(&place);
    let running = pid(&place);
    let waiting: Vec<_> = (0..WORKER_QUEUE_MAX).map(|_| start(&place)).collect();
    let digest = place.upload(b"anything");
    let refused = place.workshop.quantize(&place.store, digest, "q8_0".parse().unwrap()).unwrap_err();
    assert_eq!(
        (refused.status(), refused.to_string().as_str()),
        (503, "too many models are being worked on, please try again")
    );
    // A probe has a line of its own: it starts, while the others wait.
    fs::remove_file(place.folder.path().join("blobs/pid")).unwrap();
    let probe = place.workshop.probe(&place.store, digest).unwrap();
    assert_ne!(pid(&place), running);
    // Nobody wants any of them: none is started when its turn comes.
    drop(probe);
    drop(waiting);
    fs::write(place.folder.path().join("blobs/worker"), "touch started").unwrap();
    drop(first);
    eventually("the line is empty", || matches!(start(&place).wait(|_| true), Err(WorkError::Crashed(_))));
    let started = place.folder.path().join("blobs/started");
    assert!(started.exists(), "the last one was");
}

/// A worker that waits for a file (a pipe without a writer) when its front is killed.
#[test]
fn a_worker_dies_with_its_front() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("mkfifo").arg(folder.path().join("in")).status().unwrap();
    assert!(made.success());
    let work = Work::Quantize { file: "in".into(), into: "out".into(), kind: "f16".parse().unwrap() };
    fs::write(folder.path().join("out"), "").unwrap();
    let job = Job { parent: 0, limits: Limits::of_quantizing(0), work };
    let job = serde_json::to_string(&job).unwrap().replace("\"parent\":0", "\"parent\":'$$'");
    let script = format!("echo '{job}' > job; \"$0\" worker < job & echo $! > pid; wait");
    let mut front = Command::new("/bin/sh")
        .args(["-c", &script, PROGRAM])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    eventually("the worker waits", || {
        pid = fs::read_to_string(folder.path().join("pid")).unwrap_or_default().trim().to_owned();
        // Shut in, and on its way to the file.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let waits_for = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        status.contains("NoNewPrivs:\t1") && status.contains("State:\tS") && !waits_for.is_empty()
    });
    front.kill().unwrap();
    front.wait().unwrap();
    eventually("the worker is gone", || is_gone(&pid));
}

#[test]
fn a_worker_without_its_file_says_so_and_one_of_another_front_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let work = || Work::Probe { file: "missing".into() };
    let (said, well) = by_hand(folder.path(), work(), Limits::of_probe(0));
    assert!(well && said.starts_with("{\"failed\":\"the worker could not shut itself in: "), "{said}");
    fs::write(folder.path().join("there"), llamita()).unwrap();
    let (said, well) = by_hand(folder.path(), Work::Probe { file: "there".into() }, Limits::of_probe(0));
    assert!(well && said.starts_with("{\"loads\":"), "{said}");
}
