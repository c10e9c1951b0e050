//! Text that is held back until more of it tells what it is, and the search for tags in it.

use crate::config::limits;

/// A tag that a machine looks for in running text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    pub text: &'static str,
    /// Whether white space in front of the tag belongs to it and is dropped with it.
    pub trims: bool,
}

/// A tag that takes the white space in front of it along.
pub(super) const fn trimming(text: &'static str) -> Tag {
    Tag { text, trims: true }
}

/// A tag that leaves the text in front of it as it is.
pub(super) const fn plain(text: &'static str) -> Tag {
    Tag { text, trims: false }
}

/// What a search came to; positions are bytes of [`Held::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The tag of this index begins at `at`.
    Whole {
        at: usize,
        tag: usize,
    },
    /// The text from here on may be the beginning of a tag.
    Partial(usize),
    Nothing,
}

/// A queue of text: deltas come in behind, what is understood goes out in front.
#[derive(Debug, Default)]
pub(super) struct Held {
    buffer: String,
    /// Bytes of `buffer` that are gone.
    gone: usize,
    /// Bytes of the text in which no tag begins: the next search starts behind them.
    searched: usize,
    /// Bytes at the front of the text that are known to be white space.
    blank: usize,
}

impl Held {
    pub fn push(&mut self, text: &str) {
        // Moving the rest to the front costs its length, so it waits until more has gone than is left.
        if self.gone > self.buffer.len() / 2 {
            self.buffer.drain(..self.gone);
            self.gone = 0;
        }
        self.buffer.push_str(text);
    }

    pub fn text(&self) -> &str {
        self.buffer.get(self.gone..).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.gone == self.buffer.len()
    }

    /// Drops the first `bytes` of the text.
    pub fn skip(&mut self, bytes: usize) {
        self.gone = (self.gone + bytes).min(self.buffer.len());
        self.searched = self.searched.saturating_sub(bytes);
        self.blank = self.blank.saturating_sub(bytes);
    }

    pub fn clear(&mut self) {
        self.skip(self.buffer.len());
    }

    /// Other tags are looked for from now on, from this position.
    pub fn search_from(&mut self, position: usize) {
        self.searched = position;
    }

    pub fn searched(&self) -> usize {
        self.searched
    }

    /// The first of `tags` in the text. What was searched is not searched again.
    pub fn find(&mut self, tags: &[&str]) -> Found {
        let found = find(self.text(), self.searched, tags);
        self.searched = match found {
            Found::Whole { at, .. } | Found::Partial(at) => at,
            Found::Nothing => self.text().len(),
        };
        found
    }

    /// As [`Held::find`], where only the whole tag counts.
    pub fn find_one(&mut self, tag: &str) -> Option<usize> {
        match self.find(&[tag]) {
            Found::Whole { at, .. } => Some(at),
            Found::Partial(_) | Found::Nothing => None,
        }
    }

    /// Drops white space at the front. False when there was nothing else.
    pub fn skip_space(&mut self) -> bool {
        let text = self.text();
        let space = text.len() - text.trim_start().len();
        self.skip(space);
        !self.is_empty()
    }

    /// Where the text without its leading white space begins.
    pub fn solid(&mut self) -> usize {
        let rest = self.text().get(self.blank..).unwrap_or_default();
        self.blank += rest.len() - rest.trim_start().len();
        self.blank
    }

    /// Where the white space begins that ends at `end`. Each byte of a long run is looked at once.
    fn space_before(&mut self, end: usize) -> usize {
        let front = self.blank.min(end);
        let text = self.text().get(front..end).unwrap_or_default();
        let start = front + text.trim_end().len();
        if start > front {
            return start;
        }
        self.blank = end;
        0
    }

    /// Gives out running text up to the first of `tags`: the index of the tag, with it and what it trims at the front
    /// of the text and the bytes of that; or `None` when all that can go out is out.
    pub fn stream(&mut self, tags: &[Tag], emit: impl FnMut(&str)) -> Option<(usize, usize)> {
        let (end, whole) = self.find_among(tags);
        let waits = whole.map_or_else(|| tags.iter().any(|tag| tag.trims), |tag| tags[tag].trims);
        let trimmed = self.emit(end, waits, emit);
        whole.map(|tag| (tag, trimmed + tags[tag].text.len()))
    }

    /// As [`Held::stream`] for one tag that is not known before: the bytes of it and of what it trims.
    pub fn stream_to(&mut self, tag: &str, trims: bool, emit: impl FnMut(&str)) -> Option<usize> {
        let (end, whole) = match self.find(&[tag]) {
            Found::Whole { at, .. } => (at, true),
            Found::Partial(at) => (at, false),
            Found::Nothing => (self.text().len(), false),
        };
        let trimmed = self.emit(end, trims, emit);
        whole.then_some(trimmed + tag.len())
    }

