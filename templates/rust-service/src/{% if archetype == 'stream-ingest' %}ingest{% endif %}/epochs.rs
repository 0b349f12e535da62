//! The epochs that devices are welcomed with: when that was, and no two alike.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use tokio::time::sleep;

use super::allowance::Allowance;

/// Welcomes in a second: as many epochs as a second has.
const WELCOMES: u32 = 1_000;

/// One for all workers.
#[derive(Default)]
pub struct Epochs {
    last: AtomicU64,
    /// Held by whoever is next, so that one who goes away leaves no gap.
    turn: tokio::sync::Mutex<()>,
    allowance: Allowance,
}

impl Epochs {
    /// One that this process gave to nobody: now, in Unix milliseconds, or more when that is not above the last.
    /// Whoever asks waits while there are so many that epochs would run ahead of the clock.
    pub async fn next(&self) -> u64 {
        let turn = self.turn.lock().await;
        let wait = self.allowance.ahead(WELCOMES);
        if !wait.is_zero() {
            sleep(wait).await;
        }
        self.allowance.take(WELCOMES);
        drop(turn);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.next_at(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    fn next_at(&self, now: u64) -> u64 {
        let after = |last: u64| now.max(last + 1);
        let last = self.last.fetch_update(Relaxed, Relaxed, |last| Some(after(last)));
        after(last.unwrap_or_else(|last| last))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn epochs_rise_though_the_clock_jumps_back() {
        let epochs = Epochs::default();
        let given = [1_000, 1_000, 400, 1_001, 2_000].map(|now| epochs.next_at(now));
        assert_eq!(given, [1_000, 1_001, 1_002, 1_003, 2_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn epochs_never_run_ahead_of_the_clock_by_more_than_a_second() {
        let epochs = Epochs::default();
        let began = Instant::now();
        for _ in 0..3 * WELCOMES {
            epochs.next().await;
        }
        let took = began.elapsed();
        assert!((1_900..2_100).contains(&took.as_millis()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_while_it_waits_takes_nothing_from_others() {
        let epochs = Epochs::default();
        for _ in 0..WELCOMES {
            epochs.next().await;
        }
        let began = Instant::now();
        for _ in 0..5_000 {
            let next = pin!(epochs.next()).poll(&mut Context::from_waker(Waker::noop()));
            assert!(next.is_pending());
        }
        epochs.next().await;
        assert!(began.elapsed() < Duration::from_millis(10), "{:?}", began.elapsed());
    }
}
