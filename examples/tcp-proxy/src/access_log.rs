//! The access log. Lines are made and written by a thread of their own; a worker never waits for it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::config;
use crate::stats::{Stats, count};
use crate::tcp::line::Line;
use crate::upstream::chance::Chance;
use crate::vital;

/// Lines that wait; more are lost and counted.
const ROOM: usize = 4_096;

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
        let thread = vital::spawn("access-log", move || {
            write(&receiver);
            Ok(())
        })?;
        Ok((Self { which, lines, chance: Chance::new(seed) }, thread))
    }

    /// Another one to the same log.
    #[must_use]
    pub fn another(&self, seed: u64) -> Self {
        Self { which: self.which, lines: self.lines.clone(), chance: Chance::new(seed) }
    }

    /// Has a line written when it is wanted.
    pub fn write(&self, is_error: bool, line: impl FnOnce() -> Line, counters: &Stats) {
        let wanted = match self.which {
            config::AccessLog::Off => false,
            config::AccessLog::Errors => is_error,
            config::AccessLog::All => true,
            config::AccessLog::Share(share) => is_error || self.chance.hits(share),
        };
        if wanted && self.lines.try_send(line()).is_err() {
            count(&counters.log_lines_lost);
        }
    }
}

fn write(lines: &Receiver<Line>) {
    lines.iter().for_each(Line::tell);
}
