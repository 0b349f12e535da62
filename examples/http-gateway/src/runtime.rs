//! Threads that serve: each has a runtime, a listener and connections to upstreams of its own, so that
//! a request never leaves the core on which it arrived.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use socket2::Socket;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::gateway::Gateway;
use crate::listener;
use crate::shutdown::{Phases, Work};
use crate::stats::{Gauge, Stats, count};
use crate::vital;

pub struct Worker {
    pub index: usize,
    pub listener: Socket,
    /// Called on the thread of the worker.
    pub gateway: Box<dyn FnOnce() -> Rc<Gateway> + Send>,
    pub stats: Arc<Stats>,
    pub phases: Phases,
    /// How many connections it may have at once.
    pub connections: usize,
    /// Dropped when the worker has ended.
    pub alive: Work,
}

impl Worker {
    /// Starts the thread, and waits until it serves. It returns how many connections had to be aborted.
    pub fn start(self) -> io::Result<JoinHandle<usize>> {
        let name = format!("worker-{}", self.index);
        let (started, is_started) = mpsc::channel::<()>();
        let thread = vital::spawn(&name, || {
            crate::local_runtime().and_then(|runtime| runtime.block_on(self.run(started)))
        })?;
        // It has the descriptors then that it can't do without, and connections may take the others.
        let _ = is_started.recv();
        Ok(thread)
    }

    async fn run(self, started: mpsc::Sender<()>) -> io::Result<usize> {
        let listener = TcpListener::from_std(self.listener.into())?;
        drop(started);
        let acceptor = Acceptor {
            gateway: (self.gateway)(),
            stats: self.stats,
            room: Arc::new(Semaphore::new(self.connections.min(Semaphore::MAX_PERMITS))),
        };
        let (work, mut ended) = Work::new();
        let mut phases = self.phases;
        let left = {
            let mut closing = pin!(phases.closing());
            loop {
                tokio::select! {
                    left = &mut closing => break left,
                    (stream, peer, permit) = acceptor.accept(&listener) => {
                        acceptor.serve(stream, peer, Some(permit), work.clone());
                    }
                }
            }
        };
        for (stream, peer) in listener::take_queued(listener) {
            acceptor.serve(stream, peer, None, work.clone());
        }
        drop(work);
        let aborted = match timeout(left, ended.wait()).await {
            Ok(()) => 0,
            Err(_) => ended.pending(),
        };
        drop(self.alive);
        Ok(aborted)
    }
}

/// What a connection of a client holds for as long as it lives.
pub struct Place {
    pub open: Gauge,
    /// None for those that were accepted last of all, whatever the limit.
    pub permit: Option<OwnedSemaphorePermit>,
    pub work: Work,
}

struct Acceptor {
    gateway: Rc<Gateway>,
    stats: Arc<Stats>,
    room: Arc<Semaphore>,
}

impl Acceptor {
    /// Waits for room, then for a connection.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else {
            std::future::pending().await
        };
        let failed = |_: &io::Error| count(&self.stats.accept_errors);
        let (stream, peer) = listener::accept(listener, failed).await;
        (stream, peer, permit)
    }

    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: Option<OwnedSemaphorePermit>,
        work: Work,
    ) {
        count(&self.stats.accepted);
        let open = Gauge::new(&self.stats, |stats| &stats.connections);
        let place = Place { open, permit, work };
        spawn_local(Rc::clone(&self.gateway).converse(stream, peer, place));
    }
}
