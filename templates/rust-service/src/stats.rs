//! Counters: one set for each worker, written by it alone and summed when they are scraped.

use std::fmt;
use std::mem::discriminant;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::gateway::error::Failure;

const STATUSES: usize = 500;
const FIRST_STATUS: usize = 100;

/// Upper bounds of the histogram are powers of two, from 64 µs to 67 s.
const BUCKETS: usize = 21;
const FIRST_BUCKET: u32 = 6;

/// What one worker counts. A cache line apart from its neighbours, so that workers don't share one.
#[derive(Debug)]
#[repr(align(128))]
pub struct Stats {
    pub connections: AtomicI64,
    pub in_flight: AtomicI64,
    pub accepted: AtomicU64,
    pub accept_errors: AtomicU64,
    pub refused_by_parser: AtomicU64,
    pub clients_timed_out: AtomicU64,
    pub upstream_connects: AtomicU64,
    pub retries: AtomicU64,
    pub ejections: AtomicU64,
    pub log_lines_lost: AtomicU64,
    statuses: Box<[AtomicU64]>,
    errors: Box<[AtomicU64]>,
    /// The last is for what took longer than the others say.
    durations: [AtomicU64; BUCKETS + 1],
    duration_micros: AtomicU64,
}

impl Default for Stats {
    fn default() -> Self {
        let zeros = |count| std::iter::repeat_with(AtomicU64::default).take(count).collect();
        Self {
            connections: AtomicI64::default(),
            in_flight: AtomicI64::default(),
            accepted: AtomicU64::default(),
            accept_errors: AtomicU64::default(),
            refused_by_parser: AtomicU64::default(),
            clients_timed_out: AtomicU64::default(),
            upstream_connects: AtomicU64::default(),
            retries: AtomicU64::default(),
            ejections: AtomicU64::default(),
            log_lines_lost: AtomicU64::default(),
            statuses: zeros(STATUSES),
            errors: zeros(Failure::ALL.len()),
            durations: Default::default(),
            duration_micros: AtomicU64::default(),
        }
    }
}

/// One more. Only one thread writes, so a load and a store do, without a locked instruction.
pub fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

fn add(gauge: &AtomicI64, change: i64) {
    gauge.store(gauge.load(Relaxed).wrapping_add(change), Relaxed);
}

/// Where a gauge is among the counters.
type Level = fn(&Stats) -> &AtomicI64;

/// Counts one up for as long as it lives.
#[derive(Debug)]
pub struct Gauge {
    stats: Arc<Stats>,
    of: Level,
}

impl Gauge {
    pub fn new(stats: &Arc<Stats>, of: Level) -> Self {
        add(of(stats), 1);
        let stats = Arc::clone(stats);
        Self { stats, of }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        add((self.of)(&self.stats), -1);
    }
}

impl Stats {
    pub fn answered(&self, status: StatusCode, took: Duration) {
        let index = usize::from(status.as_u16()).wrapping_sub(FIRST_STATUS);
        self.statuses.get(index).into_iter().for_each(count);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = micros.max(1).next_power_of_two().ilog2().saturating_sub(FIRST_BUCKET);
        self.durations.get(BUCKETS.min(bucket as usize)).into_iter().for_each(count);
        let sum = self.duration_micros.load(Relaxed).wrapping_add(micros);
        self.duration_micros.store(sum, Relaxed);
    }

    pub fn failed(&self, failure: Failure) {
        let cause = discriminant(&failure);
        let index = Failure::ALL.iter().position(|other| discriminant(other) == cause);
        let counter = index.and_then(|index| self.errors.get(index));
        counter.into_iter().for_each(count);
    }
}

/// What all workers of the process counted, and what is counted once.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub workers: Vec<Arc<Stats>>,
    pub panics: Arc<AtomicU64>,
}

impl Metrics {
    pub fn new(workers: usize, panics: Arc<AtomicU64>) -> Self {
        let workers = std::iter::repeat_with(Arc::default).take(workers).collect();
        Self { workers, panics }
    }

