//! The access log. Lines are made and written by a thread of their own; a worker never waits for it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, Uri};

use crate::config;
use crate::gateway::error::Failure;
use crate::stats::{Stats, count};
use crate::upstream::chance::Chance;

/// Lines that wait; more are lost and counted.
const ROOM: usize = 4_096;

/// What is known of a request before it is answered.
#[derive(Clone, Debug)]
pub struct Entry {
    pub peer: IpAddr,
    pub method: Method,
    pub uri: Uri,
    pub id: HeaderValue,
    pub upstream: Option<Arc<str>>,
    pub failure: Option<Failure>,
}

struct Line {
    entry: Entry,
    status: StatusCode,
    broken: bool,
    took: Duration,
}

/// One worker's way to the log.
pub struct AccessLog {
    which: config::AccessLog,
    lines: SyncSender<Line>,
    chance: Chance,
}

impl AccessLog {
    /// The thread ends when this and all that were made of it are gone.
    pub fn start(which: config::AccessLog, seed: u64) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (lines, receiver) = sync_channel(ROOM);
        let thread = std::thread::Builder::new().name("access-log".to_owned());
        let thread = thread.spawn(move || write(&receiver))?;
        Ok((Self { which, lines, chance: Chance::new(seed) }, thread))
    }

    /// Another one to the same log.
    #[must_use]
    pub fn another(&self, seed: u64) -> Self {
        Self { which: self.which, lines: self.lines.clone(), chance: Chance::new(seed) }
    }

    pub fn write(
        &self,
        entry: &Entry,
        status: StatusCode,
        broken: bool,
        took: Duration,
        counters: &Stats,
    ) {
        let is_error = status.is_server_error() || entry.failure.is_some() || broken;
        let wanted = match self.which {
            config::AccessLog::Off => false,
            config::AccessLog::Errors => is_error,
            config::AccessLog::All => true,
            config::AccessLog::Share(share) => is_error || self.chance.hits(share),
        };
        if !wanted {
            return;
        }
        let line = Line { entry: entry.clone(), status, broken, took };
        if self.lines.try_send(line).is_err() {
            count(&counters.log_lines_lost);
        }
    }
}

fn write(lines: &Receiver<Line>) {
    for line in lines {
        let entry = line.entry;
        tracing::info!(
            peer = %entry.peer,
            method = %entry.method,
            uri = %entry.uri,
            status = line.status.as_u16(),
            upstream = entry.upstream.as_deref(),
            error = entry.failure.map(|failure| failure.row().name),
            broken = line.broken.then_some(true),
            request_id = entry.id.to_str().ok(),
            seconds = line.took.as_secs_f64(),
            "request"
        );
    }
}
