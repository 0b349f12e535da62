//! Bodies on their way through: nothing is held back, everything is bounded in time, and what ends
//! early never looks complete.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use super::error::Failure;
use super::served::Served;
use crate::pool::Sender;
use crate::upstream::Slot;

/// What became of the body of a request, for whoever waits for its answer.
#[derive(Debug)]
pub struct Progress {
    pub last: Cell<Instant>,
    pub complete: Cell<bool>,
    pub failure: Cell<Option<Failure>>,
}

/// The body of a request, on its way to an upstream.
pub struct RequestBody {
    incoming: Option<Incoming>,
    left: u64,
    progress: Rc<Progress>,
    patience: Patience,
}

impl RequestBody {
    pub fn new(incoming: Incoming, most: u64, patience: Duration) -> Self {
        let complete = incoming.is_end_stream();
        Self {
            incoming: (!complete).then_some(incoming),
            left: most,
            progress: Rc::new(Progress {
                last: Cell::new(Instant::now()),
                complete: Cell::new(complete),
                failure: Cell::default(),
            }),
            patience: Patience::new(patience),
        }
    }

    /// The body of a request that is sent again, which has none.
    pub fn empty(progress: Rc<Progress>) -> Self {
        Self { incoming: None, left: 0, progress, patience: Patience::new(Duration::ZERO) }
    }

    pub fn progress(&self) -> Rc<Progress> {
        Rc::clone(&self.progress)
    }

    fn fail(&self, failure: Failure) -> io::Error {
        self.progress.failure.set(Some(failure));
        io::Error::other(failure.row().name)
    }

    fn take(&mut self, data: Bytes) -> Result<Frame<Bytes>, io::Error> {
        self.left = match self.left.checked_sub(data.len() as u64) {
            Some(left) => left,
            None => return Err(self.fail(Failure::BodyTooLarge)),
        };
        self.progress.last.set(Instant::now());
        Ok(Frame::data(data))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        let outcome = Pin::new(incoming).poll_frame(context);
        let Some(outcome) = ready!(this.patience.watch(context, outcome)) else {
            return Poll::Ready(Some(Err(this.fail(Failure::BodyTooSlow))));
        };
        match outcome {
            // Trailers are for this hop alone.
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Poll::Ready(Some(this.take(data))),
                Err(_) => Poll::Ready(this.end()),
            },
            Some(Err(_)) => Poll::Ready(Some(Err(this.fail(Failure::BodyIncomplete)))),
            None => Poll::Ready(this.end()),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.incoming.as_ref().map_or_else(none, Body::size_hint)
    }
}

impl RequestBody {
    fn end<T>(&mut self) -> Option<T> {
        self.progress.complete.set(true);
        None
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // hyper need not ask for the end of a body whose length it knows.
        if self.is_end_stream() {
            self.progress.complete.set(true);
        }
    }
}

/// The connection that an answer comes from.
pub struct Lease {
    pub slot: Slot,
    pub sender: Option<Sender>,
    pub progress: Rc<Progress>,
    pub max_idle: usize,
}

impl Lease {
    /// The answer is complete. The connection may be used again when the request is as well.
    fn end(&mut self) {
        if let Some(sender) = self.sender.take().filter(|_| self.progress.complete.get()) {
            self.slot.endpoint().pool.checkin(sender, self.max_idle);
        }
    }
}

/// The body of an answer, on its way to the client.
pub struct AnswerBody {
    source: Source,
    served: Option<Served>,
}

enum Source {
    Own(Option<Bytes>),
    Upstream { incoming: Incoming, lease: Lease, patience: Patience },
}

impl AnswerBody {
    pub fn own(text: Bytes) -> Self {
        Self { source: Source::Own((!text.is_empty()).then_some(text)), served: None }
    }

    pub fn upstream(incoming: Incoming, mut lease: Lease, patience: Duration) -> Self {
        if incoming.is_end_stream() {
            lease.end();
        }
        Self {
            source: Source::Upstream { incoming, lease, patience: Patience::new(patience) },
            served: None,
        }
    }

    /// Whatever is counted until the end of the answer.
    #[must_use]
    pub fn until_end(mut self, served: Served) -> Self {
        self.served = Some(served);
        self
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let (incoming, lease, patience) = match &mut this.source {
            Source::Own(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Source::Upstream { incoming, lease, patience } => (incoming, lease, patience),
        };
        let outcome = Pin::new(&mut *incoming).poll_frame(context);
        let outcome = match ready!(patience.watch(context, outcome)) {
            Some(Some(Ok(frame))) => frame.into_data().ok().map(Ok),
            Some(Some(Err(error))) => Some(Err(io::Error::other(error))),
            Some(None) => None,
            None => Some(Err(io::ErrorKind::TimedOut.into())),
        };
        match &outcome {
            Some(Ok(_)) if !incoming.is_end_stream() => {}
            Some(Ok(_)) | None => lease.end(),
            Some(Err(_)) => {
                lease.sender = None;
                if let Some(served) = &mut this.served {
                    served.client.exchange.break_off();
                }
            }
        }
        Poll::Ready(outcome.map(|outcome| outcome.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(text) => text.is_none(),
            Source::Upstream { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Source::Upstream { incoming, .. } => incoming.size_hint(),
        }
    }
}

/// Bounds the time between two pieces. The alarm is made when a piece is late, not for each.
struct Patience {
    time: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(time: Duration) -> Self {
        Self { time, alarm: None }
    }

    /// What came, or None when it took too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, outcome: Poll<T>) -> Poll<Option<T>> {
        if let Poll::Ready(outcome) = outcome {
            self.alarm = None;
            return Poll::Ready(Some(outcome));
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(self.time)));
        alarm.as_mut().poll(context).map(|()| None)
    }
}
