//! What comes round at equal intervals.

/// When something came round last, as a count of milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Interval(u32);

impl Interval {
    /// One whose first period begins at `now`.
    #[must_use]
    pub const fn since(now: u32) -> Self {
        Self(now)
    }

    /// True once when `period_ms` has gone by. The next period begins where this one should have
    /// ended: lateness does not add up.
    #[must_use]
    pub const fn comes_round(&mut self, period_ms: u32, now: u32) -> bool {
        let passed = now.wrapping_sub(self.0) >= period_ms;
        if passed {
            self.0 = self.0.wrapping_add(period_ms);
        }
        passed
    }
}
