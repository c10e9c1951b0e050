//! What a head says, read by the real parser and by a slow and simple one that is held against it.

use llamero::http::head::{BodyKind, Head, Method, Version};

/// What a head says, copied out of its buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub method: (Method, String),
    pub path: String,
    pub query: Option<String>,
    pub version: Version,
    pub host: Option<String>,
    pub body: BodyKind,
    pub keep_alive: bool,
    pub expect_continue: bool,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Copies what `head` says.
pub fn summary(head: &Head, buf: &[u8]) -> Summary {
    Summary {
        method: (head.method(), head.method_name(buf).to_owned()),
        path: head.path(buf).to_owned(),
        query: head.query(buf).map(str::to_owned),
        version: head.version(),
        host: head.host(buf).map(str::to_owned),
        body: head.body_kind(),
        keep_alive: head.keep_alive(),
        expect_continue: head.expect_continue(),
        headers: head.headers(buf).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

/// A slow and simple reading of a whole head, to hold against the fast one: `None` where it must be refused.
pub fn naive(bytes: &[u8]) -> Option<Summary> {
    let mut text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    while let Some(rest) = text.strip_prefix("\r\n") {
        text = rest.to_owned();
    }
    let (head, _) = text.split_once("\r\n\r\n")?;
    if head.replace("\r\n", "").contains(['\r', '\n']) {
        return None;
    }
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next()?.split(' ').collect();
    let &[method, target, version] = words.as_slice() else { return None };
    let (path, query, authority) = naive_target(method, target)?;
    let version = match version.strip_prefix("HTTP/1.")? {
        "0" => Version::Http10,
        minor if minor.len() == 1 && minor.parse::<u8>().is_ok() => Version::Http11,
        _ => return None,
    };
    let headers = lines.map(naive_field).collect::<Option<Vec<_>>>()?;
    let values = |name: &str| {
        let found = headers.iter().filter(|field| field.0.eq_ignore_ascii_case(name));
        found.map(|field| field.1.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    let host = headers.iter().find(|field| field.0.eq_ignore_ascii_case("host")).map(|field| field.1.clone());
    let hosts = values("host");
    let body = naive_body(&values("content-length"), &values("transfer-encoding"), version)?;
    if hosts.len() > 1 || hosts.is_empty() && version == Version::Http11 || !hosts.iter().all(|host| naive_host(host)) {
        return None;
    }
    let connection = values("connection").join(",");
    let options: Vec<&str> = connection.split(',').map(|option| option.trim_matches([' ', '\t'])).collect();
    let keep = version == Version::Http11 || options.contains(&"keep-alive");
    let waits = values("expect").iter().any(|value| value == "100-continue") && version == Version::Http11;
    let to_bytes = |text: &str| text.chars().map(|character| character as u8).collect::<Vec<u8>>();
    Some(Summary {
        method: (naive_method(method), token(method)?.to_owned()),
        path,
        query,
        version,
        host: authority.or(host),
        body,
        keep_alive: keep && !options.contains(&"close"),
        expect_continue: waits && !matches!(body, BodyKind::None | BodyKind::Length(0)),
        headers: headers.iter().map(|(name, value)| (name.clone(), to_bytes(value))).collect(),
    })
}

fn token(text: &str) -> Option<&str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    (!text.is_empty() && text.chars().all(allowed)).then_some(text)
}

fn naive_method(name: &str) -> Method {
    let known = [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("DELETE", Method::Delete),
        ("OPTIONS", Method::Options),
        ("PATCH", Method::Patch),
    ];
    known.iter().find(|row| row.0 == name).map_or(Method::Other, |row| row.1)
}

type NaiveTarget = (String, Option<String>, Option<String>);

fn naive_target(method: &str, target: &str) -> Option<NaiveTarget> {
    if target == "*" {
        return (method == "OPTIONS").then(|| ("*".to_owned(), None, None));
    }
    let (authority, rest) = match target.split_once("://") {
        Some((scheme, rest)) if ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        _ => (None, target),
    };
    if authority.is_none() && !rest.starts_with('/')
        || authority.is_some_and(|a| !naive_host(a) || a.is_empty() || a.starts_with(':'))
    {
        return None;
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%".contains(c);
    let escaped = naive_escapes(rest);
    if !rest.chars().all(allowed) || !escaped {
        return None;
    }
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query.to_owned())));
    let path = match path {
        "" if method == "OPTIONS" && query.is_none() => "*",
        "" => "/",
        path => path,
    };
    Some((path.to_owned(), query, authority.map(str::to_owned)))
}

fn naive_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, port),
        _ => (host, ""),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=%".contains(c);
    let escaped = naive_escapes(name);
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let sound = address.map_or(name.chars().all(allowed) && escaped, |a| a.parse::<std::net::Ipv6Addr>().is_ok());
    sound && port.chars().all(|c| c.is_ascii_digit())
}

fn naive_escapes(text: &str) -> bool {
    let is_hex = |after: &str| after.chars().take(2).filter(char::is_ascii_hexdigit).count() == 2;
    text.split('%').skip(1).all(is_hex)
}

fn naive_field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let control = |c: char| c < ' ' && c != '\t' || c == '\u{7f}';
    (!value.contains(control)).then_some(())?;
    Some((token(name)?.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

fn naive_body(lengths: &[String], encodings: &[String], version: Version) -> Option<BodyKind> {
    match (lengths, encodings) {
        ([], []) => Some(BodyKind::None),
        ([], [coding]) => (coding == "chunked" && version == Version::Http11).then_some(BodyKind::Chunked),
        ([length], []) if length.chars().all(|c| c.is_ascii_digit()) => length.parse().ok().map(BodyKind::Length),
        _ => None,
    }
}
