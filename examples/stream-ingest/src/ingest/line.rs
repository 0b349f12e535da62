//! What the access log says of a connection.

use std::time::Duration;

use super::Peer;
use super::end::End;

pub struct Line {
    pub peer: Peer,
    /// The one that was heard last.
    pub device: Option<u32>,
    pub end: End,
    pub frames: u64,
    pub readings: u64,
    pub bad_frames: u64,
    pub took: Duration,
}

impl Line {
    pub fn tell(self) {
        tracing::info!(
            peer = %self.peer,
            device = self.device.map(|device| format!("{device:08x}")),
            end = self.end.row().name,
            frames = self.frames,
            readings = self.readings,
            bad_frames = self.bad_frames,
            seconds = self.took.as_secs_f64(),
            "connection"
        );
    }
}
