//! What settings must hold to, beyond their types.

use std::net::SocketAddr;
use std::time::Duration;

use http::uri::PathAndQuery;

use super::{Cluster, Config};

impl Config {
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.own_problems();
        problems.extend(too_low(&[
            ("limits.connections", self.limits.connections, 1),
            ("outlier.failures", self.outlier.failures as usize, 1),
            ("health.down", self.health.down as usize, 1),
            ("health.up", self.health.up as usize, 1),
        ]));
        problems.extend(none(&[
            ("upstream.connect", self.upstream.connect),
            ("outlier.ejection", self.outlier.ejection),
            ("health.interval", self.health.interval),
            ("health.timeout", self.health.timeout),
            ("drain.timeout", self.drain.timeout),
        ]));
        if self.outlier.max_ejection < self.outlier.ejection {
            problems.push("outlier.max_ejection must be at least outlier.ejection".to_owned());
        }
        for (name, share) in [
            ("outlier.max_ejected", self.outlier.max_ejected),
            ("outlier.panic_threshold", self.outlier.panic_threshold),
            ("retry.share", self.retry.share),
        ] {
            if !(0.0..=1.0).contains(&share) {
                problems.push(format!("{name} must be from 0 to 1"));
            }
        }
        for (name, cluster) in &self.clusters {
            problems.extend(cluster.problems().map(|problem| format!("cluster.{name}{problem}")));
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
        none.into_iter().chain(endpoints)
    }
}

/// Settings with the least that they may be, as far as they are less.
pub fn too_low(settings: &[(&str, usize, usize)]) -> impl Iterator<Item = String> {
    let low = settings.iter().filter(|(_, value, least)| value < least);
    low.map(|(name, _, least)| format!("{name} must be at least {least}"))
}

/// Times that must be some, as far as they are none.
pub fn none(times: &[(&str, Duration)]) -> impl Iterator<Item = String> {
    let none = times.iter().filter(|(_, time)| time.is_zero());
    none.map(|(name, _)| format!("{name} must be above 0s"))
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

pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

pub fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.parse::<PathAndQuery>().is_ok()
}
