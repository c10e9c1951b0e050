//! What a parser makes of an answer, on its way into the reply.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::model::json;
use crate::model::tool::{ToolCall, ToolCallFunction};
use crate::prompt::parse::{Call, Sink};
use crate::stream::back::Outbox;
use crate::stream::frames::{Logprob, ReplyWriter};

/// Writes the parts of one token's text, each as an event.
pub struct Parts<'a> {
    /// The reply.
    pub writer: &'a mut ReplyWriter,
    /// Where it goes.
    pub out: &'a mut Outbox,
    /// Log probabilities of the text that was parsed: the first event takes them.
    pub logprobs: &'a [Logprob],
}

impl<'a> Parts<'a> {
    fn take_logprobs(&mut self) -> &'a [Logprob] {
        std::mem::take(&mut self.logprobs)
    }

    /// Sends log probabilities whose text is held back, so that they are not lost.
    pub fn finish(mut self) {
        let logprobs = self.take_logprobs();
        if !logprobs.is_empty() {
            self.writer.token(self.out, "", logprobs);
        }
    }
}

impl Sink for Parts<'_> {
    fn content(&mut self, text: &str) {
        let logprobs = self.take_logprobs();
        self.writer.token(self.out, text, logprobs);
    }

    fn thinking(&mut self, text: &str) {
        let logprobs = self.take_logprobs();
        self.writer.thinking(self.out, text, logprobs);
    }

    fn call(&mut self, call: Call) {
        let Call { id, index, name, arguments } = call;
        let function = ToolCallFunction { index: index as i64, name, arguments: arguments.into() };
        // Strings, numbers and maps of them can always be written.
        let Ok(json) = json::to_vec(&ToolCall { id: id.unwrap_or_else(call_id), function }) else { return };
        let logprobs = self.take_logprobs();
        self.writer.call(self.out, &json, logprobs);
    }
}

/// `call_` and eight random letters or digits (the behaviour page, section 2.5).
fn call_id() -> String {
    // The standard library seeds each of these states from the system's random numbers.
    let mut random = RandomState::new().build_hasher().finish();
    let mut id = "call_".to_owned();
    for _ in 0..8 {
        id.extend(char::from_digit((random % 36) as u32, 36));
        random /= 36;
    }
    id
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_of_calls_differ() {
        let ids = [super::call_id(), super::call_id()];
        assert_ne!(ids[0], ids[1]);
        for id in ids {
            let rest = id.strip_prefix("call_").expect("it begins so");
            assert!(
                rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()),
                "{id}"
            );
        }
    }
}
