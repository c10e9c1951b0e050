//! The sha256 digest by which blobs and manifests are known (the behaviour page, sections 1.6 and 4).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A sha256 digest. Written `sha256:<64 hex>`; read with `:` or `-` and in either case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is not `sha256:` or `sha256-` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid digest format")]
pub struct DigestError;

impl Digest {
    /// The digest of `bytes`. Hashing takes about a second for each GiB: long inputs belong on a worker.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Wraps a digest that was computed elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 64 lower-case digits alone, as `tags` and `ps` show the digest of a manifest.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// The name of its file in the folder of blobs.
    pub fn file_name(&self) -> String {
        format!("sha256-{}", self.hex())
    }

    /// The file name of old times, with a colon. Ollama renames such files when it starts.
    pub fn legacy_file_name(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha256-")).ok_or(DigestError)?;
        if hex.len() != 64 {
            return Err(DigestError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = pair.iter().try_fold(0, |high, &digit| Some(high << 4 | nibble(digit)?)).ok_or(DigestError)?;
        }
        Ok(Self(bytes))
    }
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn both_spellings_and_both_cases_are_one_digest() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), format!("sha256:{ABC}"));
        assert_eq!(digest.file_name(), format!("sha256-{ABC}"));
        for text in [format!("sha256:{ABC}"), format!("sha256-{ABC}"), format!("sha256:{}", ABC.to_uppercase())] {
            assert_eq!(text.parse(), Ok(digest), "{text}");
        }
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let table = [
            String::new(),
            "sha256:xyz".to_owned(),
            ABC.to_owned(),
            format!("SHA256:{ABC}"),
            format!("sha256:{ABC}0"),
            format!("sha256:{}", &ABC[1..]),
            format!("sha256:{}g", &ABC[1..]),
            format!("sha256:+{}", &ABC[1..]),
            format!("sha256:{}é", &ABC[2..]),
            format!("sha256:../{}", &ABC[3..]),
        ];
        for text in table {
            assert_eq!(text.parse::<Digest>(), Err(DigestError), "{text:?}");
        }
    }
}
