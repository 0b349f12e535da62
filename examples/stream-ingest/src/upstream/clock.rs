//! Times as numbers, which fit where one thread writes and others read.

use std::time::Duration;

use tokio::time::Instant;

/// Counts microseconds from its start, on tokio's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(self) -> u64 {
        self.at(Instant::now())
    }

    pub fn at(self, time: Instant) -> u64 {
        micros(time.duration_since(self.0))
    }
}

pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
