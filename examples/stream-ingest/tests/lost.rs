//! What a device would wait for in vain ends the process when it panics: the thread that keeps dead letters,
//! and the task that sends batches.
//!
//! Neither is known to panic, so these panics come in from outside: from whoever listens to what it logs, and
//! from settings that no file can have.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::fmt::Debug;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use stream_ingest::config::{Config, LogLevel};
use stream_ingest::telemetry;

use support::device::Device;
use support::{STUCK, Service, config};

/// Runs a test in a process of its own, which it has to end with 70: what it has logged.
fn ends(name: &str) -> String {
    let this = std::env::current_exe().unwrap();
    let ended = Command::new(this).args(["--exact", name, "--ignored"]).output().unwrap();
    let log = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(70), "{log}");
    log
}

/// Whether a line of the log has all of these words.
fn tells(log: &str, words: [&str; 2]) -> bool {
    log.lines().any(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn the_process_ends_with_the_thread_that_keeps_dead_letters() {
    let log = ends("lose_the_dead_letters");
    assert!(tells(&log, ["panicked", "as it was told to"]), "{log}");
    assert!(tells(&log, ["a part of the process is lost", "\"dead-letters\""]), "{log}");
}

#[test]
fn the_process_ends_with_the_task_that_sends_batches() {
    let log = ends("lose_the_batches");
    assert!(tells(&log, ["panicked", "overflow"]), "{log}");
    assert!(tells(&log, ["a part of the process is lost", "\"worker-0\""]), "{log}");
}

/// Panics where it is logged that letters can't be kept.
struct Panicking;

impl<S: Subscriber> Layer<S> for Panicking {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut PanicAt("refused readings are not acknowledged"));
    }
}

struct PanicAt(&'static str);

impl Visit for PanicAt {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        assert!(field.name() != "message" || format!("{value:?}") != self.0, "as it was told to");
    }
}

/// Sends a reading of an epoch to a service that ends the process for it.
fn send_to(config: Config, epoch: u64) {
    let (subscriber, level) = telemetry::subscriber(LogLevel::Info);
    tracing::subscriber::set_global_default(subscriber.with(Panicking)).unwrap();
    let service = Service::start(config, level, telemetry::count_panics(), false).unwrap();
    let mut device = Device::connect(service.address, 42);
    device.reading(epoch, 1, 1);
    // Nobody answers.
    drop(device.next());
}

#[test]
#[ignore = "ends its process: another test starts it in one of its own"]
fn lose_the_dead_letters() {
    let mut config = config(STUCK);
    // A name of its own: the link stays, and other tests write their letters into files.
    config.dead_letter.path = concat!(env!("CARGO_TARGET_TMPDIR"), "/lost-letters.jsonl").into();
    // Of a test before this one.
    let _ = std::fs::remove_file(&config.dead_letter.path);
    symlink("/dev/full", &config.dead_letter.path).unwrap();
    // No request can carry such an epoch.
    send_to(config, u64::MAX);
}

#[test]
#[ignore = "ends its process: another test starts it in one of its own"]
fn lose_the_batches() {
    let mut config = config(STUCK);
    config.batch.age = Duration::MAX;
    send_to(config, 1_795_000_000_123);
}
