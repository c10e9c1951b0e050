//! The bytes that a connection has read and not yet used.

use crate::config::limits::{HEAD_BYTES, READ_BUFFER_BYTES};

/// A read buffer: bytes come in at its end and are used up from its front.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    /// Bytes before this have been used. Never above `bytes.len()`.
    used: usize,
}

impl Input {
    /// What is left to use.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// Marks the first `count` of the rest as used.
    pub fn consume(&mut self, count: usize) {
        self.used = (self.used + count).min(self.bytes.len());
        if self.used == self.bytes.len() {
            self.bytes.clear();
            self.used = 0;
            // One long head does not keep its memory for the life of the connection.
            self.bytes.shrink_to(READ_BUFFER_BYTES);
        }
    }

    /// Whether the rest may grow: past a whole head of unused bytes a reader must wait.
    pub fn has_room(&self) -> bool {
        self.rest().len() < HEAD_BYTES + READ_BUFFER_BYTES
    }

    /// Lends the buffer to a read, which appends to it. Pair with [`Input::give_back`].
    pub fn lend(&mut self) -> Vec<u8> {
        if self.used > 0 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        if self.bytes.capacity() - self.bytes.len() < READ_BUFFER_BYTES / 4 {
            self.bytes.reserve(READ_BUFFER_BYTES);
        }
        std::mem::take(&mut self.bytes)
    }

    /// Makes room for a read of `bytes`. They are given back when the input has been used up.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Takes the buffer back after a read.
    pub fn give_back(&mut self, bytes: Vec<u8>) {
        debug_assert!(self.bytes.is_empty() && self.used == 0);
        self.bytes = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_in_behind_and_go_out_in_front() {
        let mut input = Input::default();
        let mut lent = input.lend();
        lent.extend_from_slice(b"abcdef");
        input.give_back(lent);
        input.consume(2);
        let mut lent = input.lend();
        lent.extend_from_slice(b"gh");
        input.give_back(lent);
        assert_eq!(input.rest(), b"cdefgh");
        input.consume(6);
        assert!(input.rest().is_empty());
    }

    #[test]
    fn a_long_head_gives_its_memory_back() {
        let mut input = Input::default();
        let mut lent = input.lend();
        lent.resize(HEAD_BYTES * 2, 0);
        input.give_back(lent);
        assert!(!input.has_room());
        input.consume(HEAD_BYTES * 2);
        assert!(input.lend().capacity() <= READ_BUFFER_BYTES * 2);
    }
}
