//! Counters: one set for each worker, written by it alone and summed when they are scraped.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::delivery::failure::Failure;
use crate::{delivery, ingest};

/// Upper bounds of the histogram are powers of two, from 64 µs to 67 s.
const BUCKETS: usize = 21;
const FIRST_BUCKET: u32 = 6;

/// What one worker counts. A cache line apart from its neighbours, so that workers don't share one.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Stats {
    pub connections: AtomicI64,
    pub accepted: AtomicU64,
    pub accept_errors: AtomicU64,
    pub retries: AtomicU64,
    pub log_lines_lost: AtomicU64,
    pub ingest: ingest::metrics::Counters,
    pub delivery: delivery::metrics::Counters,
}

/// One more. Only one thread writes, so a load and a store do, without a locked instruction.
pub fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// So many more.
pub fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}

/// Where a gauge is among the counters.
pub type Level = fn(&Stats) -> &AtomicI64;

/// Counts one up for as long as it lives.
#[derive(Debug)]
pub struct Gauge {
    stats: Arc<Stats>,
    of: Level,
}

impl Gauge {
    pub fn new(stats: &Arc<Stats>, of: Level) -> Self {
        change(of(stats), 1);
        let stats = Arc::clone(stats);
        Self { stats, of }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        change((self.of)(&self.stats), -1);
    }
}

/// So many more, or fewer.
pub fn change(gauge: &AtomicI64, by: i64) {
    gauge.store(gauge.load(Relaxed).wrapping_add(by), Relaxed);
}

/// A counter for each kind of failure.
#[derive(Debug)]
pub struct Causes([AtomicU64; Failure::ALL.len()]);

impl Default for Causes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::default()))
    }
}

impl Causes {
    pub fn count(&self, failure: Failure) {
        let cause = discriminant(&failure);
        let known = Failure::ALL.iter().zip(&self.0);
        known.filter(|(other, _)| discriminant(*other) == cause).for_each(|(_, one)| count(one));
    }

    /// The label of each kind, and how many there were.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Failure::ALL.iter().zip(&self.0).map(|(kind, one)| (kind.row().name, one.load(Relaxed)))
    }
}

pub fn sum_by_label<'a>(workers: impl Iterator<Item = &'a Causes>) -> BTreeMap<&'static str, u64> {
    let mut sums = BTreeMap::new();
    for (label, count) in workers.flat_map(Causes::read) {
        *sums.entry(label).or_default() += count;
    }
    sums
}

/// How long what one worker served took.
#[derive(Debug)]
pub struct Durations {
    /// The last is for what took longer than the others say.
    buckets: [AtomicU64; BUCKETS + 1],
    micros: AtomicU64,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::default()),
            micros: AtomicU64::default(),
        }
    }
}

impl Durations {
    pub fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = micros.max(1).next_power_of_two().ilog2().saturating_sub(FIRST_BUCKET);
        self.buckets.get(BUCKETS.min(bucket as usize)).into_iter().for_each(count);
        add(&self.micros, micros);
    }
}

/// The durations that several workers counted.
#[derive(Debug, Default)]
pub struct Histogram {
    pub seconds: f64,
    pub count: u64,
    /// Upper bounds in seconds, and how many were between each and the one before.
    pub buckets: Vec<(f64, u64)>,
}

impl Histogram {
    pub fn sum<'a>(workers: &(impl Iterator<Item = &'a Durations> + Clone)) -> Self {
        let mut histogram = Self::default();
        let micros = workers.clone().map(|worker| worker.micros.load(Relaxed)).sum();
        histogram.seconds = Duration::from_micros(micros).as_secs_f64();
        let mut bound = Duration::from_micros(1 << FIRST_BUCKET).as_secs_f64();
        for index in 0..=BUCKETS {
            let counts = workers.clone().filter_map(|worker| worker.buckets.get(index));
            let count = counts.map(|count| count.load(Relaxed)).sum();
            histogram.buckets.push((if index < BUCKETS { bound } else { f64::INFINITY }, count));
            histogram.count += count;
            bound *= 2.0;
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_below_the_next_power_of_two() {
        let least = 1 << FIRST_BUCKET;
        for (micros, bucket) in [
            (0, 0),
            (least, 0),
            (least + 1, 1),
            (2 * least, 1),
            (2 * least + 1, 2),
            (least << 20, 20),
            (least << 21, 21),
        ] {
            let durations = Durations::default();
            durations.count(Duration::from_micros(micros));
            let Histogram { count, buckets, .. } = Histogram::sum(&[&durations].into_iter());
            let counted = buckets.iter().position(|(_, count)| *count == 1);
            assert_eq!((counted, count), (Some(bucket), 1), "{micros} µs");
        }
        let bounds = Histogram::sum(&std::iter::empty()).buckets;
        assert!(bounds[0].0 < 65e-6 && bounds[20].0 > 67.0 && bounds[21].0.is_infinite());
    }
}
