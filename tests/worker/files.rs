//! Changed copies of llamita, and a model of another shape.

use std::ops::Range;

use llamero::model::gguf::Value;

use crate::place::llamita;
use crate::writer::{File, Row};

/// llamita with the four bytes after this key and its type changed.
pub fn with_key(key: &str, bytes: [u8; 4]) -> Vec<u8> {
    let mut file = llamita();
    let at = find(&file, key.as_bytes()) + key.len() + size_of::<u32>();
    file[at..at + 4].copy_from_slice(&bytes);
    file
}

/// llamita with weights that are no numbers.
pub fn with_bad_weights() -> Vec<u8> {
    let mut file = llamita();
    let end = file.len();
    file[end - 4096..].fill(0xff);
    file
}

/// Where the keys and the table of tensors are.
pub fn header(file: &[u8]) -> Range<usize> {
    24..find(file, b"output_norm.weight")
}

fn find(file: &[u8], what: &[u8]) -> usize {
    file.windows(what.len()).position(|window| window == what).expect("it is in the file")
}

/// The part of a model that quantizing looks at, with rows of 256 weights, all zero: every type takes them as they are.
pub fn wide() -> Vec<u8> {
    let number = |key: &str, value| (format!("llama.{key}"), Value::U32(value));
    let text = |key: &str, value: &str| (format!("general.{key}"), Value::String(value.to_owned()));
    let keys = vec![
        text("architecture", "llama"),
        ("general.file_type".to_owned(), Value::U32(1)),
        number("block_count", 1),
        number("context_length", 512),
        number("embedding_length", 256),
        number("feed_forward_length", 256),
        number("attention.head_count", 4),
        ("llama.attention.layer_norm_rms_epsilon".to_owned(), Value::F32(1e-5)),
    ];
    let names = ["token_embd", "blk.0.attn_q", "blk.0.attn_v", "blk.0.ffn_down", "blk.0.ffn_up", "output"];
    let row =
        |name: &str| Row { name: format!("{name}.weight"), dimensions: vec![256, 256], kind: 1, bytes: 256 * 256 * 2 };
    File { version: 3, alignment: None, keys, tensors: names.map(row).into() }.write()
}
