//! What is scraped of a proxy of connections beside what every proxy counts.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::metrics::{Counter, by_cause, counters_of};
use crate::settings::Settings;
use crate::stats::{Histogram, Level, Stats, sum_by_label};
use crate::upstream::member::Record;

pub const COUNTERS: [(&str, &str, Counter<Stats>); 0] = [];

pub const GAUGES: [(&str, &str, Level); 1] = [(
    "buffered_bytes",
    "What the buffers of busy connections take beyond their smallest size",
    |stats| &stats.buffered,
)];

pub const ENDPOINT_COUNTERS: [(&str, &str, Counter<Record>); 5] = [
    ("upstream_tries", "Times that an endpoint was to be connected to", |record| &record.tries),
    ("upstream_connects", "Connections that an endpoint took", |record| &record.answers),
    ("upstream_ejections", "Times that a worker began to leave an endpoint alone", |record| {
        &record.ejected
    }),
    ("upstream_sent_bytes", "Bytes from clients to an endpoint", |record| &record.sent),
    ("upstream_received_bytes", "Bytes from an endpoint to clients", |record| &record.received),
];

pub const WAITED: (&str, &str) =
    ("upstream_connect_seconds", "Until an endpoint took a connection, all of them together");

pub const IN_FLIGHT: (&str, &str) =
    ("upstream_connections", "Connections to an endpoint that are open or being made");

/// Connections by their end.
pub fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    workers: &[Arc<Stats>],
    settings: &Settings,
) -> fmt::Result {
    let ends = sum_by_label(workers.iter().map(|stats| &stats.ends));
    counters_of(
        encoder,
        "connections_ended",
        "Connections of clients that have ended, by cause",
        ends.into_iter().map(|(cause, count)| (vec![("cause", cause.to_owned())], count)),
    )?;
    let help = "Connections through an endpoint that have ended, by cause";
    counters_of(encoder, "upstream_ended", help, by_cause(settings, |record| &record.ends))?;
    let durations = workers.iter().map(|stats| &stats.durations);
    let Histogram { seconds, count, buckets } = Histogram::sum(&durations);
    let mut metric = encoder.encode_descriptor(
        "connection_duration_seconds",
        "From when a connection was accepted to its end",
        None,
        MetricType::Histogram,
    )?;
    metric.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
}
