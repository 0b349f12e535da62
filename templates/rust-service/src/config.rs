//! Settings: the embedded `config/default.toml`, overlaid with the file that `--config` names.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

const DEFAULT: &str = include_str!("../config/default.toml");

/// All settings; `config/default.toml` says what each is for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub name: String,
    pub listen: SocketAddr,
    pub workers: usize,
    pub log_level: LogLevel,
    pub access_log: AccessLog,
    pub trusted_proxies: Vec<Network>,
    pub preserve_host: bool,
    pub admin: Admin,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub upstream: Upstream,
    pub outlier: Outlier,
    pub retry: Retry,
    pub drain: Drain,
    #[serde(default, rename = "route")]
    pub routes: Vec<Route>,
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

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLog {
    Off,
    Errors,
    All,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    pub listen: SocketAddr,
}

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

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outlier {
    pub failures: u32,
    #[serde(with = "duration")]
    pub ejection: Duration,
    #[serde(with = "duration")]
    pub max_ejection: Duration,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    pub share: f64,
    pub per_second: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    #[serde(with = "duration")]
    pub delay: Duration,
    #[serde(with = "duration")]
    pub timeout: Duration,
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

    /// With nothing to forward to, the built-in upstreams answer.
    pub fn wants_demo(&self) -> bool {
        self.routes.is_empty() && self.clusters.is_empty()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut rule = |holds: bool, text: &str| {
            if !holds {
                problems.push(text.to_owned());
            }
        };
        rule(
            !self.name.is_empty() && self.name.bytes().all(is_token),
            "name must be a token of HTTP: letters, digits and some punctuation",
        );
        for (name, value, least) in [
            ("limits.connections", self.limits.connections, 1),
            ("limits.in_flight", self.limits.in_flight, 1),
            // The least that hyper takes.
            ("limits.header_bytes", self.limits.header_bytes, 8_192),
            ("limits.headers", self.limits.headers, 1),
            ("upstream.max_in_flight", self.upstream.max_in_flight, 1),
            ("outlier.failures", self.outlier.failures as usize, 1),
        ] {
            rule(value >= least, &format!("{name} must be at least {least}"));
        }
        for (name, value) in [
            ("timeouts.header_read", self.timeouts.header_read),
            ("timeouts.client_idle", self.timeouts.client_idle),
            ("timeouts.body_progress", self.timeouts.body_progress),
            ("upstream.connect", self.upstream.connect),
            ("upstream.response", self.upstream.response),
            ("upstream.idle", self.upstream.idle),
            ("outlier.ejection", self.outlier.ejection),
            ("drain.timeout", self.drain.timeout),
        ] {
            rule(!value.is_zero(), &format!("{name} must be above 0s"));
        }
        rule(
            self.outlier.max_ejection >= self.outlier.ejection,
            "outlier.max_ejection must be at least outlier.ejection",
        );
        rule((0.0..=1.0).contains(&self.retry.share), "retry.share must be from 0 to 1");
        problems.extend(self.routes.iter().flat_map(|route| self.misrouted(route)));
        for (name, cluster) in &self.clusters {
            if cluster.endpoints.is_empty() {
                problems.push(format!("cluster.{name} has no endpoints"));
            }
            let wrong = cluster.endpoints.iter().filter(|text| !is_endpoint(text));
            problems.extend(wrong.map(|text| format!("cluster.{name}: {text:?} is not host:port")));
        }
        problems
    }

    fn misrouted(&self, route: &Route) -> Vec<String> {
        let Route { path_prefix, cluster, .. } = route;
        let mut problems = Vec::new();
        if !path_prefix.starts_with('/') {
            problems.push(format!("route: path_prefix {path_prefix:?} must begin with /"));
        }
        if !self.clusters.contains_key(cluster) {
            problems.push(format!("route {path_prefix:?}: there is no cluster {cluster:?}"));
        }
        problems
    }
}

fn invalid(problem: impl fmt::Display) -> Invalid {
    Invalid { problems: vec![problem.to_string().trim_end().to_owned()] }
}

fn overlay(mut base: Table, own: Table) -> Table {
    for (key, value) in own {
        let value = match (base.remove(&key), value) {
            (Some(Value::Table(base)), Value::Table(own)) => Value::Table(overlay(base, own)),
            (_, value) => value,
        };
        base.insert(key, value);
    }
    base
}

