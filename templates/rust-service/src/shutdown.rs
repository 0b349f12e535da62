//! The phases of a process, told to every thread, and what is waited for before the last.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    Running,
    /// Not ready any more, but serving; every answer ends its connection.
    Draining,
    /// Listeners are closed; what is under way has this long to complete.
    Closing(Duration),
    /// The admin listener may close, too.
    Stopped,
}

/// What one thread knows of the phase.
#[derive(Clone, Debug)]
pub struct Phases(watch::Receiver<Phase>);

impl Phases {
    pub fn new() -> (watch::Sender<Phase>, Self) {
        let (sender, receiver) = watch::channel(Phase::Running);
        (sender, Self(receiver))
    }

    pub fn now(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until listeners close; returns the time that is left then.
    pub async fn closing(&mut self) -> Duration {
        let closing = |phase: &Phase| matches!(phase, Phase::Closing(_) | Phase::Stopped);
        match self.0.wait_for(closing).await.as_deref() {
            Ok(Phase::Closing(timeout)) => *timeout,
            _ => Duration::ZERO,
        }
    }

    /// Waits for the very end.
    pub async fn stopped(&mut self) {
        // The sender gone is an end as well.
        let _ = self.0.wait_for(|phase| *phase == Phase::Stopped).await;
    }
}

/// Held by each piece of work that a drain waits for.
#[derive(Clone)]
pub struct Work(#[expect(dead_code, reason = "its end is what counts")] mpsc::Sender<()>);

/// Ends when every piece of work has.
pub struct Ended(mpsc::Receiver<()>);

impl Work {
    pub fn new() -> (Self, Ended) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Ended(receiver))
    }
}

impl Ended {
    pub async fn wait(&mut self) {
        while self.0.recv().await.is_some() {}
    }

    pub fn pending(&self) -> usize {
        self.0.sender_strong_count()
    }
}
