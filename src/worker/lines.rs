//! Lines out of the pieces that a pipe gives, with a bound.

use crate::config::limits::WORKER_LINE_BYTES;

/// The beginning of a line whose end has not come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes what has come; `each` gets every line that is whole now, without its end. What passes the bound is dropped.
    pub(super) fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = WORKER_LINE_BYTES.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(text.get(..room).unwrap_or(text));
            if ends {
                each(&String::from_utf8_lossy(&self.partial));
                self.partial.clear();
            }
        }
    }

    /// The pipe has ended: gives what was left of a last line.
    pub(super) fn end(&mut self, mut each: impl FnMut(&str)) {
        if !self.partial.is_empty() {
            each(&String::from_utf8_lossy(&std::mem::take(&mut self.partial)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in pieces {
            lines.take(piece, |line| found.push(line.to_owned()));
        }
        lines.end(|line| found.push(line.to_owned()));
        found
    }

    #[test]
    fn lines_come_whole_however_they_are_split() {
        let text = b"one\n\ntwo \xff\nthree";
        for at in 0..text.len() {
            let (a, b) = text.split_at(at);
            assert_eq!(lines(&[a, b]), ["one", "", "two \u{fffd}", "three"]);
        }
    }

    #[test]
    fn a_line_without_an_end_stays_within_its_bound() {
        let piece = vec![b'x'; WORKER_LINE_BYTES - 1];
        let found = lines(&[&piece, &piece, b"y\nz\n"]);
        assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [WORKER_LINE_BYTES, 1]);
    }
}
