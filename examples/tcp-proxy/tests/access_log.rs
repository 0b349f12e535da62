//! What is logged of connections.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::io::BufRead;

use rustix::process::Signal;
use serde_json::Value;

use support::process::Process;
use support::{closed_port, serves};

/// The lines of the access log that a process writes of so many connections.
fn access_log(name: &str, settings: &str, connections: usize) -> Vec<Value> {
    let mut process = Process::start(name, settings);
    (0..connections).for_each(|_| _ = serves(process.address));
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
    for (name, value) in [("end", "client_closed"), ("level", "INFO")] {
        assert_eq!(line[name], value, "{line}");
    }
    for name in ["peer", "upstream"] {
        assert!(line[name].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    }
    assert_eq!((&line["sent_bytes"], &line["received_bytes"]), (&5.into(), &5.into()));
    assert!(line["seconds"].as_f64().unwrap() < 60.0, "{line}");
}

#[test]
fn a_connection_that_no_endpoint_took_is_an_error() {
    let settings = support::forwarding(&[closed_port()], "access_log = \"errors\"");
    let lines = access_log("error.toml", &settings, 1);
    assert_eq!(lines[0]["end"], "connect_refused", "{lines:?}");
}
