//! What is scraped of a gateway beside what every proxy counts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::metrics::{Counter, counters_of};
use crate::settings::Settings;
use crate::stats::{Histogram, Level, Stats, sum_by_label};
use crate::upstream::member::Record;

pub const COUNTERS: [(&str, &str, Counter<Stats>); 2] = [
    ("refused_by_parser", "Connections that ended with what is no request", |stats| {
        &stats.refused_by_parser
    }),
    (
        "clients_timed_out",
        "Connections that ended because a head or an answer was not passed in time",
        |stats| &stats.clients_timed_out,
    ),
];

pub const GAUGES: [(&str, &str, Level); 1] =
    [("in_flight", "Requests under way", |stats| &stats.in_flight)];

pub const ENDPOINT_COUNTERS: [(&str, &str, Counter<Record>); 4] = [
    ("upstream_requests", "Requests that were to be sent to an endpoint", |record| &record.tries),
    ("upstream_connects", "Connections to an endpoint", |record| &record.connects),
    ("upstream_answers", "Answers of an endpoint", |record| &record.answers),
    ("upstream_ejections", "Times that a worker began to leave an endpoint alone", |record| {
        &record.ejected
    }),
];

pub const WAITED: (&str, &str) = (
    "upstream_answer_seconds",
    "From the end of a request to the head of its answer, all of them together",
);

pub const IN_FLIGHT: (&str, &str) = ("upstream_in_flight", "Requests under way at an endpoint");

/// Requests by route, and errors.
pub fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    workers: &[Arc<Stats>],
    settings: &Settings,
) -> fmt::Result {
    let requests = settings.routes.iter().flat_map(|route| {
        let mut counts = BTreeMap::new();
        for (status, count) in route.answers.iter().flat_map(|answers| answers.statuses()) {
            *counts.entry(status).or_default() += count;
        }
        counts.into_iter().map(|(status, count)| {
            (vec![("route", route.label.clone()), ("status", status.to_string())], count)
        })
    });
    let help = "Requests that were answered, by route and status";
    counters_of::<u64>(encoder, "requests", help, requests)?;
    let mut metric = encoder.encode_descriptor(
        "request_duration_seconds",
        "From the head of a request to the end of its answer, by route",
        None,
        MetricType::Histogram,
    )?;
    for route in &settings.routes {
        let durations = route.answers.iter().map(|answers| &answers.durations);
        let Histogram { seconds, count, buckets } = Histogram::sum(&durations);
        let labels = [("route", route.label.as_str())];
        let mut metric = metric.encode_family(&labels)?;
        metric.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)?;
    }
    let errors = sum_by_label(workers.iter().map(|stats| &stats.errors));
    counters_of(
        encoder,
        "errors",
        "Requests that were answered with an error of the gateway's own, by cause",
        errors.into_iter().map(|(cause, count)| (vec![("cause", cause.to_owned())], count)),
    )
}
