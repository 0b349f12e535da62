//! What is scraped of the way to the API.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::metrics::{Counter, counters_of};
use crate::stats::{Durations, Histogram, Level, Stats};
use crate::upstream::clock::Clock;

/// What a worker counts of it.
#[derive(Debug, Default)]
pub struct Counters {
    pub readings_stored: AtomicU64,
    pub readings_refused: AtomicU64,
    pub readings_deferred: AtomicU64,
    pub readings_queued: AtomicI64,
    pub batches_stored: AtomicU64,
    pub batches_refused: AtomicU64,
    pub batches_halved: AtomicU64,
    pub batches_retried: AtomicU64,
    pub batches_in_flight: AtomicI64,
    /// When the oldest reading came that is under way, in microseconds of the clock; 0 for none.
    pub oldest: AtomicU64,
    pub ack_seconds: Durations,
    pub dead_letter_bytes: AtomicI64,
    pub dead_letter_full: AtomicI64,
}

pub const GAUGES: [(&str, &str, Level); 4] = [
    ("readings_queued", "Readings that are not durable yet", |stats| {
        &stats.delivery.readings_queued
    }),
    ("batches_in_flight", "Requests with readings that are under way", |stats| {
        &stats.delivery.batches_in_flight
    }),
    ("dead_letter_bytes", "Size of the file of dead letters", |stats| {
        &stats.delivery.dead_letter_bytes
    }),
    ("dead_letter_full", "1 while dead letters wait, for which there is no room", |stats| {
        &stats.delivery.dead_letter_full
    }),
];

const OUTCOMES: [(&str, Counter<Stats>); 4] = [
    ("stored", |stats| &stats.delivery.batches_stored),
    ("refused", |stats| &stats.delivery.batches_refused),
    ("halved", |stats| &stats.delivery.batches_halved),
    ("retried", |stats| &stats.delivery.batches_retried),
];

/// Batches by their outcome, the oldest reading, and how long readings took.
pub fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    workers: &[Arc<Stats>],
    clock: Clock,
) -> fmt::Result {
    let sum = |of: Counter<Stats>| workers.iter().map(|stats| of(stats).load(Relaxed)).sum::<u64>();
    let batches = OUTCOMES.map(|(outcome, of)| (vec![("outcome", outcome.to_owned())], sum(of)));
    counters_of(encoder, "batches", "What the API answered to batches of readings", batches)?;
    let oldest = workers.iter().map(|stats| stats.delivery.oldest.load(Relaxed));
    let oldest = oldest.filter(|oldest| *oldest > 0).min();
    let age = oldest.map_or(0, |oldest| clock.now().saturating_sub(oldest));
    let (name, help) =
        ("oldest_reading_seconds", "Age of the oldest reading that the API is to store");
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(Duration::from_micros(age).as_secs_f64()).encode(metric)?;
    let durations = workers.iter().map(|stats| &stats.delivery.ack_seconds);
    let Histogram { seconds, count, buckets } = Histogram::sum(&durations);
    let (name, help) =
        ("ack_seconds", "From when a reading was read until it is durable and acknowledged");
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    metric.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
}
