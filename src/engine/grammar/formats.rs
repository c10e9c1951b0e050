//! The formats of strings that a grammar can hold an answer to, as patterns.
//!
//! Each is at most as wide as its definition (JSON Schema 2020-12 Validation, section 7.3), so that what it lets through
//! is valid, and bounded where the definition is not, so that an answer comes to its end: no leap seconds, years from
//! 1000, nine digits of a second, calendar days that exist.

/// What a format means for a grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The whole string matches this pattern.
    Pattern(&'static str),
    /// JSON Schema gives it a meaning that no grammar here has.
    Unsupported,
    /// A name that JSON Schema does not define, such as `password`: nothing that could be checked.
    Annotation,
}

/// Looks a format up.
pub(super) fn look_up(name: &str) -> Format {
    if let Some((_, pattern)) = PATTERNS.iter().find(|(known, _)| *known == name) {
        return Format::Pattern(pattern);
    }
    if UNSUPPORTED.contains(&name) { Format::Unsupported } else { Format::Annotation }
}

/// Formats of JSON Schema, past and present, that are refused.
pub(super) const UNSUPPORTED: [&str; 12] = [
    "idn-email",
    "idn-hostname",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "relative-json-pointer",
    "regex",
    "color",
    "ip-address",
    "host-name",
    "utc-millisec",
];

macro_rules! date {
    () => {
        concat!(
            "(?:[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])",
            "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))",
            // Leap years: every fourth, of the full centuries every fourth.
            "|(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29)"
        )
    };
}

macro_rules! time {
    () => {
        concat!(
            "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?",
            "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
        )
    };
}

macro_rules! byte {
    () => {
        "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    };
}

macro_rules! ipv4 {
    () => {
        concat!("(?:", byte!(), "\\.){3}", byte!())
    };
}

macro_rules! hextet {
    () => {
        "[0-9a-fA-F]{1,4}"
    };
}

macro_rules! label {
    () => {
        "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    };
}

macro_rules! path {
    () => {
        "(?:[a-zA-Z0-9._~!$&'()*+,;=:@/-]|%[0-9a-fA-F]{2})*"
    };
}

const PATTERNS: [(&str, &str); 11] = [
    ("date", concat!("^", date!(), "$")),
    ("time", concat!("^", time!(), "$")),
    ("date-time", concat!("^", date!(), "T", time!(), "$")),
    // ISO 8601 as RFC 3339, appendix A, has it: no unit may be skipped.
    (
        "duration",
        concat!(
            "^P(?:[0-9]{1,4}W",
            "|(?:[0-9]{1,4}D|[0-9]{1,4}M(?:[0-9]{1,4}D)?|[0-9]{1,4}Y(?:[0-9]{1,4}M(?:[0-9]{1,4}D)?)?)",
            "(?:T(?:[0-9]{1,4}S|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?))?",
            "|T(?:[0-9]{1,4}S|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?))$"
        ),
    ),
    // RFC 5321, section 4.1.2, without quoted names and address literals.
    (
        "email",
        concat!(
            "^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,32}(?:\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,24})?",
            "@(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?\\.){1,3}[a-zA-Z]{2,24}$"
        ),
    ),
    // RFC 1123, section 2.1. Three labels stay far below the 253 bytes of a name; the last one is no number.
    ("hostname", concat!("^(?:", label!(), "\\.){0,2}[a-zA-Z](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$")),
    ("ipv4", concat!("^", ipv4!(), "$")),
    // RFC 4291, section 2.2, without an IPv4 address at the end.
    (
        "ipv6",
        concat!(
            "^(?:(?:",
            hextet!(),
            ":){7}",
            hextet!(),
            "|::(?:(?:",
            hextet!(),
            ":){0,6}",
            hextet!(),
            ")?",
            "|",
            hextet!(),
            "::(?:(?:",
            hextet!(),
            ":){0,5}",
            hextet!(),
            ")?",
            "|(?:",
            hextet!(),
            ":){1}",
            hextet!(),
            "::(?:(?:",
            hextet!(),
            ":){0,4}",
            hextet!(),
            ")?",
            "|(?:",
            hextet!(),
            ":){2}",
            hextet!(),
            "::(?:(?:",
            hextet!(),
            ":){0,3}",
            hextet!(),
            ")?",
            "|(?:",
            hextet!(),
            ":){3}",
            hextet!(),
            "::(?:(?:",
            hextet!(),
            ":){0,2}",
            hextet!(),
            ")?",
            "|(?:",
            hextet!(),
            ":){4}",
            hextet!(),
            "::(?:(?:",
            hextet!(),
            ":)?",
            hextet!(),
            ")?",
            "|(?:",
            hextet!(),
            ":){5}",
            hextet!(),
            "::(?:",
            hextet!(),
            ")?)$"
        ),
    ),
    ("uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"),
    // RFC 3986, appendix A: schemes with a host, and those without.
    (
        "uri",
        concat!(
            "^[a-zA-Z][a-zA-Z0-9+.-]{0,15}:(?://(?:",
            label!(),
            "\\.){0,3}",
            label!(),
            "(?::[0-9]{1,5})?(?:/",
            path!(),
            ")?",
            "|[a-zA-Z0-9._~!$&'()*+,;=:@-]",
            path!(),
            ")",
            "(?:\\?",
            path!(),
            ")?(?:#",
            path!(),
            ")?$"
        ),
    ),
    // RFC 6901, section 3.
    ("json-pointer", "^(?:/(?:[^~/]|~[01])*)*$"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_once() {
        for (name, _) in PATTERNS {
            assert!(matches!(look_up(name), Format::Pattern(_)));
            assert!(!UNSUPPORTED.contains(&name));
        }
        assert_eq!(look_up("regex"), Format::Unsupported);
        assert_eq!(look_up("password"), Format::Annotation);
    }
}
