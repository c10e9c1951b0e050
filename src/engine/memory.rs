//! How much memory a load will take, and how much there is.

use std::fmt;
use std::fs;

use super::backend::LoadPlan;
use crate::config::limits::{RECURRENT_SEQUENCES_MAX, SEQUENCES_MAX};
use crate::model::gguf::Footprint;

/// Bytes of a 32-bit float, which graphs compute in.
const FLOAT: u64 = 4;
/// Bytes of a cell in the mask of a row for flash attention; without it masks are floats.
const MASK: u64 = 2;
/// Fields of `/proc/meminfo` that a load may use: what is free or can be freed, and swap.
const USABLE: [&str; 2] = ["MemAvailable:", "SwapFree:"];
/// Limit and use of this process's control group, versions 2 and 1, as a container sees its own.
const GROUPS: [(&str, &str, &str, &str); 2] = [
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file "),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file ",
    ),
];

/// Bytes that a model will take when it is loaded by this plan: weights, KV memory and compute buffers; 0 where nothing
/// is known of it. Too much rather than too little, by some percent (`tests/llamita.rs` compares).
pub fn needed(model: &Footprint, plan: &LoadPlan) -> u64 {
    let cells = u64::from(plan.cells);
    let sequences = if model.state_bytes == 0 { SEQUENCES_MAX } else { RECURRENT_SEQUENCES_MAX } as u64;
    // llama.cpp plans its graphs for as many rows of each sequence.
    let rows = u64::from(plan.batch_rows).min(cells).next_multiple_of(sequences);
    let numbers = |each: u64| each.saturating_mul(cells);
    let cache =
        plan.cache.keys.bytes(numbers(model.keys)).saturating_add(plan.cache.values.bytes(numbers(model.values)));
    let states = model.state_bytes.saturating_mul(sequences);
    // The logits of every sequence lie in the graph and once more behind it.
    let logits = model.vocabulary.saturating_mul(sequences * 2 * FLOAT);
    let activations = rows.saturating_mul(model.row).saturating_mul(FLOAT);
    let scores = match plan.cache.flash_attention {
        _ if model.heads == 0 => 0,
        Some(false) => model.heads.saturating_add(1).saturating_mul(FLOAT),
        _ => MASK,
    };
    let attention = scores.saturating_mul(rows).saturating_mul(cells);
    [cache, states, logits, activations, attention].into_iter().fold(model.weights, u64::saturating_add)
}

/// Bytes of the machine's memory that a load may still use; all there could be, where the kernel does not tell.
pub fn available() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let limited = GROUPS.iter().filter_map(|(limit, used, stat, cache)| {
        let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let stat = fs::read_to_string(stat).unwrap_or_default();
        Some(left_in_group(number(limit)?, number(used)?, &stat, cache))
    });
    limited.fold(usable(&meminfo).unwrap_or(u64::MAX), u64::min)
}

fn usable(meminfo: &str) -> Option<u64> {
    let field = |name: &str| {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    let [available, swap] = USABLE;
    Some(field(available)?.saturating_add(field(swap).unwrap_or(0)))
}

/// A group's pages of files that nobody has used lately count as its use, and go when memory is short.
fn left_in_group(limit: u64, used: u64, stat: &str, cache: &str) -> u64 {
    let cached = stat.lines().find_map(|line| line.strip_prefix(cache)?.trim().parse::<u64>().ok());
    limit.saturating_sub(used.saturating_sub(cached.unwrap_or(0)))
}

/// A number of bytes as Ollama's sentences have it: `512 B`, `1.5 MiB`, `12.3 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match units.into_iter().find(|(_, unit)| self.0 >= *unit) {
            Some((name, unit)) => write!(f, "{:.1} {name}", self.0 as f64 / unit as f64),
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kv::{KvCache, KvType};

    const GIB: u64 = 1 << 30;

    fn plan(cells: u32, cache: KvCache) -> LoadPlan {
        LoadPlan {
            path: "blob".into(),
            cells,
            batch_rows: 512,
            gpu_layers: -1,
            main_gpu: None,
            mmap: true,
            threads: 0,
            cache,
        }
    }

    /// As Llama 3 8B in `Q4_0`: 32 layers, 8 heads of 128 for keys and values, 32 for queries.
    const LLAMA: Footprint = Footprint {
        weights: 4_661_000_000,
        keys: 32 * 1024,
        values: 32 * 1024,
        state_bytes: 0,
        row: 4 * 4096 + 2 * 14336,
        heads: 32,
        vocabulary: 128_256,
    };

    #[test]
    fn a_larger_context_takes_its_cells_and_smaller_types_less() {
        let f16 = KvCache::default();
        let grown = needed(&LLAMA, &plan(16384, f16)) - needed(&LLAMA, &plan(8192, f16));
        // 128 KiB a cell, and its masks.
        assert_eq!(grown, 8192 * (128 * 1024 + 512 * MASK));
        let q8 = KvCache::of(None, KvType::Q8_0);
        let saved = needed(&LLAMA, &plan(16384, f16)) - needed(&LLAMA, &plan(16384, q8));
        assert_eq!(saved, 16384 * 64 * 1024 * 30 / 32);
        let slow = KvCache::of(Some(false), KvType::F16);
        assert!(needed(&LLAMA, &plan(16384, slow)) > needed(&LLAMA, &plan(16384, f16)) + GIB);
    }

    #[test]
    fn what_nobody_can_have_does_not_overflow() {
        let huge = Footprint { weights: u64::MAX, keys: u64::MAX, row: u64::MAX, ..LLAMA };
        assert_eq!(needed(&huge, &plan(u32::MAX, KvCache::default())), u64::MAX);
        assert_eq!(needed(&Footprint::default(), &plan(4096, KvCache::default())), 0, "nothing is known");
    }

    #[test]
    fn the_kernel_is_read() {
        let meminfo = "MemTotal: 99 kB\nMemFree: 1 kB\nMemAvailable:   12 kB\nSwapFree:  3 kB\n";
        assert_eq!(usable(meminfo), Some(15 * 1024));
        assert_eq!(usable("MemAvailable: 12 kB\n"), Some(12 * 1024));
        assert_eq!(usable("MemTotal: 99 kB\n"), None);
        assert_eq!(left_in_group(100, 70, "anon 30\ninactive_file 25\n", "inactive_file "), 55);
        assert_eq!(left_in_group(100, 170, "", "inactive_file "), 0);
        assert!(available() > 0);
    }

    #[test]
    fn sizes_are_told_as_people_read_them() {
        for (bytes, text) in [(512, "512 B"), (3 << 19, "1.5 MiB"), (13_207_024_435, "12.3 GiB"), (1 << 40, "1.0 TiB")]
        {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }
}
