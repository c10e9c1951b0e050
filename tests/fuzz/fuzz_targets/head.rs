//! Request heads: no input panics, and where the bytes are cut makes no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llamero::http::head::{self, Head, HeadError, Parsed};

/// Feeds the head in pieces that end at `cuts`, and checks what can be asked of it.
fn parse(bytes: &[u8], cuts: &[usize]) -> (Result<Parsed, HeadError>, String) {
    let mut head = Head::new();
    let mut result = Ok(Parsed::Partial);
    for &cut in cuts {
        result = head::parse(&bytes[..cut], &mut head);
        if result != Ok(Parsed::Partial) {
            break;
        }
    }
    let Ok(Parsed::Complete(length)) = result else { return (result, String::new()) };
    assert!(length <= bytes.len() && bytes[..length].ends_with(b"\r\n\r\n"));
    let (path, query, host) = (head.path(bytes), head.query(bytes), head.host(bytes));
    assert!(path == "*" || path.starts_with('/'));
    let name = head.method_name(bytes);
    let fields: Vec<_> = head.headers(bytes).collect();
    assert!(fields.iter().all(|(name, _)| !name.is_empty() && head.header(bytes, name).is_some()));
    let (body, keeps, waits) = (head.body_kind(), head.keep_alive(), head.expect_continue());
    (result, format!("{name} {path} {query:?} {host:?} {body:?} {keeps} {waits} {fields:?}"))
}

fuzz_target!(|input: &[u8]| {
    let Some((&[high, low], bytes)) = input.split_first_chunk() else { return };
    let cut = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
    let whole = parse(bytes, &[bytes.len()]);
    assert_eq!(parse(bytes, &[cut, bytes.len()]), whole);
    let every: Vec<usize> = (0..=bytes.len()).collect();
    assert_eq!(parse(bytes, &every), whole);
});
