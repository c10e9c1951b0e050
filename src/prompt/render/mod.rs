//! The built-in renderers: messages, tools and the wish to think as the prompt that a family of models was trained on
//! (the behaviour page, section 7.3). A model names its renderer in its config.
//!
//! `table` holds all names. A renderer is a function that writes into `out::Out`; what families share lies beside them:
//! `json` and `go` (how values are printed), `definitions` (tools as transformers prints them), `calls` (ways to write a
//! call), `chatml` (turns between `<|im_start|>` and `<|im_end|>`), `braces` (Gemma's declarations and literals) and
//! `images` (markers).

mod braces;
mod calls;
mod chatml;
mod cohere;
mod deepseek;
mod definitions;
mod gemma;
mod gemma4;
mod gemma4_schema;
mod glimmer;
mod glm;
mod go;
mod images;
mod json;
mod laguna;
mod lfm2;
mod nemotron;
mod olmo;
mod out;
mod qwen;
mod qwen35;
mod qwen_vl;
mod table;

#[cfg(test)]
mod tests;

use std::borrow::Borrow;

use jiff::civil::Date;
use serde_json::Value;

use crate::config::limits::{JSON_DEPTH_MAX, PROMPT_BYTES};
use crate::model::quote::quote;
use crate::model::tool::{ToolParameters, ToolProperties, ToolProperty};
use crate::model::{Message, Think, Tool};

pub use table::{Renderer, by_name, for_model};

/// What a prompt is made of.
#[derive(Debug, Clone, Copy)]
pub struct Conversation<'a> {
    /// The messages, oldest first.
    pub messages: &'a [Message],
    /// Tools that the model may call.
    pub tools: &'a [Tool],
    /// Whether it may think first; `None`: as the family likes best.
    pub think: Option<Think>,
    /// The local date: some families tell the model.
    pub today: Date,
}

impl<'a> Conversation<'a> {
    /// Whether the model is to think, where saying nothing means `default`.
    fn thinks(&self, default: bool) -> bool {
        self.think.map_or(default, Think::wanted)
    }

    /// The content of the first message when it is a system message, and the messages after it.
    fn leading_system(&self) -> (Option<&'a str>, &'a [Message]) {
        self.leading(&["system"])
    }

    /// The same for any of `roles`.
    fn leading(&self, roles: &[&str]) -> (Option<&'a str>, &'a [Message]) {
        match self.messages.split_first() {
            Some((first, rest)) if roles.contains(&first.role.as_str()) => (Some(&first.content), rest),
            _ => (None, self.messages),
        }
    }
}

/// Where a result of a tool stands among those around it.
#[derive(Debug, Clone, Copy)]
struct ResultPlace {
    /// No result directly before it.
    is_first: bool,
    /// No result directly after it.
    is_last: bool,
}

/// The place of the result at `at`.
fn place_of_result<M: Borrow<Message>>(messages: &[M], at: usize) -> ResultPlace {
    let is_other = |at: Option<usize>| {
        at.and_then(|at| messages.get(at)).is_none_or(|message| {
            let message: &Message = message.borrow();
            message.role != "tool"
        })
    };
    ResultPlace { is_first: is_other(at.checked_sub(1)), is_last: is_other(at.checked_add(1)) }
}

/// Why there is no prompt. The sentences go to clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// No renderer has this name.
    #[error("unknown renderer {}", quote(.0))]
    Unknown(String),
    /// The prompt would be longer than [`PROMPT_BYTES`].
    #[error("the prompt is longer than {PROMPT_BYTES} bytes")]
    TooLong,
    /// A tool's schema or a call's argument is nested deeper than [`JSON_DEPTH_MAX`].
    #[error("tools and arguments of tool calls may be nested {JSON_DEPTH_MAX} levels deep")]
    TooDeep,
    /// The family wants at least one message.
    #[error("no messages provided")]
    NoMessages,
    /// The family wants a question of the user, not only results of tools.
    #[error("no user query found in messages")]
    NoQuery,
    /// Instructions of this role are text only.
    #[error("{0} message cannot contain images")]
    ImagesIn(String),
}

/// Whether everything that renderers walk down is shallow enough for them.
fn is_shallow(conversation: &Conversation<'_>) -> bool {
    let calls = conversation.messages.iter().flat_map(|message| &message.tool_calls);
    let mut arguments = calls.flat_map(|call| call.function.arguments.iter());
    arguments.all(|(_, value)| fits(value, JSON_DEPTH_MAX))
        && conversation.tools.iter().all(|tool| {
            let ToolParameters { defs, items, properties, .. } = &tool.function.parameters;
            free_fits(tool.items.as_ref(), JSON_DEPTH_MAX)
                && free_fits(defs.as_ref(), JSON_DEPTH_MAX)
                && free_fits(items.as_ref(), JSON_DEPTH_MAX)
                && properties_fit(properties.as_ref(), JSON_DEPTH_MAX)
        })
}

fn fits(value: &Value, levels: usize) -> bool {
    let Some(inside) = levels.checked_sub(1) else { return false };
    match value {
        Value::Array(elements) => elements.iter().all(|element| fits(element, inside)),
        Value::Object(map) => map.values().all(|element| fits(element, inside)),
        _ => true,
    }
}

fn free_fits(value: Option<&Value>, levels: usize) -> bool {
    value.is_none_or(|value| fits(value, levels))
}

fn properties_fit(properties: Option<&ToolProperties>, levels: usize) -> bool {
    let mut each = properties.iter().flat_map(|properties| &properties.0);
    each.all(|(_, property)| property_fits(property, levels))
}

fn property_fits(property: &ToolProperty, levels: usize) -> bool {
    let Some(inside) = levels.checked_sub(1) else { return false };
    property.any_of.iter().all(|branch| property_fits(branch, inside))
        && property.values.iter().all(|value| fits(value, inside))
        && free_fits(property.items.as_ref(), inside)
        && properties_fit(property.properties.as_ref(), inside)
}
