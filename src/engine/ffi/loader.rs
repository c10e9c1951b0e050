//! From a [`LoadPlan`] to a model on a device, ready to decode.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;

use llama_cpp_2::LlamaBackendDeviceType as DeviceType;
use llama_cpp_sys_2 as sys;

use super::context::{Context, LlamaBackend};
use super::log::{self, Heard};
use super::model::{Model, NoModel};
use super::vocabulary::LlamaVocabulary;
use crate::config::limits::{POOL_CELLS_MAX, RECURRENT_SEQUENCES_MAX, SEQUENCES_MAX};
use crate::engine::backend::{Backend, Facts, LoadPlan};
use crate::engine::kv::KvType;
use crate::engine::{loader, memory};

/// llama.cpp computes attention on the CPU row by row up to here, and from 64 rows on in tiles.
const CPU_PLAIN_ROWS: usize = 63;

/// One load at a time: creating contexts in parallel on one model is unsound, and two loads would only compete for memory.
static LOADING: Mutex<()> = Mutex::new(());

/// Why a model did not load. The sentences go to clients: none names a path.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LoadError {
    /// The file cannot be opened.
    #[error("the model's file cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// llama.cpp does not take the file.
    #[error("the model cannot be loaded: {0}")]
    Refused(String),
    /// A model of a kind that does not answer prompts.
    #[error("the model does not write text")]
    WritesNoText,
    /// No tokens in it.
    #[error("the model has no vocabulary")]
    NoVocabulary,
    /// Weights, KV pool or compute buffers found no room.
    #[error("there is not enough memory for the model with {cells} cells of context: {reason}")]
    NoMemory {
        /// Cells of the KV pool that was asked for.
        cells: u32,
        /// What llama.cpp could not allocate.
        reason: String,
    },
    /// The pool or the compute buffers could not be made for another reason.
    #[error("the model's context cannot be made: {0}")]
    Context(String),
    /// `main_gpu` names none.
    #[error("there is no GPU {index}: the machine has {gpus}")]
    NoSuchGpu {
        /// What was asked for.
        index: i32,
        /// How many there are.
        gpus: usize,
    },
    /// `keep_going` said no.
    #[error("the load was stopped")]
    Stopped,
}

/// How much a load looks at the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// They have been probed, or belong to the operator: none is read before it is needed.
    Trust,
    /// All are read once, and numbers that no weight can have are refused.
    Probe,
}

/// A device that llama.cpp can compute on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// `CPU`, `CUDA0`.
    pub name: String,
    /// What it is, in words.
    pub description: String,
    /// Whether models can be offloaded to it.
    pub is_gpu: bool,
    /// Memory that is free, in bytes.
    pub free: u64,
    /// Memory that it has, in bytes.
    pub total: u64,
}

/// The devices of this machine; `main_gpu` counts the GPUs among them, in this order.
pub fn devices() -> Vec<Device> {
    start_llama();
    let listed = llama_cpp_2::list_llama_ggml_backend_devices();
    let known = listed.into_iter().map(|device| Device {
        is_gpu: matches!(device.device_type, DeviceType::Gpu | DeviceType::IntegratedGpu),
        name: device.name,
        description: device.description,
        free: device.memory_free as u64,
        total: device.memory_total as u64,
    });
    known.collect()
}

/// Starts llama.cpp, once in the life of the process.
pub(super) fn start_llama() {
    static STARTED: OnceLock<Option<llama_cpp_2::llama_backend::LlamaBackend>> = OnceLock::new();
    STARTED.get_or_init(|| {
        log::install();
        // It fails only where it was started before, and that is as good.
        llama_cpp_2::llama_backend::LlamaBackend::init().ok()
    });
}

/// Loads models.
#[derive(Debug)]
pub struct LlamaLoader {
    /// Names of the devices that models can be offloaded to.
    gpus: Vec<String>,
}

impl Default for LlamaLoader {
    fn default() -> Self {
        Self::new()
    }
}

impl LlamaLoader {
    /// Starts llama.cpp if that has not happened, and looks at the devices.
    pub fn new() -> Self {
        let gpus = devices().into_iter().filter(|device| device.is_gpu);
        Self { gpus: gpus.map(|device| device.name).collect() }
    }

