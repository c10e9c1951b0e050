//! Model names: `[host/][namespace/]model[:tag]` (the behaviour page, section 3).
//!
//! A [`Name`] can only be built valid, so its path never leaves the manifest folder. Names keep their case and are
//! compared without it: [`Name::fold`] is the key for that.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Host of a name that has none.
pub const DEFAULT_HOST: &str = "registry.ollama.ai";
/// Namespace of a name that has none.
pub const DEFAULT_NAMESPACE: &str = "library";
/// Tag of a name that has none.
pub const DEFAULT_TAG: &str = "latest";

/// Longest host, in bytes.
const HOST_BYTES: usize = 350;
/// Longest namespace, model or tag, in bytes.
const PART_BYTES: usize = 80;
/// Stands for the empty side of a separator. `!` is allowed in no part, so such a name is invalid.
const MISSING: &str = "!MISSING!";

/// Why a text is not a model name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A part is empty, too long, or has a character that is not allowed in it.
    #[error("invalid model name")]
    Invalid,
    /// The text ends in two of the words that say where a model runs; it is repeated here.
    #[error("use either :local or :cloud, not both: {0:?}")]
    TwoSources(String),
    /// There is no text.
    #[error("model is required")]
    Empty,
}

/// A valid model name with all four parts. Equality and order see the case; [`Name::fold`] does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    host: String,
    namespace: String,
    model: String,
    tag: String,
}

impl Name {
    /// Builds a name from its parts, as the folders of a store spell them.
    ///
    /// # Errors
    /// When a part is not allowed.
    pub fn from_parts(host: &str, namespace: &str, model: &str, tag: &str) -> Result<Self, NameError> {
        let parts = Parts { host, namespace, model, tag };
        parts.check()?;
        Ok(parts.to_name())
    }

    /// The registry's host, with a port if there is one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The owner of the model.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The model without its owner and tag.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// All four parts: `registry.ollama.ai/library/llama3:latest`.
    pub fn full(&self) -> String {
        self.parts().full()
    }

    /// The manifest's path below the folder of manifests: `host/namespace/model/tag`.
    pub fn path(&self) -> PathBuf {
        [&self.host, &self.namespace, &self.model, &self.tag].iter().collect()
    }

    /// The same for all spellings of the name that differ in case only. Parts are ASCII.
    pub fn fold(&self) -> String {
        self.full().to_ascii_lowercase()
    }

    fn parts(&self) -> Parts<'_> {
        Parts { host: &self.host, namespace: &self.namespace, model: &self.model, tag: &self.tag }
    }
}

/// The short form, which always has the tag: `llama3:latest`, `me/m:v1`, `host/me/m:v1`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.parts().short())
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let parts = Parts::split(text);
        parts.check()?;
        Ok(parts.to_name())
    }
}

/// Where a request wants its model to run (the behaviour page, section 0.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It does not say.
    Unspecified,
    /// `:local`: never elsewhere.
    Local,
    /// `:cloud` or `-cloud`: on ollama.com.
    Cloud,
}

/// A name as generate, chat, embed, embeddings, show and the `from` of create take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The name without the word that says where it runs.
    pub name: Name,
    /// Where it runs.
    pub source: Source,
}

impl FromStr for Requested {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let (base, source) = cut_source(text);
        if source != Source::Unspecified && cut_source(&base).1 != Source::Unspecified {
            return Err(NameError::TwoSources(text.to_owned()));
        }
        let name = base.parse()?;
        Ok(Self { name, source })
    }
}

/// Takes the word that says where a model runs off the end of a name.
fn cut_source(text: &str) -> (String, Source) {
    let Some((base, tag)) = text.rsplit_once(':') else {
        return (text.to_owned(), Source::Unspecified);
    };
    let tag = tag.trim();
    if tag.eq_ignore_ascii_case("cloud") {
        return (base.to_owned(), Source::Cloud);
    }
    if tag.eq_ignore_ascii_case("local") {
        return (base.to_owned(), Source::Local);
    }
    let word = "-cloud";
    let split = tag.len().saturating_sub(word.len());
    match (tag.get(..split), tag.get(split..)) {
        (Some(kept), Some(end)) if end.eq_ignore_ascii_case(word) && !tag.contains('/') => {
            (format!("{base}:{kept}"), Source::Cloud)
        }
        _ => (text.to_owned(), Source::Unspecified),
    }
}

/// The four parts of any text, valid or not.
struct Parts<'a> {
    host: &'a str,
    namespace: &'a str,
    model: &'a str,
    tag: &'a str,
}

impl<'a> Parts<'a> {
    /// Splits from the right: the tag only behind the last slash, what is left over goes to the host.
    fn split(text: &'a str) -> Self {
        let mut parts = Self { host: DEFAULT_HOST, namespace: DEFAULT_NAMESPACE, model: "", tag: DEFAULT_TAG };
        let mut rest = text;
        if text.rfind(':') > text.rfind('/')
            && let Some((before, tag)) = cut_last(rest, ':')
        {
            (rest, parts.tag) = (before, tag);
        }
        let Some((before, model)) = cut_last(rest, '/') else {
            parts.model = rest;
            return parts;
        };
        (rest, parts.model) = (before, model);
        let Some((before, namespace)) = cut_last(rest, '/') else {
            parts.namespace = rest;
            return parts;
        };
        parts.namespace = namespace;
        parts.host = before.split_once("://").map_or(before, |(_, host)| host);
        parts
    }

