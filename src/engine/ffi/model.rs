//! A model's weights: loading them with a way to stop, and asking them for facts.

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

/// A loaded model. Contexts and vocabularies hold it by `Arc`, so it outlives them.
#[derive(Debug)]
pub(super) struct Model(NonNull<sys::llama_model>);

// SAFETY: llama.cpp does not tie a model to the thread that loaded it.
unsafe impl Send for Model {}
// SAFETY: after loading, a model is only read through this type; llama.cpp's functions that take it as `const` keep no
// state in it (the tokenizers build theirs for each call).
unsafe impl Sync for Model {}

/// How a load ended without a model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoModel {
    /// `keep_going` said no.
    Stopped,
    /// llama.cpp refused the file; its log has the reason.
    Refused,
}

/// What llama.cpp's progress callback is given.
struct Progress<'a> {
    keep_going: &'a dyn Fn(f32) -> bool,
    stopped: bool,
}

impl Model {
    /// Loads the file at `path`. `keep_going` is called with the share that is loaded, 0 to 1; false stops the load.
    /// The caller fills `parameters` but for the progress callback, and keeps what they point to alive.
    pub(super) fn load(
        path: &CStr,
        mut parameters: sys::llama_model_params,
        keep_going: &dyn Fn(f32) -> bool,
    ) -> Result<Self, NoModel> {
        let mut progress = Progress { keep_going, stopped: false };
        parameters.progress_callback = Some(on_progress);
        parameters.progress_callback_user_data = (&raw mut progress).cast::<c_void>();
        // SAFETY: `path` ends in a zero; `progress` outlives the call and is used by the callback alone while it lasts;
        // llama.cpp catches its own exceptions in here and returns null.
        let model = unsafe { sys::llama_model_load_from_file(path.as_ptr(), parameters) };
        match NonNull::new(model) {
            Some(model) => Ok(Self(model)),
            None if progress.stopped => Err(NoModel::Stopped),
            None => Err(NoModel::Refused),
        }
    }

    /// The pointer, for calls that borrow the model.
    pub(super) fn as_ptr(&self) -> *mut sys::llama_model {
        self.0.as_ptr()
    }

    /// Its vocabulary, which lives as long as the model.
    pub(super) fn vocabulary(&self) -> *const sys::llama_vocab {
        // SAFETY: the model is loaded; the vocabulary is a part of it.
        unsafe { sys::llama_model_get_vocab(self.as_ptr()) }
    }

    /// Context length that it was trained with, in tokens.
    pub(super) fn trained_context(&self) -> u32 {
        // SAFETY: reads a number of a loaded model.
        unsafe { sys::llama_model_n_ctx_train(self.as_ptr()) }.max(0) as u32
    }

    /// Whether it has recurrent layers: their memory keeps one state for each sequence, not one cell for each token.
    pub(super) fn is_recurrent(&self) -> bool {
        // SAFETY: both read the kind of a loaded model.
        unsafe { sys::llama_model_is_recurrent(self.as_ptr()) || sys::llama_model_is_hybrid(self.as_ptr()) }
    }

    /// Whether it writes text token by token. Encoders and encoder-decoders do not, and decoding with one would abort.
    pub(super) fn writes_text(&self) -> bool {
        // SAFETY: both read the kind of a loaded model.
        unsafe { sys::llama_model_has_decoder(self.as_ptr()) && !sys::llama_model_has_encoder(self.as_ptr()) }
    }

    /// The chat template in its file.
    pub(super) fn chat_template(&self) -> Option<String> {
        // SAFETY: a null name asks for the default template; the string is the model's own and is copied here.
        let template = unsafe {
            let text = sys::llama_model_chat_template(self.as_ptr(), std::ptr::null());
            (!text.is_null()).then(|| CStr::from_ptr(text))
        };
        template.map(|text| text.to_string_lossy().into_owned())
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours alone; every context and vocabulary of it held an `Arc` and is gone.
        unsafe { sys::llama_model_free(self.as_ptr()) };
    }
}

unsafe extern "C" fn on_progress(share: f32, progress: *mut c_void) -> bool {
    // SAFETY: `Model::load` passes its own `Progress`, which outlives the load and is not touched by anyone else meanwhile.
    let progress = unsafe { &mut *progress.cast::<Progress<'_>>() };
    // A panic must not cross llama.cpp's frames: it stops the load instead.
    let go_on = catch_unwind(AssertUnwindSafe(|| (progress.keep_going)(share))).unwrap_or(false);
    progress.stopped |= !go_on;
    go_on
}
