//! Properties of the request parser, and the table of what it refuses.
//!
//! Every test drives head parser and body decoder as a connection does, and looks at all that comes out: values, data,
//! error and the number of bytes used. However the bytes are cut, that must be the same.

use llamero::http::body::{BodyDecoder, BodyError};
use llamero::http::head::{self, BodyKind, Head, HeadError, Method, Parsed, Version};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

#[path = "data/http_refused.rs"]
mod http_refused;
#[path = "http_parser/naive.rs"]
mod naive;

use naive::{Summary, naive, summary};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// More bytes were needed.
    Partial,
    /// It was whole and had this many bytes.
    Whole(usize),
    BadHead(HeadError),
    BadBody(BodyError),
}

/// Everything that comes out of one request.
#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    head: Option<Summary>,
    data: Vec<u8>,
    end: End,
    /// Length of the pieces that were needed to get there.
    fed: usize,
}

/// Feeds `bytes` in pieces that end at `cuts` (in order, the last at the end), as a connection would: the head's bytes
/// gather in a buffer that moves, the body's are looked at as they come.
fn feed(bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Outcome {
    let mut head = Head::new();
    let mut decoder = None;
    let mut outcome = Outcome { head: None, data: Vec::new(), end: End::Partial, fed: 0 };
    let mut used = 0;
    for cut in cuts {
        outcome.fed = cut;
        if decoder.is_none() {
            let buffer = bytes[..cut].to_vec();
            match head::parse(&buffer, &mut head) {
                Ok(Parsed::Partial) => continue,
                Ok(Parsed::Complete(length)) => used = length,
                Err(error) => {
                    outcome.end = End::BadHead(error);
                    return outcome;
                }
            }
            outcome.head = Some(summary(&head, &buffer));
            decoder = Some(BodyDecoder::new(head.body_kind()));
        }
        let Some(decoder) = &mut decoder else { continue };
        outcome.end = decode(decoder, &bytes[..cut], &mut used, &mut outcome.data);
        if outcome.end != End::Partial {
            return outcome;
        }
    }
    outcome
}

/// Decodes what of `bytes` is not used yet.
fn decode(decoder: &mut BodyDecoder, bytes: &[u8], used: &mut usize, data: &mut Vec<u8>) -> End {
    while !decoder.is_done() && *used < bytes.len() {
        let input = &bytes[*used..];
        match decoder.decode(input) {
            Err(error) => return End::BadBody(error),
            Ok(decoded) => {
                assert!(decoded.consumed > 0, "no progress");
                assert!(decoded.data.end <= decoded.consumed && decoded.consumed <= input.len());
                assert_eq!(decoded.done, decoder.is_done());
                data.extend_from_slice(&input[decoded.data]);
                *used += decoded.consumed;
            }
        }
    }
    if decoder.is_done() { End::Whole(*used) } else { End::Partial }
}

fn whole(bytes: &[u8]) -> Outcome {
    feed(bytes, [bytes.len()])
}

fn status(end: End) -> u16 {
    match end {
        End::BadHead(error) => error.status(),
        End::BadBody(error) => error.status(),
        End::Partial | End::Whole(_) => 200,
    }
}

/// Asserts that the pieces make no difference; `fed` tells how many of them were needed and may differ.
fn assert_same(cut: Outcome, uncut: &Outcome, what: &str) {
    assert_eq!(Outcome { fed: uncut.fed, ..cut }, *uncut, "{what}");
}

#[test]
fn every_refused_request_gets_its_status() {
    let rows = http_refused::refused_requests();
    assert!(rows.len() > 100);
    for row in rows {
        let outcome = whole(&row.bytes);
        assert_eq!(status(outcome.end), row.status, "{}: {outcome:?}", row.name);
    }
}

#[test]
fn every_refused_request_is_refused_the_same_however_it_is_split() {
    for row in http_refused::refused_requests() {
        let (bytes, uncut) = (&row.bytes, whole(&row.bytes));
        assert_same(feed(bytes, 1..=bytes.len()), &uncut, row.name);
        // Long rows are runs of one byte: cuts near their ends and a few within say it all.
        let step = bytes.len() / 300 + 1;
        for cut in (0..bytes.len()).filter(|cut| cut % step == 0 || bytes.len() - cut < 20) {
            assert_same(feed(bytes, [cut, bytes.len()]), &uncut, row.name);
        }
    }
}

#[test]
fn a_refusal_comes_with_the_byte_that_earns_it() {
    // Rows of this kind end where the error is certain: one byte less and there is still hope.
    let rows: [(&str, HeadError); 12] = [
        ("\x16", HeadError::BadMethod),
        ("GET\t", HeadError::BadMethod),
        ("GET  ", HeadError::BadTarget),
        ("GET /\u{1}", HeadError::BadTarget),
        ("GET /%4 ", HeadError::BadTarget),
        ("GET / X", HeadError::BadVersion),
        ("GET / HTTP/2", HeadError::OtherVersion),
        ("GET / HTTP/1.1\n", HeadError::BareLf),
        ("GET / HTTP/1.1\r\n ", HeadError::FoldedLine),
        ("GET / HTTP/1.1\r\nHost ", HeadError::SpaceBeforeColon),
        ("GET / HTTP/1.1\r\nX: \0", HeadError::BadFieldValue),
        ("GET / HTTP/1.1\r\n\r\n", HeadError::MissingHost),
    ];
    for (text, error) in rows {
        let bytes = text.as_bytes();
        assert_eq!(whole(bytes).end, End::BadHead(error), "{text:?}");
        assert_eq!(whole(&bytes[..bytes.len() - 1]).end, End::Partial, "{text:?}");
    }
}

#[test]
fn bounds_hold_to_the_byte() {
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length - 1));
    let method = |length: usize| format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(length));
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    let chunk = |length: usize| {
        let zeros = "0".repeat(length - 1);
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{zeros}1\r\nx\r\n0\r\n\r\n")
    };
    let head = |length: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{start}{}\r\n\r\n", "y".repeat(length - start.len() - 4))
    };
    let rows = [(8192, 414), (34, 501), (128, 431), (256, 400), (65536, 431)];
    let requests: [&dyn Fn(usize) -> String; 5] = [&target, &method, &fields, &chunk, &head];
    for ((bound, refused), request) in rows.into_iter().zip(requests) {
        assert_eq!(status(whole(request(bound).as_bytes()).end), 200, "at the bound of {bound}");
        assert_eq!(status(whole(request(bound + 1).as_bytes()).end), refused, "past the bound of {bound}");
    }
    assert_eq!(whole(head(65536).as_bytes()).end, End::Whole(65536));
}

