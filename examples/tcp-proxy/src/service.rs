//! The whole process but its signals: started, reloaded and drained here, by `main` and by tests alike.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::sleep;

use crate::access_log::AccessLog;
use crate::admin::Admin;
use crate::config::Config;
use crate::demo;
use crate::listener;
use crate::metrics::Metrics;
use crate::runtime::Worker;
use crate::settings::Current;
use crate::shutdown::{Ended, Phase, Switch, Work};
use crate::tcp::Proxy;
use crate::telemetry::Level;

/// A service that is running.
pub struct Service {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub metrics: Metrics,
    current: Arc<Current>,
    switch: Switch,
    workers: Vec<JoinHandle<usize>>,
    ended: Ended,
    log_thread: JoinHandle<()>,
    admin_thread: JoinHandle<()>,
}

impl Service {
    /// Binds, then starts every thread. `takeover` binds beside a process that still serves.
    pub fn start(
        mut config: Config,
        level: Level,
        panics: Arc<AtomicU64>,
        takeover: bool,
    ) -> io::Result<Self> {
        let (switch, phases) = Switch::new();
        let admin_listener = TcpListener::bind(config.admin.listen)
            .map_err(|error| at("admin.listen", config.admin.listen, &error))?;
        admin_listener.set_nonblocking(true)?;
        let count = match config.workers {
            0 => std::thread::available_parallelism()?.get(),
            count => count,
        };
        let listeners = listener::bind(config.listen, count, takeover)
            .map_err(|error| at("listen", config.listen, &error))?;
        let address = listeners.first().map(socket2::Socket::local_addr).transpose()?;
        let address = address.and_then(|address| address.as_socket()).unwrap_or(config.listen);
        let demo = config.wants_demo();
        if demo {
            demo::start(&mut config, &phases)?;
        }
        let (log, log_thread) = AccessLog::start(config.access_log, seed())?;
        let connections = config.limits.connections.div_ceil(count);
        let current = Arc::new(Current::new(config, count));
        let metrics = Metrics::new(count, Arc::clone(&current), panics);
        let admin = admin_listener.local_addr()?;
        let admin_thread = Admin::new(metrics.clone(), level, Arc::clone(&current), phases.clone())
            .start(admin_listener)?;
        let (alive, ended) = Work::new();
        let mut workers = Vec::with_capacity(count);
        for (index, (listener, stats)) in listeners.into_iter().zip(&metrics.workers).enumerate() {
            let proxy = {
                let (current, stats, log) =
                    (Arc::clone(&current), Arc::clone(stats), log.another(seed()));
                let seed = seed();
                move || Proxy::start(current, index, count, stats, log, seed)
            };
            let worker = Worker {
                index,
                listener,
                proxy: Box::new(proxy),
                stats: Arc::clone(stats),
                phases: phases.clone(),
                connections,
                alive: alive.clone(),
            };
            workers.push(worker.start()?);
        }
        tracing::info!(%address, %admin, workers = count, "serving");
        if demo {
            let what_to_try = demo::what_to_try(address);
            tracing::info!("no clusters: two built-in upstreams answer; try {what_to_try}");
        }
        Ok(Self {
            address,
            admin,
            metrics,
            current,
            switch,
            workers,
            ended,
            log_thread,
            admin_thread,
        })
    }

    /// Takes other settings into use. Listeners, workers, limits of connections and the log stay, and with
    /// nowhere else to go connections go where they went: only a start brings the built-in upstreams.
    pub fn reload(&self, mut config: Config) {
        if config.wants_demo() {
            config.forward_like(&self.current.load().config);
        }
        self.current.replace(config);
    }

    /// Counts settings that were not valid, and not taken.
    pub fn refuse(&self) {
        self.current.refused.fetch_add(1, Relaxed);
    }

    /// Ends the service without losing a connection that can end in time: the number of connections
    /// that had to be aborted.
    pub async fn drain(mut self, delay: Duration, left: Duration) -> io::Result<usize> {
        self.switch.turn_to(Phase::Draining);
        tracing::info!(?delay, "draining: not ready any more");
        sleep(delay).await;
        self.switch.turn_to(Phase::Closing(left));
        tracing::info!(timeout = ?left, "draining: listeners close");
        self.ended.wait().await;
        let mut aborted = 0;
        for worker in self.workers {
            aborted += joined(worker)?;
        }
        joined(self.log_thread)?;
        self.switch.turn_to(Phase::Stopped);
        joined(self.admin_thread)?;
        Ok(aborted)
    }
}

/// What is chosen by chance is chosen otherwise by each worker and process.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn joined<T>(thread: JoinHandle<T>) -> io::Result<T> {
    thread.join().map_err(|_| io::Error::other("a thread has panicked"))
}

fn at(setting: &str, address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{setting} {address}: {error}"))
}
