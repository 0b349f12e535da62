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

    /// True as often as this share says.
    pub fn hits(&self, share: f64) -> bool {
        let number = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(number) < share * (f64::from(u32::MAX) + 1.0)
    }

    /// A number from 0 to `count` - 1.
    pub fn below(&self, count: usize) -> usize {
        let number = (self.next() >> 32) as usize;
        number % count.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_hit_about_as_often_as_it_says() {
        let chance = Chance::new(7);
        for (share, least, most) in
            [(0.0, 0, 0), (0.01, 50, 150), (0.5, 4_800, 5_200), (1.0, 10_000, 10_000)]
        {
            let hits = (0..10_000).filter(|_| chance.hits(share)).count();
            assert!((least..=most).contains(&hits), "{share}: {hits} of 10 000");
        }
    }
}
