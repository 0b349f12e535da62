//! The program as a process of its own.

#![expect(clippy::indexing_slicing, reason = "a test ends where something unexpected happens")]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::PROGRAM;

/// Writes a file, and says where.
pub fn file(name: &str, text: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Makes a directory for what a process writes.
pub fn directory(name: &str) -> std::path::PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).with_extension("d");
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A process that serves, on free ports, with settings on top.
pub struct Process {
    child: Child,
    pub log: BufReader<ChildStdout>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Process {
    pub fn start(name: &str, settings: &str) -> Self {
        Self::start_by(Command::new(PROGRAM), name, settings)
    }

    /// One that may have so many descriptors.
    pub fn start_with_descriptors(count: usize, name: &str, settings: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {count} && exec \"$0\" \"$@\""), PROGRAM]);
        Self::start_by(command, name, settings)
    }

    fn start_by(mut command: Command, name: &str, settings: &str) -> Self {
        let own = "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n";
        let path = file(name, &format!("{own}{settings}"));
        command.args(["--config", &path]).stdout(Stdio::piped());
        command.current_dir(directory(name));
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let serving = until_logged(&mut log, "serving");
        let address = |name: &str| serving[name].as_str().unwrap().parse().unwrap();
        Self { address: address("address"), admin: address("admin"), log, child }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn exit_code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Of a test that failed; otherwise it has ended.
        let _ = self.child.kill();
    }
}

/// The next line of a log that begins like this.
pub fn until_logged(log: &mut impl BufRead, message: &str) -> Value {
    loop {
        let entry = next_logged(log);
        if says(&entry, message) {
            return entry;
        }
    }
}

pub fn next_logged(log: &mut impl BufRead) -> Value {
    let mut line = String::new();
    assert_ne!(log.read_line(&mut line).unwrap(), 0, "its log has ended");
    serde_json::from_str(&line).unwrap()
}

pub fn says(entry: &Value, message: &str) -> bool {
    entry["message"].as_str().unwrap().starts_with(message)
}
