//! Upstreams that do with a connection what they are told.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;

use super::{Client, Config, Service, closed_port, config, metric, run, start, until};

/// The setting of a cluster whose endpoints are checked.
pub const CHECKED: &str = "health_check = true\n";

/// The metric of what a drain waits for.
pub const UNDER_WAY: &str = "connections";

/// Whether a service passes on what it is sent, to whatever echoes it.
pub fn serves(address: SocketAddr) -> bool {
    let mut client = Client::connect(address);
    client.try_send("hello").is_ok() && client.take(5).is_ok_and(|bytes| bytes == b"hello")
}

/// Begins what does not end by itself.
pub fn hold(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.send("hello");
    client.take(5).unwrap();
    client
}

/// Ends a connection as a process that is killed with unread bytes does.
pub fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Whether nothing is under way.
pub fn is_idle(service: &Service) -> bool {
    metric(service, "connections") == 0
}

/// Settings with which everything goes to these addresses. Those of the cluster come last.
pub fn forwarding(addresses: &[SocketAddr], settings: &str) -> String {
    let endpoints: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
    format!("forward = \"all\"\n{settings}\n[cluster.all]\nendpoints = {endpoints:?}\n")
}

/// A service that has counted everything that there is to count, with more settings of its cluster.
pub fn with_every_metric(more: &str) -> Service {
    let upstream = Upstream::echo();
    let addresses = [upstream.address, closed_port()];
    let settings = forwarding(&addresses, "") + "balance = \"round_robin\"\n" + more;
    let service = start(&settings);
    (0..2).for_each(|_| assert!(serves(service.address)));
    until(|| is_idle(&service));
    service
}

/// Starts a proxy before these upstreams.
pub fn start_before(upstreams: &[&Upstream], settings: &str) -> Service {
    let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.address).collect();
    start(&forwarding(&addresses, settings))
}

/// Starts a proxy on an address of its own.
pub fn start_on(listen: &str, settings: &str) -> Service {
    let listen = listen.parse().unwrap();
    run(Config { listen, ..config(settings) }, false).unwrap()
}

pub struct Upstream {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Listens until the tests end, and has each connection served on a thread of its own.
    pub fn start(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (serve, counter) = (Arc::new(serve), Arc::clone(&connections));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                counter.fetch_add(1, Ordering::Relaxed);
                let serve = Arc::clone(&serve);
                // One that breaks is the proxy's to judge.
                std::thread::spawn(move || drop(stream.and_then(|stream| serve(stream))));
            }
        });
        Self { address, connections }
    }

    /// One that serves whatever it is asked for.
    pub fn well() -> Self {
        Self::echo()
    }

    /// Sends back what comes, and ends when that does.
    pub fn echo() -> Self {
        Self::start(|mut stream| io::copy(&mut stream.try_clone()?, &mut stream).map(drop))
    }

    /// Says so, and nothing else until the other side has ended.
    pub fn saying(text: &'static str) -> Self {
        Self::start(move |mut stream| {
            stream.write_all(text.as_bytes())?;
            stream.read_to_end(&mut Vec::new()).map(drop)
        })
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}
