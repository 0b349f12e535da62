//! Since when the oldest reading waits that is neither durable nor a dead letter, for whoever scrapes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::time::Instant;

use crate::stats::Stats;
use crate::upstream::clock::Clock;

pub struct Ages {
    /// The first reading of each batch that is under way; the number tells them apart.
    under_way: RefCell<BTreeSet<(Instant, u64)>>,
    number: Cell<u64>,
    clock: Clock,
    stats: Arc<Stats>,
}

impl Ages {
    pub fn new(clock: Clock, stats: Arc<Stats>) -> Self {
        Self { under_way: RefCell::default(), number: Cell::default(), clock, stats }
    }

    pub fn begin(&self, oldest: Instant) -> (Instant, u64) {
        let number = self.number.get();
        self.number.set(number.wrapping_add(1));
        self.under_way.borrow_mut().insert((oldest, number));
        (oldest, number)
    }

    pub fn end(&self, batch: (Instant, u64)) {
        self.under_way.borrow_mut().remove(&batch);
    }

    /// Tells the oldest of the batches and of the queue: microseconds of the clock, 0 for none.
    pub fn tell(&self, queued: Option<Instant>) {
        let under_way = self.under_way.borrow().first().map(|(oldest, _)| *oldest);
        let oldest = under_way.into_iter().chain(queued).min();
        let oldest = oldest.map_or(0, |oldest| self.clock.at(oldest).max(1));
        self.stats.delivery.oldest.store(oldest, Relaxed);
    }
}
