//! Where the server listens and where clients find it: `OLLAMA_HOST` (the behaviour page, section 8.5).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// The port when none is named.
pub const DEFAULT_PORT: u16 = 11434;
/// The host when none is named.
pub const DEFAULT_HOST: &str = "127.0.0.1";

/// What `OLLAMA_HOST` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// `[http[s]://]host[:port][/path]`
    Tcp(TcpHost),
    /// `unix:/path`: a socket in the file system. llamero's own; Ollama knows none.
    Unix(PathBuf),
}

/// A host on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpHost {
    /// Whether clients speak TLS. The server never does.
    pub https: bool,
    /// Name or address, an IPv6 address without its brackets; empty: every address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// What clients put in front of a route: empty or `/path`, without a slash at the end.
    pub path: String,
}

impl Default for Host {
    fn default() -> Self {
        Self::parse("")
    }
}

impl Host {
    /// Reads a value of `OLLAMA_HOST`. Any text names something: a port that makes no sense is replaced by the
    /// default one, as Ollama does ([`Host::parse_noting`] tells).
    pub fn parse(text: &str) -> Self {
        Self::parse_noting(text, &mut Vec::new())
    }

    /// As [`Host::parse`]; what was replaced is added to `warnings`.
    pub fn parse_noting(text: &str, warnings: &mut Vec<String>) -> Self {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::Unix(PathBuf::from(path.strip_prefix("//").unwrap_or(path)));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (https, default_port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => (false, DEFAULT_PORT),
        };
        let (host_port, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = split_port(host_port);
        let port = match port {
            None => default_port,
            Some(port) => port.parse().unwrap_or_else(|_| {
                warnings.push(format!("invalid port {port:?} in OLLAMA_HOST, using {default_port}"));
                default_port
            }),
        };
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        Self::Tcp(TcpHost { https, host, port, path })
    }

    /// The URL that a client puts in front of a route. An address that means "every address" is replaced by loopback.
    /// A socket in the file system gets a name that is never looked up.
    pub fn client_url(&self) -> String {
        match self {
            Self::Unix(_) => "http://localhost".to_owned(),
            Self::Tcp(tcp) => {
                let scheme = if tcp.https { "https" } else { "http" };
                let host = match tcp.host.as_str() {
                    "" | "0.0.0.0" => DEFAULT_HOST.to_owned(),
                    "::" => Ipv6Addr::LOCALHOST.to_string(),
                    other => other.to_owned(),
                };
                format!("{scheme}://{}{}", join_port(&host, tcp.port), tcp.path)
            }
        }
    }

    /// Whether clients reach it without leaving this machine: no proxy may come between.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(tcp) => match tcp.host.parse::<IpAddr>() {
                Ok(ip) => ip.is_loopback() || ip.is_unspecified(),
                Err(_) => tcp.host.is_empty() || tcp.host == "localhost",
            },
        }
    }
}

/// `host:port` as it stands in a URL and in a log line.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(tcp) => f.write_str(&join_port(&tcp.host, tcp.port)),
        }
    }
}

/// Splits `host:port`, `[v6]:port`, or a host alone. A bare IPv6 address holds colons and no port.
fn split_port(text: &str) -> (String, Option<&str>) {
    if text.is_empty() {
        return (DEFAULT_HOST.to_owned(), None);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, behind) = rest.split_once(']').unwrap_or((rest, ""));
        return (host.to_owned(), behind.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => (text.to_owned(), None),
        Some((host, port)) => (host.to_owned(), Some(port)),
        None => (text.to_owned(), None),
    }
}

/// Joins host and port; an IPv6 address gets its brackets.
fn join_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_the_page_says() {
        // value, host:port, URL for clients
        let table = [
            ("", "127.0.0.1:11434", "http://127.0.0.1:11434"),
            (" 1.2.3.4 ", "1.2.3.4:11434", "http://1.2.3.4:11434"),
            ("example.com", "example.com:11434", "http://example.com:11434"),
            ("example.com:56789", "example.com:56789", "http://example.com:56789"),
            ("http://example.com", "example.com:80", "http://example.com:80"),
            ("https://example.com", "example.com:443", "https://example.com:443"),
            ("https://example.com:4433/ollama/", "example.com:4433", "https://example.com:4433/ollama"),
            ("example.com/", "example.com:11434", "http://example.com:11434"),
            ("example.com/a/b", "example.com:11434", "http://example.com:11434/a/b"),
            (":1234", ":1234", "http://127.0.0.1:1234"),
            ("0.0.0.0", "0.0.0.0:11434", "http://127.0.0.1:11434"),
            ("0.0.0.0:0", "0.0.0.0:0", "http://127.0.0.1:0"),
            ("[::1]", "[::1]:11434", "http://[::1]:11434"),
            ("::1", "[::1]:11434", "http://[::1]:11434"),
            ("[::]:5", "[::]:5", "http://[::1]:5"),
            ("http://[::1]:1337", "[::1]:1337", "http://[::1]:1337"),
            ("1.2.3.4:", "1.2.3.4:11434", "http://1.2.3.4:11434"),
            ("example.com:66000", "example.com:11434", "http://example.com:11434"),
            ("http://example.com:-1", "example.com:80", "http://example.com:80"),
            ("example.com:eighty", "example.com:11434", "http://example.com:11434"),
            ("ftp://example.com", "example.com:11434", "http://example.com:11434"),
            ("unix:/run/llamero.sock", "unix:/run/llamero.sock", "http://localhost"),
            ("unix:///run/llamero.sock", "unix:/run/llamero.sock", "http://localhost"),
        ];
        for (text, shown, url) in table {
            let host = Host::parse(text);
            assert_eq!(host.to_string(), shown, "{text:?}");
            assert_eq!(host.client_url(), url, "{text:?}");
        }
    }

    #[test]
    fn a_replaced_port_is_told() {
        let mut warnings = Vec::new();
        Host::parse_noting("example.com:66000", &mut warnings);
        assert_eq!(warnings, ["invalid port \"66000\" in OLLAMA_HOST, using 11434"]);
        warnings.clear();
        Host::parse_noting("example.com:65535", &mut warnings);
        assert!(warnings.is_empty());
    }

    #[test]
    fn only_this_machine_is_local() {
        for (text, local) in [
            ("", true),
            ("0.0.0.0", true),
            ("[::1]:80", true),
            (":80", true),
            ("localhost", true),
            ("unix:/x", true),
            ("10.0.0.1", false),
            ("example.com", false),
        ] {
            assert_eq!(Host::parse(text).is_local(), local, "{text:?}");
        }
    }
}
