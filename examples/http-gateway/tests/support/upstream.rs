//! Upstreams that answer requests as they are told.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{Client, Service, closed_port, metric, start, take, take_chunks, take_head};

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// The setting of a cluster whose endpoints are checked.
pub const CHECKED: &str = "health_path = \"/\"\n";

/// The metric of what a drain waits for.
pub const UNDER_WAY: &str = "in_flight";

/// Whether a service answers, from whatever it forwards to.
pub fn serves(address: SocketAddr) -> bool {
    let mut client = Client::connect(address);
    client.try_send(GET).and_then(|()| client.answer()).is_ok_and(|answer| answer.status == 200)
}

/// Begins what does not end by itself.
pub fn hold(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.send(GET);
    client.answer().unwrap();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nhe");
    client
}

/// Whether nothing is under way.
pub fn is_idle(service: &Service) -> bool {
    metric(service, "connections") == 0 && metric(service, "in_flight") == 0
}

/// Settings with which everything goes to these addresses. Those of the cluster come last.
pub fn forwarding(addresses: &[SocketAddr], settings: &str) -> String {
    format!("{settings}\n{}", routed_to(addresses))
}

/// A service that has counted everything that there is to count, with more settings of its cluster.
pub fn with_every_metric(more: &str) -> Service {
    let service = start(&(routed_to(&[closed_port()]) + more));
    assert!(!serves(service.address));
    service
}

/// Starts a gateway that forwards everything to these upstreams.
pub fn start_before(upstreams: &[&Upstream], settings: &str) -> Service {
    let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.address).collect();
    start(&format!("{settings}\n{}", routed_to(&addresses)))
}

/// A route for everything to one cluster.
pub fn routed_to(addresses: &[SocketAddr]) -> String {
    let endpoints: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
    let route = "[[route]]\npath_prefix = \"/\"\ncluster = \"all\"\n";
    format!("{route}[cluster.all]\nendpoints = {endpoints:?}\n")
}

/// What an upstream does with a request.
pub enum Reply {
    Keep(String),
    Close(String),
    /// Not a byte until the other side ends the connection.
    Silence,
    /// Sends back whatever comes.
    Echo(String),
}

#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = self.headers.iter().find(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

pub struct Upstream {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Upstream {
    /// Listens until the tests end.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            ended: Arc::default(),
        };
        let (requests, connections, ended) = (
            Arc::clone(&upstream.requests),
            Arc::clone(&upstream.connections),
            Arc::clone(&upstream.ended),
        );
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                connections.fetch_add(1, Ordering::Relaxed);
                let (requests, ended) = (Arc::clone(&requests), Arc::clone(&ended));
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    // A connection that ends in the middle of something is the gateway's to judge.
                    let _ = stream.and_then(|stream| serve(stream, &requests, &*answer));
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        upstream
    }

    /// One that serves whatever it is asked for.
    pub fn well() -> Self {
        Self::ok()
    }

    pub fn ok() -> Self {
        Self::start(|_| Reply::Keep(OK.to_owned()))
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Of these connections those that are closed.
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }
}

fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<Request>>,
    answer: &dyn Fn(&Request) -> Reply,
) -> io::Result<()> {
    let mut pending = Vec::new();
    loop {
        let request = read_request(&mut stream, &mut pending)?;
        let reply = answer(&request);
        requests.lock().unwrap().push(request);
        match reply {
            Reply::Keep(text) => stream.write_all(text.as_bytes())?,
            Reply::Close(text) => return stream.write_all(text.as_bytes()),
            Reply::Silence => return stream.read_to_end(&mut pending).map(drop),
            Reply::Echo(text) => {
                stream.write_all(text.as_bytes())?;
                io::copy(&mut stream.try_clone()?, &mut stream)?;
                return Ok(());
            }
        }
    }
}

pub fn read_request(stream: &mut impl Read, pending: &mut Vec<u8>) -> io::Result<Request> {
    let head = take_head(stream, pending)?;
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let mut request = Request {
        line,
        headers: lines.filter(|line| !line.is_empty()).map(header).collect(),
        body: Vec::new(),
    };
    request.body = if request.header("transfer-encoding").is_some() {
        take_chunks(stream, pending)?
    } else {
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        take(stream, pending, length)?
    };
    Ok(request)
}
