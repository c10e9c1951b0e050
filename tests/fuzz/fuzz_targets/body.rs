//! Request bodies: no input panics, each call makes progress, and where the bytes are cut makes no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llamero::http::body::{BodyDecoder, BodyError};
use llamero::http::head::BodyKind;

/// Decodes the pieces that end at `cuts`: the data, the bytes used, and whether the body ended.
fn decode(kind: BodyKind, bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Result<(usize, bool), BodyError>) {
    let mut decoder = BodyDecoder::new(kind);
    let (mut data, mut used) = (Vec::new(), 0);
    for &cut in cuts {
        while used < cut && !decoder.is_done() {
            match decoder.decode(&bytes[used..cut]) {
                Err(error) => return (data, Err(error)),
                Ok(decoded) => {
                    assert!(decoded.consumed > 0 && decoded.data.end <= decoded.consumed);
                    data.extend_from_slice(&bytes[used..cut][decoded.data]);
                    used += decoded.consumed;
                }
            }
        }
    }
    (data, Ok((used, decoder.is_done())))
}

fuzz_target!(|input: &[u8]| {
    let Some((&[kind, cut], bytes)) = input.split_first_chunk() else { return };
    let kind = match kind {
        b'n' => BodyKind::None,
        b'l' => BodyKind::Length(u64::from(cut)),
        _ => BodyKind::Chunked,
    };
    let cut = usize::from(cut) % (bytes.len() + 1);
    let whole = decode(kind, bytes, &[bytes.len()]);
    assert_eq!(decode(kind, bytes, &[cut, bytes.len()]), whole);
    let every: Vec<usize> = (0..=bytes.len()).collect();
    assert_eq!(decode(kind, bytes, &every), whole);
});
