//! An endpoint as all threads know it: what its checks say, and what each worker has recorded of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::clock::micros;
use crate::config::{Health, Outlier};
use crate::stats::{Causes, add, count, sum_by_label};

/// After this time a measured latency counts for 1/e.
const DECAY: Duration = Duration::from_secs(10);
/// What a failure counts for at least, as linkerd has it: to fail at once is not to be fast.
const PENALTY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Member {
    pub address: Arc<str>,
    /// One for each worker.
    pub records: Vec<Arc<Record>>,
    down: AtomicBool,
    /// Checks in a row that said otherwise.
    streak: AtomicU32,
}

impl Member {
    pub fn new(address: &str, workers: usize) -> Self {
        Self {
            address: address.into(),
            records: std::iter::repeat_with(Arc::default).take(workers).collect(),
            down: AtomicBool::default(),
            streak: AtomicU32::default(),
        }
    }

    /// Whether its checks say that it can't be used.
    pub fn is_down(&self) -> bool {
        self.down.load(Relaxed)
    }

    /// The outcome of a check; true when it turns the endpoint down or up. One thread checks.
    pub fn checked(&self, passed: bool, settings: &Health) -> bool {
        let down = self.is_down();
        let needed = if down { settings.up } else { settings.down };
        let streak = if passed == down { self.streak.load(Relaxed) + 1 } else { 0 };
        let turned = streak >= needed;
        if turned {
            self.down.store(!down, Relaxed);
        }
        self.streak.store(if turned { 0 } else { streak }, Relaxed);
        turned
    }

    pub fn in_flight(&self) -> usize {
        self.records.iter().map(|record| record.in_flight()).sum()
    }

    /// For how long each worker that leaves it alone will do so still.
    pub fn ejected(&self, now: u64) -> impl Iterator<Item = Duration> {
        let until = self.records.iter().map(|record| record.ejected_until.load(Relaxed));
        until.filter(move |until| now < *until).map(move |until| Duration::from_micros(until - now))
    }

    /// What all workers counted.
    pub fn sum(&self, of: impl Fn(&Record) -> &AtomicU64) -> u64 {
        self.records.iter().map(|record| of(record).load(Relaxed)).sum()
    }

    /// The label of each kind, and how many all workers counted.
    pub fn causes(&self, of: fn(&Record) -> &Causes) -> BTreeMap<&'static str, u64> {
        sum_by_label(self.records.iter().map(|record| of(record)))
    }

    /// Nobody checks it any more.
    pub fn unchecked(&self) {
        self.down.store(false, Relaxed);
        self.streak.store(0, Relaxed);
    }
}

/// What one worker knows of an endpoint. It alone writes, and its cache lines are no other's. Times are
/// microseconds of a `Clock`.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Record {
    pub tries: AtomicU64,
    pub answers: AtomicU64,
    pub ejected: AtomicU64,
    /// For these answers.
    pub waited: AtomicU64,
    /// Of tries that came to nothing.
    pub causes: Causes,
    pub connects: AtomicU64,
    in_flight: AtomicUsize,
    /// In a row.
    failures: AtomicU32,
    ejections: AtomicU32,
    /// When it may be used again.
    ejected_until: AtomicU64,
    /// Seconds, as the bits of a float.
    latency: AtomicU64,
    measured: AtomicU64,
}

impl Record {
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    pub fn begin(&self) {
        count(&self.tries);
        self.in_flight.store(self.in_flight().saturating_add(1), Relaxed);
    }

    pub fn end(&self) {
        self.in_flight.store(self.in_flight().saturating_sub(1), Relaxed);
    }

    pub fn is_ejected(&self, now: u64) -> bool {
        now < self.ejected_until.load(Relaxed)
    }

    /// What waiting here would come to. An endpoint of which nothing is known is worth one try at a time.
    pub fn cost(&self, now: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "requests under way are far below 2^52")]
        let queue = (self.in_flight() + 1) as f64;
        if self.latency() == 0.0 && self.in_flight() > 0 {
            return PENALTY.as_secs_f64() * queue;
        }
        self.estimate(now).max(1e-6) * queue
    }

    /// In seconds, as it was when it was measured last, or for how long it was waited in vain.
    fn latency(&self) -> f64 {
        f64::from_bits(self.latency.load(Relaxed))
    }

    /// The same, as far as it still counts.
    pub fn estimate(&self, now: u64) -> f64 {
        self.latency() * self.weight(now)
    }

    /// How much of the last measurement still counts.
    fn weight(&self, now: u64) -> f64 {
        let age = Duration::from_micros(now.saturating_sub(self.measured.load(Relaxed)));
        (-age.as_secs_f64() / DECAY.as_secs_f64()).exp()
    }

    /// It answered after `took`.
    pub fn answered(&self, now: u64, took: Duration) {
        count(&self.answers);
        add(&self.waited, micros(took));
        let (old, new) = (self.latency(), took.as_secs_f64());
        let latency = if old > new {
            let weight = self.weight(now);
            old * weight + new * (1.0 - weight)
        } else {
            // A peak counts at once.
            new
        };
        self.measure(now, latency);
        self.failures.store(0, Relaxed);
        self.ejected_until.store(0, Relaxed);
        // Each answer makes up for one ejection.
        self.ejections.store(self.ejections.load(Relaxed).saturating_sub(1), Relaxed);
    }

    /// For so long no answer came: it takes that long at least.
    pub fn unanswered(&self, now: u64, took: Duration) {
        let latency = took.as_secs_f64();
        if latency > self.estimate(now) {
            self.measure(now, latency);
        }
    }

    fn measure(&self, now: u64, latency: f64) {
        self.latency.store(latency.to_bits(), Relaxed);
        self.measured.store(now, Relaxed);
    }

    /// One more failure, after `took`; true when it has failed too often.
    pub fn failed(&self, now: u64, took: Duration, settings: &Outlier) -> bool {
        self.unanswered(now, took.max(PENALTY));
        let failures = self.failures.load(Relaxed).saturating_add(1);
        self.failures.store(failures, Relaxed);
        failures >= settings.failures
    }

    /// Leaves the endpoint alone, twice as long each time. Failures stay counted, so that the next one
    /// after that ejects it again, unless it answers first.
    pub fn eject(&self, now: u64, settings: &Outlier) -> Duration {
        let ejections = self.ejections.load(Relaxed);
        let factor = 1_u32.checked_shl(ejections).unwrap_or(u32::MAX);
        let pause = settings.ejection.saturating_mul(factor).min(settings.max_ejection);
        count(&self.ejected);
        self.ejected_until.store(now.saturating_add(micros(pause)), Relaxed);
        self.ejections.store(ejections.saturating_add(1), Relaxed);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_turn_an_endpoint_only_when_they_agree() {
        let (member, settings) =
            (Member::new("a:1", 1), crate::config::Config::parse("").unwrap().health);
        let check = |passed| (member.checked(passed, &settings), member.is_down());
        for (passed, turned, down) in [
            (true, false, false),
            (false, false, false),
            (false, false, false),
            (true, false, false),
            (false, false, false),
            (false, false, false),
            (false, true, true),
            (false, false, true),
            (true, false, true),
            (false, false, true),
            (true, false, true),
            (true, true, false),
        ] {
            assert_eq!(check(passed), (turned, down));
        }
    }
}
