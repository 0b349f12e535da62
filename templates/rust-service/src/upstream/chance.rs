//! Chance, where it need not be a secret.

use std::cell::Cell;

/// xorshift64* (Vigna 2016).
pub struct Chance(Cell<u64>);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed.max(1)))
    }

    pub fn next(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number from 0 to `count` - 1.
    pub fn below(&self, count: usize) -> usize {
        let number = (self.next() >> 32) as usize;
        number % count.max(1)
    }
}
