//! Where images stand in a prompt: the engine finds them by their markers `[img-0]`, `[img-1]` … in the order in which
//! they came.

use std::borrow::Cow;

use crate::model::Message;

/// Counts the images of a conversation.
#[derive(Default)]
pub(super) struct Images {
    next: usize,
}

impl Images {
    /// The content of `message` with a marker for each of its images.
    pub(super) fn mark<'a>(&mut self, message: &'a Message) -> Cow<'a, str> {
        self.mark_in(&message.content, message.images.len())
    }

    /// `content` with markers for its `count` images: each takes the place of a written `[img]` as long as there are
    /// any, the others stand in front. Content that names images itself (`[img-…`) is left alone.
    pub(super) fn mark_in<'a>(&mut self, content: &'a str, count: usize) -> Cow<'a, str> {
        let first = self.next;
        self.next += count;
        if count == 0 || content.contains("[img-") {
            return content.into();
        }
        let mut numbers = first..self.next;
        let mut parts = content.split("[img]");
        let mut body = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match numbers.next() {
                Some(number) => body.push_str(&marker(number)),
                None => body.push_str("[img]"),
            }
            body.push_str(part);
        }
        let mut marked: String = numbers.map(marker).collect();
        // Go's TrimSpace and decoder: the replacement character counts as broken text, which gets no blank.
        let blank = |first: char| !first.is_whitespace() && first != char::REPLACEMENT_CHARACTER;
        if !marked.is_empty() && body.starts_with(blank) {
            marked.push(' ');
        }
        marked.push_str(&body);
        marked.into()
    }

    /// Counts images that get no marker.
    pub(super) fn skip(&mut self, message: &Message) {
        self.next += message.images.len();
    }
}

fn marker(number: usize) -> String {
    format!("[img-{number}]")
}

#[cfg(test)]
mod tests {
    use super::Images;

    #[test]
    fn markers_take_the_written_places_first() {
        // (content, images, with markers)
        for (content, count, want) in [
            ("what", 0, "what"),
            ("[img]", 0, "[img]"),
            ("what", 1, "[img-7] what"),
            ("what", 2, "[img-7][img-8] what"),
            (" what", 1, "[img-7] what"),
            ("\u{fffd}", 1, "[img-7]\u{fffd}"),
            ("", 2, "[img-7][img-8]"),
            ("a [img] b", 1, "a [img-7] b"),
            ("a [img] b [img]", 1, "a [img-7] b [img]"),
            ("a [img] b", 3, "[img-8][img-9] a [img-7] b"),
            ("[img]", 2, "[img-8] [img-7]"),
            ("[i[img]mg]", 2, "[img-8] [i[img-7]mg]"),
            ("see [img-0] [img]", 2, "see [img-0] [img]"),
        ] {
            let mut images = Images { next: 7 };
            assert_eq!(images.mark_in(content, count), want);
            assert_eq!(images.next, 7 + count);
        }
    }
}
