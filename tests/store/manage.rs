//! Copying, deleting and pruning.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use llamero::model::Digest;
use llamero::store::Store;
use serde_json::json;

use crate::create::create;
use crate::folder::{Folder, LLAMITA, listed, llamita, name, upload};

const WEIGHTS: &str = "sha256:b1d713202df539adee8ee3e3a823866afd5a628fd66aba46628f60792902d82c";

fn age(path: &Path, age: Duration) {
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

#[test]
fn a_copy_has_the_same_bytes_under_another_name() {
    let folder = Folder::recorded();
    let store = folder.open();
    let bytes = |model: &str| fs::read(folder.manifest(model)).unwrap();
    assert!(store.copy(&name("MARIO"), &name("me/new:v2")).unwrap());
    assert_eq!(bytes("me/new:v2"), bytes("mario"));
    assert!(store.resolve(&name("me/new:v2")).unwrap().is_some());
    // A name that differs only in case from one that is there is that one.
    assert!(store.copy(&name("llamita"), &name("ME/NEW:V2")).unwrap());
    assert_eq!(bytes("me/new:v2"), bytes("llamita"));
    assert_eq!(listed(&store).len(), 5);
    // Onto itself nothing happens, not even a new time.
    let before = fs::metadata(folder.manifest("mario")).unwrap().modified().unwrap();
    assert!(store.copy(&name("mario"), &name("Mario")).unwrap());
    assert_eq!(fs::metadata(folder.manifest("mario")).unwrap().modified().unwrap(), before);
    assert!(!store.copy(&name("nope"), &name("x")).unwrap());
}

#[test]
fn a_deleted_model_takes_what_only_it_had() {
    let folder = Folder::recorded();
    let store = folder.open();
    let system = Digest::of(b"You are Mario.");
    assert!(store.delete(&name("Mario")).unwrap());
    assert!(store.resolve(&name("mario")).unwrap().is_none());
    assert!(!folder.manifest("mario").parent().unwrap().exists(), "its folder was empty");
    assert!(store.blobs().find(&system).is_some(), "the copy under another host has it");
    assert!(store.delete(&name("localhost:5000/team/mario:copy")).unwrap());
    assert!(store.blobs().find(&system).is_none());
    assert!(!folder.0.path().join("manifests/localhost:5000").exists());
    assert!(folder.blob(WEIGHTS).exists(), "others have the weights");
    assert!(!store.delete(&name("mario")).unwrap());
    assert!(store.delete(&name("llamita")).unwrap() && store.delete(&name("me/tmpl:v1")).unwrap());
    assert_eq!(folder.blobs(), [""; 0]);
    assert!(folder.0.path().join("manifests").exists());
}

/// A model that cannot be used is not listed, and must be possible to remove and to copy all the same.
#[test]
fn a_model_without_its_weights_can_be_deleted() {
    let folder = Folder::recorded();
    let store = folder.open();
    fs::remove_file(folder.blob(WEIGHTS)).unwrap();
    fs::write(folder.manifest("mario"), fs::read(folder.manifest("mario")).unwrap()).unwrap();
    let store_now = folder.open();
    assert_eq!(listed(&store_now), [""; 0]);
    assert!(store.copy(&name("mario"), &name("kept")).unwrap());
    assert!(store.delete(&name("mario")).unwrap() && store.delete(&name("kept")).unwrap());
    assert!(store.blobs().find(&Digest::of(b"You are Mario.")).is_some(), "the copy elsewhere still names it");
    // What is no manifest at all can be removed, too, and while it is there no blob goes.
    fs::create_dir_all(folder.manifest("bad").parent().unwrap()).unwrap();
    fs::write(folder.manifest("bad"), "?").unwrap();
    assert!(store.delete(&name("localhost:5000/team/mario:copy")).unwrap());
    assert!(store.blobs().find(&Digest::of(b"You are Mario.")).is_some());
    assert!(store.delete(&name("bad")).unwrap());
}

#[test]
fn a_start_removes_old_blobs_that_no_manifest_names() {
    let folder = Folder::recorded();
    let store = folder.open();
    let (old, young) = (upload(&store, b"old"), upload(&store, b"young"));
    let partial = folder.0.path().join("blobs/sha256-1234-partial");
    let living = folder.0.path().join("blobs/.llamero-1-1");
    for path in [&partial, &living] {
        fs::write(path, "x").unwrap();
        age(path, Duration::from_secs(7_200));
    }
    age(&folder.blob(&old.to_string()), Duration::from_secs(3_700));
    age(&folder.blob(&young.to_string()), Duration::from_secs(3_500));
    age(&folder.blob(WEIGHTS), Duration::from_secs(1_000_000));
    fs::create_dir_all(folder.0.path().join("manifests/empty/folders")).unwrap();
    store.prune();
    assert!(store.blobs().find(&old).is_none() && !partial.exists());
    assert!(store.blobs().find(&young).is_some(), "its create may be on the way");
    assert!(living.exists(), "another server writes it");
    assert!(!folder.0.path().join("manifests/empty").exists());
    assert_eq!(listed(&store).len(), 4);
}

#[test]
fn a_start_removes_nothing_beside_files_that_are_no_manifests() {
    let folder = Folder::recorded();
    let store = folder.open();
    let old = upload(&store, b"old");
    let path = folder.blob(&old.to_string());
    age(&path, Duration::from_secs(7_200));
    let stray = folder.manifest("mario").with_file_name(".stray");
    fs::write(&stray, "").unwrap();
    store.prune();
    assert!(path.exists());
    fs::remove_file(&stray).unwrap();
    fs::write(folder.manifest("mario").with_file_name("broken"), "{").unwrap();
    store.prune();
    assert!(path.exists());
    fs::remove_file(folder.manifest("mario").with_file_name("broken")).unwrap();
    store.prune();
    assert!(!path.exists());
}

/// Two servers on one store: one must not remove a blob that the other is about to name.
#[test]
fn a_writer_waits_for_another_server_that_writes() {
    let folder = Folder::recorded();
    let store = folder.open();
    let other = File::open(folder.0.path().join("manifests")).unwrap();
    let writes: [fn(&Store); 4] = [
        |store| _ = store.copy(&name("mario"), &name("copied")).unwrap(),
        |store| assert_eq!(create(store, json!({"model": "made", "from": "mario"})).last().unwrap(), "success"),
        |store| assert!(store.delete(&name("copied")).unwrap()),
        Store::prune,
    ];
    for write in writes {
        other.lock().unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                write(&store);
                done.store(true, Ordering::SeqCst);
            });
            thread::sleep(Duration::from_millis(50));
            assert!(!done.load(Ordering::SeqCst), "it did not wait");
            other.unlock().unwrap();
        });
        assert!(done.load(Ordering::SeqCst));
    }
    assert_eq!(listed(&store).len(), 5);
}

#[test]
fn unused_blobs_stay_where_they_shall() {
    let folder = Folder::new();
    let store = folder.open().keeping_unused();
    upload(&store, &llamita());
    for system in ["one", "two"] {
        create(&store, json!({"model": "a", "files": {"m.gguf": LLAMITA}, "system": system}));
    }
    assert!(store.blobs().find(&Digest::of(b"one")).is_some());
}