#[test]
fn heads_say_what_was_sent() {
    let request = b"\r\n\r\nPOST /api/chat?x=%20 HTTP/1.1\r\nhOst: a:1\r\nX-Empty:\r\nAccept: \t*/* ; q=1\t \r\n\
        X-Latin: \xe9\r\nExpect: 100-Continue\r\nContent-Length: 3\r\nConnection: x, close\r\naccept: second\r\n\r\nabcGET";
    let outcome = whole(request);
    assert_eq!(outcome.end, End::Whole(request.len() - 3));
    assert_eq!(outcome.data, b"abc");
    let head = outcome.head.unwrap();
    assert_eq!(head.method, (Method::Post, "POST".to_owned()));
    assert_eq!((head.path.as_str(), head.query.as_deref()), ("/api/chat", Some("x=%20")));
    assert_eq!((head.version, head.host.as_deref()), (Version::Http11, Some("a:1")));
    assert_eq!((head.body, head.keep_alive, head.expect_continue), (BodyKind::Length(3), false, true));
    assert_eq!(head.headers.len(), 8);
    assert_eq!(head.headers[1], ("X-Empty".to_owned(), Vec::new()));
    assert_eq!(head.headers[3], ("X-Latin".to_owned(), vec![0xe9]));

    let mut parsed = Head::new();
    assert!(matches!(head::parse(request, &mut parsed), Ok(Parsed::Complete(_))));
    assert_eq!(parsed.header(request, "ACCEPT"), Some(&b"*/* ; q=1"[..]));
    assert_eq!(parsed.header(request, "absent"), None);
}