    /// Loads the model of `plan` and makes its context. Blocks, for as long as the disk takes; another load waits.
    /// `keep_going` is called with the share of the weights that is loaded, 0 to 1: false stops the load.
    ///
    /// # Errors
    /// When the file is not a model that writes text, when memory does not suffice, or when the load was stopped.
    pub fn load(&self, plan: &LoadPlan, keep_going: &dyn Fn(f32) -> bool) -> Result<Box<dyn Backend>, LoadError> {
        self.load_with(plan, Care::Trust, keep_going)
    }

    /// As [`LlamaLoader::load`], with a choice of how much is checked.
    pub(super) fn load_with(
        &self,
        plan: &LoadPlan,
        care: Care,
        keep_going: &dyn Fn(f32) -> bool,
    ) -> Result<Box<dyn Backend>, LoadError> {
        let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        File::open(&plan.path).map_err(|error| LoadError::Unreadable(error.kind()))?;

        let (model, heard_model) = log::listen(|| self.load_model(plan, care, keep_going));
        let model = Arc::new(model.map_err(|error| explain(error, plan, &heard_model))?);
        if !model.writes_text() {
            return Err(LoadError::WritesNoText);
        }
        let vocabulary = LlamaVocabulary::new(model.clone()).ok_or(LoadError::NoVocabulary)?;
        if !keep_going(1.0) {
            return Err(LoadError::Stopped);
        }
        let sequences = if model.is_recurrent() { RECURRENT_SEQUENCES_MAX } else { SEQUENCES_MAX };
        let parameters = context_parameters(plan, sequences);
        let (context, heard_context) = log::listen(|| Context::new(model.clone(), parameters));
        let context = context.ok_or_else(|| explain(LoadError::Context(String::new()), plan, &heard_context))?;

        let total = |heard: &Heard| heard.bytes(|_| true);
        let on_gpu = |heard: &Heard| heard.bytes(|device| self.gpus.iter().any(|gpu| gpu == device));
        let is_on_cpu = self.gpus.is_empty() || plan.gpu_layers == 0;
        let facts = Facts {
            vocabulary: crate::engine::backend::Vocabulary::len(&vocabulary),
            trained_context: model.trained_context(),
            cells: context.cells(),
            batch_rows: context.batch_rows(),
            plain_rows: if is_on_cpu { CPU_PLAIN_ROWS.min(context.batch_rows()) } else { context.batch_rows() },
            sequences,
            can_shift: context.can_shift(),
            bytes: total(&heard_model) + total(&heard_context),
            gpu_bytes: on_gpu(&heard_model) + on_gpu(&heard_context),
        };
        Ok(Box::new(LlamaBackend::new(context, Arc::new(vocabulary), facts)))
    }

    fn load_model(&self, plan: &LoadPlan, care: Care, keep_going: &dyn Fn(f32) -> bool) -> Result<Model, LoadError> {
        // SAFETY: returns a plain struct of defaults.
        let mut parameters = unsafe { sys::llama_model_default_params() };
        parameters.load_mode = if plan.mmap { sys::LLAMA_LOAD_MODE_MMAP } else { sys::LLAMA_LOAD_MODE_NONE };
        parameters.n_gpu_layers = plan.gpu_layers;
        if care == Care::Probe {
            parameters.check_tensors = true;
            // No second copy of the weights in another order: it would take as much memory as the file.
            parameters.use_extra_bufts = false;
        }
        // An empty list: not even large batches are sent to a GPU.
        let mut no_devices = [std::ptr::null_mut()];
        if plan.gpu_layers == 0 {
            parameters.devices = no_devices.as_mut_ptr();
        } else if let Some(index) = plan.main_gpu.filter(|_| !self.gpus.is_empty()) {
            let gpus = self.gpus.len();
            if !usize::try_from(index).is_ok_and(|index| index < gpus) {
                return Err(LoadError::NoSuchGpu { index, gpus });
            }
            parameters.split_mode = sys::LLAMA_SPLIT_MODE_NONE;
            parameters.main_gpu = index;
        }
        let path = CString::new(plan.path.as_os_str().as_bytes())
            .map_err(|_| LoadError::Unreadable(io::ErrorKind::InvalidInput))?;
        Model::load(&path, parameters, keep_going).map_err(|error| match error {
            NoModel::Stopped => LoadError::Stopped,
            NoModel::Refused => LoadError::Refused(String::new()),
        })
    }
}

