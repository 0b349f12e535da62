//! Endpoints that want to be left alone for a while.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Until when, by their addresses, which outlive a change of the settings.
#[derive(Default)]
pub struct Silence(RefCell<BTreeMap<Arc<str>, Instant>>);

impl Silence {
    /// An endpoint wants nothing for so long.
    pub fn begin(&self, address: &Arc<str>, time: Duration) {
        let now = Instant::now();
        let mut ends = self.0.borrow_mut();
        ends.retain(|_, end| *end > now);
        let end = ends.entry(Arc::clone(address)).or_insert(now);
        *end = (now + time).max(*end);
    }

    /// None for an endpoint that may be asked now.
    pub fn end(&self, address: &str) -> Option<Instant> {
        self.0.borrow().get(address).copied().filter(|end| *end > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_endpoint_is_left_alone_for_the_longest_that_it_said() {
        let silence = Silence::default();
        let (one, other): (Arc<str>, Arc<str>) = ("127.0.0.1:1".into(), "127.0.0.1:2".into());
        let left = |address: &str| silence.end(address).map(|end| (end - Instant::now()).as_secs());
        silence.begin(&one, Duration::from_secs(10));
        silence.begin(&one, Duration::from_secs(2));
        assert_eq!((left(&one), left(&other)), (Some(10), None));
        tokio::time::advance(Duration::from_secs(4)).await;
        silence.begin(&other, Duration::from_secs(1));
        assert_eq!((left(&one), left(&other)), (Some(6), Some(1)));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!((left(&one), left(&other)), (None, None));
    }
}
