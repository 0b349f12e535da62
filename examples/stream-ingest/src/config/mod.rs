//! Settings: the embedded `config/default.toml`, overlaid with the file that `--config` names.

mod access_log;
mod duration;
mod forward;
mod forwarding;
mod overlay;
mod rules;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Table;

pub use self::access_log::AccessLog;
pub use self::forwarding::*;
use self::overlay::{misfits, overlay};

const DEFAULT: &str = include_str!("../../config/default.toml");

/// All settings; `config/default.toml` says what each is for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    pub workers: usize,
    pub log_level: LogLevel,
    pub access_log: AccessLog,
    pub forward: String,
    pub source: PathBuf,
    pub admin: Admin,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub device: Device,
    pub batch: Batch,
    pub dead_letter: DeadLetter,
    pub upstream: Upstream,
    pub outlier: Outlier,
    pub health: Health,
    pub retry: Retry,
    pub drain: Drain,
    #[serde(default, rename = "cluster")]
    pub clusters: BTreeMap<String, Cluster>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    pub listen: SocketAddr,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outlier {
    pub failures: u32,
    #[serde(with = "duration")]
    pub ejection: Duration,
    #[serde(with = "duration")]
    pub max_ejection: Duration,
    pub max_ejected: f64,
    pub panic_threshold: f64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    #[serde(with = "duration")]
    pub interval: Duration,
    #[serde(with = "duration")]
    pub timeout: Duration,
    pub down: u32,
    pub up: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    pub share: f64,
    pub per_second: u32,
    #[serde(with = "duration")]
    pub backoff: Duration,
    #[serde(with = "duration")]
    pub max_backoff: Duration,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    #[serde(with = "duration")]
    pub delay: Duration,
    #[serde(with = "duration")]
    pub timeout: Duration,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    #[default]
    P2cEwma,
    LeastRequest,
    RoundRobin,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("invalid configuration: {}", problems.join("; "))]
pub struct Invalid {
    pub problems: Vec<String>,
}

impl Config {
    /// The defaults, overlaid with a file when there is one.
    pub fn load(path: Option<&Path>) -> Result<Self, Invalid> {
        let Some(path) = path else {
            return Self::parse("");
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| invalid(format!("{}: {error}", path.display())))?;
        Self::parse(&text)
    }

    /// The defaults, overlaid with `text`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let own: Table = text.parse().map_err(invalid)?;
        let defaults: Table = DEFAULT.parse().map_err(invalid)?;
        let config: Self = overlay(defaults.clone(), own.clone())
            .try_into()
            .map_err(|error| misfits(&defaults, &own, &error))?;
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(Invalid { problems }) }
    }
}

fn invalid(problem: impl fmt::Display) -> Invalid {
    Invalid { problems: vec![problem.to_string().trim_end().to_owned()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_without_a_file() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.limits.connections, 20_000);
        assert_eq!(config.health.interval, Duration::from_secs(10));
        assert!(config.wants_demo());
    }

    #[test]
    fn a_file_replaces_what_it_names() {
        let config = Config::parse("drain.delay = \"250ms\"\n").unwrap();
        assert_eq!(config.drain.delay, Duration::from_millis(250));
        assert_eq!(config.upstream.connect, Duration::from_secs(1));
    }

    #[test]
    fn the_files_of_this_project_are_valid() {
        let example = Config::parse(include_str!("../../config/example.toml")).unwrap();
        assert!(!example.wants_demo());
        let container = Config::parse(include_str!("../../config/container.toml")).unwrap();
        assert!(container.listen.ip().is_unspecified() && container.wants_demo());
        let compose = Config::parse(include_str!("../../config/compose.toml")).unwrap();
        assert_eq!(compose.listen, container.listen);
        assert_eq!(compose.admin.listen, container.admin.listen);
        assert_eq!(compose.clusters["api"].endpoints, ["api:8080"]);
    }

    #[test]
    fn every_rule_that_is_broken_is_named() {
        let text = r#"
            limits.connections = 0
            upstream.connect = "0s"
            outlier = { max_ejected = 1.5, panic_threshold = -0.5 }
            health.timeout = "0s"
            retry.share = 2.0
            [cluster]
            nobody.endpoints = []
            odd.endpoints = ["host"]
            twice.endpoints = ["a:1", "b:1", "a:1"]
        "#;
        let problems = Config::parse(text).unwrap_err().problems;
        let expected = [
            "limits.connections must be at least 1",
            "upstream.connect must be above 0s",
            "health.timeout must be above 0s",
            "outlier.max_ejected must be from 0 to 1",
            "outlier.panic_threshold must be from 0 to 1",
            "retry.share must be from 0 to 1",
            "cluster.nobody has no endpoints",
            "cluster.odd: \"host\" is not host:port",
            "cluster.twice: \"a:1\" is there twice",
        ];
        let is_told = |problem: &&str| problems.iter().any(|told| told == problem);
        assert!(expected.iter().all(is_told), "{problems:?}");
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let example = Config::parse(include_str!("../../config/example.toml")).unwrap();
        let shown = serde_json::to_value(&example).unwrap();
        let again: Config = serde_json::from_value(shown.clone()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), shown);
    }
}
