//! Threads that serve: each has a runtime, a listener and connections to upstreams of its own, so that
//! a request never leaves the core on which it arrived.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::Socket;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::connection::ClientIo;
use crate::gateway::{Client, Gateway};
use crate::listener;
use crate::shutdown::{Phases, Work};
use crate::stats::{Gauge, Stats, count};

/// How often idle connections to upstreams are looked at.
const REAP_EVERY: Duration = Duration::from_secs(1);
/// `EX_SOFTWARE` of sysexits.h: a thread is gone that must not be.
const EXIT_WORKER_LOST: i32 = 70;

pub struct Worker {
    pub index: usize,
    pub listener: Socket,
    pub gateway: Box<dyn FnOnce() -> Gateway + Send>,
    pub stats: Arc<Stats>,
    pub phases: Phases,
    /// How many connections it may have at once.
    pub connections: usize,
    /// Dropped when the worker has ended.
    pub alive: Work,
}

impl Worker {
    /// Starts the thread. It returns how many connections had to be aborted.
    pub fn start(self) -> io::Result<JoinHandle<usize>> {
        let name = format!("worker-{}", self.index);
        std::thread::Builder::new().name(name).spawn(move || {
            let guard = ExitGuard;
            let aborted = crate::local_runtime().and_then(|runtime| runtime.block_on(self.run()));
            match aborted {
                Ok(aborted) => {
                    std::mem::forget(guard);
                    aborted
                }
                Err(error) => {
                    tracing::error!(%error, "a worker failed");
                    drop(guard);
                    0
                }
            }
        })
    }

    async fn run(self) -> io::Result<usize> {
        let listener = TcpListener::from_std(self.listener.into())?;
        let acceptor = Acceptor {
            gateway: Rc::new((self.gateway)()),
            stats: self.stats,
            phases: self.phases.clone(),
            room: Arc::new(Semaphore::new(self.connections.min(Semaphore::MAX_PERMITS))),
        };
        let reaper = spawn_local(reap(Rc::clone(&acceptor.gateway)));
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
        reaper.abort();
        drop(self.alive);
        Ok(aborted)
    }
}

struct Acceptor {
    gateway: Rc<Gateway>,
    stats: Arc<Stats>,
    phases: Phases,
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
        let client = Client {
            peer: peer.ip(),
            exchange: Arc::default(),
            open: Gauge::new(&self.stats, |stats| &stats.connections),
            permit,
            work,
        };
        let gateway = Rc::clone(&self.gateway);
        let (stats, phases) = (Arc::clone(&self.stats), self.phases.clone());
        spawn_local(async move {
            match converse(gateway, stream, client, phases).await {
                Err(error) if error.is_parse() => count(&stats.refused_by_parser),
                Err(error) if is_late(&error) => count(&stats.clients_timed_out),
                _ => {}
            }
        });
    }
}

/// Serves one connection to its end.
async fn converse(
    gateway: Rc<Gateway>,
    stream: TcpStream,
    client: Client,
    mut phases: Phases,
) -> hyper::Result<()> {
    let config = Arc::clone(&gateway.routes().config);
    let exchange = Arc::clone(&client.exchange);
    let io = ClientIo::new(stream, &config.timeouts, Arc::clone(&exchange));
    let client = Rc::new(client);
    let service = service_fn(move |request| {
        client.exchange.begin();
        Rc::clone(&gateway).respond(request, Rc::clone(&client))
    });
    let connection = builder(&config).serve_connection(TokioIo::new(io), service).with_upgrades();
    let mut connection = pin!(connection);
    let closing = async {
        let left = phases.closing().await;
        // A request that has arrived but was not read yet makes the connection busy.
        yield_now().await;
        left
    };
    let left = tokio::select! {
        biased;
        outcome = &mut connection => return outcome,
        left = closing => left,
    };
    // An idle connection ends here. A client that has just connected or begun a head believes that it is
    // served, where hyper would close: its answer ends the connection, or the time for a head does.
    if exchange.is_awaited()
        && let Ok(outcome) = timeout(left / 2, &mut connection).await
    {
        return outcome;
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

fn builder(config: &Config) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // A client that has closed its side gets no answer: it can't be told from one that has gone.
        .half_close(false)
        // `ClientIo` does it.
        .header_read_timeout(None)
        .max_buf_size(config.limits.header_bytes)
        .max_headers(config.limits.headers)
        // With it, what the parser answers to a head that is too large would never be sent.
        .pipeline_flush(false)
        // One write of head and small body costs less than a vector of two.
        .writev(false);
    builder
}

async fn reap(gateway: Rc<Gateway>) {
    loop {
        sleep(REAP_EVERY).await;
        let routes = gateway.routes();
        let endpoints = routes.clusters.iter().flat_map(|cluster| &cluster.endpoints);
        endpoints.for_each(|endpoint| endpoint.pool.reap(routes.config.upstream.idle));
    }
}

/// Whether `ClientIo` has ended it.
fn is_late(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut)
}

/// Ends the process when a worker does not get to its end: connections to its listener would wait for
/// ever.
struct ExitGuard;

impl Drop for ExitGuard {
    fn drop(&mut self) {
        tracing::error!("a worker thread is lost");
        std::process::exit(EXIT_WORKER_LOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_takes_little_before_anything_is_read() {
        let bytes = size_of_future(converse);
        assert!(bytes <= 1_536, "{bytes} bytes");
    }
}
