//! What is counted of each route, by status and duration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;

use crate::config::{Config, Route};
use crate::stats::{Durations, count};

const STATUSES: usize = 500;
const FIRST_STATUS: u16 = 100;

/// The label of requests that no route is for. Others have a slash in it.
pub const NO_ROUTE: &str = "none";

/// What is counted of a route.
#[derive(Debug)]
pub struct RouteStats {
    pub label: String,
    /// One for each worker.
    pub answers: Vec<Arc<Answers>>,
}

impl RouteStats {
    /// In the order of the configuration, and last what is counted of requests without a route. What
    /// was there `before` is the same one still.
    pub fn of(config: &Config, before: &[Arc<Self>], workers: usize) -> Vec<Arc<Self>> {
        let labels = config.routes.iter().map(Route::label).chain([NO_ROUTE.to_owned()]);
        let route = |label: String| {
            let known = before.iter().find(|route| route.label == label).map(Arc::clone);
            known.unwrap_or_else(|| Arc::new(Self::new(label, workers)))
        };
        labels.map(route).collect()
    }

    fn new(label: String, workers: usize) -> Self {
        Self { label, answers: std::iter::repeat_with(Arc::default).take(workers).collect() }
    }
}

/// What one worker counts of the requests of one route.
#[derive(Debug)]
#[repr(align(128))]
pub struct Answers {
    statuses: Box<[AtomicU64]>,
    pub durations: Durations,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            statuses: std::iter::repeat_with(AtomicU64::default).take(STATUSES).collect(),
            durations: Durations::default(),
        }
    }
}

impl Answers {
    pub fn count(&self, status: StatusCode, took: Duration) {
        let index = usize::from(status.as_u16().wrapping_sub(FIRST_STATUS));
        self.statuses.get(index).into_iter().for_each(count);
        self.durations.count(took);
    }

    /// The statuses that there were, and how often.
    pub fn statuses(&self) -> impl Iterator<Item = (u16, u64)> {
        let counts = self.statuses.iter().map(|count| count.load(Relaxed));
        (FIRST_STATUS..).zip(counts).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_of_a_route_stays_as_long_as_the_route_does() {
        let config = |prefix: &str| {
            let route = format!("[[route]]\npath_prefix = {prefix:?}\ncluster = \"all\"");
            Config::parse(&format!("{route}\n[cluster.all]\nendpoints = [\"a:1\"]")).unwrap()
        };
        let before = RouteStats::of(&config("/a"), &[], 1);
        let after = RouteStats::of(&config("/b"), &before, 1);
        let labels: Vec<_> = after.iter().map(|route| route.label.as_str()).collect();
        assert_eq!(labels, ["/b", NO_ROUTE]);
        assert!(Arc::ptr_eq(&before[1], &after[1]));
    }
}
