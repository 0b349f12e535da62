//! How long a batch waits before it is tried again.

use std::time::Duration;

use crate::config::Retry;
use crate::upstream::chance::Chance;

/// Any time up to a bound that doubles with each failure in a row: with no least time, many that failed
/// together don't come back together. What the API asks for is waited at least, but never more than
/// `max_backoff`.
pub fn pause(
    failures: u32,
    retry_after: Option<Duration>,
    settings: &Retry,
    chance: &Chance,
) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let bound = settings.backoff.saturating_mul(factor).min(settings.max_backoff);
    let micros = usize::try_from(bound.as_micros()).unwrap_or(usize::MAX);
    let pause = Duration::from_micros(chance.below(micros.saturating_add(1)) as u64);
    pause.max(retry_after.unwrap_or_default()).min(settings.max_backoff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Retry {
        let text = "retry = { backoff = \"100ms\", max_backoff = \"10s\" }";
        crate::config::Config::parse(text).unwrap().retry
    }

    /// The shortest and the longest of many pauses, in milliseconds.
    fn range(failures: u32, retry_after: Option<Duration>) -> (u128, u128) {
        let (settings, chance) = (settings(), Chance::new(7));
        let pauses = || (0..2_000).map(|_| pause(failures, retry_after, &settings, &chance));
        (pauses().min().unwrap().as_millis(), pauses().max().unwrap().as_millis())
    }

    #[test]
    fn a_pause_is_any_time_up_to_a_bound_that_doubles() {
        for (failures, bound) in [(1, 100), (2, 200), (7, 6_400), (8, 10_000), (500, 10_000)] {
            let (least, most) = range(failures, None);
            assert!(least <= bound / 50, "{least} ms of {bound}");
            assert!(bound - bound / 50 <= most && most <= bound, "{most} ms of {bound}");
        }
    }

    #[test]
    fn what_the_api_asks_for_is_waited_but_not_for_ever() {
        assert!(range(1, Some(Duration::from_secs(2))) == (2_000, 2_000));
        assert!(range(8, Some(Duration::from_secs(2))).0 == 2_000);
        assert_eq!(range(1, Some(Duration::from_hours(1))), (10_000, 10_000));
        assert_eq!(range(1, Some(Duration::MAX)), (10_000, 10_000));
    }
}
