//! What settings must hold to, beyond their types.

use std::net::{Ipv6Addr, SocketAddr};

use http::uri::PathAndQuery;

use super::{Cluster, Config, Route};

/// What `http::HeaderMap` has room for.
const MOST_HEADERS: usize = 1 << 15;

impl Config {
    pub fn problems(&self) -> Vec<String> {
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
            ("health.down", self.health.down as usize, 1),
            ("health.up", self.health.up as usize, 1),
        ] {
            rule(value >= least, &format!("{name} must be at least {least}"));
        }
        rule(
            self.limits.headers <= MOST_HEADERS,
            &format!("limits.headers must be at most {MOST_HEADERS}"),
        );
        for (name, value) in [
            ("timeouts.header_read", self.timeouts.header_read),
            ("timeouts.client_idle", self.timeouts.client_idle),
            ("timeouts.body_progress", self.timeouts.body_progress),
            ("timeouts.tunnel_idle", self.timeouts.tunnel_idle),
            ("upstream.connect", self.upstream.connect),
            ("upstream.response", self.upstream.response),
            ("upstream.idle", self.upstream.idle),
            ("outlier.ejection", self.outlier.ejection),
            ("health.interval", self.health.interval),
            ("health.timeout", self.health.timeout),
            ("drain.timeout", self.drain.timeout),
        ] {
            rule(!value.is_zero(), &format!("{name} must be above 0s"));
        }
        rule(
            self.outlier.max_ejection >= self.outlier.ejection,
            "outlier.max_ejection must be at least outlier.ejection",
        );
        for (name, share) in [
            ("outlier.max_ejected", self.outlier.max_ejected),
            ("outlier.panic_threshold", self.outlier.panic_threshold),
            ("retry.share", self.retry.share),
        ] {
            rule((0.0..=1.0).contains(&share), &format!("{name} must be from 0 to 1"));
        }
        problems.extend(self.routes.iter().flat_map(|route| self.misrouted(route)));
        let labels: Vec<_> = self.routes.iter().map(Route::label).collect();
        for (index, label) in labels.iter().enumerate() {
            if labels.iter().take(index).any(|other| other == label) {
                problems.push(format!("route {label:?} is there twice"));
            }
        }
        for (name, cluster) in &self.clusters {
            problems.extend(cluster.problems().map(|problem| format!("cluster.{name}{problem}")));
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

impl Cluster {
    fn problems(&self) -> impl Iterator<Item = String> {
        let none = self.endpoints.is_empty().then(|| " has no endpoints".to_owned());
        let endpoints = self.endpoints.iter().enumerate().filter_map(|(index, text)| {
            if !is_endpoint(text) {
                return Some(format!(": {text:?} is not host:port"));
            }
            let twice = self.endpoints.iter().take(index).any(|other| other == text);
            twice.then(|| format!(": {text:?} is there twice"))
        });
        let path = self.health_path.as_ref().filter(|path| !is_path(path));
        let path =
            path.map(|path| format!(": health_path {path:?} must be a path that begins with /"));
        none.into_iter().chain(endpoints).chain(path)
    }
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
    is_name(host) && port.parse::<u16>().is_ok()
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.parse::<PathAndQuery>().is_ok()
}

/// As it stands in the Host of a request, where an IPv6 address is in brackets.
fn is_routable(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    address.map_or(is_name(host), |text| text.parse::<Ipv6Addr>().is_ok())
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}
