//! The program as a whole: what it says, and what it exits with.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::net::TcpStream;
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::Value;

use support::process::{Process, file, next_logged, says, until_logged};
use support::{CHECKED, PROGRAM, STUCK, UNDER_WAY, Upstream, forwarding, get, hold, serves};

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

/// Every line that was logged must be one JSON object.
fn log(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn wrong_settings_are_all_named_and_end_it_with_78() {
    let path = file("wrong.toml", "listen = \"nowhere\"\ndrain.delay = \"soon\"\n");
    for command in ["run", "check", "healthcheck"] {
        let output = run(&["--config", &path, command]);
        assert_eq!(output.status.code(), Some(78), "{command}");
        let problems = log(&output).pop().unwrap()["problems"].as_str().unwrap().to_owned();
        assert!(problems.contains("listen: ") && problems.contains("drain.delay: "), "{problems}");
    }
}

#[test]
fn wrong_arguments_end_it_with_78() {
    for arguments in [["--port", "80"], ["--config", "/nowhere"], ["serve", "now"]] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        assert_eq!(log(&output).len(), 1);
    }
}

#[test]
fn settings_can_be_shown() {
    let output = run(&["check"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &shown["drain"]["timeout"]), (Some(0), &"20s".into()));
    assert_eq!(run(&["version"]).status.code(), Some(0));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

#[test]
fn a_signal_drains_it() {
    let process = Process::start("drains.toml", "drain.delay = \"0s\"\n");
    let admin = format!("http://{}/readyz", process.admin);
    assert_eq!(run(&["healthcheck", &admin]).status.code(), Some(0));
    let missing = format!("http://{}/nothing", process.admin);
    assert_eq!(run(&["healthcheck", &missing]).status.code(), Some(1));
    assert!(serves(process.address));
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut process = Process::start(&format!("twice-{code}.toml"), "drain.delay = \"60s\"\n");
        let _client = hold(process.address);
        process.signal(Signal::TERM);
        until_logged(&mut process.log, "draining");
        process.signal(signal);
        assert_eq!(process.exit_code(), Some(code));
    }
}

#[test]
fn aborted_work_ends_it_with_1() {
    let settings = format!("drain = {{ delay = \"0s\", timeout = \"200ms\" }}\n{STUCK}");
    let process = Process::start("aborts.toml", &settings);
    let _client = hold(process.address);
    support::until(|| support::metric_of(process.admin, UNDER_WAY) == 1);
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), Some(1));
}

#[test]
fn without_descriptors_nobody_else_is_blamed_and_clients_are_served_once_there_are_some() {
    const FEW: usize = 64;
    let often = "health = { interval = \"20ms\", timeout = \"1s\", down = 1, up = 1 }";
    let upstreams = [Upstream::well(), Upstream::well()];
    let addresses = upstreams.each_ref().map(|upstream| upstream.address);
    let settings = forwarding(&addresses, often) + CHECKED;
    let mut process = Process::start_with_descriptors(FEW, "few.toml", &settings);
    let connect = |address| TcpStream::connect(address).unwrap();
    // These leave none to others.
    let operators: Vec<_> = (0..FEW).map(|_| connect(process.admin)).collect();
    until_logged(&mut process.log, "can't accept connections");
    let clients: Vec<_> = (0..FEW).map(|_| connect(process.address)).collect();
    // Each comes twice as long after the last: checks are due many times.
    let mut failures = 0;
    while failures < 6 {
        let entry = next_logged(&mut process.log);
        assert!(!says(&entry, "endpoint down"), "{entry}");
        failures += usize::from(says(&entry, "can't accept connections"));
    }
    drop((clients, operators));
    support::until(|| serves(process.address));
    assert!(support::metric_of(process.admin, "accept_errors_total") > 0);
    assert_eq!(support::metric_of(process.admin, "upstream_up"), 2);
    assert_eq!(support::metric_of(process.admin, "upstream_ejections_total"), 0);
    process.signal(Signal::INT);
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn settings_are_read_again_and_kept_when_they_are_wrong() {
    let mut process = Process::start("again.toml", "retry.per_second = 7\n");
    let own = "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n";
    file("again.toml", "limits.connections = \"many\"");
    process.signal(Signal::HUP);
    until_logged(&mut process.log, "settings kept");
    assert_eq!(support::metric_of(process.admin, "reloads_refused_total"), 1);
    assert!(get(process.admin, "/config").body.contains("\"per_second\": 7"));
    file("again.toml", &format!("{own}retry.per_second = 8\n"));
    process.signal(Signal::HUP);
    until_logged(&mut process.log, "settings reloaded");
    assert!(get(process.admin, "/config").body.contains("\"per_second\": 8"));
    assert!(serves(process.address));
    process.signal(Signal::INT);
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn the_level_of_the_log_can_be_changed() {
    let mut process = Process::start("level.toml", "");
    for (level, status) in [("debug", 200), ("loud", 400)] {
        let length = level.len();
        let head = format!("PUT /log-level HTTP/1.1\r\nhost: test\r\ncontent-length: {length}");
        let answer = support::ask(process.admin, format!("{head}\r\n\r\n{level}"));
        assert_eq!(answer.status, status, "{level}");
        assert_eq!(get(process.admin, "/log-level").body, "debug\n");
    }
    until_logged(&mut process.log, "log level changed");
    process.signal(Signal::INT);
    assert_eq!(process.exit_code(), Some(0));
}
