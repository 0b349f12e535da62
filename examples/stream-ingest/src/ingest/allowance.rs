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
    /// For how long one more has to wait, when there may be so many in a second.
    pub fn wait(&self, per_second: u32) -> Duration {
        let now = nanos(self.began.elapsed());
        let each = nanos(Duration::from_secs(1)) / u64::from(per_second.max(1));
        let after = |used_up: u64| used_up.max(now) + each;
        let before = self.used_up.fetch_update(Relaxed, Relaxed, |last| Some(after(last)));
        let used_up = after(before.unwrap_or_else(|last| last));
        Duration::from_nanos(used_up.saturating_sub(now + nanos(BURST)))
    }

    /// Whether some of it is used up.
    pub fn is_used(&self) -> bool {
        self.used_up.load(Relaxed) > nanos(self.began.elapsed())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