    fn check(&self) -> Result<(), NameError> {
        let valid = valid(self.host, HOST_BYTES, b"_-.:")
            && valid(self.namespace, PART_BYTES, b"_-")
            && valid(self.model, PART_BYTES, b"_-.")
            && valid(self.tag, PART_BYTES, b"_-.");
        if valid { Ok(()) } else { Err(NameError::Invalid) }
    }

    fn to_name(&self) -> Name {
        Name {
            host: self.host.to_owned(),
            namespace: self.namespace.to_owned(),
            model: self.model.to_owned(),
            tag: self.tag.to_owned(),
        }
    }

    fn full(&self) -> String {
        let Self { host, namespace, model, tag } = self;
        format!("{host}/{namespace}/{model}:{tag}")
    }

    fn short(&self) -> String {
        let Self { namespace, model, tag, .. } = self;
        if !self.host.eq_ignore_ascii_case(DEFAULT_HOST) {
            self.full()
        } else if !namespace.eq_ignore_ascii_case(DEFAULT_NAMESPACE) {
            format!("{namespace}/{model}:{tag}")
        } else {
            format!("{model}:{tag}")
        }
    }
}

/// Cuts at the last `separator`; an empty side is [`MISSING`].
fn cut_last(text: &str, separator: char) -> Option<(&str, &str)> {
    let (before, after) = text.rsplit_once(separator)?;
    let before = if before.is_empty() { MISSING } else { before };
    let after = if after.is_empty() { MISSING } else { after };
    Some((before, after))
}

/// A letter, digit or `_` first, then also what `also` lists; not empty, at most `longest` bytes.
fn valid(part: &str, longest: usize, also: &[u8]) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = part.as_bytes();
    part.len() <= longest
        && bytes.first().is_some_and(word)
        && bytes.iter().all(|byte| word(byte) || also.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Ollama's own code made of each name, valid or not.
    #[test]
    fn names_are_split_and_judged_as_recorded() {
        let rows = include_str!("../../tests/data/goldens/names.jsonl");
        assert_eq!(rows.lines().count(), 34);
        for row in rows.lines() {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            let text = row["name"].as_str().unwrap();
            let parts = Parts::split(text);
            let got = serde_json::json!({
                "full": parts.full(),
                "host": parts.host,
                "model": parts.model,
                "namespace": parts.namespace,
                "short": parts.short(),
                "tag": parts.tag,
                "valid": parts.check().is_ok(),
            });
            assert_eq!(got, row["want"], "{text:?}");
            match text.parse::<Name>() {
                Ok(name) => {
                    assert_eq!(name.full(), row["want"]["full"], "{text:?}");
                    assert_eq!(name.to_string(), row["want"]["short"], "{text:?}");
                    assert_eq!(name.to_string().parse(), Ok(name), "{text:?}");
                }
                Err(error) => {
                    assert_eq!(error, NameError::Invalid);
                    assert_eq!(row["want"]["valid"], false, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn paths_have_four_parts_and_stay_inside() {
        let name: Name = "hf.co/u/R:Q4_K_M".parse().unwrap();
        assert_eq!(name.path(), PathBuf::from("hf.co/u/R/Q4_K_M"));
        assert_eq!(name.fold(), "hf.co/u/r:q4_k_m");
        for part in ["", "..", "a/b", ".", "a\0", "-a"] {
            assert!(Name::from_parts("h", "n", part, "t").is_err(), "{part:?}");
        }
    }

    #[test]
    fn words_that_say_where_a_model_runs_are_cut_off() {
        let table = [
            ("m", "m:latest", Source::Unspecified),
            (" m:8b ", "m:8b", Source::Unspecified),
            ("m:local", "m:latest", Source::Local),
            ("m:8b:local", "m:8b", Source::Local),
            ("m:cloud", "m:latest", Source::Cloud),
            ("m:CLOUD", "m:latest", Source::Cloud),
            ("m:8b-cloud", "m:8b", Source::Cloud),
            ("u/m:8b-Cloud", "u/m:8b", Source::Cloud),
            ("my-cloud", "my-cloud:latest", Source::Unspecified),
            ("h:5/u/m-cloud", "h:5/u/m-cloud:latest", Source::Unspecified),
        ];
        for (text, short, source) in table {
            let got: Requested = text.parse().unwrap();
            assert_eq!((got.name.to_string().as_str(), got.source), (short, source));
        }
        for text in ["m:cloud:local", "m:8b-cloud:cloud", "m:local:local"] {
            let error = text.parse::<Requested>().unwrap_err();
            assert_eq!(error.to_string(), format!("use either :local or :cloud, not both: \"{text}\""));
        }
        assert_eq!(" ".parse::<Requested>(), Err(NameError::Empty));
        assert_eq!("a b".parse::<Requested>(), Err(NameError::Invalid));
        assert_eq!("m:-cloud".parse::<Requested>(), Err(NameError::Invalid));
        assert_eq!("ü:é-clou".parse::<Requested>(), Err(NameError::Invalid));
    }
}