#[test]
fn targets_in_every_form() {
    let rows = [
        ("GET / HTTP/1.1\r\nHost: a", "/", None, Some("a")),
        ("GET http://b:2/p?q HTTP/1.1\r\nHost: a", "/p", Some("q"), Some("b:2")),
        ("GET http://b HTTP/1.1\r\nHost: a", "/", None, Some("b")),
        ("GET http://b?q HTTP/1.1\r\nHost: a", "/", Some("q"), Some("b")),
        ("OPTIONS * HTTP/1.1\r\nHost: a", "*", None, Some("a")),
        ("OPTIONS http://b HTTP/1.1\r\nHost: a", "*", None, Some("b")),
        ("OPTIONS http://b/ HTTP/1.1\r\nHost: a", "/", None, Some("b")),
        ("get //x HTTP/1.2\r\nHost:", "//x", None, Some("")),
        ("GET / HTTP/1.0\r\nX: y", "/", None, None),
    ];
    for (text, path, query, host) in rows {
        let head = whole(format!("{text}\r\n\r\n").as_bytes()).head.unwrap();
        assert_eq!((head.path.as_str(), head.query.as_deref(), head.host.as_deref()), (path, query, host), "{text}");
    }
}

#[test]
fn one_head_serves_pipelined_requests() {
    let requests = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /2 HTTP/1.0\r\n\r\n";
    let mut head = Head::new();
    let Ok(Parsed::Complete(length)) = head::parse(requests, &mut head) else { panic!("the first is whole") };
    let rest = &requests[length + 2..];
    assert_eq!(head::parse(rest, &mut head), Ok(Parsed::Complete(rest.len())));
    assert_eq!((head.path(rest), head.body_kind(), head.host(rest)), ("/2", BodyKind::None, None));
    assert!(!head.keep_alive());
    // After an error it begins anew as well.
    assert_eq!(head::parse(b"\0", &mut head), Err(HeadError::BadMethod));
    assert_eq!(head::parse(rest, &mut head), Ok(Parsed::Complete(rest.len())));
    // In the middle of a head only clear() makes it forget.
    assert_eq!(head::parse(b"POS", &mut head), Ok(Parsed::Partial));
    head.clear();
    assert_eq!(head::parse(rest, &mut head), Ok(Parsed::Complete(rest.len())));
    assert_eq!(head.method_name(rest), "GET");
}

fn line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![40 => Just("\r\n"), 1 => select(vec!["\n", "\r", "\r\r\n", "\n\r", ""])]
}

fn request_line() -> impl Strategy<Value = String> {
    let method = select(vec!["GET", "POST", "OPTIONS", "HEAD", "PATCH", "get", "X-Y", "G T", ""]);
    let target = select(vec![
        "/",
        "/api/chat",
        "/a?b=c%20",
        "/%",
        "/%zz",
        "*",
        "http://h:1/p",
        "HTTPS://h",
        "http://h?q",
        "http://[::1]/",
        "http://",
        "a:1",
        "/[",
        "/a b",
        "/é",
    ]);
    let version = prop_oneof![8 => Just("HTTP/1.1"), 3 => Just("HTTP/1.0"), 1 => select(vec!["HTTP/1.9", "HTTP/2.0", "http/1.1", "HTTP/1"])];
    (method, target, version).prop_map(|(method, target, version)| format!("{method} {target} {version}"))
}

fn field_line() -> impl Strategy<Value = String> {
    let known = select(vec![
        "Host: a",
        "host:\tb:80 ",
        "HOST: [::1]:1",
        "Host: a b",
        "Content-Length: 5",
        "content-length: 05",
        "Content-Length: x",
        "Transfer-Encoding: chunked",
        "transfer-encoding:\tChunked",
        "Transfer-Encoding: gzip",
        "Connection: close",
        "connection: a, Keep-Alive",
        "Expect: 100-continue",
        "Expect: 200",
        " folded",
        "Space : x",
        "nocolon",
        ": x",
    ]);
    let other = "[A-Za-z-]{1,12}:[ \t]{0,2}[ -~é\t]{0,40}[ \t]{0,2}";
    prop_oneof![2 => known.prop_map(str::to_owned), 1 => other]
}

/// Requests that are right more often than not, with bodies of all kinds behind them.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop::collection::vec((field_line(), line_end()), 0..6);
    let body = select(vec![
        "hello",
        "",
        "5\r\nhello\r\n0\r\n\r\n",
        "5;x=\"y\"\r\nhello\r\nA\r\n0123456789\r\n000\r\nT: v\r\n\r\nGET",
        "5\r\nhello",
        "5\nhello",
    ]);
    let host = prop_oneof![3 => Just("Host: a\r\n"), 1 => Just("")];
    let blank = select(vec!["", "", "", "\r\n", "\r\n\r\n"]);
    (blank, request_line(), line_end(), host, fields, line_end(), body).prop_map(
        |(blank, line, end, host, fields, last, body)| {
            let fields: String = fields.into_iter().map(|(field, end)| field + end).collect();
            format!("{blank}{line}{end}{host}{fields}{last}{body}").into_bytes()
        },
    )
}

