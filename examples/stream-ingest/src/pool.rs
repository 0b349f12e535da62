//! Idle connections to one endpoint. The one that was used last goes first, so that those which are
//! not needed grow old and are closed.

use std::cell::RefCell;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use crate::delivery::RequestBody;

pub type Sender = SendRequest<RequestBody>;

#[derive(Default)]
pub struct Pool(RefCell<Vec<(Sender, Instant)>>);

impl Pool {
    /// A connection that is open as far as is known here.
    pub fn checkout(&self, now: Instant, idle: Duration) -> Option<Sender> {
        let mut stack = self.0.borrow_mut();
        while let Some((sender, since)) = stack.pop() {
            if now.duration_since(since) >= idle {
                // Those below are older still.
                stack.clear();
            } else if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    pub fn checkin(&self, sender: Sender, most: usize) {
        let mut stack = self.0.borrow_mut();
        if stack.len() < most && !sender.is_closed() {
            stack.push((sender, Instant::now()));
        }
    }

    /// Closes what has been idle for too long.
    pub fn reap(&self, idle: Duration) {
        let mut stack = self.0.borrow_mut();
        stack.retain(|(sender, since)| since.elapsed() < idle && !sender.is_closed());
    }
}
