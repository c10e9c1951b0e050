//! One answer while it comes: lines out of body bytes, events out of lines, times out of events. No I/O and no clock:
//! the caller says when bytes were read.

use std::time::{Duration, Instant};

use crate::error::RequestError;
use crate::goal::Pace;
use crate::kinds::{Api, Said, Shape};
use crate::tally::Tally;

/// Longest line of an answer, or longest object; the final event of a generate carries its whole context.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Characters of what a server says of an error that are kept.
const TOLD_CHARS_MAX: usize = 200;

/// How a request takes part in the result.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// When it was due: what its times count from.
    pub intended: Instant,
    /// It began after the warm-up.
    pub counted: bool,
    /// Its times are of interest: no slow reader, whose times are its own.
    pub timed: bool,
}

/// One answer while it comes.
pub struct Answer {
    api: Api,
    part: Part,
    /// The line that is not complete yet, or the object.
    line: Vec<u8>,
    first: Option<Instant>,
    last: Option<Instant>,
    longest: Option<Duration>,
    events: u64,
    ended: bool,
    failed: bool,
    /// The beginning of the first line that could not be read.
    told: String,
    output: Option<u64>,
    prompt: Option<u64>,
    vectors: u64,
}

impl Answer {
    /// An answer of which nothing came yet.
    pub fn new(api: Api, part: Part) -> Self {
        Self {
            api,
            part,
            line: Vec::new(),
            first: None,
            last: None,
            longest: None,
            events: 0,
            ended: false,
            failed: false,
            told: String::new(),
            output: None,
            prompt: None,
            vectors: 0,
        }
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Takes a piece of the body that was read at `now`.
    pub fn take(&mut self, mut body: &[u8], now: Instant, tally: &mut Tally) {
        match self.api.shape() {
            Shape::Bytes => {
                if !body.is_empty() && self.first.is_none() {
                    self.first = Some(now);
                    self.time(now, |tally| &mut tally.ttft, self.part.intended, tally);
                }
                return;
            }
            Shape::Object => {}
            Shape::Lines => {
                while let Some(end) = body.iter().position(|byte| *byte == b'\n') {
                    let (line, rest) = body.split_at(end);
                    body = rest.get(1..).unwrap_or_default();
                    if self.line.is_empty() {
                        self.read(line, now, tally);
                    } else {
                        self.line.extend_from_slice(line);
                        self.read_kept(now, tally);
                    }
                }
            }
        }
        self.failed |= self.line.len() + body.len() > LINE_BYTES_MAX;
        if !self.failed {
            self.line.extend_from_slice(body);
        }
    }

    /// Reads the kept line, and keeps its memory.
    fn read_kept(&mut self, now: Instant, tally: &mut Tally) {
        let mut line = std::mem::take(&mut self.line);
        self.read(&line, now, tally);
        line.clear();
        self.line = line;
    }

    fn read(&mut self, line: &[u8], now: Instant, tally: &mut Tally) {
        if let Ok(said) = self.api.read(line.trim_ascii_end()) {
            self.hear(said, now, tally);
            return;
        }
        if !self.failed {
            self.told = beginning(line);
        }
        self.failed = true;
    }

    fn hear(&mut self, said: Said, now: Instant, tally: &mut Tally) {
        self.output = said.output.or(self.output);
        self.prompt = said.prompt.or(self.prompt);
        self.ended |= said.end;
        self.vectors += said.vectors;
        if !said.token {
            return;
        }
        self.events += 1;
        tally.event(self.part.counted, self.api.writes_tokens());
        match self.last.replace(now) {
            None => {
                self.first = Some(now);
                self.time(now, |tally| &mut tally.ttft, self.part.intended, tally);
            }
            Some(last) => {
                self.longest = self.longest.max(Some(now.saturating_duration_since(last)));
                self.time(now, |tally| &mut tally.itl, last, tally);
            }
        }
    }

    fn time(
        &self,
        now: Instant,
        which: impl FnOnce(&mut Tally) -> &mut crate::histogram::Times,
        from: Instant,
        tally: &mut Tally,
    ) {
        if self.part.counted && self.part.timed {
            which(tally).record(now.saturating_duration_since(from));
        }
    }

    /// The answer is whole on the wire.
    ///
    /// # Errors
    /// [`RequestError`] if the server refused or the stream is broken; nothing is counted as answered then.
    pub fn finish(mut self, status: u16, now: Instant, tally: &mut Tally) -> Result<(), RequestError> {
        if !self.line.is_empty() {
            self.read_kept(now, tally);
        }
        if status >= 300 {
            return Err(RequestError::Status(status, self.told));
        }
        if self.failed {
            return Err(RequestError::Stream(self.told));
        }
        if self.api.needs_model() && !self.ended {
            return Err(RequestError::Incomplete);
        }
        let counted = self.part.counted;
        if self.api.writes_tokens() {
            tally.uncounted += u64::from(counted && self.output.is_none());
            tally.differing += u64::from(counted && self.output.is_some_and(|output| output != self.events));
            tally.finish(counted, self.events, self.output, self.prompt, 0);
        } else {
            tally.finish(counted, 0, None, self.prompt, self.vectors);
        }
        if self.part.timed {
            tally.judge(counted, &self.pace(now));
        }
        self.time(now, |tally| &mut tally.e2e, self.part.intended, tally);
        if let Some(longest) = self.longest.filter(|_| counted && self.part.timed) {
            tally.longest_gap.record(longest);
        }
        Ok(())
    }

    fn pace(&self, now: Instant) -> Pace {
        let since_start = |then: Instant| then.saturating_duration_since(self.part.intended);
        // An answer in one piece is its own first event.
        let first = self.first.or((self.api.shape() == Shape::Object).then_some(now));
        let span = self.first.zip(self.last).map(|(first, last)| last.saturating_duration_since(first));
        let gaps = u32::try_from(self.events.saturating_sub(1)).unwrap_or(u32::MAX);
        Pace {
            ttft: first.map(since_start),
            itl: span.filter(|_| gaps > 0).map(|span| span / gaps),
            gap: self.longest,
            e2e: since_start(now),
        }
    }
}

/// The beginning of a text, on one line.
fn beginning(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..TOLD_CHARS_MAX * 4).unwrap_or(text));
    text.trim().chars().take(TOLD_CHARS_MAX).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goal::Goal;

    fn part(intended: Instant) -> Part {
        Part { intended, counted: true, timed: true }
    }

    fn answer(api: Api) -> (Tally, Answer) {
        (Tally::new(Goal::default()), Answer::new(api, part(Instant::now())))
    }

    #[test]
    fn events_are_counted_however_the_body_is_cut() {
        let body = b"{\"done\":false}\n{\"done\":false}\r\n\n{\"done\":true,\"eval_count\":7,\"prompt_eval_count\":3}";
        for cut in 0..=body.len() {
            let (mut tally, mut answer) = answer(Api::Generate);
            let (left, right) = body.split_at(cut);
            answer.take(left, Instant::now(), &mut tally);
            answer.take(right, Instant::now(), &mut tally);
            answer.finish(200, Instant::now(), &mut tally).unwrap();
            let got = tally.counted;
            assert_eq!((got.requests, got.events, got.output_tokens, got.prompt_tokens), (1, 2, 7, 3), "{cut}");
            assert_eq!((tally.differing, tally.uncounted), (1, 0), "seven tokens in two events");
        }
    }

    #[test]
    fn times_count_from_the_intended_start() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let goal = Goal { gap: Some(Duration::from_millis(30)), ..Goal::default() };
        let (mut tally, mut answer) = (Tally::new(goal), Answer::new(Api::Generate, part(start)));
        for ms in [100, 120, 160] {
            answer.take(b"{\"done\":false}\n", at(ms), &mut tally);
        }
        answer.take(b"{\"done\":true,\"eval_count\":3}\n", at(161), &mut tally);
        answer.finish(200, at(170), &mut tally).unwrap();
        let near = |times: &crate::histogram::Times, want: f64| {
            let got = times.percentiles().unwrap().max;
            assert!((got - want).abs() < want / 500.0, "{got} {want}");
        };
        near(&tally.ttft, 100.0);
        near(&tally.itl, 40.0);
        near(&tally.longest_gap, 40.0);
        near(&tally.e2e, 170.0);
        assert_eq!((tally.itl.count(), tally.counted.good), (2, 0), "40 ms miss the bound of 30");
    }

    #[test]
    fn times_of_slow_readers_and_of_the_warmup_are_left_out() {
        for (counted, timed, requests) in [(true, false, 1), (false, true, 0)] {
            let mut tally = Tally::new(Goal::default());
            let mut answer = Answer::new(Api::Generate, Part { counted, timed, ..part(Instant::now()) });
            answer.take(b"{\"done\":false}\n{\"done\":false}\n{\"done\":true}\n", Instant::now(), &mut tally);
            answer.finish(200, Instant::now(), &mut tally).unwrap();
            assert_eq!((tally.counted.requests, tally.live.requests), (requests, 1));
            assert_eq!((tally.ttft.count(), tally.itl.count(), tally.e2e.count()), (0, 0, 0));
            assert_eq!((tally.counted.judged, tally.live.judged), (0, u64::from(timed)));
        }
    }

    #[test]
    fn errors_have_kinds() {
        let table: &[(Api, &[u8], u16, &str)] = &[
            (Api::Generate, b"{\"error\":\"gone\"}\n", 200, "stream"),
            (Api::Generate, b"{\"done\":false}\n", 200, "incomplete"),
            (Api::OpenaiChat, b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", 200, "incomplete"),
            (Api::Embed, b"{\"embeddings\":[[1]", 200, "stream"),
            (Api::Embed, b"", 200, "incomplete"),
            (Api::Http, b"", 503, "status_5xx"),
        ];
        for (api, body, status, want) in table {
            let (mut tally, mut answer) = answer(*api);
            answer.take(body, Instant::now(), &mut tally);
            let error = answer.finish(*status, Instant::now(), &mut tally).unwrap_err();
            assert_eq!((error.kind(), tally.counted.requests), (*want, 0), "{api:?}");
        }
        let (mut tally, mut answer) = answer(Api::Chat);
        answer.take(b"{\"error\":\"model 'm'\tnot found\"}", Instant::now(), &mut tally);
        let error = answer.finish(404, Instant::now(), &mut tally).unwrap_err();
        assert_eq!(error.to_string(), "status 404 {\"error\":\"model 'm' not found\"}");
        assert_eq!(beginning("é".repeat(999).as_bytes()).chars().count(), TOLD_CHARS_MAX);
    }

    #[test]
    fn objects_and_bytes() {
        let (_, mut embed) = answer(Api::OpenaiEmbeddings);
        let mut tally = Tally::new(Goal { ttft: Some(Duration::from_secs(9)), ..Goal::default() });
        embed.take(b"{\"data\":[{},\n{}],", Instant::now(), &mut tally);
        embed.take(b"\"usage\":{\"prompt_tokens\":9}}", Instant::now(), &mut tally);
        embed.finish(200, Instant::now(), &mut tally).unwrap();
        assert_eq!((tally.counted.vectors, tally.counted.prompt_tokens, tally.counted.events), (2, 9, 0));
        assert_eq!((tally.counted.judged, tally.counted.good), (1, 1), "in time for any first event");
        let (mut tally, mut blob) = answer(Api::Blob);
        blob.take(b"\n\n\n", Instant::now(), &mut tally);
        blob.finish(200, Instant::now(), &mut tally).unwrap();
        assert_eq!((tally.counted.requests, tally.counted.events, tally.ttft.count()), (1, 0, 1));
    }
}
