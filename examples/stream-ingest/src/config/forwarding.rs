//! How readings are taken and handed on, and the limits of it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rules::{is_path, none, too_low};
use super::{Balance, Config, duration};

/// What a request to the API may hold.
const MOST_READINGS: usize = 1_000;
/// What devices take for a period.
const PERIODS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_hours(1));

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub connections: usize,
    pub device_connections: usize,
    pub device_readings: u32,
    pub queued_readings: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    #[serde(with = "duration")]
    pub idle: Duration,
    #[serde(with = "duration")]
    pub write: Duration,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    #[serde(with = "duration")]
    pub period: Duration,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub readings: usize,
    #[serde(with = "duration")]
    pub age: Duration,
    pub in_flight: usize,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    pub path: PathBuf,
    pub bytes: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    #[serde(with = "duration")]
    pub connect: Duration,
    #[serde(with = "duration")]
    pub response: Duration,
    #[serde(with = "duration")]
    pub idle: Duration,
    pub max_idle: usize,
    pub max_in_flight: usize,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    pub endpoints: Vec<String>,
    pub balance: Balance,
    pub health_path: Option<String>,
}

impl Device {
    /// What a device is told to measure with, if it is told.
    pub fn period_ms(&self) -> Option<u32> {
        u32::try_from(self.period.as_millis()).ok().filter(|millis| *millis > 0)
    }
}

impl Config {
    /// What is wrong with the settings of this file.
    pub(super) fn own_problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self.astray().into_iter().collect();
        problems.extend(too_low(&[
            ("limits.device_connections", self.limits.device_connections, 1),
            ("limits.device_readings", self.limits.device_readings as usize, 1),
            ("limits.queued_readings", self.limits.queued_readings, 1),
            ("batch.readings", self.batch.readings, 1),
            ("batch.in_flight", self.batch.in_flight, 1),
            ("upstream.max_in_flight", self.upstream.max_in_flight, 1),
        ]));
        problems.extend(none(&[
            ("timeouts.idle", self.timeouts.idle),
            ("timeouts.write", self.timeouts.write),
            ("upstream.response", self.upstream.response),
            ("upstream.idle", self.upstream.idle),
            ("retry.backoff", self.retry.backoff),
        ]));
        let period = self.device.period;
        if !period.is_zero() && !(PERIODS.0..=PERIODS.1).contains(&period) {
            problems.push("device.period must be 0s, or from 10ms to 60m".to_owned());
        }
        if self.batch.readings > MOST_READINGS {
            problems.push(format!("batch.readings must be at most {MOST_READINGS}"));
        }
        if self.retry.max_backoff < self.retry.backoff {
            problems.push("retry.max_backoff must be at least retry.backoff".to_owned());
        }
        if self.dead_letter.path.as_os_str().is_empty() {
            problems.push("dead_letter.path must name a file".to_owned());
        }
        for (name, cluster) in &self.clusters {
            if let Some(path) = cluster.health_path.as_ref().filter(|path| !is_path(path)) {
                problems.push(format!(
                    "cluster.{name}: health_path {path:?} must be a path that begins with /"
                ));
            }
        }
        problems
    }
}