impl loader::Loader for LlamaLoader {
    /// Without a GPU, what the machine has; with one, that and what the GPUs have, because layers may lie on either.
    fn available(&self, plan: &LoadPlan) -> u64 {
        let host = memory::available();
        if self.gpus.is_empty() || plan.gpu_layers == 0 {
            return host;
        }
        let gpus = devices().into_iter().filter(|device| device.is_gpu);
        gpus.fold(host, |sum, device| sum.saturating_add(device.free))
    }

    fn load(&self, plan: &LoadPlan, keep_going: &dyn Fn(f32) -> bool) -> Result<Box<dyn Backend>, loader::LoadError> {
        LlamaLoader::load(self, plan, keep_going).map_err(|error| match error {
            LoadError::Stopped => loader::LoadError::Stopped,
            LoadError::NoMemory { .. } => loader::LoadError::NoMemory,
            other => loader::LoadError::Refused(other.to_string()),
        })
    }
}

fn context_parameters(plan: &LoadPlan, sequences: usize) -> sys::llama_context_params {
    let threads =
        if plan.threads == 0 { available_parallelism().map_or(1, |count| count.get() as u32) } else { plan.threads };
    // SAFETY: returns a plain struct of defaults.
    let mut parameters = unsafe { sys::llama_context_default_params() };
    parameters.n_ctx = plan.cells.clamp(1, POOL_CELLS_MAX);
    parameters.n_batch = plan.batch_rows.max(1);
    parameters.n_ubatch = parameters.n_batch;
    parameters.n_seq_max = sequences as u32;
    // One row for each sequence: without it the compute buffer has room for the logits of every row of a prompt.
    parameters.n_outputs_max = sequences as u32;
    parameters.n_threads = threads.min(i32::MAX as u32) as i32;
    parameters.n_threads_batch = parameters.n_threads;
    parameters.flash_attn_type = match plan.cache.flash_attention {
        None => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
        Some(true) => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
        Some(false) => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
    };
    parameters.type_k = ggml_type(plan.cache.keys);
    parameters.type_v = ggml_type(plan.cache.values);
    // One pool that all sequences share. With so many of them a sliding window's cache is as large as the pool anyway,
    // and a full one keeps prefixes whole.
    parameters.kv_unified = true;
    parameters.swa_full = true;
    parameters.no_perf = true;
    parameters
}

fn ggml_type(kind: KvType) -> sys::ggml_type {
    match kind {
        KvType::F32 => sys::GGML_TYPE_F32,
        KvType::F16 => sys::GGML_TYPE_F16,
        KvType::Bf16 => sys::GGML_TYPE_BF16,
        KvType::Q8_0 => sys::GGML_TYPE_Q8_0,
        KvType::Q5_1 => sys::GGML_TYPE_Q5_1,
        KvType::Q5_0 => sys::GGML_TYPE_Q5_0,
        KvType::Q4_1 => sys::GGML_TYPE_Q4_1,
        KvType::Q4_0 => sys::GGML_TYPE_Q4_0,
        KvType::Iq4Nl => sys::GGML_TYPE_IQ4_NL,
    }
}

/// Fills in why a load failed from what the log said.
fn explain(error: LoadError, plan: &LoadPlan, heard: &Heard) -> LoadError {
    let reason =
        heard.reason.as_deref().map_or("llama.cpp gave no reason".to_owned(), |told| without_path(told, &plan.path));
    match error {
        LoadError::Refused(_) | LoadError::Context(_) if log::is_out_of_memory(&reason) => {
            LoadError::NoMemory { cells: plan.cells, reason }
        }
        LoadError::Refused(_) => LoadError::Refused(reason),
        LoadError::Context(_) => LoadError::Context(reason),
        told => told,
    }
}

/// Takes the file's name out of llama.cpp's text.
pub(super) fn without_path(text: &str, path: &Path) -> String {
    let whole = path.to_string_lossy();
    let name = path.file_name().map_or_else(|| whole.clone(), |name| name.to_string_lossy());
    text.replace(&*whole, "the file").replace(&*name, "the file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_no_path() {
        let path = Path::new("/models/blobs/sha256-0123");
        let rows = [
            ("failed to load model from /models/blobs/sha256-0123", "failed to load model from the file"),
            ("invalid split file name: sha256-0123", "invalid split file name: the file"),
            ("tensor 'output.weight' is missing", "tensor 'output.weight' is missing"),
        ];
        for (told, wanted) in rows {
            assert_eq!(without_path(told, path), wanted);
        }
    }
}
