//! Spans on their way to a collector. A worker hands them over and goes on; a thread of their own sends them.

mod collector;
mod otlp;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, StatusCode, Uri};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::gateway::error::Failure;
use crate::gateway::line::{Entry, Line};
use crate::gateway::trace::{TRACEPARENT, Trace};
use crate::upstream::chance::Chance;
use crate::vital;

/// Spans that wait; more are lost and counted.
const ROOM: usize = 4_096;
/// Spans of one message.
const BATCH: usize = 512;
/// Between two messages, so that a worker need not wake the thread for each span.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the end of the process may wait for the collector.
const FLUSH: Duration = Duration::from_secs(3);

/// What has ended and is recorded.
#[derive(Debug)]
pub enum Span {
    Served(Box<Served>),
    Try(Box<Try>),
}

/// A request of a client.
#[derive(Debug)]
pub struct Served {
    pub trace: Trace,
    pub began: SystemTime,
    pub line: Line,
    /// As metrics call it; none was found for some.
    pub route: Option<String>,
    pub scheme: &'static str,
}

/// One time that a request was sent to an endpoint.
#[derive(Debug)]
pub struct Try {
    trace: Trace,
    span: u64,
    began: SystemTime,
    ended: SystemTime,
    method: Method,
    scheme: &'static str,
    url: Uri,
    endpoint: Arc<str>,
    again: bool,
    /// None when the client has gone meanwhile.
    outcome: Option<Result<StatusCode, Failure>>,
}

/// The way to the collector.
pub struct Spans {
    queue: mpsc::Sender<Span>,
    lost: Arc<AtomicU64>,
}

/// One worker's way to the collector.
pub struct Tracer {
    queue: mpsc::Sender<Span>,
    lost: Arc<AtomicU64>,
    chance: Chance,
}

/// Records a try when it is dropped.
pub struct Watch<'a> {
    tracer: &'a Tracer,
    seen: Option<Box<Try>>,
}

/// Ends when the last span is sent.
pub struct Sent(oneshot::Receiver<()>);

impl Spans {
    /// Nothing where no collector is set. What is lost is counted in `lost`.
    pub fn start(config: &Config, lost: &Arc<AtomicU64>) -> io::Result<Option<(Self, Sent)>> {
        if config.tracing.endpoint.is_empty() {
            return Ok(None);
        }
        let exporter = otlp::exporter(config).map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, spans) = mpsc::channel(ROOM);
        let (done, sent) = oneshot::channel();
        let counter = Arc::clone(lost);
        vital::spawn("spans", move || {
            runtime.block_on(send(spans, &exporter, &counter));
            // Nobody waits where the service was not drained.
            let _ = done.send(());
            Ok(())
        })?;
        Ok(Some((Self { queue, lost: Arc::clone(lost) }, Sent(sent))))
    }

    pub fn tracer(&self, seed: u64) -> Tracer {
        let (queue, lost) = (self.queue.clone(), Arc::clone(&self.lost));
        Tracer { queue, lost, chance: Chance::new(seed) }
    }
}

impl Tracer {
    /// The trace of a request that has come.
    pub fn follow(&self, headers: &mut HeaderMap, share: f64) -> Trace {
        Trace::follow(headers, &self.chance, share)
    }

    /// Tells an endpoint which span asks, and watches what becomes of it if that is recorded.
    pub fn watch(
        &self,
        entry: &Entry,
        scheme: &'static str,
        headers: &mut HeaderMap,
        again: bool,
    ) -> Option<Watch<'_>> {
        let (trace, endpoint) = (entry.trace?, Arc::clone(entry.upstream.as_ref()?));
        let span = self.chance.next();
        headers.insert(TRACEPARENT, trace.header(span));
        trace.began?;
        let (method, url, now) = (entry.method.clone(), entry.uri.clone(), SystemTime::now());
        let (began, ended, outcome) = (now, now, None);
        let seen = Try { trace, span, began, ended, method, scheme, url, endpoint, again, outcome };
        Some(Watch { tracer: self, seen: Some(Box::new(seen)) })
    }

    /// A worker never waits for the collector.
    pub fn record(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }
}

impl Watch<'_> {
    pub fn end(mut self, outcome: Result<StatusCode, Failure>) {
        if let Some(seen) = &mut self.seen {
            seen.outcome = Some(outcome);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(mut seen) = self.seen.take() {
            seen.ended = SystemTime::now();
            self.tracer.record(Span::Try(seen));
        }
    }
}

impl Sent {
    /// Once no worker is left to record anything. A collector that takes too long is not waited for.
    pub async fn wait(self) {
        if timeout(FLUSH, self.0).await.is_err() {
            tracing::warn!("the last spans are lost: the collector takes too long");
        }
    }
}

/// Sends until nobody is left who records.
async fn send(mut spans: mpsc::Receiver<Span>, exporter: &SpanExporter, lost: &AtomicU64) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut is_well = true;
    loop {
        let count = spans.recv_many(&mut batch, BATCH).await;
        if count == 0 {
            return;
        }
        let outcome = exporter.export(batch.drain(..).map(otlp::data).collect()).await;
        match &outcome {
            Err(error) if is_well => tracing::warn!(%error, "spans are lost"),
            Ok(()) if !is_well => tracing::info!("spans are sent again"),
            _ => {}
        }
        is_well = outcome.is_ok();
        if !is_well {
            lost.fetch_add(count as u64, Relaxed);
        }
        if count < BATCH {
            sleep(PAUSE).await;
        }
    }
}
