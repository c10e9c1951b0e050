//! Request heads: from the method to the empty line (RFC 9112 sections 2 to 5).
//!
//! The parser is a chain of small states, each of which scans one element. It looks at every byte once: when the
//! bytes run out, [`Head`] keeps the state and the place, and the next call goes on from there. So however the bytes
//! arrive, they pass the same checks in the same order and end in the same value or error, and a client that sends
//! single bytes costs no more than one that sends the head at once.

use std::ops::Range;

use super::bytes::{self, TARGET, TOKEN};
pub use super::error::HeadError;
use super::fields::Framing;
use super::target;
use crate::config::limits::{FIELDS_MAX, HEAD_BYTES, METHOD_BYTES, TARGET_BYTES};

// A span holds its ends in 16 bits; at least one byte follows every element, so none ends at HEAD_BYTES.
const _: () = assert!(HEAD_BYTES <= 1 << 16);

/// The methods that routes ask for. They are case-sensitive (RFC 9110 section 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// HEAD: like GET, without the body of the answer.
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// PATCH
    Patch,
    /// Any other token; [`Head::method_name`] tells it.
    Other,
}

impl Method {
    fn from_token(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}

/// The version of a request. A minor version above 1 is read as 1 (RFC 9110 section 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunks, closed at the end unless asked otherwise.
    Http10,
    /// HTTP/1.1
    Http11,
}

/// How the length of a request's body is known (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// There is none.
    None,
    /// Content-Length gave this many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// How far [`parse`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// More bytes are needed.
    Partial,
    /// The head is whole and has this many bytes; the body begins after them.
    Complete(usize),
}

