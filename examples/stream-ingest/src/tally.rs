//! Counters of the kinds of something, in the order of their enumeration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::stats::{Stats, count};

#[derive(Debug)]
pub struct Tally<const KINDS: usize>([AtomicU64; KINDS]);

impl<const KINDS: usize> Default for Tally<KINDS> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::default()))
    }
}

impl<const KINDS: usize> Tally<KINDS> {
    pub fn count(&self, kind: usize) {
        self.0.get(kind).into_iter().for_each(count);
    }

    /// What all workers counted of each kind.
    pub fn sum(workers: &[Arc<Stats>], of: fn(&Stats) -> &Self) -> [u64; KINDS] {
        let mut sums = [0; KINDS];
        for worker in workers {
            for (sum, counter) in sums.iter_mut().zip(&of(worker).0) {
                *sum += counter.load(Relaxed);
            }
        }
        sums
    }
}
