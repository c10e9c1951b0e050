//! What may be mapped as a region, and what may not.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use super::super::back::Outbox;
use super::super::front::CoreFront;
use super::super::region::{Region, RegionError};
use super::super::wake::Eventfd;
use crate::config::limits::CORES_MAX;

fn clone(region: &Region) -> OwnedFd {
    region.fd().try_clone_to_owned().unwrap()
}

#[test]
fn two_mappings_are_one_region() {
    let ours = Region::create(3).unwrap();
    let theirs = Region::open(clone(&ours)).unwrap();
    assert_eq!(theirs.cores(), 3);
    let wakes = (0..3).map(|_| Eventfd::new().unwrap()).collect();
    let mut out = Outbox::new(&theirs, wakes);
    let front = CoreFront::new(Arc::clone(&ours), 2);
    let mut slot = out.slot(2).unwrap();
    slot.payload()[..5].copy_from_slice(b"hello");
    slot.commit(super::head(1, 5));
    let mut seen = Vec::new();
    front
        .drain(|key, slot| {
            assert_eq!(key, 1);
            assert!(ours.contains(slot.bytes().as_ptr(), slot.bytes().len()));
            assert!(!theirs.contains(slot.bytes().as_ptr(), 1));
            slot.copy_to(&mut seen);
        })
        .unwrap();
    assert_eq!(seen, b"hello");
    assert_eq!(front.counters().copied_bytes, 5);
}

#[test]
fn the_size_is_sealed() {
    let region = Region::create(1).unwrap();
    assert!(ftruncate(region.fd(), 4096).is_err());
    assert!(ftruncate(region.fd(), 1 << 30).is_err());
}

#[test]
fn a_region_for_all_cores_can_be_made() {
    let region = Region::create(CORES_MAX).unwrap();
    assert_eq!(Region::open(clone(&region)).unwrap().cores(), CORES_MAX);
}

#[test]
fn descriptors_that_are_no_region() {
    let file = tempfile::tempfile().unwrap();
    assert!(matches!(Region::open(file.into()), Err(RegionError::Seals(_) | RegionError::NotSealed)));

    let unsealed = memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
    assert!(matches!(Region::open(unsealed), Err(RegionError::NotSealed)));

    for size in [0_u64, 1, 4096, 1 << 40] {
        let fd = sealed(size);
        assert!(matches!(Region::open(fd), Err(RegionError::WrongSize { found }) if found == size));
    }
}

#[test]
fn every_word_of_the_header_counts() {
    for word in 0..5 {
        let region = Region::create(2).unwrap();
        let file = File::from(clone(&region));
        file.write_all_at(&u32::MAX.to_le_bytes(), word * 4).unwrap();
        let error = Region::open(file.into()).unwrap_err();
        assert!(matches!(error, RegionError::Header { word: w, found: u32::MAX, .. } if w == word as usize), "{error}");
    }
}

fn sealed(size: u64) -> OwnedFd {
    let fd = memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, size).unwrap();
    fcntl_add_seals(fd.as_fd(), SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).unwrap();
    fd
}
