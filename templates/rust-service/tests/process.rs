//! The program as a whole: what it says, and what it exits with.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use support::{Client, PROGRAM, get};

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

/// Every line that was logged must be one JSON object.
fn log(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn file(name: &str, text: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A process that serves, on free ports, with settings on top.
struct Process {
    child: Child,
    log: BufReader<ChildStdout>,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Process {
    fn start(name: &str, settings: &str) -> Self {
        let own = "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n";
        let path = file(name, &format!("{own}{settings}"));
        let mut command = Command::new(PROGRAM);
        command.args(["--config", &path]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let serving = until_logged(&mut log, "serving");
        let address = |name: &str| serving[name].as_str().unwrap().parse().unwrap();
        Self { address: address("address"), admin: address("admin"), log, child }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn exit_code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Of a test that failed; otherwise it has ended.
        let _ = self.child.kill();
    }
}

fn until_logged(log: &mut impl BufRead, message: &str) -> Value {
    loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "ended before it logged {message:?}");
        let entry: Value = serde_json::from_str(&line).unwrap();
        if entry["message"].as_str().unwrap().starts_with(message) {
            return entry;
        }
    }
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
    assert_eq!(get(process.address, "/").status, 200);
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), Some(0));
}

/// A client whose request does not end.
fn hold(process: &Process) -> Client {
    let mut client = Client::connect(process.address);
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nhe");
    client
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut process = Process::start(&format!("twice-{code}.toml"), "drain.delay = \"60s\"\n");
        let _client = hold(&process);
        process.signal(Signal::TERM);
        until_logged(&mut process.log, "draining");
        process.signal(signal);
        assert_eq!(process.exit_code(), Some(code));
    }
}

#[test]
fn aborted_work_ends_it_with_1() {
    let settings = "drain = { delay = \"0s\", timeout = \"200ms\" }\n";
    let process = Process::start("aborts.toml", settings);
    let mut client = Client::connect(process.address);
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    client.answer().unwrap();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nhe");
    let in_flight = || support::metric_of(process.admin, "in_flight");
    support::until(|| in_flight() == 1);
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), Some(1));
}

#[test]
fn settings_are_read_again_and_kept_when_they_are_wrong() {
    let mut process = Process::start("again.toml", "name = \"before\"\n");
    let own = "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n";
    file("again.toml", "limits.headers = \"many\"");
    process.signal(Signal::HUP);
    until_logged(&mut process.log, "settings kept");
    assert!(get(process.admin, "/config").body.contains("\"before\""));
    file("again.toml", &format!("{own}name = \"after\"\n"));
    process.signal(Signal::HUP);
    until_logged(&mut process.log, "settings reloaded");
    assert!(get(process.admin, "/config").body.contains("\"after\""));
    assert_eq!(get(process.address, "/").status, 200);
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

/// The lines of the access log that a process writes of twenty requests that are served and one that is
/// refused.
fn access_log(name: &str, setting: &str) -> Vec<Value> {
    let mut process = Process::start(name, &format!("access_log = {setting}\n"));
    for _ in 0..20 {
        assert_eq!(get(process.address, "/some?a=b").status, 200);
    }
    let refused = support::ask(process.address, "TRACE / HTTP/1.1\r\nhost: test\r\n\r\n");
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