    /// Gives out the text up to `end`, without the white space in front of it when that `waits`: the bytes of this.
    fn emit(&mut self, end: usize, waits: bool, mut emit: impl FnMut(&str)) -> usize {
        let mut out = if waits { self.space_before(end) } else { end };
        // A model that writes nothing but white space does not fill the memory with it.
        while end - out >= limits::HELD_SPACE_BYTES {
            out = boundary(self.text(), out + limits::HELD_SPACE_BYTES);
        }
        if out > 0 {
            emit(&self.text()[..out]);
            self.skip(out);
        }
        end - out
    }

    /// As [`Held::find`]: where running text ends, and the tag that ends it.
    fn find_among(&mut self, tags: &[Tag]) -> (usize, Option<usize>) {
        let mut texts = [""; 8];
        for (text, tag) in texts.iter_mut().zip(tags) {
            *text = tag.text;
        }
        match self.find(texts.get(..tags.len()).unwrap_or(&texts)) {
            Found::Whole { at, tag } => (at, Some(tag)),
            Found::Partial(at) => (at, None),
            Found::Nothing => (self.text().len(), None),
        }
    }

    /// The most text that may wait for its end.
    pub fn longest(&self) -> usize {
        boundary(self.text(), limits::HELD_BYTES)
    }

    /// Where text that waits for its end is cut when it has become too long for that.
    pub fn overflow(&self) -> Option<usize> {
        (self.text().len() > limits::HELD_BYTES).then(|| self.longest())
    }
}

/// The first of `tags` in `text` at or behind `from`.
pub(super) fn find(text: &str, from: usize, tags: &[&str]) -> Found {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        for (index, tag) in tags.iter().enumerate().filter(|(_, tag)| tag.as_bytes().first() == Some(byte)) {
            let rest = &bytes[at..];
            if rest.starts_with(tag.as_bytes()) {
                return Found::Whole { at, tag: index };
            }
            if tag.as_bytes().starts_with(rest) {
                return Found::Partial(at);
            }
        }
    }
    Found::Nothing
}

/// The end of the last character that fits into `at` bytes.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Finds the end of a JSON object or array in text that arrives in pieces.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct JsonEnd {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl JsonEnd {
    /// Reads `text`, which continues what was read before: the bytes up to the end of the value, or `None` when it goes
    /// on. Brackets that close what was not opened count for nothing.
    pub fn read(&mut self, text: &str) -> Option<usize> {
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 1 => {
                    *self = Self::default();
                    return Some(at + 1);
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Held, JsonEnd, find, plain, trimming};

    #[test]
    fn the_first_tag_wins_and_a_beginning_waits() {
        let tags = ["<think>", "<tool>"];
        for (text, want) in [
            ("", Found::Nothing),
            ("a < b", Found::Nothing),
            ("a <tool> <think>", Found::Whole { at: 2, tag: 1 }),
            ("ü<t", Found::Partial(2)),
            ("<t<th", Found::Partial(2)),
            ("<tho", Found::Nothing),
        ] {
            assert_eq!(find(text, 0, &tags), want, "{text}");
        }
    }

    /// What comes out before the tag, and how much is left, for text in pieces.
    fn streamed(pieces: &[&str]) -> (String, String) {
        let (mut held, mut out) = (Held::default(), String::new());
        for piece in pieces {
            held.push(piece);
            if held.stream(&[trimming("<a>"), plain("<b>")], |text| out.push_str(text)).is_some() {
                break;
            }
        }
        (out, held.text().to_owned())
    }

    #[test]
    fn white_space_goes_with_the_tag_that_trims() {
        for (pieces, out, left) in [
            (&["x \n", " <", "a>y"][..], "x", " \n <a>y"),
            (&["x \n", " <", "b>y"], "x \n ", "<b>y"),
            (&["x ", " y "], "x  y", " "),
            (&["  ", "  <"], "", "    <"),
        ] {
            assert_eq!(streamed(pieces), (out.to_owned(), left.to_owned()), "{pieces:?}");
        }
    }

    #[test]
    fn endless_white_space_goes_out_in_blocks_at_the_same_places() {
        let size = crate::config::limits::HELD_SPACE_BYTES;
        let text = format!("x{}", "\n".repeat(size * 2 + 7));
        let pieces: Vec<_> = text.split_inclusive('\n').collect();
        let whole = streamed(&[&text]);
        assert_eq!(whole.0.len(), size * 2 + 1);
        assert_eq!(streamed(&pieces), whole);
    }

    #[test]
    fn the_end_of_json_is_found_in_pieces() {
        let json = r#" {"a}": ["\"]", {"b": "\\"}]} rest"#;
        for split in 0..json.len() {
            let mut end = JsonEnd::default();
            let at = end.read(&json[..split]).or_else(|| end.read(&json[split..]).map(|at| at + split));
            assert_eq!(at, Some(json.len() - " rest".len()), "{split}");
        }
    }
}
