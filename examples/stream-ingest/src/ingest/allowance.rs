//! How much of something there may be in a second.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// What may come at once from where it was quiet: the share of so long.
const BURST: Duration = Duration::from_secs(1);

/// A share of each second, and until when it is used up, in nanoseconds.
pub struct Allowance {
    began: Instant,
    used_up: AtomicU64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { began: Instant::now(), used_up: AtomicU64::default() }
    }
}

impl Allowance {
    /// Takes one more, when there may be so many in a second: for how long it has to wait.
    pub fn take(&self, per_second: u32) -> Duration {
        let now = self.now();
        let after = |used_up: u64| used_up.max(now) + each(per_second);
        let before = self.used_up.fetch_update(Relaxed, Relaxed, |last| Some(after(last)));
        wait(after(before.unwrap_or_else(|last| last)), now)
    }

    /// For how long one more would have to wait.
    pub fn ahead(&self, per_second: u32) -> Duration {
        let now = self.now();
        wait(self.used_up.load(Relaxed).max(now) + each(per_second), now)
    }

    /// Whether some of it is used up.
    pub fn is_used(&self) -> bool {
        self.used_up.load(Relaxed) > self.now()
    }

    fn now(&self) -> u64 {
        nanos(self.began.elapsed())
    }
}

/// The share of one.
fn each(per_second: u32) -> u64 {
    nanos(Duration::from_secs(1)) / u64::from(per_second.max(1))
}

fn wait(used_up: u64, now: u64) -> Duration {
    Duration::from_nanos(used_up.saturating_sub(now + nanos(BURST)))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
