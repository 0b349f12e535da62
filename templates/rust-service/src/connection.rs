//! The socket of a client, with the times that a client may take.
//!
//! hyper's own `header_read_timeout` also ends connections that are idle between two requests, which
//! may be so for longer; here the two are apart.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Timeouts;

/// What the socket and the request that is under way on it tell each other.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Something was read: the client has begun its first request.
    pub begun: AtomicBool,
    /// A request was read and its answer is not written yet.
    pub busy: AtomicBool,
    /// The answer can't be completed: the client must not take it for whole.
    pub broken: AtomicBool,
}

pub struct ClientIo {
    stream: TcpStream,
    exchange: Arc<Exchange>,
    header_read: Duration,
    client_idle: Duration,
    body_progress: Duration,
    waiting: Waiting,
    deadline: Instant,
    alarm: Pin<Box<Sleep>>,
    stalled: Option<Pin<Box<Sleep>>>,
}

#[derive(PartialEq)]
enum Waiting {
    /// For the rest of a head.
    Head,
    /// For the first byte of the next one.
    Idle,
    /// For nothing: a request is under way.
    Nothing,
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
            waiting: Waiting::Head,
            deadline,
            alarm: Box::pin(sleep_until(deadline)),
            stalled: None,
        }
    }

    fn wait_for(&mut self, what: Waiting, time: Duration) {
        self.waiting = what;
        self.deadline = Instant::now() + time;
        // Only when it would ring too late: an early alarm looks at the deadline again.
        if self.deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(self.deadline);
        }
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= self.deadline {
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
            self.stalled = None;
            return outcome;
        }
        let body_progress = self.body_progress;
        let alarm = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(body_progress)));
        ready!(alarm.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
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
        if this.exchange.busy.load(Relaxed) {
            this.waiting = Waiting::Nothing;
            return outcome;
        }
        if outcome.is_ready() {
            this.exchange.begun.store(true, Relaxed);
            if this.waiting != Waiting::Head {
                this.wait_for(Waiting::Head, this.header_read);
            }
            return outcome;
        }
        if this.waiting == Waiting::Nothing {
            this.wait_for(Waiting::Idle, this.client_idle);
        }
        this.poll_alarm(context)
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
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl Drop for ClientIo {
    fn drop(&mut self) {
        if self.exchange.broken.load(Relaxed) {
            // A reset, where closing would look like the end of an answer without a length. If the
            // kernel refuses, the connection is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}
