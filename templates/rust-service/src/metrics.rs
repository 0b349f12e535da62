//! What is scraped: the counters of all workers, summed. README.md lists the metrics.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::settings::{Current, Settings};
use crate::stats::{Histogram, Level, Stats, sum_by_label};
use crate::upstream::member::{Member, Record};

/// What all workers of the process counted, and what is counted once.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub workers: Vec<Arc<Stats>>,
    current: Arc<Current>,
    panics: Arc<AtomicU64>,
}

type Labels = Vec<(&'static str, String)>;

/// Where a counter is among others.
type Counter<T> = fn(&T) -> &AtomicU64;

/// What is the case at a time.
type State = fn(&Member, u64) -> usize;

impl Metrics {
    pub fn new(workers: usize, current: Arc<Current>, panics: Arc<AtomicU64>) -> Self {
        let workers = std::iter::repeat_with(Arc::default).take(workers).collect();
        Self { workers, current, panics }
    }

    fn encode_process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counters: [(&str, &str, Counter<Stats>); 6] = [
            ("connections_accepted", "Connections of clients", |stats| &stats.accepted),
            ("accept_errors", "Connections that could not be accepted", |stats| {
                &stats.accept_errors
            }),
            ("refused_by_parser", "Connections that ended with what is no request", |stats| {
                &stats.refused_by_parser
            }),
            (
                "clients_timed_out",
                "Connections that ended because a head or an answer was not passed in time",
                |stats| &stats.clients_timed_out,
            ),
            ("retries", "Requests that were tried again", |stats| &stats.retries),
            ("log_lines_lost", "Lines of the access log for which there was no room", |stats| {
                &stats.log_lines_lost
            }),
        ];
        for (name, help, of) in counters {
            let value: u64 = self.workers.iter().map(|stats| of(stats).load(Relaxed)).sum();
            counters_of(encoder, name, help, [(vec![], value)])?;
        }
        let panics = self.panics.load(Relaxed);
        counters_of(encoder, "panics", "Panics; each closed one connection", [(vec![], panics)])?;
        let gauges: [(&str, &str, Level); 2] = [
            ("connections", "Connections of clients that are open", |stats| &stats.connections),
            ("in_flight", "Requests under way", |stats| &stats.in_flight),
        ];
        for (name, help, of) in gauges {
            let value = self.workers.iter().map(|stats| of(stats).load(Relaxed)).sum();
            gauges_of(encoder, name, help, [(vec![], value)])?;
        }
        let build = [("version", crate::VERSION), ("revision", crate::REVISION)];
        let labels = build.map(|(name, value)| (name, value.to_owned())).to_vec();
        let help = "Always 1; the labels say which build this is";
        gauges_of(encoder, "build_info", help, [(labels, 1)])
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let settings = self.current.load();
        encode_routes(&mut encoder, &settings)?;
        let errors = sum_by_label(self.workers.iter().map(|stats| &stats.errors));
        counters_of(
            &mut encoder,
            "errors",
            "Requests that were answered with an error of the gateway's own, by cause",
            errors.into_iter().map(|(cause, count)| (vec![("cause", cause.to_owned())], count)),
        )?;
        encode_endpoints(&mut encoder, &settings)?;
        self.encode_process(&mut encoder)
    }
}

fn encode_routes(encoder: &mut DescriptorEncoder<'_>, settings: &Settings) -> fmt::Result {
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
        let Histogram { seconds, count, buckets } = Histogram::sum(&route.answers);
        let labels = [("route", route.label.as_str())];
        let mut metric = metric.encode_family(&labels)?;
        metric.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)?;
    }
    Ok(())
}

fn encode_endpoints(encoder: &mut DescriptorEncoder<'_>, settings: &Settings) -> fmt::Result {
    let counters: [(&str, &str, Counter<Record>); 4] = [
        ("upstream_requests", "Requests that were to be sent to an endpoint", |record| {
            &record.requests
        }),
        ("upstream_connects", "Connections to an endpoint", |record| &record.connects),
        ("upstream_answers", "Answers of an endpoint", |record| &record.answers),
        ("upstream_ejections", "Times that a worker began to leave an endpoint alone", |record| {
            &record.ejected
        }),
    ];
    for (name, help, of) in counters {
        counters_of(encoder, name, help, by_endpoint(settings, |member| member.sum(of)))?;
    }
    let waited = |member: &Member| Duration::from_micros(member.sum(|record| &record.waited));
    counters_of(
        encoder,
        "upstream_answer_seconds",
        "From the end of a request to the head of its answer, all of them together",
        by_endpoint(settings, |member| waited(member).as_secs_f64()),
    )?;
    let failures = settings.members().flat_map(|(cluster, member)| {
        member.causes().into_iter().filter(|(_, count)| *count > 0).map(move |(cause, count)| {
            let mut labels = labels(cluster, member);
            labels.push(("cause", cause.to_owned()));
            (labels, count)
        })
    });
    let help = "Requests to an endpoint that came to nothing, by cause";
    counters_of(encoder, "upstream_failures", help, failures)?;

    let now = settings.clock.now();
    let gauges: [(&str, &str, State); 3] = [
        ("upstream_in_flight", "Requests under way at an endpoint", |member, _| member.in_flight()),
        ("upstream_ejected", "Workers that leave an endpoint alone", |member, now| {
            member.ejected(now).count()
        }),
        ("upstream_up", "0 when the checks of an endpoint fail", |member, _| {
            usize::from(!member.is_down())
        }),
    ];
    for (name, help, of) in gauges {
        let value = |member: &Member| i64::try_from(of(member, now)).unwrap_or(i64::MAX);
        gauges_of(encoder, name, help, by_endpoint(settings, value))?;
    }
    Ok(())
}

fn by_endpoint<N>(
    settings: &Settings,
    value: impl Fn(&Member) -> N,
) -> impl Iterator<Item = (Labels, N)> {
    settings.members().map(move |(cluster, member)| (labels(cluster, member), value(member)))
}

fn labels(cluster: &str, member: &Member) -> Labels {
    vec![("cluster", cluster.to_owned()), ("endpoint", member.address.to_string())]
}

fn counters_of<N>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Labels, N)>,
) -> fmt::Result
where
    ConstCounter<N>: EncodeMetric,
{
    let samples = samples.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value)));
    encode(encoder, name, help, MetricType::Counter, samples)
}

fn gauges_of(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Labels, i64)>,
) -> fmt::Result {
    let samples = samples.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value)));
    encode(encoder, name, help, MetricType::Gauge, samples)
}

fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    samples: impl Iterator<Item = (Labels, impl EncodeMetric)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in samples {
        if labels.is_empty() {
            return value.encode(metric);
        }
        value.encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
