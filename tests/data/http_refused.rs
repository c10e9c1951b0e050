//! Reads `http_refused.txt`, for the tests of the parser and for those that send it to a server.

/// A request that must be refused.
pub struct Refused {
    /// What it is about.
    pub name: &'static str,
    /// Status of the answer.
    pub status: u16,
    /// All that is sent.
    pub bytes: Vec<u8>,
}

/// Every row of the table.
pub fn refused_requests() -> Vec<Refused> {
    let table = include_str!("http_refused.txt");
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(read_row).collect()
}

fn read_row(line: &'static str) -> Refused {
    let mut parts = line.splitn(3, ' ');
    let (Some(status), Some(name), Some(bytes)) = (parts.next(), parts.next(), parts.next()) else {
        panic!("not a row: {line}");
    };
    Refused { name, status: status.parse().unwrap(), bytes: unescape(bytes) }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (length, piece) = match after.as_bytes()[0] {
            b'r' => (1, vec![b'\r']),
            b'n' => (1, vec![b'\n']),
            b't' => (1, vec![b'\t']),
            b'\\' => (1, vec![b'\\']),
            b'x' => (3, vec![u8::from_str_radix(&after[1..3], 16).unwrap()]),
            b'{' => {
                let end = after.find('}').unwrap();
                let (count, repeated) = after[1..end].split_once(':').unwrap();
                (end + 1, unescape(repeated).repeat(count.parse().unwrap()))
            }
            other => panic!("unknown escape {:?} in {text}", char::from(other)),
        };
        bytes.extend_from_slice(&piece);
        rest = &after[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
