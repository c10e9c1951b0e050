//! The prompt under way, bounded.

use super::RenderError;
use crate::config::limits::PROMPT_BYTES;

/// Text that grows up to [`PROMPT_BYTES`]. After that, or after [`Out::fail`], nothing is taken any more and
/// [`Out::finish`] says why: a renderer writes on and need not look.
pub(super) struct Out {
    text: String,
    failed: Option<RenderError>,
}

impl Out {
    pub(super) fn new() -> Self {
        Self { text: String::new(), failed: None }
    }

    /// Appends `part`.
    pub(super) fn put(&mut self, part: &str) {
        if self.failed.is_some() {
            return;
        }
        if self.text.len() + part.len() > PROMPT_BYTES {
            return self.fail(RenderError::TooLong);
        }
        self.text.push_str(part);
    }

    /// Appends `parts`, one after the other.
    pub(super) fn puts<const N: usize>(&mut self, parts: [&str; N]) {
        for part in parts {
            self.put(part);
        }
    }

    /// Appends `part` and a comma in front of all but the first: `first` tells, and becomes false.
    pub(super) fn separate(&mut self, first: &mut bool, separator: &str) {
        if !std::mem::take(first) {
            self.put(separator);
        }
    }

    /// Gives the prompt up. The first reason counts.
    pub(super) fn fail(&mut self, error: RenderError) {
        self.failed.get_or_insert(error);
    }

    /// The prompt, or why there is none.
    pub(super) fn finish(self) -> Result<String, RenderError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_grows_to_its_bound_and_no_further() {
        let half = "x".repeat(PROMPT_BYTES / 2);
        let mut out = Out::new();
        out.puts([&half, &half]);
        out.put("");
        assert_eq!(out.finish().map(|text| text.len()), Ok(PROMPT_BYTES));
        let mut out = Out::new();
        out.puts([&half, &half, "x", ""]);
        out.fail(RenderError::NoMessages);
        assert_eq!(out.finish(), Err(RenderError::TooLong));
    }
}
