//! What is logged of batches that are not stored: each cause once a minute, however many they are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::api::Miss;
use super::failure::Failure;

const PAUSE: Duration = Duration::from_mins(1);

/// When each cause, and status, was logged last.
#[derive(Default)]
pub struct Complaints(RefCell<BTreeMap<(&'static str, Option<u16>), Instant>>);

impl Complaints {
    pub fn tell(&self, miss: &Miss) {
        let (cause, status) = (miss.failure.row().name, miss.status.map(|status| status.as_u16()));
        if !self.is_due(cause, status) {
            return;
        }
        if miss.failure == Failure::Misconfigured {
            tracing::error!(
                status,
                "the API can't take what it is sent: is it the right one, set up so?"
            );
        } else {
            tracing::warn!(cause, status, "readings wait: the API does not store them");
        }
    }

    fn is_due(&self, cause: &'static str, status: Option<u16>) -> bool {
        let now = Instant::now();
        let mut told = self.0.borrow_mut();
        let last = told.get(&(cause, status));
        let due = last.is_none_or(|last| now.duration_since(*last) >= PAUSE);
        if due {
            told.insert((cause, status), now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_cause_is_told_once_a_minute() {
        let complaints = Complaints::default();
        let mut told = 0;
        // Two hours of failures, fifty in a second.
        for _ in 0..2 * 3_600 * 50 {
            told += u32::from(complaints.is_due("throttled", Some(429)));
            tokio::time::advance(Duration::from_millis(20)).await;
        }
        assert_eq!(told, 120);
        assert!(complaints.is_due("throttled", Some(503)));
    }
}
