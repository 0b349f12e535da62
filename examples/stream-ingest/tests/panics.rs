//! What a panic costs: one connection, or the process when a thread is gone, as it is after an error too.
//!
//! Nothing in the ingest is known to panic, so these panics come in from outside: from whoever listens
//! to what it logs, and from what a worker is told to start with.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::io::Error;
use std::process::Command;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use stream_ingest::config::LogLevel;
use stream_ingest::listener;
use stream_ingest::runtime::Worker;
use stream_ingest::service::Service;
use stream_ingest::shutdown::{Switch, Work};
use stream_ingest::{telemetry, vital};

use support::{Upstream, closed_port, config, forwarding, is_idle, metric, serves, until};

/// Panics where it is logged, in the middle of a connection, that an endpoint is ejected.
struct Panicking;

impl<S: Subscriber> Layer<S> for Panicking {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut PanicAt("endpoint ejected"));
    }
}

struct PanicAt(&'static str);

impl Visit for PanicAt {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        assert!(field.name() != "message" || format!("{value:?}") != self.0, "as it was told to");
    }
}

#[test]
fn a_panic_closes_one_connection_and_is_counted() {
    let panicking = tracing_subscriber::registry().with(Panicking);
    tracing::subscriber::set_global_default(panicking).unwrap();
    let panics = telemetry::count_panics();
    let upstream = Upstream::well();
    let addresses = [closed_port(), upstream.address];
    let settings = forwarding(&addresses, "outlier.failures = 1") + "balance = \"round_robin\"\n";
    let (_, level) = telemetry::subscriber(LogLevel::Info);
    let service = Service::start(config(&settings), level, panics, false).unwrap();
    let served = serves(service.address);
    // From here on, what panics is this test.
    drop(std::panic::take_hook());
    assert!(!served);
    assert_eq!(metric(&service, "panics_total"), 1);
    until(|| is_idle(&service));
    assert!(serves(service.address));
}

#[test]
fn a_worker_that_is_lost_ends_the_process_with_70() {
    ends("lose_a_worker");
}

#[test]
fn a_thread_that_fails_ends_the_process_with_70() {
    ends("fail");
}

/// Runs a test in a process of its own.
fn ends(name: &str) {
    let this = std::env::current_exe().unwrap();
    let lost = Command::new(this).args(["--exact", name, "--ignored"]).output().unwrap();
    assert_eq!(lost.status.code(), Some(70), "{}", String::from_utf8_lossy(&lost.stdout));
}

#[test]
#[ignore = "ends its process: another test starts it in one of its own"]
fn fail() {
    let failing = vital::spawn("test", || Err::<(), _>(Error::other("as it was told to")));
    failing.unwrap().join().unwrap();
}

#[test]
#[ignore = "ends its process: another test starts it in one of its own"]
fn lose_a_worker() {
    let mut listeners = listener::bind(([127, 0, 0, 1], 0).into(), 1, false).unwrap();
    let (_switch, phases) = Switch::new();
    let worker = Worker {
        index: 0,
        listener: listeners.pop().unwrap(),
        ingest: Box::new(|| panic!("as it was told to")),
        stats: Arc::default(),
        phases,
        connections: 1,
        alive: Work::new().0,
    };
    worker.start().unwrap().join().unwrap();
}
