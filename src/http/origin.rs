//! Who may ask: the rules for cross-origin requests and the check against DNS rebinding.
//!
//! Both are pure; the caller brings the settings, the request's fields and what it knows of the machine. The cross-origin
//! rules come first, on every path, also where the answer is 404 or 405.

use std::net::IpAddr;

use super::head::Method;
use super::target::split_port;

/// What a preflight is told that a page may do.
const ALLOW_METHODS: &str = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS";
/// What a preflight is told that a page may send.
const ALLOW_HEADERS: &str = "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,\
    X-Stainless-Arch,X-Stainless-Async,X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,\
    X-Stainless-Os,X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,\
    X-Stainless-Runtime,X-Stainless-Runtime-Version,X-Stainless-Timeout";
/// How long a browser may keep the answer to a preflight: 12 hours.
const MAX_AGE_SECONDS: &str = "43200";

/// What an entry without a wildcard must begin with.
const SCHEMES: [&str; 6] = [
    "http://",
    "https://",
    "chrome-extension://",
    "safari-extension://",
    "moz-extension://",
    "ms-browser-extension://",
];
/// Hosts that are always allowed, over http and https, with any port.
const LOCAL_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "0.0.0.0"];
/// Origins of desktop applications, which are always allowed.
const APPLICATIONS: [&str; 5] = ["app://*", "file://*", "tauri://*", "vscode-webview://*", "vscode-file://*"];

/// Why `OLLAMA_ORIGINS` cannot be used. The server does not start with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// More than one wildcard.
    #[error("OLLAMA_ORIGINS: \"{0}\" has more than one *")]
    TwoStars(String),
    /// Neither a wildcard nor one of the schemes. An empty entry, or one with a space in front, is such a one.
    #[error("OLLAMA_ORIGINS: \"{0}\" has no * and does not begin with one of {schemes}", schemes = SCHEMES.join(", "))]
    NoScheme(String),
}

/// The origins whose pages may call this server (behaviour page, section 0.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// True exactly when an entry was `*`.
    all: bool,
    /// Entries without a wildcard, in lower case: browsers send origins so.
    exact: Vec<String>,
    /// What stands before and after the wildcard.
    patterns: Vec<(String, String)>,
}

/// What the cross-origin rules make of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginDecision<'a> {
    /// Not a cross-origin request: go on as if there were no such rules.
    SameOrigin,
    /// 403 with an empty body.
    Forbidden,
    /// 204 with [`OriginDecision::headers`], and nothing more.
    Preflight(AllowedOrigin<'a>),
    /// Go on, and add [`OriginDecision::headers`] to the answer.
    Allowed(AllowedOrigin<'a>),
}

/// What goes into `Access-Control-Allow-Origin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedOrigin<'a> {
    /// `*`
    Any,
    /// The request's own.
    This(&'a str),
}

/// Fields for a response, in the form that [`super::response::ResponseHead::extra`] takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorsHeaders<'a> {
    fields: [(&'a str, &'a str); 7],
    count: usize,
}

impl Origins {
    /// Reads `OLLAMA_ORIGINS`, a list with commas that is taken verbatim, and adds the origins that are always
    /// allowed. The caller has trimmed the variable as a whole.
    ///
    /// # Errors
    /// For an entry with two wildcards, or with neither a wildcard nor a known scheme.
    pub fn parse(variable: &str) -> Result<Self, OriginError> {
        let mut origins = Self { all: false, exact: Vec::new(), patterns: Vec::new() };
        if !variable.is_empty() {
            for entry in variable.split(',') {
                origins.add(entry)?;
            }
        }
        for host in LOCAL_HOSTS {
            for scheme in ["http", "https"] {
                origins.add(&format!("{scheme}://{host}"))?;
                origins.add(&format!("{scheme}://{host}:*"))?;
            }
        }
        for entry in APPLICATIONS {
            origins.add(entry)?;
        }
        Ok(origins)
    }

    fn add(&mut self, entry: &str) -> Result<(), OriginError> {
        match entry.split_once('*') {
            Some((_, after)) if after.contains('*') => return Err(OriginError::TwoStars(entry.to_owned())),
            Some(("", "")) => self.all = true,
            Some((before, after)) => self.patterns.push((before.to_owned(), after.to_owned())),
            None if SCHEMES.iter().any(|scheme| entry.starts_with(scheme)) => {
                self.exact.push(entry.trim().to_lowercase());
            }
            None => return Err(OriginError::NoScheme(entry.to_owned())),
        }
        Ok(())
    }

