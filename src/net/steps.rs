//! Sending the steps of a long job to its client as they come.
//!
//! While the client waits a read stays armed: one that closes ends the job.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use monoio::io::Canceller;

use super::cell::Phase;
use super::conn::{Conn, End, Manner, Socket};
use super::outflow::watch;
use crate::api::answer;
use crate::api::steps::{News, StepJob, Steps};
use crate::http::head::Version;
use crate::http::response::{self, BodyLength};

impl<S: Socket> Conn<S> {
    /// Starts a job and answers with what it tells.
    pub(super) async fn tell_steps(&mut self, job: StepJob, mut manner: Manner) -> Result<(), End> {
        let steps = match job.start(&self.core.app) {
            Ok(steps) => steps,
            Err(answer) => return self.finish(&answer, &manner).await,
        };
        self.flush().await?;
        let chunked = manner.version == Version::Http11;
        let put = |out: &mut Vec<u8>, lines: &[u8]| {
            if chunked { response::write_chunk(out, lines) } else { out.extend_from_slice(lines) }
        };
        let mut begun = false;
        loop {
            match self.news(&steps).await? {
                News::End(ended) if !begun => return self.finish(&ended.answer(), &manner).await,
                News::End(ended) => {
                    put(&mut self.output, &ended.line());
                    break;
                }
                News::Lines(lines) => {
                    if !begun {
                        let length = if chunked { BodyLength::Chunked } else { BodyLength::Close };
                        let head = (200, Some(answer::NDJSON), length);
                        manner.put_head(&self.core, &mut self.output, head, std::iter::empty());
                        begun = true;
                    }
                    put(&mut self.output, &lines);
                    self.flush().await?;
                }
            }
        }
        if chunked {
            self.output.extend_from_slice(response::LAST_CHUNK);
        }
        manner.keep_alive &= chunked && !self.core.is_draining();
        self.flush().await?;
        if manner.keep_alive { Ok(()) } else { Err(End::Closing) }
    }

    /// Waits for the job to tell something, or for the client to leave.
    async fn news(&mut self, steps: &Steps) -> Result<News, End> {
        self.cell.enter(Phase::Working, u64::MAX);
        let (canceller, stop) = (Canceller::new(), Cell::new(false));
        let mut watching = pin!(watch(&mut self.reader, &mut self.input, canceller.handle(), &stop));
        let news = poll_fn(|context| {
            if let Poll::Ready(news) = steps.poll_news(context) {
                return Poll::Ready(Ok(news));
            }
            if self.cell.is_expired() {
                return Poll::Ready(Err(End::Gone));
            }
            self.cell.listen(context);
            watching.as_mut().poll(context).map(|()| Err(End::Gone))
        })
        .await?;
        // The armed read may hold bytes of the next request: it is cancelled and awaited, not dropped.
        stop.set(true);
        canceller.cancel();
        watching.await;
        Ok(news)
    }
}
