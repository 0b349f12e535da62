//! What is logged of requests.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::io::BufRead;

use rustix::process::Signal;
use serde_json::Value;

use support::process::Process;
use support::{ask, get};

/// The lines of the access log that a process writes of twenty requests that are served and one that is
/// refused.
fn access_log(name: &str, setting: &str) -> Vec<Value> {
    let mut process = Process::start(name, &format!("access_log = {setting}\n"));
    for _ in 0..20 {
        assert_eq!(get(process.address, "/some?a=b").status, 200);
    }
    let refused = ask(process.address, "TRACE / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(refused.status, 405);
    process.signal(Signal::INT);
    let entries =
        (&mut process.log).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
    let lines = entries.filter(|entry: &Value| entry["message"] == "request").collect();
    assert_eq!(process.exit_code(), Some(0));
    lines
}

#[test]
fn requests_are_logged_as_it_is_set() {
    for (setting, least, most) in [
        ("\"off\"", 0, 0),
        ("\"errors\"", 1, 1),
        ("0.5", 2, 20),
        ("1.0", 21, 21),
        ("\"all\"", 21, 21),
    ] {
        let lines = access_log("logs.toml", setting);
        assert!((least..=most).contains(&lines.len()), "{setting}: {} lines", lines.len());
    }
}

#[test]
fn a_line_of_the_access_log_says_what_came_of_a_request() {
    let lines = access_log("line.toml", "\"all\"");
    let (served, refused) = (&lines[0], &lines[20]);
    for (name, value) in
        [("peer", "127.0.0.1"), ("method", "GET"), ("uri", "/some?a=b"), ("level", "INFO")]
    {
        assert_eq!(served[name], value, "{served}");
    }
    assert!(served["upstream"].as_str().unwrap().starts_with("127.0.0.1:"), "{served}");
    assert!(served["seconds"].as_f64().unwrap() < 60.0, "{served}");
    assert_eq!(served["request_id"].as_str().map(str::len), Some(16));
    assert_eq!((&served["status"], &served["error"]), (&200.into(), &Value::Null));
    assert_eq!((&refused["status"], &refused["error"]), (&405.into(), &"trace".into()));
}
