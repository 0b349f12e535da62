//! How many readings go in one request, as far as the API has shown what it takes.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// For so long it is not tried again whether what was too large still is.
const MEMORY: Duration = Duration::from_mins(1);

#[derive(Default)]
pub struct Size {
    /// Fewer than are set, after some were too many.
    most: Cell<Option<usize>>,
    /// The fewest that were too many of late, and when.
    refused: Cell<Option<(usize, Instant)>>,
}

impl Size {
    /// Of so many that are set.
    pub fn most(&self, readings: usize) -> usize {
        self.most.get().map_or(readings, |most| most.min(readings))
    }

    /// So many, which are two at least, were too many. An answer that comes late makes it no larger.
    pub fn too_many(&self, count: usize) {
        self.most.set(Some(self.most(count / 2)));
        let fewest = self.refused().filter(|(fewest, _)| *fewest < count);
        self.refused.set(fewest.or_else(|| Some((count, Instant::now()))));
    }

    /// So many were not. When there could not have been more, twice as many may go as well.
    pub fn stored(&self, count: usize) {
        let Some(most) = self.most.get().filter(|most| *most <= count) else {
            return;
        };
        if self.refused().is_none_or(|(fewest, _)| 2 * most < fewest) {
            self.most.set(Some(2 * most));
        }
    }

    fn refused(&self) -> Option<(usize, Instant)> {
        self.refused.get().filter(|(_, when)| when.elapsed() < MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_too_large_is_halved_and_not_grown_by_a_late_answer() {
        let size = Size::default();
        assert_eq!(size.most(500), 500);
        for (refused, most) in [(500, 250), (250, 125), (500, 125), (125, 62), (250, 62)] {
            size.too_many(refused);
            assert_eq!(size.most(500), most, "after {refused}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_grows_at_once_but_not_to_what_was_too_large_within_a_minute() {
        let size = Size::default();
        for refused in [500, 16, 8] {
            size.too_many(refused);
        }
        size.stored(3);
        assert_eq!(size.most(500), 4, "there could have been more");
        size.stored(4);
        assert_eq!(size.most(500), 4, "eight were too many");
        tokio::time::advance(MEMORY).await;
        for most in [8, 16, 32, 64, 128, 256, 500, 500] {
            size.stored(size.most(500));
            assert_eq!(size.most(500), most);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_known_to_be_too_large_it_grows() {
        let size = Size::default();
        size.too_many(500);
        size.too_many(100);
        assert_eq!(size.most(500), 50);
        tokio::time::advance(MEMORY / 2).await;
        // By then this is the fewest of which it is known still.
        size.too_many(60);
        tokio::time::advance(MEMORY / 2).await;
        size.stored(30);
        assert_eq!(size.most(500), 30);
        tokio::time::advance(MEMORY / 2).await;
        size.stored(30);
        assert_eq!(size.most(500), 60);
    }
}
