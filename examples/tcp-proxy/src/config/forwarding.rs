//! Where connections go, and the limits of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rules::{none, too_low};
use super::{Balance, Config, duration};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub connections: usize,
    pub buffer_bytes: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    #[serde(with = "duration")]
    pub idle: Duration,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    #[serde(with = "duration")]
    pub connect: Duration,
    pub max_connections: usize,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    pub endpoints: Vec<String>,
    pub balance: Balance,
    pub health_check: bool,
    pub proxy_protocol: bool,
}

impl Config {
    /// What is wrong with the settings of this file.
    pub(super) fn own_problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self.astray().into_iter().collect();
        problems.extend(too_low(&[("upstream.max_connections", self.upstream.max_connections, 1)]));
        problems.extend(none(&[("timeouts.idle", self.timeouts.idle)]));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_says_where_connections_go() {
        let example = Config::parse(include_str!("../../config/example.toml")).unwrap();
        let (_, cluster) = example.target().unwrap();
        assert!(cluster.health_check && cluster.proxy_protocol);
        assert_eq!(cluster.balance, Balance::LeastRequest);
    }

    #[test]
    fn every_setting_that_does_not_fit_is_named() {
        let text = r#"
            lisen = "x"
            listen = "nowhere"
            limits.buffers = 1
            drain.delay = "soon"
            cluster.db.health = true
        "#;
        let problems = Config::parse(text).unwrap_err().problems.join("\n");
        for name in ["lisen", "listen", "limits.buffers", "drain.delay", "cluster.db.health"] {
            assert!(problems.contains(name), "{name} is not in:\n{problems}");
        }
    }

    #[test]
    fn every_rule_of_forwarding_that_is_broken_is_named() {
        let text = r#"
            forward = "nowhere"
            timeouts.idle = "0s"
            upstream.max_connections = 0
            cluster.db.endpoints = ["a:1"]
        "#;
        let expected = [
            "forward: there is no cluster \"nowhere\"",
            "upstream.max_connections must be at least 1",
            "timeouts.idle must be above 0s",
        ];
        assert_eq!(Config::parse(text).unwrap_err().problems, expected);
    }
}