    /// Decides about a request by its Origin field, its Host and its method.
    pub fn check<'a>(&self, origin: Option<&'a [u8]>, host: Option<&str>, method: Method) -> OriginDecision<'a> {
        let origin = match origin {
            None | Some(b"") => return OriginDecision::SameOrigin,
            Some(bytes) => std::str::from_utf8(bytes),
        };
        // What is not UTF-8 is no origin that anyone could have listed.
        let Ok(origin) = origin else { return OriginDecision::Forbidden };
        let own_host = host.unwrap_or_default();
        if ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme) == Some(own_host)) {
            return OriginDecision::SameOrigin;
        }
        let allowed = if self.all {
            AllowedOrigin::Any
        } else if self.lists(origin) {
            AllowedOrigin::This(origin)
        } else {
            return OriginDecision::Forbidden;
        };
        match method {
            Method::Options => OriginDecision::Preflight(allowed),
            _ => OriginDecision::Allowed(allowed),
        }
    }

    /// A wildcard stands for any text, also none, but no text counts for both sides of it.
    fn lists(&self, origin: &str) -> bool {
        let matches = |(before, after): &(String, String)| {
            origin.strip_prefix(before.as_str()).is_some_and(|rest| rest.ends_with(after.as_str()))
        };
        self.exact.iter().any(|entry| entry == origin) || self.patterns.iter().any(matches)
    }
}

impl<'a> OriginDecision<'a> {
    /// The fields to add to the answer: none unless allowed.
    pub fn headers(self) -> CorsHeaders<'a> {
        let mut headers = CorsHeaders { fields: [("", ""); 7], count: 0 };
        let (allowed, preflight) = match self {
            Self::SameOrigin | Self::Forbidden => return headers,
            Self::Preflight(allowed) => (allowed, true),
            Self::Allowed(allowed) => (allowed, false),
        };
        if preflight {
            headers.push("Access-Control-Allow-Headers", ALLOW_HEADERS);
            headers.push("Access-Control-Allow-Methods", ALLOW_METHODS);
        }
        headers.push("Access-Control-Allow-Origin", allowed.value());
        if preflight {
            headers.push("Access-Control-Max-Age", MAX_AGE_SECONDS);
        }
        // A cache must not give one origin's answer to another; with `*` there is only one answer.
        if let AllowedOrigin::This(_) = allowed {
            headers.push("Vary", "Origin");
            if preflight {
                headers.push("Vary", "Access-Control-Request-Method");
                headers.push("Vary", "Access-Control-Request-Headers");
            }
        }
        headers
    }
}

impl<'a> AllowedOrigin<'a> {
    fn value(self) -> &'a str {
        match self {
            Self::Any => "*",
            Self::This(origin) => origin,
        }
    }
}

impl<'a> CorsHeaders<'a> {
    fn push(&mut self, name: &'a str, value: &'a str) {
        self.fields[self.count] = (name, value);
        self.count += 1;
    }
}

impl<'a> std::ops::Deref for CorsHeaders<'a> {
    type Target = [(&'a str, &'a str)];

    fn deref(&self) -> &Self::Target {
        &self.fields[..self.count]
    }
}

/// What the check of the Host field makes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostDecision {
    /// An address of this machine or its network: go on.
    Address,
    /// A name that only this network resolves: go on, but answer OPTIONS with 204 at once.
    Name,
    /// 403 with an empty body.
    Forbidden,
}

/// Decides whether a request that came through a loopback listener is meant for this machine (behaviour page, section
/// 0.9): a page whose name was rebound to 127.0.0.1 says its own name in Host. Listeners on other addresses do not
/// ask.
///
/// `hostname` is the machine's name and `interfaces` are its addresses.
pub fn host_allowed(host: Option<&str>, hostname: &str, interfaces: &[IpAddr]) -> HostDecision {
    let (name, _) = split_port(host.unwrap_or_default().as_bytes());
    let name = super::bytes::ascii(name);
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    if let Ok(address) = address.parse::<IpAddr>() {
        let address = address.to_canonical();
        let own = is_private(address) || interfaces.iter().any(|interface| interface.to_canonical() == address);
        return if own { HostDecision::Address } else { HostDecision::Forbidden };
    }
    let name = name.to_ascii_lowercase();
    let listed = matches!(name.as_str(), "" | "localhost") || name.eq_ignore_ascii_case(hostname);
    if listed || [".localhost", ".local", ".internal"].iter().any(|suffix| name.ends_with(suffix)) {
        return HostDecision::Name;
    }
    HostDecision::Forbidden
}

