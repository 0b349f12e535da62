//! One request and its answer, from the head of the one to the end of the other.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::StatusCode;
use tokio::time::Instant;

use crate::access_log::{AccessLog, Entry};
use crate::connection::Exchange;
use crate::stats::{Gauge, Stats};

/// Counted and logged when it is dropped.
pub struct Served {
    pub exchange: Arc<Exchange>,
    pub entry: Entry,
    pub status: Cell<StatusCode>,
    pub began: Instant,
    pub stats: Arc<Stats>,
    pub log: AccessLog,
    pub in_flight: Gauge,
}

impl Drop for Served {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let status = self.status.get();
        let broken = self.exchange.broken.load(Relaxed);
        self.stats.answered(status, took);
        self.log.write(&self.entry, status, broken, took, &self.stats);
        self.exchange.busy.store(false, Relaxed);
    }
}
