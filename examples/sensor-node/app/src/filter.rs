//! From raw samples to values: a median that drops single spikes, then a low-pass.

/// Median of the last three samples, then a first-order IIR whose step response reaches 63 % after
/// about `2^SHIFT` samples.
///
/// The output never leaves the range of the samples seen, and comes within half of `2^SHIFT`
/// thousandths of a constant input.
#[derive(Debug)]
pub struct Filter<const SHIFT: u32> {
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    before_last: i32,
    last: i32,
    level: i32,
}

impl<const SHIFT: u32> Filter<SHIFT> {
    /// Half of the divisor, which makes the shift round to the nearest.
    const HALF: i32 = (1 << SHIFT) >> 1;

    /// A filter that starts at its first sample.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: None }
    }

    /// Takes a sample and returns the filtered value.
    pub fn update(&mut self, sample: i32) -> i32 {
        let state =
            self.state.get_or_insert(State { before_last: sample, last: sample, level: sample });
        let low = state.before_last.min(state.last);
        let high = state.before_last.max(state.last);
        let median = sample.clamp(low, high);
        state.before_last = state.last;
        state.last = sample;
        let step = median.saturating_sub(state.level).saturating_add(Self::HALF) >> SHIFT;
        state.level = state.level.wrapping_add(step);
        state.level
    }

    /// Forgets everything, as after a gap in the samples.
    pub const fn reset(&mut self) {
        self.state = None;
    }
}

impl<const SHIFT: u32> Default for Filter<SHIFT> {
    fn default() -> Self {
        Self::new()
    }
}
