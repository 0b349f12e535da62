//! What is scraped of an ingest beside what every proxy counts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::DescriptorEncoder;

use super::end::End;
use super::frame::Body;
use crate::delivery;
pub use crate::delivery::metrics::GAUGES;
use crate::metrics::{Counter, counters_of};
use crate::settings::Settings;
use crate::stats::Stats;
use crate::tally::Tally;
use crate::upstream::member::Record;

/// What a worker counts of connections and frames.
#[derive(Debug, Default)]
pub struct Counters {
    pub bad_frames: AtomicU64,
    pub surplus_frames: AtomicU64,
    pub frames: Tally<{ Body::KINDS.len() }>,
    pub readings: AtomicU64,
    pub readings_again: AtomicU64,
    pub readings_delayed: AtomicU64,
    pub acks: AtomicU64,
    pub welcomes: AtomicU64,
    pub replies: AtomicU64,
    pub ends: Tally<{ End::ALL.len() }>,
}

pub const COUNTERS: [(&str, &str, Counter<Stats>); 11] = [
    ("bad_frames", "Frames that broke a rule and were dropped", |stats| &stats.ingest.bad_frames),
    (
        "surplus_frames",
        "Frames of devices with too many connections, which were dropped",
        |stats| &stats.ingest.surplus_frames,
    ),
    ("readings", "Readings of devices", |stats| &stats.ingest.readings),
    ("readings_again", "Readings that were on their way or durable when they came", |stats| {
        &stats.ingest.readings_again
    }),
    ("readings_delayed", "Readings that waited because their device sent too many", |stats| {
        &stats.ingest.readings_delayed
    }),
    ("acks", "Acknowledgements that were sent", |stats| &stats.ingest.acks),
    ("welcomes", "Devices that were welcomed", |stats| &stats.ingest.welcomes),
    ("replies", "Replies of devices", |stats| &stats.ingest.replies),
    ("readings_stored", "Readings that the API has stored", |stats| {
        &stats.delivery.readings_stored
    }),
    ("readings_refused", "Readings that are in the file of dead letters", |stats| {
        &stats.delivery.readings_refused
    }),
    (
        "readings_deferred",
        "Readings whose dead letters found no room, and that are to come again",
        |stats| &stats.delivery.readings_deferred,
    ),
];

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

/// Frames by their kind, connections by their end, and what became of readings.
pub fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    workers: &[Arc<Stats>],
    settings: &Settings,
) -> fmt::Result {
    let frames = Tally::sum(workers, |stats| &stats.ingest.frames);
    let frames = Body::KINDS.iter().zip(frames);
    let frames = frames.map(|(kind, count)| (vec![("kind", (*kind).to_owned())], count));
    counters_of(encoder, "frames", "Frames of devices, by kind", frames)?;
    let ends = Tally::sum(workers, |stats| &stats.ingest.ends);
    let ends = End::ALL.map(|end| end.row().name).into_iter().zip(ends);
    let ends = ends.map(|(cause, count)| (vec![("cause", cause.to_owned())], count));
    counters_of(encoder, "connections_ended", "Connections that have ended, by cause", ends)?;
    delivery::metrics::encode(encoder, workers, settings.clock)
}
