//! What is scraped: the counters of all workers, summed. README.md lists the metrics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::ingest::metrics as own;
use crate::settings::{Current, Settings};
use crate::stats::{Causes, Level, Stats};
use crate::upstream::member::{Member, Record};

/// What all workers of the process counted, and what is counted once.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub workers: Vec<Arc<Stats>>,
    current: Arc<Current>,
    panics: Arc<AtomicU64>,
}

pub type Labels = Vec<(&'static str, String)>;

/// Where a counter is among others.
pub type Counter<T> = fn(&T) -> &AtomicU64;

/// What is the case at a time.
type State = fn(&Member, u64) -> usize;

impl Metrics {
    pub fn new(workers: usize, current: Arc<Current>, panics: Arc<AtomicU64>) -> Self {
        let workers = std::iter::repeat_with(Arc::default).take(workers).collect();
        Self { workers, current, panics }
    }

    fn encode_process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counters: [(&str, &str, Counter<Stats>); 4] = [
            ("connections_accepted", "Connections of clients", |stats| &stats.accepted),
            ("accept_errors", "Connections that could not be accepted", |stats| {
                &stats.accept_errors
            }),
            ("retries", "Requests that were tried again", |stats| &stats.retries),
            ("log_lines_lost", "Lines of the access log for which there was no room", |stats| {
                &stats.log_lines_lost
            }),
        ];
        for (name, help, of) in counters.into_iter().chain(own::COUNTERS) {
            let value: u64 = self.workers.iter().map(|stats| of(stats).load(Relaxed)).sum();
            counters_of(encoder, name, help, [(vec![], value)])?;
        }
        let refused = self.current.refused.load(Relaxed);
        let help = "Reloads that changed nothing, because the settings were not valid";
        counters_of(encoder, "reloads_refused", help, [(vec![], refused)])?;
        let panics = self.panics.load(Relaxed);
        counters_of(encoder, "panics", "Panics; each closed one connection", [(vec![], panics)])?;
        let gauges: [(&str, &str, Level); 1] =
            [("connections", "Connections of clients that are open", |stats| &stats.connections)];
        for (name, help, of) in gauges.into_iter().chain(own::GAUGES) {
            let value = self.workers.iter().map(|stats| of(stats).load(Relaxed)).sum();
            gauges_of(encoder, name, help, [(vec![], value)])?;
        }
        let limit = self.current.load().config.limits.connections;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let help = "Connections of clients that there may be at once";
        gauges_of(encoder, "connections_limit", help, [(vec![], limit)])?;
        let build = [("version", crate::VERSION), ("revision", crate::REVISION)];
        let labels = build.map(|(name, value)| (name, value.to_owned())).to_vec();
        let help = "Always 1; the labels say which build this is";
        gauges_of(encoder, "build_info", help, [(labels, 1)])
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let settings = self.current.load();
        own::encode(&mut encoder, &self.workers, &settings)?;
        encode_endpoints(&mut encoder, &settings)?;
        self.encode_process(&mut encoder)
    }
}

fn encode_endpoints(encoder: &mut DescriptorEncoder<'_>, settings: &Settings) -> fmt::Result {
    for (name, help, of) in own::ENDPOINT_COUNTERS {
        counters_of(encoder, name, help, by_endpoint(settings, |member| member.sum(of)))?;
    }
    let waited = |member: &Member| Duration::from_micros(member.sum(|record| &record.waited));
    let (name, help) = own::WAITED;
    let waited = by_endpoint(settings, |member| waited(member).as_secs_f64());
    counters_of(encoder, name, help, waited)?;
    let help = "Tries at an endpoint that came to nothing, by cause";
    counters_of(encoder, "upstream_failures", help, by_cause(settings, |record| &record.causes))?;

    let now = settings.clock.now();
    let gauges: [(&str, &str, State); 3] = [
        (own::IN_FLIGHT.0, own::IN_FLIGHT.1, |member, _| member.in_flight()),
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

/// What an endpoint counts by cause, as far as there was any.
pub fn by_cause(
    settings: &Settings,
    of: fn(&Record) -> &Causes,
) -> impl Iterator<Item = (Labels, u64)> {
    settings.members().flat_map(move |(cluster, member)| {
        let counts = member.causes(of).into_iter().filter(|(_, count)| *count > 0);
        counts.map(move |(cause, count)| {
            let mut labels = labels(cluster, member);
            labels.push(("cause", cause.to_owned()));
            (labels, count)
        })
    })
}

fn labels(cluster: &str, member: &Member) -> Labels {
    vec![("cluster", cluster.to_owned()), ("endpoint", member.address.to_string())]
}

pub fn counters_of<N>(
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

pub fn gauges_of(
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
