//! Tables as `show` prints them: cells wrapped at spaces, left aligned, without borders (the behaviour page, section 9).
//!
//! Lines are broken where they come out as even as can be: the squares of what each lacks to the full width, but for the
//! last one's, sum up to the least.

use unicode_width::UnicodeWidthChar;

/// Where cells are wrapped, unless told otherwise.
pub const WIDTH: usize = 30;
/// What stands behind every cell, the last one too.
const GAP: &str = "    ";
/// A cell of a row whose other cells have more lines. Wider than nothing: so an empty first column moves to the right.
const FILLER: &str = "  ";

/// The rows as text. Rows may differ in their number of cells; a word longer than `width` is not broken.
pub fn render(rows: &[Vec<String>], width: usize) -> String {
    let wrapped: Vec<Vec<Cell>> =
        rows.iter().map(|row| row.iter().map(|cell| Cell::wrap(cell, width)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| {
        let cells = wrapped.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.width).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width_of).collect();
    let mut text = String::new();
    for row in &wrapped {
        let height = row.iter().map(|cell| cell.lines.len()).max().unwrap_or(0);
        for line in 0..height {
            for (cell, width) in row.iter().zip(&widths) {
                let part = cell.lines.get(line).map_or(FILLER, String::as_str);
                text.push_str(part);
                text.extend(std::iter::repeat_n(' ', width.saturating_sub(columns_of(part))));
                text.push_str(GAP);
            }
            text.push('\n');
        }
    }
    text
}

/// Columns that a text takes on a terminal.
pub fn columns_of(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(0)).sum()
}

/// A wrapped cell.
struct Cell {
    lines: Vec<String>,
    /// What it wants of its column: the longest of its lines before or after they were wrapped, within the bound.
    width: usize,
}

impl Cell {
    fn wrap(text: &str, width: usize) -> Self {
        let before = text.split('\n').map(columns_of).max().unwrap_or(0).min(width);
        let words: Vec<&str> = text.split(['\n', ' ']).collect();
        let longest = words.iter().map(|word| columns_of(word)).max().unwrap_or(0);
        let lines = broken(&words, before.max(longest));
        let after = lines.iter().map(|line| columns_of(line)).max().unwrap_or(0);
        Self { lines, width: before.max(after) }
    }
}

/// Breaks words into lines of at most `most` columns, which the longest word has.
fn broken(words: &[&str], most: usize) -> Vec<String> {
    // From the last word backwards: what the lines from here on cost, and where the first of them ends.
    let mut costs = vec![0_u64; words.len() + 1];
    let mut ends = vec![words.len(); words.len()];
    for start in (0..words.len()).rev() {
        let mut length = 0;
        let mut best = None;
        for (last, word) in words.iter().enumerate().skip(start) {
            length += columns_of(word) + usize::from(last > start);
            if length > most {
                break;
            }
            let end = last + 1;
            if end == words.len() {
                best = Some((0, end));
                break;
            }
            let cost = costs[end] + ((most - length) as u64).pow(2);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, end));
            }
        }
        (costs[start], ends[start]) = best.unwrap_or((0, start + 1));
    }
    let mut lines = Vec::new();
    let mut start = 0;
    while start < words.len() {
        let end = ends[start].max(start + 1);
        lines.push(words[start..end].join(" "));
        start = end;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Row {
        /// 0: the usual one.
        width: usize,
        rows: Option<Vec<Vec<String>>>,
        want: String,
    }

    /// What the library that Ollama's command line prints with made of each.
    #[test]
    fn tables_are_those_that_were_recorded() {
        let goldens = include_str!("../../tests/data/goldens/tables.jsonl");
        assert_eq!(goldens.lines().count(), 51);
        for line in goldens.lines() {
            let row: Row = serde_json::from_str(line).unwrap();
            let width = if row.width == 0 { WIDTH } else { row.width };
            assert_eq!(render(&row.rows.unwrap_or_default(), width), row.want, "{line}");
        }
    }
}
