//! One connection, from when it was accepted to its end.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::Proxy;
use super::end::End;
use super::line::Line;
use crate::runtime::Place;
use crate::upstream::Slot;

/// Counted and logged when it is dropped.
pub struct Passed {
    proxy: Rc<Proxy>,
    pub peer: SocketAddr,
    /// The endpoint that was tried last.
    pub upstream: Option<Arc<str>>,
    /// Once it is connected to.
    pub slot: Option<Slot>,
    pub sent: Cell<u64>,
    pub received: Cell<u64>,
    pub end: End,
    began: Instant,
    _place: Place,
}

impl Passed {
    pub fn new(proxy: Rc<Proxy>, peer: SocketAddr, place: Place) -> Self {
        Self {
            proxy,
            peer,
            upstream: None,
            slot: None,
            sent: Cell::default(),
            received: Cell::default(),
            // Unless it gets to another.
            end: End::Aborted,
            began: Instant::now(),
            _place: place,
        }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        let Proxy { stats, log, .. } = &*self.proxy;
        let took = self.began.elapsed();
        stats.ends.count(self.end);
        stats.durations.count(took);
        if let Some(slot) = &self.slot {
            slot.endpoint().record.ends.count(self.end);
        }
        let line = || Line {
            peer: self.peer,
            upstream: self.upstream.clone(),
            end: self.end,
            sent: self.sent.get(),
            received: self.received.get(),
            took,
        };
        log.write(self.end.row().is_error, line, stats);
    }
}