/// A request, or one with some bytes changed, left out or put in.
fn spoiled_request() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![select(b"\r\n \t:;,/0aZ%*[\0\x7f\xff".to_vec()), any::<u8>()];
    let change = (any::<prop::sample::Index>(), byte, 0..3_u8);
    (request(), prop::collection::vec(change, 0..4)).prop_map(|(mut bytes, changes)| {
        for (index, byte, kind) in changes {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        bytes
    })
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..8)
}

fn sorted(cuts: &[prop::sample::Index], length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(length + 1)).chain([length]).collect();
    cuts.sort_unstable();
    cuts
}

/// One chunk on the wire: data, zeros before the size, case of its digits, extension.
fn chunk() -> impl Strategy<Value = (Vec<u8>, usize, bool, &'static str)> {
    let data = prop::collection::vec(any::<u8>(), 1..300);
    (data, 0..6_usize, any::<bool>(), select(vec!["", ";", ";a=b", " ; a = \"\t\u{e9}\"", "\t;x"]))
}

fn encode(chunks: &[(Vec<u8>, usize, bool, &str)], trailers: &str) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (data, zeros, upper, extension) in chunks {
        let size = if *upper { format!("{:X}", data.len()) } else { format!("{:x}", data.len()) };
        encoded.extend_from_slice(format!("{}{size}{extension}\r\n", "0".repeat(*zeros)).as_bytes());
        encoded.extend_from_slice(data);
        encoded.extend_from_slice(b"\r\n");
    }
    encoded.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    encoded
}

proptest! {
    // The seed is fixed so that a run says the same twice; the fuzzers look further.
    #![proptest_config(ProptestConfig {
        cases: 3000, rng_seed: RngSeed::Fixed(9112), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn splitting_makes_no_difference(bytes in spoiled_request(), cuts in cuts()) {
        let uncut = whole(&bytes);
        assert_same(feed(&bytes, sorted(&cuts, bytes.len())), &uncut, "random cuts");
        let by_byte = feed(&bytes, 1..=bytes.len());
        // No error is found later than it could be: with one byte less there was none.
        if matches!(by_byte.end, End::BadHead(_) | End::BadBody(_)) {
            prop_assert_eq!(whole(&bytes[..by_byte.fed - 1]).end, End::Partial);
            prop_assert_eq!(whole(&bytes[..by_byte.fed]).end, by_byte.end);
        }
        assert_same(by_byte, &uncut, "every byte");
    }

    #[test]
    fn heads_agree_with_a_naive_reading(bytes in spoiled_request()) {
        let outcome = whole(&bytes);
        let refused = matches!(outcome.end, End::BadHead(_));
        prop_assert_eq!(naive(&bytes), if refused { None } else { outcome.head });
    }

    #[test]
    fn chunked_bodies_come_out_as_they_went_in(
        chunks in prop::collection::vec(chunk(), 0..6),
        trailers in select(vec!["", "A: b\r\n", "A:\r\nB-C: \t d\r\n"]),
        after in select(vec!["", "GET / HTTP/1.1\r\n", "\r\n", "0\r\n\r\n"]),
        cuts in cuts(),
    ) {
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut bytes = [&head[..], &encode(&chunks, trailers)].concat();
        let length = bytes.len();
        bytes.extend_from_slice(after.as_bytes());
        let data: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.0.iter().copied()).collect();
        let outcome = feed(&bytes, sorted(&cuts, bytes.len()));
        prop_assert_eq!(outcome.end, End::Whole(length));
        prop_assert_eq!(outcome.data, data);
    }

    #[test]
    fn measured_bodies_end_at_their_length(data in prop::collection::vec(any::<u8>(), 0..500), cuts in cuts()) {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", data.len());
        let bytes = [head.as_bytes(), &data, b"GET / HTTP/1.1\r\n"].concat();
        let outcome = feed(&bytes, sorted(&cuts, bytes.len()));
        prop_assert_eq!(outcome.end, End::Whole(head.len() + data.len()));
        prop_assert_eq!(outcome.data, data);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..3_u8) {
        let kind = [BodyKind::None, BodyKind::Length(100), BodyKind::Chunked][usize::from(kind)];
        let mut used = 0;
        decode(&mut BodyDecoder::new(kind), &bytes, &mut used, &mut Vec::new());
        whole(&bytes);
    }
}
