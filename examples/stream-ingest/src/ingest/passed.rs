//! One connection, from when it was accepted to its end.

use std::time::Duration;

use tokio::time::Instant;

use super::Peer;
use super::device::Claims;
use super::end::End;
use super::frame::{Body, Frame};
use super::line::Line;
use crate::access_log::AccessLog;
use crate::stats::{Stats, count};

/// Counted and logged when it is dropped.
pub struct Passed<'a> {
    stats: &'a Stats,
    log: &'a AccessLog,
    pub peer: Peer,
    device: Option<u32>,
    pub claims: Claims,
    pub frames: u64,
    pub readings: u64,
    bad_frames: u64,
    pub end: End,
    began: Instant,
    /// An epitaph was told of: it comes again until the device is welcomed.
    told: bool,
}

impl<'a> Passed<'a> {
    pub fn new(stats: &'a Stats, log: &'a AccessLog, peer: Peer) -> Self {
        Self {
            stats,
            log,
            peer,
            device: None,
            claims: Claims::default(),
            frames: 0,
            readings: 0,
            bad_frames: 0,
            // Unless it gets to another.
            end: End::Aborted,
            began: Instant::now(),
            told: false,
        }
    }

    pub fn frame(&mut self, frame: &Frame) {
        self.frames += 1;
        self.device = Some(frame.device);
        self.stats.ingest.frames.count(frame.body.kind());
        tracing::debug!(device = format_args!("{:08x}", frame.device), ?frame, "frame");
    }

    pub fn bad_frame(&mut self) {
        self.bad_frames += 1;
        count(&self.stats.ingest.bad_frames);
    }

    /// Tells how a device has crashed, once.
    pub fn epitaph(&mut self, frame: &Frame) {
        if let Body::Epitaph { cause, pc, lr, sp, cfsr, boots } = frame.body
            && !self.told
        {
            self.told = true;
            tracing::warn!(
                device = format_args!("{:08x}", frame.device),
                cause,
                pc = format_args!("{pc:#010x}"),
                lr = format_args!("{lr:#010x}"),
                sp = format_args!("{sp:#010x}"),
                cfsr = format_args!("{cfsr:#010x}"),
                boots,
                "a device has crashed before it said hello"
            );
        }
    }

    fn took(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        self.stats.ingest.ends.count(self.end as usize);
        let line = || Line {
            peer: self.peer,
            device: self.device,
            end: self.end,
            frames: self.frames,
            readings: self.readings,
            bad_frames: self.bad_frames,
            took: self.took(),
        };
        self.log.write(self.end.row().is_error, line, self.stats);
    }
}
