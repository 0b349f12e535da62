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
    /// With nothing to forward to, the built-in upstreams answer.
    pub fn wants_demo(&self) -> bool {
        self.forward.is_empty() && self.clusters.is_empty()
    }

    /// Where connections go: to the cluster that is named, or to the only one.
    pub fn target(&self) -> Option<(&str, &Cluster)> {
        let mut clusters = self.clusters.iter().map(|(name, cluster)| (name.as_str(), cluster));
        if self.forward.is_empty() && self.clusters.len() == 1 {
            return clusters.next();
        }
        clusters.find(|(name, _)| *name == self.forward)
    }

    pub fn forward_all_to(&mut self, name: &str, cluster: Cluster) {
        self.clusters.insert(name.to_owned(), cluster);
        name.clone_into(&mut self.forward);
    }

    pub fn forward_like(&mut self, other: &Self) {
        self.forward.clone_from(&other.forward);
        self.clusters.clone_from(&other.clusters);
    }

    /// What is wrong with the settings of this file.
    pub(super) fn own_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.wants_demo() && self.target().is_none() {
            let clusters: Vec<_> = self.clusters.keys().map(String::as_str).collect();
            problems.push(if self.forward.is_empty() {
                format!("forward must name one of the clusters: {}", clusters.join(", "))
            } else {
                format!("forward: there is no cluster {:?}", self.forward)
            });
        }
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

    #[test]
    fn of_several_clusters_one_must_be_named() {
        let one = "cluster.db.endpoints = [\"a:1\"]\n";
        let only = Config::parse(one).unwrap();
        assert_eq!(only.target().map(|(name, _)| name), Some("db"));
        let two = format!("{one}cluster.other.endpoints = [\"b:1\"]\n");
        let unsaid = Config::parse(&two).unwrap_err();
        assert_eq!(unsaid.problems, ["forward must name one of the clusters: db, other"]);
        let said = Config::parse(&format!("forward = \"other\"\n{two}")).unwrap();
        assert_eq!(said.target().map(|(name, _)| name), Some("other"));
    }
}
