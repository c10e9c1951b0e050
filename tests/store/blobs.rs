//! Blobs on their way in.

use std::fs;
use std::sync::Barrier;
use std::thread;

use llamero::model::Digest;
use llamero::store::{BlobError, Store};

use crate::folder::{Folder, llamita, upload};

#[test]
fn a_blob_appears_whole_or_not_at_all() {
    let folder = Folder::new();
    let store = folder.open();
    let digest = Digest::of(b"hello");
    assert_eq!(store.blobs().find(&digest), None);

    let mut writer = store.blobs().begin(digest).unwrap().unwrap();
    writer.write(b"hel").unwrap();
    assert_eq!((folder.blobs().len(), store.blobs().find(&digest)), (1, None));
    drop(writer);
    assert_eq!(folder.blobs(), [""; 0], "a client that leaves leaves nothing behind");

    let mut writer = store.blobs().begin(digest).unwrap().unwrap();
    writer.write(b"hellO").unwrap();
    let error = writer.commit().unwrap_err();
    let got = Digest::of(b"hellO");
    assert_eq!(error.to_string(), format!("digest mismatch, expected \"{digest}\", got \"{got}\""));
    assert_eq!(folder.blobs(), [""; 0]);

    upload(&store, b"hello");
    let path = store.blobs().find(&digest).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"hello");
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o644);
    assert!(store.blobs().begin(digest).unwrap().is_none(), "it is there already");
    assert_eq!(folder.blobs().len(), 1);
}

/// Eight clients send the same blob at once, one of them a wrong one.
#[test]
fn one_blob_may_come_from_many_at_once() {
    let folder = Folder::new();
    let store = folder.open();
    let bytes = llamita();
    let digest = Digest::of(&bytes);
    let started = Barrier::new(8);
    thread::scope(|scope| {
        for client in 0..8_u8 {
            let (store, started, bytes) = (&store, &started, &bytes);
            scope.spawn(move || {
                let mut writer = store.blobs().begin(digest).unwrap().unwrap();
                started.wait();
                bytes.chunks(100_000).for_each(|chunk| writer.write(chunk).unwrap());
                if client == 7 {
                    writer.write(b"!").unwrap();
                }
                let outcome = writer.commit();
                assert_eq!(matches!(outcome, Err(BlobError::Mismatch { .. })), client == 7);
                assert_eq!(outcome.is_ok(), client != 7);
            });
        }
    });
    assert_eq!(folder.blobs(), [digest.file_name()]);
    assert_eq!(fs::read(folder.blob(&digest.to_string())).unwrap(), bytes);
}

/// No error tells a client where the store lies.
#[test]
fn disk_errors_tell_no_path() {
    let folder = Folder::new();
    let store = folder.open();
    let digest = Digest::of(b"hello");
    let mut writer = store.blobs().begin(digest).unwrap().unwrap();
    writer.write(b"hello").unwrap();
    fs::remove_dir_all(folder.0.path().join("blobs")).unwrap();
    let error = writer.commit().unwrap_err();
    assert_eq!(error.to_string(), "the blob could not be written: a part of the model folder is missing");
    let error = store.blobs().begin(digest).unwrap_err();
    assert_eq!(error.to_string(), "the blob could not be written: a part of the model folder is missing");
    fs::remove_dir_all(folder.0.path().join("manifests")).unwrap();
    let error = store.refresh().unwrap_err();
    assert_eq!(error.to_string(), "the model store could not be read: a part of the model folder is missing");
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Store::open(file.path()).unwrap_err();
    assert_eq!(error.to_string(), "the model store could not be created: a part of the model folder's path is a file");
}
