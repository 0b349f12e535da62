//! How long an endpoint leaves a request without an answer, also when the client does not wait for the end.

use std::rc::Rc;

use tokio::time::Instant;

use super::body::Progress;
use crate::upstream::Endpoint;
use crate::upstream::clock::Clock;

pub struct Wait<'a> {
    pub clock: Clock,
    pub endpoint: &'a Rc<Endpoint>,
    pub progress: &'a Progress,
    pub began: Instant,
    pub over: bool,
}

impl Wait<'_> {
    /// Something came of it. Tells since when it was the endpoint's turn.
    pub fn over(mut self) -> Instant {
        self.over = true;
        self.since()
    }

    /// How long a client takes to send a body tells nothing about the endpoint.
    fn since(&self) -> Instant {
        self.began.max(self.progress.last.get())
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if !self.over && self.progress.complete.get() {
            self.endpoint.record.unanswered(self.clock.now(), self.since().elapsed());
        }
    }
}
