//! What the access log says of a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::end::End;

pub struct Line {
    pub peer: SocketAddr,
    pub upstream: Option<Arc<str>>,
    pub end: End,
    pub sent: u64,
    pub received: u64,
    pub took: Duration,
}

impl Line {
    pub fn tell(self) {
        tracing::info!(
            peer = %self.peer,
            upstream = self.upstream.as_deref(),
            end = self.end.row().name,
            sent_bytes = self.sent,
            received_bytes = self.received,
            seconds = self.took.as_secs_f64(),
            "connection"
        );
    }
}