    fn sum<'a>(&'a self, of: impl Fn(&'a Stats) -> &'a AtomicU64) -> u64 {
        self.workers.iter().map(|stats| of(stats).load(Relaxed)).sum()
    }

    fn sum_at<'a>(&'a self, of: impl Fn(&'a Stats) -> &'a [AtomicU64], index: usize) -> u64 {
        let counters = self.workers.iter().filter_map(|stats| of(stats).get(index));
        counters.map(|counter| counter.load(Relaxed)).sum()
    }

    fn encode_requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "requests",
            "Requests that were answered, by status",
            None,
            MetricType::Counter,
        )?;
        for index in 0..STATUSES {
            let value = self.sum_at(|stats| &stats.statuses, index);
            if value > 0 {
                let labels = [("status", (index + FIRST_STATUS).to_string())];
                ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn encode_errors(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "errors",
            "Requests that were answered with an error of the gateway's own, by cause",
            None,
            MetricType::Counter,
        )?;
        for (index, failure) in Failure::ALL.iter().enumerate() {
            let value = self.sum_at(|stats| &stats.errors, index);
            let labels = [("cause", failure.row().name)];
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn encode_durations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(
            "request_duration_seconds",
            "From the head of a request to the end of its answer",
            None,
            MetricType::Histogram,
        )?;
        let (mut buckets, mut total) = (Vec::with_capacity(BUCKETS + 1), 0);
        let mut bound = Duration::from_micros(1 << FIRST_BUCKET).as_secs_f64();
        for index in 0..=BUCKETS {
            let value = self.sum_at(|stats| &stats.durations, index);
            buckets.push((if index < BUCKETS { bound } else { f64::INFINITY }, value));
            total += value;
            bound *= 2.0;
        }
        let sum = Duration::from_micros(self.sum(|stats| &stats.duration_micros)).as_secs_f64();
        metric.encode_histogram::<NoLabelSet>(sum, total, &buckets, None)
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_requests(&mut encoder)?;
        self.encode_errors(&mut encoder)?;
        self.encode_durations(&mut encoder)?;
        let counters: [(&str, &str, u64); 9] = [
            ("connections_accepted", "Connections of clients", self.sum(|stats| &stats.accepted)),
            (
                "accept_errors",
                "Connections that could not be accepted",
                self.sum(|stats| &stats.accept_errors),
            ),
            (
                "refused_by_parser",
                "Connections that ended with what is no request",
                self.sum(|stats| &stats.refused_by_parser),
            ),
            (
                "clients_timed_out",
                "Connections that ended because a head or an answer was not passed in time",
                self.sum(|stats| &stats.clients_timed_out),
            ),
            (
                "upstream_connects",
                "Connections to upstreams",
                self.sum(|stats| &stats.upstream_connects),
            ),
            ("retries", "Requests that were tried again", self.sum(|stats| &stats.retries)),
            (
                "ejections",
                "Endpoints that were left alone for a while",
                self.sum(|stats| &stats.ejections),
            ),
            (
                "log_lines_lost",
                "Lines of the access log for which there was no room",
                self.sum(|stats| &stats.log_lines_lost),
            ),
            ("panics", "Panics; each closed one connection", self.panics.load(Relaxed)),
        ];
        for (name, help, value) in counters {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        let gauges: [(&str, &str, Level); 2] = [
            ("connections", "Connections of clients that are open", |stats| &stats.connections),
            ("in_flight", "Requests under way", |stats| &stats.in_flight),
        ];
        for (name, help, of) in gauges {
            let value: i64 = self.workers.iter().map(|stats| of(stats).load(Relaxed)).sum();
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)?;
        }
        encode_build(&mut encoder)
    }
}

fn encode_build(encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "build_info",
        "Always 1; the labels say which build this is",
        None,
        MetricType::Gauge,
    )?;
    let labels = [("version", crate::VERSION), ("revision", crate::REVISION)];
    encode_one(&mut family, &labels)
}

fn encode_one(
    family: &mut prometheus_client::encoding::MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
) -> fmt::Result {
    ConstGauge::new(1_i64).encode(family.encode_family(labels)?)
}
