//! Where everything lies in a region: offsets in bytes from its start, equal for every process that maps it.
//!
//! ```text
//! 0            region header: magic, version, cores, slots per core, bytes per slot
//! PAGE         core 0: control lines | out cells | free cells | slots
//! PAGE + CORE  core 1: ...
//! ```

use crate::config::limits::{CORES_MAX, SLOT_BYTES, SLOTS_PER_CORE};

/// First word of a region: "llmr" in little-endian bytes, so that a foreign memfd is told from ours.
pub(super) const MAGIC: u32 = u32::from_le_bytes(*b"llmr");
/// Changes with anything on this page.
pub(super) const VERSION: u32 = 1;

/// Bytes in front of a slot's payload: four words of 64 bits, see [`super::slot::SlotHead`].
pub(super) const HEAD_BYTES: usize = 32;
/// Bytes of a slot that go on the wire.
pub const PAYLOAD_BYTES: usize = SLOT_BYTES - HEAD_BYTES;

/// The region's header and each core's control words have a page of their own.
const PAGE: usize = 4096;
/// Words written by different sides are this far apart: two cache lines, because the CPU fetches lines in pairs.
const LINE: usize = 128;
const CELLS_BYTES: usize = SLOTS_PER_CORE * size_of::<u32>();

/// The words of the region's header, each 32 bits wide.
pub(super) const HEADER: [u32; 5] = [MAGIC, VERSION, 0, SLOTS_PER_CORE as u32, SLOT_BYTES as u32];
/// Which word of [`HEADER`] holds the number of cores; all others are constants.
pub(super) const HEADER_CORES: usize = 2;

/// Offsets of one core's parts from the start of that core.
pub(super) const OUT_TAIL: usize = 0;
pub(super) const FREE_TAIL: usize = LINE;
pub(super) const STARVED: usize = 2 * LINE;
pub(super) const OUT_CELLS: usize = PAGE;
pub(super) const FREE_CELLS: usize = OUT_CELLS + CELLS_BYTES;
const SLOTS: usize = FREE_CELLS + CELLS_BYTES;
const CORE_BYTES: usize = SLOTS + SLOTS_PER_CORE * SLOT_BYTES;

const _: () = assert!(STARVED + LINE <= PAGE && size_of_val(&HEADER) <= PAGE);
const _: () = assert!(CELLS_BYTES.is_multiple_of(PAGE) && CORE_BYTES.is_multiple_of(PAGE));
const _: () = assert!(HEAD_BYTES.is_multiple_of(8) && SLOT_BYTES > HEAD_BYTES && SLOT_BYTES <= 1 << 16);

/// Size of a region for this many cores.
pub(super) fn region_bytes(cores: usize) -> usize {
    assert!((1..=CORES_MAX).contains(&cores), "a region serves 1 to {CORES_MAX} cores, not {cores}");
    PAGE + cores * CORE_BYTES
}

/// Start of a core's part.
pub(super) fn core_at(core: usize) -> usize {
    PAGE + core * CORE_BYTES
}

/// Start of a slot: its header, then its payload.
pub(super) fn slot_at(core: usize, slot: u32) -> usize {
    core_at(core) + SLOTS + slot as usize * SLOT_BYTES
}
