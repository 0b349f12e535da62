//! How long a batch waits before it is tried again.

use std::time::Duration;

use crate::config::Retry;
use crate::upstream::chance::Chance;

/// Doubles with each failure in a row, up to a most.
pub fn bound(failures: u32, first: Duration, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most)
}

/// Any time up to the bound: with no least time, many that failed together don't come back together.
pub fn pause(failures: u32, settings: &Retry, chance: &Chance) -> Duration {
    let bound = bound(failures, settings.backoff, settings.max_backoff);
    let micros = usize::try_from(bound.as_micros()).unwrap_or(usize::MAX);
    Duration::from_micros(chance.below(micros.saturating_add(1)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_any_time_up_to_a_bound_that_doubles() {
        let text = "retry = { backoff = \"100ms\", max_backoff = \"10s\" }";
        let settings = crate::config::Config::parse(text).unwrap().retry;
        let chance = Chance::new(7);
        for (failures, bound) in [(1, 100), (2, 200), (7, 6_400), (8, 10_000), (500, 10_000)] {
            let pauses = || (0..2_000).map(|_| pause(failures, &settings, &chance).as_millis());
            let (least, most) = (pauses().min().unwrap(), pauses().max().unwrap());
            assert!(least <= bound / 50, "{least} ms of {bound}");
            assert!(bound - bound / 50 <= most && most <= bound, "{most} ms of {bound}");
        }
    }
}
