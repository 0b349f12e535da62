//! Endpoints that are not well get no requests, as far as others can take them.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{OK, Reply, Service, Upstream, closed_port, get, metric, routed_to, start, until};

const CHECKED: &str = "health_path = \"/healthz\"\nbalance = \"round_robin\"\n";
const OFTEN: &str = "health = { interval = \"20ms\", timeout = \"1s\", down = 2, up = 2 }\n";

/// An upstream that serves, whatever it says of itself.
fn with_health(health: impl Fn() -> Reply + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |request| match request.path() {
        "/healthz" => health(),
        _ => Reply::Keep(OK.to_owned()),
    })
}

fn unwell() -> Reply {
    Reply::Close("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned())
}

fn served(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|request| request.path() == "/").count()
}

/// How many of four requests, of which each of two endpoints gets two, went to this one.
fn share(service: &Service, upstream: &Upstream) -> usize {
    let before = served(upstream);
    (0..4).for_each(|_| assert_eq!(get(service.address, "/").status, 200));
    served(upstream) - before
}

#[test]
fn an_endpoint_is_left_out_while_its_checks_fail() {
    let well = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&well);
    let changing = with_health(move || {
        if told.load(Ordering::Relaxed) { Reply::Close(OK.to_owned()) } else { unwell() }
    });
    let steady = with_health(|| Reply::Close(OK.to_owned()));
    let routes = routed_to(&[changing.address, steady.address]);
    let service = start(&format!("{OFTEN}{routes}{CHECKED}"));
    assert_eq!(share(&service, &changing), 2);
    well.store(false, Ordering::Relaxed);
    until(|| share(&service, &changing) == 0);
    well.store(true, Ordering::Relaxed);
    until(|| share(&service, &changing) == 2);
    assert_eq!(metric(&service, "upstream_ejections_total"), 0);
}

#[test]
fn without_a_threshold_nothing_is_sent_to_endpoints_that_are_down() {
    let failing = with_health(unwell);
    let silent = with_health(|| Reply::Silence);
    let routes = routed_to(&[failing.address, silent.address, closed_port()]);
    let service =
        start(&format!("name = \"edge\"\noutlier.panic_threshold = 0.0\n{OFTEN}{routes}{CHECKED}"));
    until(|| get(service.address, "/").status == 503);
    let (failed, late) = (served(&failing), served(&silent));
    let answer = get(service.address, "/");
    assert_eq!(answer.header("proxy-status"), Some("edge; error=destination_unavailable"));
    assert_eq!((served(&failing), served(&silent)), (failed, late));
    assert!(metric(&service, "errors_total{cause=\"no_healthy_endpoint\"}") > 0);
}

#[test]
fn when_all_are_down_all_are_used() {
    let upstreams = [with_health(unwell), with_health(unwell)];
    let routes = routed_to(&upstreams.each_ref().map(|upstream| upstream.address));
    let service = start(&format!("{OFTEN}{routes}{CHECKED}"));
    let checks = |upstream: &Upstream| upstream.requests().len() - served(upstream);
    until(|| upstreams.iter().all(|upstream| checks(upstream) >= 4));
    assert_eq!(share(&service, &upstreams[0]), 2);
}

#[test]
fn failures_may_leave_no_endpoint() {
    let outlier = "outlier = { failures = 1, max_ejected = 1.0, panic_threshold = 0.0 }\n";
    let service = start(&format!("{outlier}{}", routed_to(&[closed_port()])));
    for (status, cause) in [(502, "connect_refused"), (503, "no_healthy_endpoint")] {
        assert_eq!(get(service.address, "/").status, status);
        assert_eq!(metric(&service, &format!("errors_total{{cause={cause:?}}}")), 1);
    }
}
