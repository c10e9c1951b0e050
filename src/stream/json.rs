//! Where frames are written, and the numbers in them as Go's encoding/json would write them.

use std::io::Write;

use llamero_kernels::escape::escape;

/// Takes the bytes of a frame.
pub(super) trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A piece of memory that is filled from the front. What does not fit is left out, and the sink knows it.
#[derive(Debug)]
pub(super) struct Fixed<'a> {
    memory: &'a mut [u8],
    len: usize,
    overflowed: bool,
}

impl<'a> Fixed<'a> {
    pub(super) fn new(memory: &'a mut [u8]) -> Self {
        Self { memory, len: 0, overflowed: false }
    }

    /// Bytes written, or `None` when something did not fit.
    pub(super) fn len(&self) -> Option<usize> {
        (!self.overflowed).then_some(self.len)
    }
}

impl Sink for Fixed<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.memory[self.len..].get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        } else {
            // Nothing may follow a gap: the next put fails too unless it is empty.
            self.overflowed = true;
            self.len = self.memory.len();
        }
    }
}

/// Appends text as it stands inside a JSON string.
#[inline]
pub(super) fn put_escaped(sink: &mut impl Sink, text: &str) {
    escape(text, |bytes| sink.put(bytes));
}

/// Appends an integer in decimal.
pub(super) fn put_u64(sink: &mut impl Sink, mut number: u64) {
    let mut digits = [0_u8; 20]; // u64::MAX has 20
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    sink.put(&digits[at..]);
}

/// Appends an integer in decimal.
pub(super) fn put_i32(sink: &mut impl Sink, number: i32) {
    if number < 0 {
        sink.put(b"-");
    }
    put_u64(sink, number.unsigned_abs() as u64);
}

/// Appends a number in the shortest form that reads back as the same one: plain digits from 1e-6 up to 1e21, else
/// with an exponent. JSON has no infinities: they become the largest `f32`, NaN becomes 0.
pub(super) fn put_f64(sink: &mut impl Sink, number: f64) {
    let number = if number.is_nan() { 0.0 } else { number.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)) };
    let mut text = [0_u8; 64]; // at most 17 digits and 20 zeros, or an exponent
    let mut rest = &mut text[..];
    let exponent = number != 0.0 && !(1e-6..1e21).contains(&number.abs());
    let written = if exponent { write!(rest, "{number:e}") } else { write!(rest, "{number}") };
    debug_assert!(written.is_ok());
    let left = rest.len();
    let text = &text[..text.len() - left];
    match text.iter().position(|&byte| byte == b'e') {
        Some(at) if text.get(at + 1) != Some(&b'-') => {
            sink.put(&text[..=at]);
            sink.put(b"+");
            sink.put(&text[at + 1..]);
        }
        _ => sink.put(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_are_decimal() {
        for n in [0, 1, 9, 10, 99, 100, 12_345, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(text(|out| put_u64(out, n)), n.to_string());
        }
        for n in [0, 7, -1, i32::MIN, i32::MAX] {
            assert_eq!(text(|out| put_i32(out, n)), n.to_string());
        }
    }

    /// By the rule of Go's encoder: an exponent below 1e-6 and from 1e21 on, without zeros in front of it.
    #[test]
    fn floats_are_written_as_go_does() {
        let table: [(f64, &str); 14] = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-15.600_060_462_951_66, "-15.60006046295166"),
            (-0.001_795_591_670_088_47, "-0.00179559167008847"),
            (-5.960_466_182_841_628e-7, "-5.960466182841628e-7"),
            (1e-6, "0.000001"),
            (9.99e-7, "9.99e-7"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.5e30, "-1.5e+30"),
            (1.25e-10, "1.25e-10"),
            (f64::NEG_INFINITY, "-3.4028234663852886e+38"),
            (f64::NAN, "0"),
        ];
        for (number, expected) in table {
            assert_eq!(text(|out| put_f64(out, number)), expected);
        }
    }

    proptest! {
        #[test]
        fn floats_read_back_as_they_were(bits: u32) {
            let number = f64::from(f32::from_bits(bits));
            let written = text(|out| put_f64(out, number));
            let back: f64 = written.parse().unwrap();
            let expected = if number.is_nan() { 0.0 } else { number.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)) };
            prop_assert_eq!(back.to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn a_fixed_sink_never_writes_past_its_end_nor_behind_a_gap() {
        let mut memory = *b"........";
        let mut sink = Fixed::new(&mut memory[..6]);
        sink.put(b"abc");
        assert_eq!(sink.len(), Some(3));
        sink.put(b"defg");
        sink.put(b"h");
        assert_eq!(sink.len(), None);
        assert_eq!(&memory, b"abc.....");
    }
}