/// Loopback, unspecified, or in the ranges of RFC 1918 and RFC 4193.
fn is_private(address: IpAddr) -> bool {
    let private = match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    };
    private || address.is_loopback() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<'a>(origins: &Origins, origin: &'a str, method: Method) -> OriginDecision<'a> {
        origins.check(Some(origin.as_bytes()), Some("127.0.0.1:11434"), method)
    }

    #[test]
    fn default_origins() {
        let origins = Origins::parse("").unwrap();
        let rows = [
            ("http://localhost", true),
            ("https://localhost:3000", true),
            ("http://127.0.0.1:8080", true),
            ("https://0.0.0.0", true),
            ("app://obsidian.md", true),
            ("file://", true),
            ("tauri://localhost", true),
            ("vscode-webview://x", true),
            ("vscode-file://x", true),
            ("http://evil.example", false),
            ("http://localhost.evil.example", false),
            ("http://LOCALHOST", false),
            ("chrome-extension://abc", false),
            ("null", false),
        ];
        for (origin, allowed) in rows {
            let wanted =
                if allowed { OriginDecision::Allowed(AllowedOrigin::This(origin)) } else { OriginDecision::Forbidden };
            assert_eq!(check(&origins, origin, Method::Get), wanted, "{origin}");
        }
    }

    #[test]
    fn requests_from_the_server_itself_are_left_alone() {
        let origins = Origins::parse("").unwrap();
        let host = Some("box.lan:1");
        for origin in [None, Some(&b""[..]), Some(b"http://box.lan:1"), Some(b"https://box.lan:1")] {
            assert_eq!(origins.check(origin, host, Method::Options), OriginDecision::SameOrigin, "{origin:?}");
        }
        for origin in [&b"http://box.lan"[..], b"http://box.lan:2", b"ftp://box.lan:1", b"\xff"] {
            assert_eq!(origins.check(Some(origin), host, Method::Options), OriginDecision::Forbidden, "{origin:?}");
        }
    }

    #[test]
    fn listed_origins() {
        let rows = [
            ("http://A.example", "http://a.example", true),
            ("http://a.example", "http://a.example:80", false),
            ("https://*.example", "https://a.b.example", true),
            ("https://*.example", "https://a.example.com", false),
            ("https://ab*ba", "https://aba", false),
            ("https://ab*ba", "https://abba", true),
            ("*.example", "gopher://a.example", true),
            ("chrome-extension://*", "chrome-extension://abc", true),
            ("http://x,https://y", "https://y", true),
            ("*", "anything", true),
        ];
        for (variable, origin, allowed) in rows {
            let decision = check(&Origins::parse(variable).unwrap(), origin, Method::Get);
            assert_eq!(decision != OriginDecision::Forbidden, allowed, "{variable} {origin}");
        }
    }

    #[test]
    fn unusable_lists() {
        let no_scheme = |entry: &str| Err(OriginError::NoScheme(entry.to_owned()));
        assert_eq!(Origins::parse("localhost"), no_scheme("localhost"));
        assert_eq!(Origins::parse("http://a,"), no_scheme(""));
        assert_eq!(Origins::parse("http://a, http://b"), no_scheme(" http://b"));
        assert_eq!(Origins::parse("http://*.a.*"), Err(OriginError::TwoStars("http://*.a.*".to_owned())));
        assert_eq!(Origins::parse("**"), Err(OriginError::TwoStars("**".to_owned())));
    }

    #[test]
    fn headers_of_each_decision() {
        let origin = "http://localhost:3000";
        let names = |headers: CorsHeaders<'_>| headers.iter().map(|field| field.0.to_owned()).collect::<Vec<_>>();
        let some = Origins::parse("").unwrap();
        let all = Origins::parse("*").unwrap();
        let answer = check(&some, origin, Method::Post).headers();
        assert_eq!(*answer, [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]);
        assert_eq!(*check(&all, origin, Method::Post).headers(), [("Access-Control-Allow-Origin", "*")]);
        let preflight = check(&some, origin, Method::Options);
        assert_eq!(preflight, OriginDecision::Preflight(AllowedOrigin::This(origin)));
        assert_eq!(preflight.headers().len(), 7);
        assert_eq!(ALLOW_HEADERS.split(',').filter(|name| !name.contains(' ')).count(), 18);
        assert_eq!(names(check(&all, origin, Method::Options).headers()).len(), 4);
        assert!(check(&some, "http://evil.example", Method::Get).headers().is_empty());
    }

    #[test]
    fn hosts() {
        use HostDecision::{Address, Forbidden, Name};
        let interfaces = ["93.184.216.34", "2001:db8::7"].map(|text| text.parse().unwrap());
        let rows = [
            ("", Name),
            ("localhost", Name),
            ("LocalHost:11434", Name),
            ("box.local", Name),
            ("a.LOCALHOST:1", Name),
            ("ollama.internal", Name),
            ("Lama-1:80", Name),
            ("local", Forbidden),
            ("evil.example", Forbidden),
            ("localhost.evil.example", Forbidden),
            ("127.0.0.1", Address),
            ("127.9.9.9:11434", Address),
            ("0.0.0.0", Address),
            ("10.1.2.3", Address),
            ("172.31.0.1", Address),
            ("172.32.0.1", Forbidden),
            ("192.168.1.1:1", Address),
            ("8.8.8.8", Forbidden),
            ("169.254.1.1", Forbidden),
            ("93.184.216.34", Address),
            ("[::1]:11434", Address),
            ("[::1]", Address),
            ("[::]", Address),
            ("[fd00::1]", Address),
            ("[2001:db8::7]:1", Address),
            ("[2001:db8::8]", Forbidden),
            ("[::ffff:127.0.0.1]", Address),
            ("[::ffff:8.8.8.8]", Forbidden),
        ];
        for (host, decision) in rows {
            assert_eq!(host_allowed(Some(host), "lama-1", &interfaces), decision, "{host}");
        }
        assert_eq!(host_allowed(None, "lama-1", &[]), Name);
    }
}
