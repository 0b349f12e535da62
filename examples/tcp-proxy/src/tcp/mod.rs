//! The way of one connection: to an endpoint, through in both directions, and to its end.

mod buffer;
pub mod check;
pub mod demo;
pub mod end;
pub mod line;
pub mod metrics;
mod passed;
pub mod preface;
mod relay;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use self::buffer::Room;
use self::end::End;
use self::passed::Passed;
use self::relay::{Relay, relay};
use crate::access_log::AccessLog;
use crate::config::{self, Config};
use crate::listener;
use crate::runtime::Place;
use crate::settings::{Current, Settings};
use crate::stats::{Stats, count};
use crate::upstream::budget::Budget;
use crate::upstream::{Cluster, Endpoint, Nowhere, Slot};

/// One worker's share of the proxy.
pub struct Proxy {
    current: Arc<Current>,
    target: RefCell<Rc<Target>>,
    worker: usize,
    workers: usize,
    stats: Arc<Stats>,
    log: AccessLog,
    seed: u64,
}

/// Where connections go. Made anew when the settings change; those that are open keep theirs.
struct Target {
    settings: Arc<Settings>,
    config: Arc<Config>,
    cluster: Cluster,
    /// Whether connections begin with the header of the PROXY protocol.
    preface: bool,
    budget: Budget,
    room: Room,
}

/// A socket that ends in a reset, where a close would look like the end that the other side never sent.
struct Side {
    stream: TcpStream,
    ended: bool,
}

impl Proxy {
    /// On the thread of its worker.
    pub fn start(
        current: Arc<Current>,
        worker: usize,
        workers: usize,
        stats: Arc<Stats>,
        log: AccessLog,
        seed: u64,
    ) -> Rc<Self> {
        let target = Target::new(Arc::clone(&current.load()), worker, workers, &stats, seed);
        let target = RefCell::new(Rc::new(target));
        Rc::new(Self { current, target, worker, workers, stats, log, seed })
    }

    /// The settings in force and what follows from them.
    fn target(&self) -> Rc<Target> {
        let now = self.current.load();
        let mut target = self.target.borrow_mut();
        if !Arc::ptr_eq(&now, &target.settings) {
            let settings = Arc::clone(&now);
            *target =
                Rc::new(Target::new(settings, self.worker, self.workers, &self.stats, self.seed));
        }
        Rc::clone(&target)
    }

    /// Serves a connection to its end.
    pub async fn converse(self: Rc<Self>, stream: TcpStream, peer: SocketAddr, place: Place) {
        let mut client = Side::new(stream);
        let mut passed = Passed::new(Rc::clone(&self), peer, place);
        let end = match self.pass(&mut client, &mut passed).await {
            Ok(end) | Err(end) => end,
        };
        passed.end = end;
    }

    async fn pass(&self, client: &mut Side, passed: &mut Passed) -> Result<End, End> {
        let target = self.target();
        let (stream, slot) = self.connect(&target, passed).await?;
        let (mut upstream, record) = (Side::new(stream), Arc::clone(&slot.endpoint().record));
        passed.slot = Some(slot);
        if target.preface {
            let within = target.config.upstream.connect;
            let announced = timeout(within, announce(client, &mut upstream, passed.peer)).await;
            announced.map_err(|_| End::UpstreamReset)?.map_err(|_| End::UpstreamReset)?;
        }
        let ends = Relay {
            idle: target.config.timeouts.idle,
            room: &target.room,
            sent: (&record.sent, &passed.sent),
            received: (&record.received, &passed.received),
        };
        let end = relay(&mut client.stream, &mut upstream.stream, ends).await;
        let is_whole = matches!(end, End::ClientClosed | End::UpstreamClosed);
        (client.ended, upstream.ended) = (is_whole, is_whole);
        Ok(end)
    }

    /// A connection to an endpoint; when that fails, one more try on another.
    async fn connect(
        &self,
        target: &Target,
        passed: &mut Passed,
    ) -> Result<(TcpStream, Slot), End> {
        let config = &target.config;
        target.budget.deposit();
        let mut tried: Option<(Rc<Endpoint>, End)> = None;
        loop {
            let before = tried.as_ref().map(|(endpoint, _)| endpoint);
            let endpoint = target.cluster.pick(before, config.upstream.max_connections);
            let endpoint = endpoint.map_err(|nowhere| match (&tried, nowhere) {
                // What went wrong first says more than that there is nobody else.
                (Some((_, end)), _) => *end,
                (None, Nowhere::Unhealthy) => End::NoHealthyEndpoint,
                (None, Nowhere::Full) => End::Overloaded,
            })?;
            passed.upstream = Some(Arc::clone(endpoint.address()));
            let slot = Slot::new(Rc::clone(&endpoint));
            let began = Instant::now();
            let connecting = TcpStream::connect(&**endpoint.address());
            let end = match timeout(config.upstream.connect, connecting).await {
                Ok(Ok(stream)) => {
                    let now = Instant::now();
                    target.cluster.answered(&endpoint, now, now - began);
                    attend(&stream);
                    return Ok((stream, slot));
                }
                Ok(Err(error)) if listener::is_own(&error) => End::Overloaded,
                Ok(Err(_)) => End::ConnectRefused,
                Err(_) => End::ConnectTimeout,
            };
            endpoint.record.causes.count(end);
            if end != End::Overloaded {
                target.cluster.failed(&endpoint, began.elapsed(), end.row().name, &config.outlier);
            }
            if tried.is_some() || !target.budget.withdraw() {
                return Err(end);
            }
            count(&self.stats.retries);
            tried = Some((endpoint, end));
        }
    }
}

impl Target {
    fn new(
        settings: Arc<Settings>,
        worker: usize,
        workers: usize,
        stats: &Arc<Stats>,
        seed: u64,
    ) -> Self {
        let config = Arc::clone(&settings.config);
        let nowhere = config::Cluster::default();
        let (name, cluster) = config.target().unwrap_or(("", &nowhere));
        Self {
            cluster: Cluster::new(name, cluster, &settings, worker, seed),
            preface: cluster.proxy_protocol,
            budget: Budget::new(&config.retry, workers),
            room: Room::new(config.limits.buffer_bytes / workers, stats),
            config,
            settings,
        }
    }
}

impl Side {
    fn new(stream: TcpStream) -> Self {
        Self { stream, ended: false }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if !self.ended {
            // If the kernel refuses, the connection is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

/// What holds for accepted connections, for one that was made. A socket that refuses works all the same.
fn attend(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_keepalive(&listener::keepalive());
}

/// Tells an upstream whose connection it is.
async fn announce(client: &Side, upstream: &mut Side, peer: SocketAddr) -> io::Result<()> {
    let preface = preface::version_2(peer, client.stream.local_addr()?);
    upstream.stream.write_all(&preface).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_takes_little_beside_its_buffers() {
        let bytes = size_of_future(Proxy::converse);
        assert!(bytes <= 1_024, "{bytes} bytes");
    }
}
