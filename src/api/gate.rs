//! Who may ask at all: cross-origin rules first, then the host check (the behaviour page, sections 0.8 and 0.9).

use std::net::IpAddr;

use super::Answer;
use crate::http::head::{Head, Method};
use crate::http::origin::{HostDecision, OriginDecision, OriginError, Origins, host_allowed};

/// Header fields that an answer gets besides its own.
pub type Fields = Vec<(String, String)>;

/// The rules of this server.
#[derive(Debug)]
pub struct Gate {
    origins: Origins,
    /// Name and addresses of this machine; `None` when the listener is not on loopback, where every host is welcome.
    machine: Option<(String, Vec<IpAddr>)>,
}

impl Gate {
    /// Reads `OLLAMA_ORIGINS`; `on_loopback` turns the host check on.
    ///
    /// # Errors
    /// When an entry of the list cannot be used.
    pub fn new(origins: &str, on_loopback: bool) -> Result<Gate, OriginError> {
        let machine = on_loopback.then(|| {
            let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            let addresses = if_addrs::get_if_addrs().unwrap_or_default();
            (name, addresses.into_iter().map(|interface| interface.ip()).collect())
        });
        Ok(Gate { origins: Origins::parse(origins)?, machine })
    }

    /// Checks a request. Fields that its answer must carry go to `extra`.
    ///
    /// # Errors
    /// The answer, when the request ends here.
    pub fn check(&self, head: &Head, bytes: &[u8], extra: &mut Fields) -> Result<(), Answer> {
        let host = head.host(bytes);
        let decision = self.origins.check(head.header(bytes, "Origin"), host, head.method());
        extra.extend(decision.headers().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        match decision {
            OriginDecision::SameOrigin | OriginDecision::Allowed(_) => {}
            OriginDecision::Forbidden => return Err(Answer::empty(403)),
            OriginDecision::Preflight(_) => return Err(Answer::empty(204)),
        }
        let Some((name, addresses)) = &self.machine else { return Ok(()) };
        match host_allowed(host, name, addresses) {
            HostDecision::Name if head.method() == Method::Options => Err(Answer::empty(204)),
            HostDecision::Address | HostDecision::Name => Ok(()),
            HostDecision::Forbidden => Err(Answer::empty(403)),
        }
    }
}
