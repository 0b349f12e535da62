//! When samples are taken, and what becomes of them before they are numbered.

use crate::filter::Filter;
use crate::interval::Interval;
use crate::report::Mode;

/// The low-pass settles over about 2^2 samples.
const FILTER_SHIFT: u32 = 2;

/// Takes a sample each period, filters it, and knows whether the sensor answers.
#[derive(Debug)]
pub struct Sampler {
    mode: Mode,
    period_ms: u32,
    interval: Interval,
    filter: Filter<FILTER_SHIFT>,
}

impl Sampler {
    /// One whose first sample is due one period after boot.
    #[must_use]
    pub const fn new(period_ms: u32) -> Self {
        Self {
            mode: Mode::Streaming,
            period_ms,
            interval: Interval::since(0),
            filter: Filter::new(),
        }
    }

    /// What it does about samples.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The period in force.
    #[must_use]
    pub const fn period_ms(&self) -> u32 {
        self.period_ms
    }

    /// Begins anew, the first sample one period from now. Where it runs with that period already,
    /// nothing changes.
    pub const fn start(&mut self, period_ms: u32, now: u32) {
        if matches!(self.mode, Mode::Streaming) && period_ms == self.period_ms {
            return;
        }
        self.mode = Mode::Streaming;
        self.period_ms = period_ms;
        self.interval = Interval::since(now);
        self.filter.reset();
    }

    /// Takes no samples any more.
    pub const fn stop(&mut self) {
        self.mode = Mode::Idle;
    }

    /// The value that is to be numbered now, if any. `sample` is called when a sample is due, and
    /// returns `None` when the sensor does not answer.
    pub fn tick(&mut self, now: u32, sample: impl FnOnce() -> Option<i32>) -> Option<i32> {
        if self.mode == Mode::Idle || !self.interval.comes_round(self.period_ms, now) {
            return None;
        }
        if let Some(sample) = sample() {
            self.mode = Mode::Streaming;
            Some(self.filter.update(sample))
        } else {
            self.mode = Mode::Fault;
            self.filter.reset();
            None
        }
    }
}
