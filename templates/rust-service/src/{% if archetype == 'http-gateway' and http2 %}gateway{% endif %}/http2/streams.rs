//! What is under way on one connection: how much, since when nothing, and whether its client takes what
//! there is for it.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use crate::gateway::body::AnswerBody;
use crate::stats::{Stats, count};

/// So many requests may be given up before it matters whether those are most of them.
const MOST_GIVEN_UP: u64 = 100;

tokio::task_local! {
    /// That of the stream that is polled.
    static PACE: Rc<Pace>;
}

/// How far the answer on a stream is.
#[derive(Debug, Default)]
struct Pace {
    /// When the last piece was handed out, unless the next one was asked for since.
    handed: Cell<Option<Instant>>,
    /// It has been handed out, or there is no more of it.
    over: Cell<bool>,
}

/// The streams of a connection, and what runs them.
#[derive(Clone)]
pub struct Streams(Rc<State>);

struct State {
    stats: Arc<Stats>,
    patience: Duration,
    open: Cell<usize>,
    begun: Cell<u64>,
    given_up: Cell<u64>,
    /// When the last one ended.
    quiet: Cell<Instant>,
    changed: Notify,
}

impl Streams {
    /// A client may let an answer wait for as long as it takes patience.
    pub fn new(patience: Duration, stats: Arc<Stats>) -> Self {
        Self(Rc::new(State {
            stats,
            patience,
            open: Cell::default(),
            begun: Cell::default(),
            given_up: Cell::default(),
            quiet: Cell::new(Instant::now()),
            changed: Notify::new(),
        }))
    }

    fn have_begun(&self) -> bool {
        self.0.begun.get() > 0
    }

    /// Waits for the first.
    pub async fn first(&self) {
        while !self.have_begun() {
            self.0.changed.notified().await;
        }
    }

    /// Waits until none was open for so long: `first` before there has been one, `later` after that.
    pub async fn silence(&self, first: Duration, later: Duration) {
        let began = Instant::now();
        loop {
            let State { open, quiet, .. } = &*self.0;
            let since = if open.get() == 0 { quiet.get().max(began) } else { Instant::now() };
            let deadline = since + if self.have_begun() { later } else { first };
            if open.get() == 0 && deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    /// Waits until most requests were for nothing: a client that asks and gives up keeps upstreams busy.
    pub async fn abuse(&self) {
        while !self.is_abused() {
            self.0.changed.notified().await;
        }
        count(&self.0.stats.http2_abandoned);
    }

    fn is_abused(&self) -> bool {
        let given_up = self.0.given_up.get();
        given_up > MOST_GIVEN_UP && given_up > self.0.begun.get() / 2
    }

    /// Runs one until it ends, or its client does not take what there is.
    async fn run(self, stream: impl Future<Output = ()>) {
        let pace = Rc::new(Pace::default());
        let open = Open { streams: self, pace: Rc::clone(&pace) };
        let mut stream = pin!(stream);
        let mut alarm = None;
        poll_fn(|context| {
            if PACE.sync_scope(Rc::clone(&pace), || stream.as_mut().poll(context)).is_ready() {
                return Poll::Ready(());
            }
            let Some(handed) = pace.handed.get() else {
                return Poll::Pending;
            };
            let deadline = handed + open.streams.0.patience;
            let alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            loop {
                ready!(alarm.as_mut().poll(context));
                if alarm.deadline() >= deadline {
                    return Poll::Ready(());
                }
                alarm.as_mut().reset(deadline);
            }
        })
        .await;
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let State { stats, open, begun, changed, .. } = &*self.0;
        count(&stats.http2_requests);
        open.set(open.get() + 1);
        begun.set(begun.get() + 1);
        changed.notify_waiters();
        spawn_local(self.clone().run(stream));
    }
}

/// Counts a stream as open for as long as it lives.
struct Open {
    streams: Streams,
    pace: Rc<Pace>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let State { open, given_up, quiet, changed, .. } = &*self.streams.0;
        open.set(open.get() - 1);
        quiet.set(Instant::now());
        if !self.pace.over.get() {
            given_up.set(given_up.get() + 1);
            changed.notify_waiters();
        }
    }
}

/// An answer that says how far it is to the stream on which it is sent.
pub struct Paced(AnswerBody);

impl Paced {
    pub fn new(answer: AnswerBody) -> Self {
        tell(|pace| pace.over.set(answer.is_end_stream()));
        Self(answer)
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        tell(|pace| pace.handed.set(None));
        let outcome = ready!(Pin::new(&mut self.0).poll_frame(context));
        tell(|pace| {
            pace.handed.set(Some(Instant::now()));
            pace.over.set(!matches!(outcome, Some(Ok(_))) || self.0.is_end_stream());
        });
        Poll::Ready(outcome)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// Outside of a stream there is nobody to be told.
fn tell(what: impl FnOnce(&Pace)) {
    let _ = PACE.try_with(|pace| what(pace));
}
