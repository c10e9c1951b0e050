//! The request target: its forms, the host in it, and escapes.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::ops::Range;

use super::bytes::{self, REG_NAME};
use super::head::{HeadError, Method};

/// A target cut into its parts: places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Host and port of an absolute target.
    pub authority: Option<Range<usize>>,
    /// Path; empty for an absolute target without one.
    pub path: Range<usize>,
    /// What follows the question mark.
    pub query: Option<Range<usize>>,
}

/// Cuts `target`, whose bytes are all of the class `TARGET`, into its parts (RFC 9112 section 3.2).
pub(super) fn split(target: &[u8], method: Method) -> Result<Target, HeadError> {
    if target == b"*" {
        // Section 3.2.4: "The asterisk-form of request-target is only used for a server-wide OPTIONS request".
        let whole = Target { authority: None, path: 0..1, query: None };
        return if method == Method::Options { Ok(whole) } else { Err(HeadError::StarTarget) };
    }
    let authority = if target.first() == Some(&b'/') { None } else { Some(find_authority(target)?) };
    let path_start = authority.as_ref().map_or(0, |range| range.end);
    let rest = &target[path_start..];
    if !escapes_are_whole(rest) || rest.iter().any(|byte| matches!(byte, b'[' | b']')) {
        return Err(HeadError::BadTarget);
    }
    let mark = rest.iter().position(|&byte| byte == b'?').map(|at| path_start + at);
    Ok(Target {
        authority,
        path: path_start..mark.unwrap_or(target.len()),
        query: mark.map(|mark| mark + 1..target.len()),
    })
}

/// Finds host and port in an absolute target (section 3.2.2). The authority form of section 3.2.3 belongs to CONNECT,
/// which only proxies speak, and is refused.
fn find_authority(target: &[u8]) -> Result<Range<usize>, HeadError> {
    let begins_with =
        |scheme: &&&str| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()));
    let start = ["http://", "https://"].iter().find(begins_with).ok_or(HeadError::BadTarget)?.len();
    let length = target[start..].iter().position(|byte| matches!(byte, b'/' | b'?'));
    let end = length.map_or(target.len(), |length| start + length);
    // RFC 9110 section 4.2.1: an http URI with an empty host is invalid. User information has no place in it either
    // (section 4.2.4); `@` is no byte of a host.
    let authority = &target[start..end];
    if !is_host(authority) || matches!(authority.first(), None | Some(b':')) {
        return Err(HeadError::BadHost);
    }
    Ok(start..end)
}

/// Whether `host` is `uri-host [ ":" port ]` (RFC 9110 section 7.2). The empty host is one.
pub(super) fn is_host(host: &[u8]) -> bool {
    let (name, port) = split_port(host);
    let name_is_sound = match name.strip_prefix(b"[") {
        Some(rest) => rest.strip_suffix(b"]").is_some_and(|address| bytes::ascii(address).parse::<Ipv6Addr>().is_ok()),
        None => name.iter().all(|&byte| bytes::is(byte, REG_NAME)) && escapes_are_whole(name),
    };
    name_is_sound && port.is_none_or(|port| port.iter().all(u8::is_ascii_digit))
}

/// Cuts the port off a host: what follows the last colon outside brackets.
pub(super) fn split_port(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    match host.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(colon) if host[colon] == b':' => (&host[..colon], Some(&host[colon + 1..])),
        _ => (host, None),
    }
}

/// Whether two hex digits follow each percent sign (RFC 3986 section 2.1).
fn escapes_are_whole(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(percent) = rest.iter().position(|&byte| byte == b'%') {
        let Some([high, low]) = rest[percent + 1..].first_chunk() else { return false };
        if !(high.is_ascii_hexdigit() && low.is_ascii_hexdigit()) {
            return false;
        }
        rest = &rest[percent + 3..];
    }
    true
}

/// Replaces the escapes (`%3A`) of one path segment by their bytes (RFC 3986 section 2.1).
///
/// `None` when an escape lacks its two hex digits or the bytes are not UTF-8. What comes out may hold any character,
/// slashes and NUL included.
pub fn percent_decode(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let ([high, low], after) = after.split_first_chunk()?;
            let (high, low) = (char::from(*high).to_digit(16)?, char::from(*low).to_digit(16)?);
            decoded.push((high * 16 + low) as u8);
            rest = after;
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for host in
            ["", "a", "a:1", "a:", "localhost:11434", "127.0.0.1", "[::1]", "[::1]:80", "a_b.c%41", "a,b", ":80"]
        {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in
            ["a b", "a:b", "a:1:2", "::1", "[::1", "::1]", "[::1]a", "[x]", "[]", "u@a", "a/", "a%4", "é", "a:-1"]
        {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn targets() {
        let rows: [(&str, Option<&str>, &str, Option<&str>); 9] = [
            ("/", None, "/", None),
            ("/a?b", None, "/a", Some("b")),
            ("/a?b?c=/d", None, "/a", Some("b?c=/d")),
            ("/a?", None, "/a", Some("")),
            ("//a:b@c", None, "//a:b@c", None),
            ("http://h", Some("h"), "", None),
            ("HTTPS://h:1/p?q", Some("h:1"), "/p", Some("q")),
            ("http://[::1]:80?q", Some("[::1]:80"), "", Some("q")),
            ("http://h/http://g", Some("h"), "/http://g", None),
        ];
        for (target, authority, path, query) in rows {
            let parts = split(target.as_bytes(), Method::Get).unwrap();
            assert_eq!(parts.authority.map(|range| &target[range]), authority, "{target}");
            assert_eq!(&target[parts.path], path, "{target}");
            assert_eq!(parts.query.map(|range| &target[range]), query, "{target}");
        }
    }

    #[test]
    fn refused_targets() {
        let rows = [
            ("a", HeadError::BadTarget),
            ("a:80", HeadError::BadTarget),
            ("ftp://a/", HeadError::BadTarget),
            ("http:/", HeadError::BadTarget),
            ("/%", HeadError::BadTarget),
            ("/%4", HeadError::BadTarget),
            ("/%4g", HeadError::BadTarget),
            ("/?%zz", HeadError::BadTarget),
            ("/[", HeadError::BadTarget),
            ("*", HeadError::StarTarget),
            ("**", HeadError::BadTarget),
            ("http://", HeadError::BadHost),
            ("http:///a", HeadError::BadHost),
            ("http://:80/", HeadError::BadHost),
            ("http://u@h/", HeadError::BadHost),
        ];
        for (target, error) in rows {
            assert_eq!(split(target.as_bytes(), Method::Get), Err(error), "{target}");
        }
        assert_eq!(split(b"*", Method::Options).map(|target| target.path), Ok(0..1));
    }

    #[test]
    fn escapes() {
        let rows = [
            ("", Some("")),
            ("a-b", Some("a-b")),
            ("sha256%3Aff", Some("sha256:ff")),
            ("%e2%82%ac%2F", Some("€/")),
            ("%", None),
            ("%4", None),
            ("%4g", None),
            ("%+4", None),
            ("%ff", None),
        ];
        for (segment, decoded) in rows {
            assert_eq!(percent_decode(segment).as_deref(), decoded, "{segment}");
        }
    }
}
