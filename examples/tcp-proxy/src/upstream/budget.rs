//! How many retries there may be: a share of what comes, and some in every second.

use std::cell::RefCell;

use tokio::time::Instant;

use crate::config::Retry;

pub struct Budget {
    state: RefCell<(f64, Instant)>,
    share: f64,
    per_second: f64,
}

impl Budget {
    /// Of one worker among `workers`.
    #[expect(clippy::cast_precision_loss, reason = "there are not that many cores")]
    pub fn new(settings: &Retry, workers: usize) -> Self {
        let per_second = f64::from(settings.per_second) / workers as f64;
        Self {
            state: RefCell::new((per_second, Instant::now())),
            share: settings.share,
            per_second,
        }
    }

    /// One more has come.
    pub fn deposit(&self) {
        let mut state = self.state.borrow_mut();
        // What ten seconds bring at most, so that a calm hour does not pay for a storm.
        state.0 = (state.0 + self.share).min(10.0 * self.per_second.max(1.0));
    }

    /// Whether one may be tried again.
    pub fn withdraw(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let most = 10.0 * self.per_second.max(1.0);
        let earned = state.1.elapsed().as_secs_f64() * self.per_second;
        *state = ((state.0 + earned).min(most), Instant::now());
        let enough = state.0 >= 1.0;
        if enough {
            state.0 -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Config;

    #[tokio::test(start_paused = true)]
    async fn retries_stay_within_their_budget() {
        let budget = Budget::new(&Config::parse("").unwrap().retry, 1);
        let spend = |budget: &Budget| {
            std::iter::repeat_with(|| budget.withdraw())
                .take(1_000)
                .filter(|enough| *enough)
                .count()
        };
        assert_eq!(spend(&budget), 10);
        (0..100).for_each(|_| budget.deposit());
        assert!((19..=20).contains(&spend(&budget)));
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(spend(&budget), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn over_two_hours_of_failures_retries_are_their_share_and_ten_a_second() {
        let budget = Budget::new(&Config::parse("").unwrap().retry, 1);
        let mut retries = 0;
        // Twenty a second, each of which would be tried again.
        for _ in 0..2 * 3_600 * 20 {
            budget.deposit();
            retries += u32::from(budget.withdraw());
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        // Of each second's twenty a fifth, and ten, beside the ten that it began with.
        let expected = 2 * 3_600 * (4 + 10) + 10;
        assert!((expected - 2..=expected).contains(&retries), "{retries} of {expected}");
    }
}
