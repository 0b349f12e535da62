//! The phases of a process, told to every thread, and what is waited for before the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    Running,
    /// Not ready any more, but serving.
    Draining,
    /// Listeners are closed; what is under way has this long to complete.
    Closing(Duration),
    /// The admin listener may close, too.
    Stopped,
}

/// Takes the process from one phase to the next.
pub struct Switch {
    phase: watch::Sender<Phase>,
    running: Arc<AtomicBool>,
}

/// What one thread knows of the phase.
#[derive(Clone, Debug)]
pub struct Phases {
    phase: watch::Receiver<Phase>,
    running: Arc<AtomicBool>,
}

impl Switch {
    pub fn new() -> (Self, Phases) {
        let (sender, receiver) = watch::channel(Phase::Running);
        let running = Arc::new(AtomicBool::new(true));
        let phases = Phases { phase: receiver, running: Arc::clone(&running) };
        (Self { phase: sender, running }, phases)
    }

    /// To another phase than the first.
    pub fn turn_to(&self, phase: Phase) {
        self.running.store(false, Ordering::SeqCst);
        self.phase.send_replace(phase);
    }
}

impl Phases {
    /// Asked often, so it takes no lock.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }

    /// Waits until listeners close; returns the time that is left then.
    pub async fn closing(&mut self) -> Duration {
        let closing = |phase: &Phase| matches!(phase, Phase::Closing(_) | Phase::Stopped);
        match self.phase.wait_for(closing).await.as_deref() {
            Ok(Phase::Closing(timeout)) => *timeout,
            _ => Duration::ZERO,
        }
    }

    /// Waits for the very end.
    pub async fn stopped(&mut self) {
        // The sender gone is an end as well.
        let _ = self.phase.wait_for(|phase| *phase == Phase::Stopped).await;
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
