//! Endpoints that take no connections get none, as far as others can take them.

mod support;

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use support::{
    Client, Upstream, closed_port, crowded, forwarding, metric, serves, start, start_before, until,
};

const OFTEN: &str = "health = { interval = \"20ms\", timeout = \"1s\", down = 2, up = 2 }";

#[test]
fn a_connection_that_is_refused_is_tried_elsewhere() {
    let upstream = Upstream::echo();
    let addresses = [closed_port(), upstream.address];
    let settings = forwarding(&addresses, "outlier.failures = 1000\nretry.per_second = 1000");
    let service = start(&(settings + "balance = \"round_robin\"\n"));
    assert!((0..20).all(|_| serves(service.address)));
    let refused = metric(&service, "upstream_failures_total");
    assert!(refused > 0);
    assert_eq!(metric(&service, "retries_total"), refused);
    assert_eq!(metric(&service, "upstream_connects_total"), 20);
}

#[test]
fn a_connection_that_is_not_taken_in_time_is_tried_elsewhere() {
    let (deaf, _sockets) = crowded();
    let upstream = Upstream::echo();
    let settings = forwarding(&[deaf, upstream.address], "upstream.connect = \"100ms\"");
    let service = start(&(settings + "balance = \"round_robin\"\n"));
    assert!((0..4).all(|_| serves(service.address)));
    assert!(metric(&service, "upstream_failures_total") > 0);
}

#[test]
fn a_deaf_endpoint_alone_has_its_client_reset() {
    let (deaf, _sockets) = crowded();
    let service = start(&forwarding(&[deaf], "upstream.connect = \"100ms\""));
    let began = SystemTime::now();
    let mut client = Client::connect(service.address);
    assert_eq!(client.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);
    // Two tries.
    assert!(began.elapsed().unwrap() >= Duration::from_millis(200));
    until(|| metric(&service, "connections_ended_total{cause=\"connect_timeout\"}") == 1);
}

#[test]
fn retries_have_a_budget() {
    let settings = "retry = { share = 0.0, per_second = 2 }\noutlier.failures = 1000";
    let service = start(&forwarding(&[closed_port(), closed_port()], settings));
    assert!((0..50).all(|_| !serves(service.address)));
    let retries = metric(&service, "retries_total");
    assert!((2..20).contains(&retries), "{retries}");
}

#[test]
fn an_endpoint_that_takes_no_connections_is_left_alone_and_comes_back() {
    let upstream = Upstream::echo();
    let absent = closed_port();
    let outlier = "outlier = { failures = 2, ejection = \"300ms\", max_ejection = \"300ms\" }";
    let settings = forwarding(&[absent, upstream.address], outlier);
    let service = start(&(settings + "balance = \"round_robin\"\n"));
    until(|| {
        assert!(serves(service.address));
        metric(&service, "upstream_ejected") == 1
    });
    let before = metric(&service, "upstream_failures_total");
    until(|| metric(&service, "upstream_ejected") == 0);
    until(|| {
        assert!(serves(service.address));
        metric(&service, "upstream_failures_total") > before
    });
}

#[test]
fn when_all_are_left_alone_and_may_be_a_client_is_reset() {
    let outlier = "outlier = { failures = 1, max_ejected = 1.0, panic_threshold = 0.0 }";
    let service = start(&forwarding(&[closed_port()], outlier));
    assert!(!serves(service.address));
    let mut client = Client::connect(service.address);
    assert_eq!(client.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);
    until(|| metric(&service, "connections_ended_total{cause=\"no_healthy_endpoint\"}") == 1);
}

#[test]
fn checks_find_an_endpoint_that_is_down_without_a_client() {
    let upstream = Upstream::echo();
    let settings = forwarding(&[closed_port(), upstream.address], OFTEN);
    let service = start(&(settings + "balance = \"round_robin\"\nhealth_check = true\n"));
    until(|| metric(&service, "upstream_up") == 1);
    assert!((0..10).all(|_| serves(service.address)));
    assert_eq!(metric(&service, "upstream_failures_total"), 0);
}

#[test]
fn settings_that_are_reloaded_are_for_connections_to_come() {
    let (before, after) = (Upstream::saying("before"), Upstream::saying("after!"));
    let service = start_before(&[&before], "");
    let mut client = Client::connect(service.address);
    assert_eq!(client.take(6).unwrap(), b"before");
    service.reload(support::config(&forwarding(&[after.address], "")));
    let mut other = Client::connect(service.address);
    assert_eq!(other.take(6).unwrap(), b"after!");
    client.send("still here");
    assert!(client.is_quiet(Duration::from_millis(100)));
}
