//! What is forwarded where, and the limits of it.

use std::net::Ipv6Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rules::{is_name, is_path, none, too_low};
use super::{Balance, Config, duration};

/// What `http::HeaderMap` has room for.
const MOST_HEADERS: usize = 1 << 15;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub connections: usize,
    pub in_flight: usize,
    pub header_bytes: usize,
    pub headers: usize,
    pub body_bytes: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    #[serde(with = "duration")]
    pub header_read: Duration,
    #[serde(with = "duration")]
    pub client_idle: Duration,
    #[serde(with = "duration")]
    pub body_progress: Duration,
    #[serde(with = "duration")]
    pub tunnel_idle: Duration,
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
pub struct Route {
    pub host: Option<String>,
    pub path_prefix: String,
    pub cluster: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    pub endpoints: Vec<String>,
    pub balance: Balance,
    pub health_path: Option<String>,
}

impl Route {
    /// What tells it from others.
    pub fn label(&self) -> String {
        let host = self.host.as_deref().unwrap_or_default().to_ascii_lowercase();
        format!("{host}{}", self.path_prefix)
    }
}

impl Config {
    /// With nothing to forward to, the built-in upstreams answer.
    pub fn wants_demo(&self) -> bool {
        self.routes.is_empty() && self.clusters.is_empty()
    }

    pub fn forward_all_to(&mut self, name: &str, cluster: Cluster) {
        self.clusters.insert(name.to_owned(), cluster);
        let (path_prefix, cluster) = ("/".to_owned(), name.to_owned());
        self.routes.push(Route { host: None, path_prefix, cluster });
    }

    pub fn forward_like(&mut self, other: &Self) {
        self.routes.clone_from(&other.routes);
        self.clusters.clone_from(&other.clusters);
    }

    /// What is wrong with the settings of this file.
    pub(super) fn own_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.name.is_empty() || !self.name.bytes().all(is_token) {
            let rule = "name must be a token of HTTP: letters, digits and some punctuation";
            problems.push(rule.to_owned());
        }
        problems.extend(too_low(&[
            ("limits.in_flight", self.limits.in_flight, 1),
            // The least that hyper takes.
            ("limits.header_bytes", self.limits.header_bytes, 8_192),
            ("limits.headers", self.limits.headers, 1),
            ("upstream.max_in_flight", self.upstream.max_in_flight, 1),
        ]));
        if self.limits.headers > MOST_HEADERS {
            problems.push(format!("limits.headers must be at most {MOST_HEADERS}"));
        }
        problems.extend(none(&[
            ("timeouts.header_read", self.timeouts.header_read),
            ("timeouts.client_idle", self.timeouts.client_idle),
            ("timeouts.body_progress", self.timeouts.body_progress),
            ("timeouts.tunnel_idle", self.timeouts.tunnel_idle),
            ("upstream.response", self.upstream.response),
            ("upstream.idle", self.upstream.idle),
        ]));
        problems.extend(self.routes.iter().flat_map(|route| self.misrouted(route)));
        let labels: Vec<_> = self.routes.iter().map(Route::label).collect();
        for (index, label) in labels.iter().enumerate() {
            if labels.iter().take(index).any(|other| other == label) {
                problems.push(format!("route {label:?} is there twice"));
            }
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

    fn misrouted(&self, route: &Route) -> Vec<String> {
        let Route { host, path_prefix, cluster } = route;
        let mut problems = Vec::new();
        if !path_prefix.starts_with('/') {
            problems.push(format!("route: path_prefix {path_prefix:?} must begin with /"));
        }
        if let Some(host) = host.as_ref().filter(|host| !is_routable(host)) {
            problems.push(format!(
                "route {path_prefix:?}: host {host:?} must be a name or an address, without a port"
            ));
        }
        if !self.clusters.contains_key(cluster) {
            problems.push(format!("route {path_prefix:?}: there is no cluster {cluster:?}"));
        }
        problems
    }
}

/// tchar of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// As it stands in the Host of a request, where an IPv6 address is in brackets.
fn is_routable(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    address.map_or(is_name(host), |text| text.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_routes_and_clusters() {
        let example = Config::parse(include_str!("../../config/example.toml")).unwrap();
        assert_eq!(example.routes.len(), 2);
        assert_eq!(example.clusters["api"].balance, Balance::LeastRequest);
    }

    #[test]
    fn every_setting_that_does_not_fit_is_named() {
        let text = r#"
            nmae = "x"
            listen = "nowhere"
            trusted_proxies = ["10.0.0.0/33"]
            limits.bodi_bytes = 1
            drain.delay = "soon"
            route = [{ path = "/" }]
        "#;
        let problems = Config::parse(text).unwrap_err().problems.join("\n");
        for name in ["nmae", "listen", "trusted_proxies", "bodi_bytes", "drain.delay", "route.path"]
        {
            assert!(problems.contains(name), "{name} is not in:\n{problems}");
        }
    }

    #[test]
    fn every_rule_of_forwarding_that_is_broken_is_named() {
        let text = r#"
            name = "two words"
            limits = { header_bytes = 100, headers = 40_000 }
            upstream.idle = "0s"
            route = [
                { host = "a:80", path_prefix = "api", cluster = "nowhere" },
                { host = "a", path_prefix = "/", cluster = "odd" },
                { host = "A", path_prefix = "/", cluster = "twice" },
            ]
            [cluster]
            odd = { endpoints = ["a:1"], health_path = "up" }
            twice.endpoints = ["a:1"]
        "#;
        let problems = Config::parse(text).unwrap_err().problems;
        let expected = [
            "name must be a token of HTTP: letters, digits and some punctuation",
            "limits.header_bytes must be at least 8192",
            "limits.headers must be at most 32768",
            "upstream.idle must be above 0s",
            "route: path_prefix \"api\" must begin with /",
            "route \"api\": host \"a:80\" must be a name or an address, without a port",
            "route \"api\": there is no cluster \"nowhere\"",
            "route \"a/\" is there twice",
            "cluster.odd: health_path \"up\" must be a path that begins with /",
        ];
        assert_eq!(problems, expected);
    }
}
