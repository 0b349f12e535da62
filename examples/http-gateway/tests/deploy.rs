//! The manifests keep to the numbers of the program.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;

use http_gateway::config::Config;

const WORKLOAD: &str = include_str!("../deploy/base/deployment.yaml");
const NETWORK_POLICY: &str = include_str!("../deploy/base/networkpolicy.yaml");
const SETTINGS: [&str; 2] = [
    include_str!("../deploy/base/config.toml"),
    include_str!("../deploy/overlays/prod/config.toml"),
];

/// What a connection takes that waits, and a request whose body waits for an end that does not read, its own
/// connection to an upstream included; docs/runbook.md has both.
const CONNECTION: usize = 27 << 10;
const REQUEST: usize = 128 << 10;
/// All else.
const REST: usize = 32 << 20;

/// The numbers that a manifest has under a key.
fn numbers<N: FromStr<Err: Debug>>(manifest: &str, key: &str) -> Vec<N> {
    let lines = manifest.lines().map(|line| line.trim().trim_start_matches("- "));
    let values = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    values.filter_map(|value| value.parse().ok()).collect()
}

fn settings() -> impl Iterator<Item = Config> {
    SETTINGS.iter().map(|text| Config::parse(text).unwrap())
}

#[test]
fn a_drain_ends_before_the_pod_is_killed() {
    let grace: Vec<u64> = numbers(WORKLOAD, "terminationGracePeriodSeconds");
    assert_eq!(grace.len(), 1);
    for config in settings() {
        let drain = config.drain.delay + config.drain.timeout;
        assert!(Duration::from_secs(grace[0]) > drain, "{grace:?} s, and a drain takes {drain:?}");
    }
}

#[test]
fn it_listens_where_the_pod_says() {
    let ports: Vec<u16> = numbers(WORKLOAD, "containerPort");
    for config in settings() {
        let listens = [config.listen, config.admin.listen];
        assert_eq!(listens.map(|address| address.port()), *ports);
        assert!(listens.iter().all(|address| address.ip().is_unspecified()));
    }
}

#[test]
fn what_connections_and_requests_may_take_fits_into_the_memory_of_the_pod() {
    let sizes = WORKLOAD.lines().filter_map(|line| line.trim().strip_prefix("memory: "));
    let sizes = sizes.map(|size| size.strip_suffix("Mi").unwrap().parse::<usize>().unwrap() << 20);
    let most = sizes.max().unwrap();
    for config in settings() {
        let limits = config.limits;
        let bytes = limits.connections * CONNECTION + limits.in_flight * REQUEST + REST;
        assert!(bytes <= most, "{bytes} of {most} bytes");
    }
}

#[test]
fn upstreams_can_be_reached() {
    let ports: Vec<u16> = numbers(NETWORK_POLICY, "port");
    for endpoint in settings().flat_map(|config| config.clusters).flat_map(|(_, it)| it.endpoints) {
        let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap();
        assert!(ports.contains(&port), "{endpoint} is shut out by {ports:?}");
    }
}
