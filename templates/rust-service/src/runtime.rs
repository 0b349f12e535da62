//! Threads that serve: each has a runtime, a listener and connections to upstreams of its own, so that
//! a request never leaves the core on which it arrived.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::connection::ClientIo;
use crate::gateway::{Client, Gateway};
use crate::shutdown::{Phases, Work};
use crate::stats::{Gauge, Stats, count};

/// What the kernel queues for a listener. Linux caps it at net.core.somaxconn.
const BACKLOG: i32 = 1_024;
/// How often idle connections to upstreams are looked at.
const REAP_EVERY: Duration = Duration::from_secs(1);
/// The first and the longest pause after accept found no descriptor or no memory.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// How long a client that was accepted as the listener closed may take to begin its request.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// `EX_SOFTWARE` of sysexits.h: a thread is gone that must not be.
const EXIT_WORKER_LOST: i32 = 70;

/// A listener for each worker, all on the same port.
pub fn bind(address: SocketAddr, workers: usize, takeover: bool) -> io::Result<Vec<Socket>> {
    if !takeover {
        // With SO_REUSEPORT a second process would take half of the connections in silence.
        socket(address)?.bind(&address.into())?;
    }
    let mut sockets = Vec::with_capacity(workers);
    let mut address = address;
    for _ in 0..workers {
        let socket = socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        // Port 0 has become one that was free.
        address = socket.local_addr()?.as_socket().unwrap_or(address);
        sockets.push(socket);
    }
    for socket in &sockets {
        socket.listen(BACKLOG)?;
    }
    Ok(sockets)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Linux hands it down to the connections that are accepted.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

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
            room: Arc::new(Semaphore::new(self.connections)),
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
        // Clients whose connection was made believe that they are served.
        let listener = listener.into_std()?;
        while let Ok((stream, peer)) = listener.accept() {
            stream.set_nonblocking(true)?;
            acceptor.serve(TcpStream::from_std(stream)?, peer, None, work.clone());
        }
        drop((listener, work));
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
        let mut pause = BACKOFF.0;
        loop {
            let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else {
                std::future::pending().await
            };
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer, permit),
                Err(error) => {
                    count(&self.stats.accept_errors);
                    if is_exhausted(&error) {
                        tracing::error!(%error, "can't accept connections");
                        sleep(pause).await;
                        pause = BACKOFF.1.min(pause * 2);
                    }
                }
            }
        }
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
            let outcome = converse(gateway, stream, client, phases).await;
            if outcome.is_err_and(|error| error.is_parse()) {
                count(&stats.refused_by_parser);
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
    let service =
        service_fn(move |request| Rc::clone(&gateway).respond(request, Rc::clone(&client)));
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
    // hyper closes at once where nothing was read yet, but the request may be on its way. Its answer
    // ends the connection.
    if !exchange.begun.load(Relaxed)
        && let Ok(outcome) = timeout(FIRST_REQUEST.min(left / 2), &mut connection).await
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
        let endpoints = routes.clusters.iter().flat_map(|(_, cluster)| &cluster.endpoints);
        endpoints.for_each(|endpoint| endpoint.pool.reap(routes.config.upstream.idle));
    }
}

/// Whether accepting again at once would only spin.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| exhausted.contains(&errno))
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