/// A piece of the buffer that a head was parsed from.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end < HEAD_BYTES);
        Self { start: start as u16, end: end as u16 }
    }

    /// The place of `range`, which counts from `base`.
    fn offset(base: usize, range: &Range<usize>) -> Self {
        Self::new(base + range.start, base + range.end)
    }

    /// The bytes; none when `buf` is not the buffer that was parsed.
    fn of(self, buf: &[u8]) -> &[u8] {
        buf.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Field {
    name: Span,
    value: Span,
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing yet, or empty lines before the request line.
    Start,
    Method,
    Target,
    Version,
    /// The first byte of a header line, or the empty line.
    LineStart,
    FieldName,
    FieldValue,
    /// The head was complete or refused: the next call begins a new one.
    Done,
}

/// A request head. It holds places in the caller's buffer, not slices of it, so the buffer may move between calls and
/// the accessors take it again. One of these per connection is enough: parsing allocates nothing.
#[derive(Debug, Clone)]
pub struct Head {
    state: State,
    /// The next byte to look at. `start <= at`, and both lie within the first `HEAD_BYTES` bytes.
    at: usize,
    /// Where the element that is being read begins.
    start: usize,
    method: Method,
    method_name: Span,
    version: Version,
    path: Span,
    query: Option<Span>,
    /// Host and port of an absolute target.
    authority: Option<Span>,
    /// Value of the Host field.
    host_field: Option<Span>,
    framing: Framing,
    fields: [Field; FIELDS_MAX],
    field_count: usize,
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a head from the beginning of `buf`, the bytes that a connection received since the last request.
///
/// On [`Parsed::Partial`] call again with the same `head` and the same bytes followed by more. After
/// [`Parsed::Complete`] or an error the next call begins a new head.
///
/// # Errors
/// As soon as a byte cannot be right, or a bound is passed. [`HeadError::status`] answers it; nothing after it on the
/// connection can be trusted.
pub fn parse(buf: &[u8], head: &mut Head) -> Result<Parsed, HeadError> {
    if head.state == State::Done {
        head.clear();
    }
    let result = head.advance(&buf[..buf.len().min(HEAD_BYTES)]);
    if result != Ok(Parsed::Partial) {
        head.state = State::Done;
    }
    result
}

/// Each `read_*` scans one element. It returns the state that follows, or `None` when the bytes run out first.
impl Head {
    fn advance(&mut self, window: &[u8]) -> Result<Parsed, HeadError> {
        loop {
            let next = match self.state {
                State::Start => self.skip_empty_lines(window)?,
                State::Method => self.read_method(window)?,
                State::Target => self.read_target(window)?,
                State::Version => self.read_version(window)?,
                State::LineStart => self.read_line_start(window)?,
                State::FieldName => self.read_field_name(window)?,
                State::FieldValue => self.read_field_value(window)?,
                State::Done => return Ok(Parsed::Complete(self.at)),
            };
            match next {
                Some(state) => self.state = state,
                None if window.len() == HEAD_BYTES => return Err(HeadError::HeadTooLong),
                None => return Ok(Parsed::Partial),
            }
        }
    }

    /// RFC 9112 section 2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least
    /// one empty line (CRLF) received prior to the request-line".
    fn skip_empty_lines(&mut self, window: &[u8]) -> Result<Option<State>, HeadError> {
        loop {
            match window.get(self.at) {
                None => return Ok(None),
                Some(b'\r' | b'\n') => {
                    if !self.take_line_end(window)? {
                        return Ok(None);
                    }
                }
                Some(_) => return Ok(Some(self.begin(State::Method))),
            }
        }
    }

    /// RFC 9112 section 3: `request-line = method SP request-target SP HTTP-version`, with exactly one space.
    fn read_method(&mut self, window: &[u8]) -> Result<Option<State>, HeadError> {
        let length = self.scan(window, TOKEN, METHOD_BYTES).ok_or(HeadError::MethodTooLong)?;
        match window.get(self.at) {
            None => Ok(None),
            Some(b' ') if length > 0 => {
                self.method_name = Span::new(self.start, self.at);
                self.method = Method::from_token(self.method_name.of(window));
                self.at += 1;
                Ok(Some(self.begin(State::Target)))
            }
            Some(_) => Err(HeadError::BadMethod),
        }
    }

    fn read_target(&mut self, window: &[u8]) -> Result<Option<State>, HeadError> {
        let length = self.scan(window, TARGET, TARGET_BYTES).ok_or(HeadError::TargetTooLong)?;
        match window.get(self.at) {
            None => Ok(None),
            Some(b' ') if length > 0 => {
                self.note_target(&window[self.start..self.at])?;
                self.at += 1;
                Ok(Some(self.begin(State::Version)))
            }
            Some(b'\r') if length > 0 => Err(HeadError::BadVersion),
            Some(b'\n') => Err(HeadError::BareLf),
            Some(_) => Err(HeadError::BadTarget),
        }
    }

    fn note_target(&mut self, whole: &[u8]) -> Result<(), HeadError> {
        let target = target::split(whole, self.method)?;
        self.path = Span::offset(self.start, &target.path);
        self.query = target.query.map(|range| Span::offset(self.start, &range));
        self.authority = target.authority.map(|range| Span::offset(self.start, &range));
        Ok(())
    }

    /// RFC 9112 section 2.3: `HTTP-version = HTTP-name "/" DIGIT "." DIGIT`, case-sensitive.
    fn read_version(&mut self, window: &[u8]) -> Result<Option<State>, HeadError> {
        const PATTERN: &[u8; 8] = b"HTTP/1.1";
        while self.at - self.start < PATTERN.len() {
            let Some(&byte) = window.get(self.at) else { return Ok(None) };
            match self.at - self.start {
                // RFC 9110 section 15.6.6: another major version is not ours to guess at.
                5 if byte.is_ascii_digit() && byte != b'1' => return Err(HeadError::OtherVersion),
                7 if byte.is_ascii_digit() => {
                    self.version = if byte == b'0' { Version::Http10 } else { Version::Http11 };
                }
                index if PATTERN[index] == byte => {}
                _ if byte == b'\n' => return Err(HeadError::BareLf),
                _ => return Err(HeadError::BadVersion),
            }
            self.at += 1;
        }
        match window.get(self.at) {
            None => Ok(None),
            Some(b'\r' | b'\n') => Ok(self.take_line_end(window)?.then_some(State::LineStart)),
            Some(_) => Err(HeadError::BadVersion),
        }
    }

    fn read_line_start(&mut self, window: &[u8]) -> Result<Option<State>, HeadError> {
        match window.get(self.at) {
            None => Ok(None),
            Some(b'\r' | b'\n') => {
                if !self.take_line_end(window)? {
                    return Ok(None);
                }
                self.finish()?;
                Ok(Some(State::Done))
            }
            // RFC 9112 section 5.2: a server that receives an obs-fold MUST reject it by 400 or replace it.
            Some(b' ' | b'\t') => Err(HeadError::FoldedLine),
            Some(_) if self.field_count == FIELDS_MAX => Err(HeadError::TooManyFields),
            Some(_) => Ok(Some(self.begin(State::FieldName))),
        }
    }

    /// RFC 9112 section 5: `field-line = field-name ":" OWS field-value OWS`.
    fn read_field_name(&mut self, window: &[u8]) -> Result<Option<State>, HeadError> {
        self.at = bytes::skip(window, self.at, TOKEN);
        match window.get(self.at) {
            None => Ok(None),
            Some(b':') if self.at > self.start => {
                self.fields[self.field_count].name = Span::new(self.start, self.at);
                self.at += 1;
                Ok(Some(self.begin(State::FieldValue)))
            }
            // Section 5.1: "A server MUST reject, with a response status code of 400 (Bad Request), any received
            // request message that contains whitespace between a header field name and colon."
            Some(b' ' | b'\t') => Err(HeadError::SpaceBeforeColon),
            Some(b'\n') => Err(HeadError::BareLf),
            Some(_) => Err(HeadError::BadFieldName),
        }
    }

    fn read_field_value(&mut self, window: &[u8]) -> Result<Option<State>, HeadError> {
        self.at = bytes::skip_text(window, self.at);
        let end = self.at;
        match window.get(end) {
            None => Ok(None),
            Some(b'\r' | b'\n') => {
                if !self.take_line_end(window)? {
                    return Ok(None);
                }
                let value = Span::offset(self.start, &bytes::trimmed(&window[self.start..end]));
                self.note_field(window, value)?;
                Ok(Some(State::LineStart))
            }
            Some(_) => Err(HeadError::BadFieldValue),
        }
    }

    fn note_field(&mut self, window: &[u8], value: Span) -> Result<(), HeadError> {
        let field = &mut self.fields[self.field_count];
        field.value = value;
        self.field_count += 1;
        let name = field.name.of(window);
        let value_bytes = value.of(window);
        if name.eq_ignore_ascii_case(b"host") {
            // RFC 9112 section 3.2: 400 for "more than one Host header field line or a Host header field with an
            // invalid field value".
            if self.host_field.is_some() {
                return Err(HeadError::DoubleHost);
            }
            if !target::is_host(value_bytes) {
                return Err(HeadError::BadHost);
            }
            self.host_field = Some(value);
        }
        self.framing.note(name, value_bytes, self.version)
    }

    /// RFC 9112 section 3.2: 400 for "any HTTP/1.1 request message that lacks a Host header field", whatever the form
    /// of its target.
    fn finish(&self) -> Result<(), HeadError> {
        if self.version == Version::Http11 && self.host_field.is_none() {
            return Err(HeadError::MissingHost);
        }
        Ok(())
    }

    /// Passes over the line end at `at`; false when the byte after CR is not there yet. RFC 9112 section 2.2: a bare
    /// CR is invalid. That section lets a bare LF end a line; here it may not.
    fn take_line_end(&mut self, window: &[u8]) -> Result<bool, HeadError> {
        match window.get(self.at..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {
                self.at += 2;
                Ok(true)
            }
            [b'\r'] => Ok(false),
            [b'\r', ..] => Err(HeadError::BareCr),
            _ => Err(HeadError::BareLf),
        }
    }

    /// Moves `at` over bytes of `class` and returns how long the element is by now; `None` past `limit`.
    fn scan(&mut self, window: &[u8], class: u8, limit: usize) -> Option<usize> {
        let end = window.len().min(self.start + limit + 1);
        self.at = bytes::skip(&window[..end], self.at, class);
        Some(self.at - self.start).filter(|&length| length <= limit)
    }

    /// Notes that an element begins here, and returns the state that reads it.
    fn begin(&mut self, state: State) -> State {
        self.start = self.at;
        state
    }
}

/// What the head says. Accessors that take `buf` want the bytes that the head was parsed from, at their beginning.
impl Head {
    /// An empty head.
    pub fn new() -> Self {
        Self {
            state: State::Start,
            at: 0,
            start: 0,
            method: Method::Other,
            method_name: Span::default(),
            version: Version::Http11,
            path: Span::default(),
            query: None,
            authority: None,
            host_field: None,
            framing: Framing::default(),
            fields: [Field::default(); FIELDS_MAX],
            field_count: 0,
        }
    }

    /// Forgets what was read, for the first bytes of another connection. Between the requests of one connection it is
    /// not needed.
    pub fn clear(&mut self) {
        // All but the table of fields, whose length says what of it counts: it is most of the size.
        self.state = State::Start;
        (self.at, self.start) = (0, 0);
        (self.method, self.method_name) = (Method::Other, Span::default());
        self.version = Version::Http11;
        (self.path, self.query, self.authority, self.host_field) = (Span::default(), None, None, None);
        self.framing = Framing::default();
        self.field_count = 0;
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method as it was sent: a token.
    pub fn method_name<'b>(&self, buf: &'b [u8]) -> &'b str {
        bytes::ascii(self.method_name.of(buf))
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The path of the target with its escapes (see [`target::percent_decode`]). It begins with `/`, or is `*`.
    pub fn path<'b>(&self, buf: &'b [u8]) -> &'b str {
        match bytes::ascii(self.path.of(buf)) {
            // RFC 9112 section 3.2.4: an absolute target without path and query means `*` to OPTIONS, and
            // section 3.2.1 puts "/" in the place of an empty path.
            "" if self.method == Method::Options && self.query.is_none() => "*",
            "" => "/",
            path => path,
        }
    }

    /// The query of the target with its escapes, without the question mark.
    pub fn query<'b>(&self, buf: &'b [u8]) -> Option<&'b str> {
        self.query.map(|span| bytes::ascii(span.of(buf)))
    }

    /// Host and port that the request is for. `None` only for an HTTP/1.0 request without them.
    ///
    /// RFC 9112 section 3.2.2: with an absolute target the server "MUST ignore the received Host header field (if
    /// any) and instead use the host information of the request-target".
    pub fn host<'b>(&self, buf: &'b [u8]) -> Option<&'b str> {
        self.authority.or(self.host_field).map(|span| bytes::ascii(span.of(buf)))
    }

    /// How the length of the body is known.
    pub fn body_kind(&self) -> BodyKind {
        self.framing.body_kind()
    }

    /// Whether the client wants the connection kept (RFC 9112 section 9.3).
    pub fn keep_alive(&self) -> bool {
        self.framing.keep_alive(self.version)
    }

    /// Whether the client waits for [`super::response::CONTINUE_100`] before it sends its body.
    pub fn expect_continue(&self) -> bool {
        self.framing.expect_continue(self.version)
    }

    /// Value of the first field called `name` in any case, without the blanks around it. It need not be UTF-8.
    pub fn header<'b>(&self, buf: &'b [u8], name: &str) -> Option<&'b [u8]> {
        self.headers(buf).find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All fields in their order: name as it was sent, and value.
    pub fn headers<'b>(&self, buf: &'b [u8]) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        let fields = &self.fields[..self.field_count];
        fields.iter().map(move |field| (bytes::ascii(field.name.of(buf)), field.value.of(buf)))
    }
}
