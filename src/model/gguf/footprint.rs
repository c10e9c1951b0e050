//! How much memory a model takes, as far as its header tells: weights, and what each cell, row and sequence adds.

use serde::{Deserialize, Serialize};

use crate::model::gguf::{Gguf, Tensor, Value};

/// What a model takes in memory, counted in numbers where their type is chosen when it is loaded.
///
/// All zeros: nothing is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Bytes of all tensors.
    pub weights: u64,
    /// Numbers that one cell of the KV memory keeps as keys, all layers together.
    pub keys: u64,
    /// The same for values.
    pub values: u64,
    /// Bytes that a sequence keeps besides its cells: the state of recurrent layers.
    pub state_bytes: u64,
    /// Numbers in the widest rows of activations that are in memory at once.
    pub row: u64,
    /// Heads of attention: without flash attention each has scores of its own for every row and cell.
    pub heads: u64,
    /// Tokens of the vocabulary.
    pub vocabulary: u64,
}

impl Footprint {
    /// Adds up a header. The tables of tensors tell what layers keep, however the layers of a model differ: the number of
    /// rows of the matrices that make keys and values.
    pub fn of(gguf: &Gguf) -> Self {
        let own = |key| gguf.get_own(key).and_then(Value::as_u64).unwrap_or(0);
        let embedding = own("embedding_length");
        let mut footprint = Self { heads: own("attention.head_count"), ..Self::default() };
        let mut widest = 0;
        let mut recurrent = 0_u64;
        for tensor in &gguf.tensors {
            footprint.weights = footprint.weights.saturating_add(bytes(tensor));
            let rows = tensor.dimensions.get(1).copied().unwrap_or(1);
            let part = tensor.name.strip_prefix("blk.").and_then(|name| name.split_once('.'));
            let Some((_, part)) = part else {
                if tensor.name == "token_embd.weight" {
                    footprint.vocabulary = rows;
                }
                continue;
            };
            match part {
                "attn_k.weight" | "attn_kv_a_mqa.weight" => footprint.keys = footprint.keys.saturating_add(rows),
                "attn_v.weight" => footprint.values = footprint.values.saturating_add(rows),
                "attn_qkv.weight" => {
                    let half = rows.saturating_sub(embedding) / 2;
                    footprint.keys = footprint.keys.saturating_add(half);
                    footprint.values = footprint.values.saturating_add(half);
                }
                "ssm_conv1d.weight" => recurrent += 1,
                _ => {}
            }
            if tensor.dimensions.len() == 2 {
                widest = widest.max(rows);
            }
        }
        footprint.row = embedding.saturating_mul(4).saturating_add(widest.saturating_mul(2));
        let width =
            own("ssm.inner_size").saturating_add(own("ssm.group_count").saturating_mul(own("ssm.state_size")) * 2);
        let state = own("ssm.conv_kernel").saturating_sub(1).saturating_mul(width);
        let state = state.saturating_add(own("ssm.inner_size").saturating_mul(own("ssm.state_size")));
        // llama.cpp keeps states as 32-bit floats.
        footprint.state_bytes = state.saturating_mul(4).saturating_mul(recurrent);
        footprint
    }
}

/// Length of a tensor's data; of a type that we do not know, as if it had 16 bits.
fn bytes(tensor: &Tensor) -> u64 {
    tensor.bytes().unwrap_or_else(|_| tensor.elements.saturating_mul(2))
}