/// What is wrong with a file that does not fit. Each of its settings is tried alone, because reading
/// them together stops at the first mistake.
fn misfits(defaults: &Table, own: &Table, whole: &toml::de::Error) -> Invalid {
    let problems: Vec<_> = leaves(own)
        .into_iter()
        .filter_map(|(path, alone)| {
            let fits: Result<Config, _> = overlay(defaults.clone(), alone).try_into();
            let error = fits.err()?;
            Some(format!("{path}: {}", error.message()))
        })
        .collect();
    if problems.is_empty() {
        return invalid(whole.message());
    }
    Invalid { problems }
}

/// Each setting of a table, by its path, with the tables around it.
fn leaves(table: &Table) -> Vec<(String, Table)> {
    let mut leaves = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                for (path, alone) in self::leaves(inner) {
                    let alone = Table::from_iter([(key.clone(), Value::Table(alone))]);
                    leaves.push((format!("{key}.{path}"), alone));
                }
            }
            Value::Array(items) if items.iter().any(Value::is_table) => {
                for item in items.iter().filter_map(Value::as_table) {
                    for (path, alone) in self::leaves(item) {
                        let alone = Value::Array(vec![Value::Table(alone)]);
                        let alone = Table::from_iter([(key.clone(), alone)]);
                        leaves.push((format!("{key}.{path}"), alone));
                    }
                }
            }
            leaf => {
                let alone = Table::from_iter([(key.clone(), leaf.clone())]);
                leaves.push((key.clone(), alone));
            }
        }
    }
    leaves
}

/// tchar of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_endpoint(text: &str) -> bool {
    if text.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.bytes().all(is_host) && port.parse::<u16>().is_ok()
}

/// Addresses that begin with the same bits, written as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network such as 10.0.0.0/8");
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits: u8 = bits.parse().map_err(|_| wrong())?;
        if bits > if address.is_ipv4() { 32 } else { 128 } {
            return Err(wrong());
        }
        Ok(Self { address, bits })
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        format!("{}/{}", network.address, network.bits)
    }
}

/// Times are written with their unit: `250ms`, `5s` or `5m`.
mod duration {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let millis = match unit {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            _ => None,
        };
        let count: Option<u64> = number.parse().ok();
        count
            .zip(millis)
            .and_then(|(count, millis)| count.checked_mul(millis))
            .map(Duration::from_millis)
            .ok_or_else(|| Error::custom(format!("{text:?} is not a time such as 250ms, 5s or 5m")))
    }

    pub fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        if time.subsec_millis() == 0 {
            to.collect_str(&format_args!("{}s", time.as_secs()))
        } else {
            to.collect_str(&format_args!("{}ms", time.as_millis()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_without_a_file() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.limits.in_flight, 10_000);
        assert_eq!(config.upstream.idle, Duration::from_secs(4));
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
        let example = Config::parse(include_str!("../config/example.toml")).unwrap();
        assert_eq!(example.routes.len(), 2);
        assert_eq!(example.clusters["api"].balance, Balance::LeastRequest);
        let container = Config::parse(include_str!("../config/container.toml")).unwrap();
        assert!(container.listen.ip().is_unspecified() && container.wants_demo());
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
    fn every_rule_that_is_broken_is_named() {
        let text = r#"
            name = "two words"
            limits = { connections = 0, header_bytes = 100 }
            upstream.connect = "0s"
            retry.share = 2.0
            route = [{ path_prefix = "api", cluster = "nowhere" }]
            cluster = { nobody = { endpoints = [] }, odd = { endpoints = ["host"] } }
        "#;
        let problems = Config::parse(text).unwrap_err().problems;
        let expected = [
            "name must be a token of HTTP: letters, digits and some punctuation",
            "limits.connections must be at least 1",
            "limits.header_bytes must be at least 8192",
            "upstream.connect must be above 0s",
            "retry.share must be from 0 to 1",
            "route: path_prefix \"api\" must begin with /",
            "route \"api\": there is no cluster \"nowhere\"",
            "cluster.nobody has no endpoints",
            "cluster.odd: \"host\" is not host:port",
        ];
        assert_eq!(problems, expected);
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let example = Config::parse(include_str!("../config/example.toml")).unwrap();
        let shown = serde_json::to_value(&example).unwrap();
        let again: Config = serde_json::from_value(shown.clone()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), shown);
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        let network: Network = "10.1.0.0/16".parse().unwrap();
        assert!(network.contains("10.1.255.1".parse().unwrap()));
        assert!(network.contains("::ffff:10.1.0.1".parse().unwrap()));
        assert!(!network.contains("10.2.0.1".parse().unwrap()));
        assert!(!network.contains("fe80::1".parse().unwrap()));
    }
}
