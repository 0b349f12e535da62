//! The socket of a client, with the times that a client may take.
//!
//! hyper's own `header_read_timeout` also ends connections that are idle between two requests, which
//! may be so for longer; here the two are apart.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::config::Timeouts;
use crate::stats::count;

/// What the socket and the request that is under way on it tell each other.
#[derive(Debug)]
pub struct Exchange {
    /// The client has connected or begun a head, and owes the rest of it.
    awaited: AtomicBool,
    /// A request was read and its answer is not written yet.
    busy: AtomicBool,
    /// More of the last request may come, whether or not it is answered.
    followed: AtomicBool,
    /// The answer can't be completed: the client must not take it for whole.
    broken: AtomicBool,
    /// How often something was read or written.
    moved: AtomicU64,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            awaited: AtomicBool::new(true),
            busy: AtomicBool::default(),
            followed: AtomicBool::default(),
            broken: AtomicBool::default(),
            moved: AtomicU64::default(),
        }
    }
}

impl Exchange {
    /// A head was read, which a body may follow, or another protocol begins.
    pub fn begin(&self, followed: bool) {
        self.awaited.store(false, Relaxed);
        self.followed.store(followed, Relaxed);
        self.busy.store(true, Relaxed);
    }

    /// Nothing is left to be said about the last request.
    pub fn end(&self) {
        self.busy.store(false, Relaxed);
    }

    pub fn break_off(&self) {
        self.broken.store(true, Relaxed);
    }

    pub fn is_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    pub fn is_awaited(&self) -> bool {
        self.awaited.load(Relaxed)
    }

    /// Waits until nothing was read or written for this long, or twice as long at most.
    pub async fn silence(&self, time: Duration) {
        let mut before = None;
        loop {
            let now = Some(self.moved.load(Relaxed));
            if now == before {
                return;
            }
            before = now;
            sleep(time).await;
        }
    }

    fn is_busy(&self) -> bool {
        self.busy.load(Relaxed)
    }

    fn is_followed(&self) -> bool {
        self.followed.load(Relaxed)
    }
}

/// For a client to learn that its connection has ended.
const FAREWELL: Duration = Duration::from_secs(2);
/// For a client that has begun a head.
const TOO_LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

pub struct ClientIo {
    stream: TcpStream,
    exchange: Arc<Exchange>,
    header_read: Duration,
    client_idle: Duration,
    body_progress: Duration,
    /// Nothing has come since the connection was made or the last answer written.
    silent: bool,
    deadline: Instant,
    alarm: Pin<Box<Sleep>>,
    stalled: Option<Pin<Box<Sleep>>>,
    farewell: Option<Pin<Box<Sleep>>>,
}

impl ClientIo {
    pub fn new(stream: TcpStream, timeouts: &Timeouts, exchange: Arc<Exchange>) -> Self {
        let deadline = Instant::now() + timeouts.header_read;
        Self {
            stream,
            exchange,
            header_read: timeouts.header_read,
            client_idle: timeouts.client_idle,
            body_progress: timeouts.body_progress,
            silent: true,
            deadline,
            alarm: Box::pin(sleep_until(deadline)),
            stalled: None,
            farewell: None,
        }
    }

    fn expect_within(&mut self, time: Duration) {
        self.deadline = Instant::now() + time;
        // Only when it would ring too late: an early alarm looks at the deadline again.
        if self.deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(self.deadline);
        }
    }

    /// Ends a silence that lasts too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.silent && !self.exchange.is_awaited() {
            self.silent = true;
            self.expect_within(self.client_idle);
        }
        self.poll_alarm(context)
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= self.deadline {
                if !self.silent {
                    // While a head is awaited everything before is written. It is a courtesy.
                    let _ = self.stream.try_write(TOO_LATE);
                }
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let deadline = self.deadline;
            self.alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Passes on what a write came to, unless it has come to nothing for too long.
    fn watch_write<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            count(&self.exchange.moved);
            self.stalled = None;
            return outcome;
        }
        let body_progress = self.body_progress;
        let alarm = self.stalled.get_or_insert_with(|| Box::pin(sleep(body_progress)));
        ready!(alarm.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Takes what a client sends until it knows of the end. Closing before that would reset the
    /// connection, and the client might lose the last answer (RFC 9112 section 9.6).
    fn poll_farewell(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let alarm = self.farewell.get_or_insert_with(|| Box::pin(sleep(FAREWELL)));
        let mut rest = [0; 4_096];
        while alarm.as_mut().poll(context).is_pending() {
            let mut rest = ReadBuf::new(&mut rest);
            let outcome = ready!(Pin::new(&mut self.stream).poll_read(context, &mut rest));
            if outcome.is_err() || rest.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_read(context, buffer);
        if outcome.is_ready() {
            count(&this.exchange.moved);
        }
        if this.exchange.is_busy() {
            return outcome;
        }
        if outcome.is_ready() {
            this.silent = false;
            if !this.exchange.awaited.swap(true, Relaxed) {
                this.expect_within(this.header_read);
            }
            return outcome;
        }
        this.poll_silence(context)
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.watch_write(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.watch_write(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_flush(context);
        if outcome.is_ready() && !this.exchange.is_busy() {
            // hyper does not read again until something comes: the alarm makes it.
            let _ = this.poll_silence(context);
        }
        outcome
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.farewell.is_none() {
            let outcome = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.watch_write(context, outcome))?;
        }
        if this.exchange.is_followed() || (this.exchange.is_awaited() && !this.silent) {
            ready!(this.poll_farewell(context));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for ClientIo {
    fn drop(&mut self) {
        if self.exchange.is_busy() || self.exchange.is_broken() {
            // A reset, where closing would look like the end of an answer without a length. If the
            // kernel refuses, the connection is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}
