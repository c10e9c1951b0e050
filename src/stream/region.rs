//! The memory that front and engine share: a sealed memfd, mapped by both and addressed by position.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{MemfdFlags, SealFlags};

use super::layout;
use super::ring::Cells;
use crate::config::limits::{CORES_MAX, SLOTS_PER_CORE};

/// The seals of a region: its size can never change, so no access inside it can ever fault, and they stay.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Why a descriptor is not a region of ours.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// It is no memfd, so it has no seals.
    #[error("the descriptor has no seals: {0}")]
    Seals(#[source] io::Error),
    /// Its size could still change.
    #[error("the region is not sealed against changes of its size")]
    NotSealed,
    /// Its size cannot be read.
    #[error("the region's size cannot be read: {0}")]
    Size(#[source] io::Error),
    /// It is not as long as its header says.
    #[error("the region has {found} bytes, and not those of 1 to {CORES_MAX} cores")]
    WrongSize {
        /// Its size in bytes.
        found: u64,
    },
    /// It cannot be mapped.
    #[error("the region cannot be mapped: {0}")]
    Map(#[source] io::Error),
    /// Magic number, version or layout differ.
    #[error("word {word} of the region's header is {found:#x} instead of {expected:#x}")]
    Header {
        /// Which word.
        word: usize,
        /// What it holds.
        found: u32,
        /// What it should hold.
        expected: u32,
    },
}

/// The shared memory of one engine generation. Unmapped when the last [`Arc`] goes, which the slots hold too.
#[derive(Debug)]
pub struct Region {
    file: File,
    map: MmapRaw,
    cores: usize,
}

impl Region {
    /// A new region for 1 to [`CORES_MAX`] cores, all slots with the engine. Untouched pages take no memory.
    ///
    /// # Errors
    /// When the system has no memory or descriptors left.
    ///
    /// # Panics
    /// When `cores` is out of its bounds.
    pub fn create(cores: usize) -> io::Result<Arc<Self>> {
        let bytes = layout::region_bytes(cores);
        let fd = rustix::fs::memfd_create("llamero-region", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&fd, bytes as u64)?;
        rustix::fs::fcntl_add_seals(&fd, SEALS)?;
        let file = File::from(fd);
        let map = MmapOptions::new().len(bytes).map_raw(&file)?;
        let region = Self { file, map, cores };
        for (index, value) in header(cores).into_iter().enumerate() {
            region.word(index * size_of::<u32>()).store(value, Ordering::Release);
        }
        Ok(Arc::new(region))
    }

    /// Maps a region that another process made.
    ///
    /// # Errors
    /// When the descriptor is not a sealed region of exactly our layout.
    pub fn open(fd: OwnedFd) -> Result<Arc<Self>, RegionError> {
        let seals = rustix::fs::fcntl_get_seals(&fd).map_err(|e| RegionError::Seals(e.into()))?;
        if !seals.contains(SEALS) {
            return Err(RegionError::NotSealed);
        }
        let found = rustix::fs::fstat(&fd).map_err(|e| RegionError::Size(e.into()))?.st_size as u64;
        // The size is sealed and the header is not: the number of cores comes from the size.
        let cores = (1..=CORES_MAX).find(|&cores| layout::region_bytes(cores) as u64 == found);
        let cores = cores.ok_or(RegionError::WrongSize { found })?;
        let file = File::from(fd);
        let map = MmapOptions::new().len(found as usize).map_raw(&file).map_err(RegionError::Map)?;
        let region = Self { file, map, cores };
        for (word, expected) in header(cores).into_iter().enumerate() {
            let found = region.word(word * size_of::<u32>()).load(Ordering::Acquire);
            if found != expected {
                return Err(RegionError::Header { word, found, expected });
            }
        }
        Ok(Arc::new(region))
    }

    /// The memfd, to be handed to the engine.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Number of cores that it serves.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// Whether `len` bytes at `start` all lie in the region. For tests of who sends what.
    pub fn contains(&self, start: *const u8, len: usize) -> bool {
        let base = self.map.as_ptr() as usize;
        (start as usize)
            .checked_sub(base)
            .and_then(|offset| offset.checked_add(len))
            .is_some_and(|end| end <= self.map.len())
    }

    /// A pointer to `len` bytes at `offset`, which must lie inside and be aligned to `align`.
    fn at(&self, offset: usize, len: usize, align: usize) -> NonNull<u8> {
        assert!(offset.is_multiple_of(align) && offset + len <= self.map.len(), "{offset} is not in the region");
        // SAFETY: the mapping is `map.len()` bytes long, never null, and the assertion keeps us inside it.
        unsafe { NonNull::new_unchecked(self.map.as_mut_ptr().add(offset)) }
    }

    /// The atomic word at `offset`.
    pub(super) fn word(&self, offset: usize) -> &AtomicU32 {
        let word = self.at(offset, 4, 4).cast();
        // SAFETY: inside the mapping and aligned (`at`), alive as long as `self`; every 32 bits are a valid value,
        // and all processes reach this word through atomics only.
        unsafe { word.as_ref() }
    }

    /// The words of a slot's head.
    pub(super) fn head(&self, core: usize, slot: u32) -> &[AtomicU64; 4] {
        let words = self.at(layout::slot_at(core, slot), layout::HEAD_BYTES, 8).cast();
        // SAFETY: as in `word`: inside, aligned, any bits are valid, and heads are only reached through atomics.
        unsafe { words.as_ref() }
    }

    /// Start of a slot's payload of [`layout::PAYLOAD_BYTES`]. Who may touch it is told by the holder of the number.
    pub(super) fn payload(&self, core: usize, slot: u32) -> NonNull<u8> {
        self.at(layout::slot_at(core, slot) + layout::HEAD_BYTES, layout::PAYLOAD_BYTES, 1)
    }
}

/// The words of the header for this many cores.
fn header(cores: usize) -> [u32; 5] {
    let mut words = layout::HEADER;
    words[layout::HEADER_CORES] = cores as u32;
    words
}

/// The words of one ring in a region.
#[derive(Debug)]
pub(super) struct RegionRing {
    region: Arc<Region>,
    tail: usize,
    cells: usize,
    starved: usize,
}

impl RegionRing {
    /// Slot numbers from the engine to a core.
    pub(super) fn out(region: &Arc<Region>, core: usize) -> Self {
        Self::new(region, core, layout::OUT_TAIL, layout::OUT_CELLS)
    }

    /// Slot numbers from a core back to the engine.
    pub(super) fn free(region: &Arc<Region>, core: usize) -> Self {
        Self::new(region, core, layout::FREE_TAIL, layout::FREE_CELLS)
    }

    fn new(region: &Arc<Region>, core: usize, tail: usize, cells: usize) -> Self {
        assert!(core < region.cores, "core {core} of a region for {}", region.cores);
        let base = layout::core_at(core);
        Self { region: Arc::clone(region), tail: base + tail, cells: base + cells, starved: base + layout::STARVED }
    }

    /// The core's flag of an engine that has run out of slots, see [`super::starved`].
    pub(super) fn starved(&self) -> &AtomicU32 {
        self.region.word(self.starved)
    }

    /// The region that it lies in.
    pub(super) fn region(&self) -> &Arc<Region> {
        &self.region
    }
}

impl Cells for RegionRing {
    type Word = AtomicU32;

    fn capacity(&self) -> u32 {
        SLOTS_PER_CORE as u32
    }

    fn tail(&self) -> &AtomicU32 {
        self.region.word(self.tail)
    }

    fn cell(&self, index: u32) -> &AtomicU32 {
        self.region.word(self.cells + index as usize * size_of::<u32>())
    }
}
