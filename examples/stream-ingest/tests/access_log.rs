//! What is logged of connections.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::io::BufRead;

use rustix::process::Signal;
use serde_json::Value;

use support::device::{Device, frame};
use support::process::{Process, until_logged};
use support::{metric_of, serves, until};

/// The lines of the access log that a process writes of so many connections.
fn access_log(name: &str, settings: &str, connections: usize) -> Vec<Value> {
    let demonstration = "cluster.api.endpoints = [\"127.0.0.1:1\"]\n";
    let mut process = Process::start(name, &format!("{settings}{demonstration}"));
    for _ in 0..connections {
        Device::connect(process.address, 42).hello();
    }
    let closed = "connections_ended_total{cause=\"device_closed\"}";
    until(|| metric_of(process.admin, closed) == connections as u64);
    process.signal(Signal::INT);
    let entries =
        (&mut process.log).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
    let lines = entries.filter(|entry: &Value| entry["message"] == "connection").collect();
    assert_eq!(process.exit_code(), Some(0));
    lines
}

#[test]
fn connections_are_logged_as_it_is_set() {
    for (setting, least, most) in [
        ("\"off\"", 0, 0),
        ("\"errors\"", 0, 0),
        ("0.5", 1, 20),
        ("1.0", 21, 21),
        ("\"all\"", 21, 21),
    ] {
        let lines = access_log("logs.toml", &format!("access_log = {setting}\n"), 21);
        assert!((least..=most).contains(&lines.len()), "{setting}: {} lines", lines.len());
    }
}

#[test]
fn a_line_says_what_came_of_a_connection() {
    let lines = access_log("line.toml", "access_log = \"all\"\n", 1);
    let line = &lines[0];
    for (name, value) in [("end", "device_closed"), ("level", "INFO"), ("device", "0000002a")] {
        assert_eq!(line[name], value, "{line}");
    }
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert_eq!((&line["frames"], &line["readings"]), (&1.into(), &0.into()), "{line}");
    assert!(line["seconds"].as_f64().unwrap() < 60.0, "{line}");
}

#[test]
fn a_crash_of_a_device_is_told_once() {
    let mut process = Process::start("crash.toml", "");
    let mut device = Device::connect(process.address, 42);
    let body = [&[3][..], &0x1234_u32.to_le_bytes(), &[0; 12], &7_u16.to_le_bytes()].concat();
    (0..3).for_each(|_| device.send(&frame(1, 0x04, 42, 0, 0, &body)));
    device.hello();
    let entry = until_logged(&mut process.log, "a device has crashed");
    assert_eq!((&entry["device"], &entry["pc"]), (&"0000002a".into(), &"0x00001234".into()));
    assert_eq!((&entry["cause"], &entry["boots"]), (&3.into(), &7.into()));
    assert!(serves(process.address));
    process.signal(Signal::INT);
    let rest = (&mut process.log).lines().map(Result::unwrap);
    assert_eq!(rest.filter(|line| line.contains("has crashed")).count(), 0);
}
