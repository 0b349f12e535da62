//! The ingest in this process, upstreams that do as they are told, and clients that speak in bytes.

#![allow(dead_code, unused_imports, reason = "each test uses its part")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]
pub mod api;
pub mod device;
pub mod process;
mod upstream;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use socket2::{Domain, Socket, Type};

use stream_ingest::config::{Config, LogLevel};
pub use stream_ingest::delivery;
pub use stream_ingest::ingest::end::End;
pub use stream_ingest::service::Service;
pub use stream_ingest::settings::Current;
pub use stream_ingest::shutdown::{Phase, Switch};
pub use stream_ingest::stats::Stats;
pub use stream_ingest::tally::Tally;
use stream_ingest::telemetry;

pub use self::upstream::*;

/// Longer than anything here takes, so that what hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_stream-ingest");

/// Of the names of metrics.
pub const PREFIX: &str = "stream_ingest";

/// Settings for free ports and one worker, with others on top.
pub fn config(settings: &str) -> Config {
    let own = "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n";
    let workers = if settings.contains("workers") { "" } else { "workers = 1\n" };
    let letters = letters();
    let text = format!("{own}dead_letter.path = {letters:?}\n{workers}{settings}");
    Config::parse(&text).unwrap()
}

/// A file for the dead letters of one service.
pub fn letters() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("dead-letters-{}-{number}.jsonl", std::process::id());
    format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"))
}

/// Starts the ingest.
pub fn start(settings: &str) -> Service {
    run(config(settings), false).unwrap()
}

/// Starts the ingest where another may be.
pub fn start_at(address: SocketAddr, takeover: bool) -> io::Result<Service> {
    run(Config { listen: address, ..config("") }, takeover)
}

pub fn run(config: Config, takeover: bool) -> io::Result<Service> {
    let (_, level) = telemetry::subscriber(LogLevel::Info);
    Service::start(config, level, Arc::default(), takeover)
}

/// An address that answers nothing to those who want to connect, as long as the sockets live: the queue
/// of its listener is full.
pub fn crowded() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut sockets = vec![listener];
    loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let connected = socket.connect_timeout(&address, Duration::from_millis(200));
        sockets.push(socket);
        if connected.is_err() {
            return (address.as_socket().unwrap(), sockets);
        }
    }
}

/// An address at which nobody listens. It is taken, so that no other test comes to listen there.
pub fn closed_port() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// A value of `/metrics`, by its whole name; without labels the sum of all that have that name.
pub fn metric(service: &Service, name: &str) -> u64 {
    metric_of(service.admin, name)
}

pub fn metric_of(admin: SocketAddr, name: &str) -> u64 {
    let text = get(admin, "/metrics").body;
    let whole = format!("{PREFIX}_{name}");
    let is_meant =
        |series: &str| series == whole || series.split('{').next() == Some(whole.as_str());
    let samples = text.lines().filter_map(|line| line.rsplit_once(' '));
    let meant = samples.filter(|(series, _)| is_meant(series));
    meant.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
}

/// Waits for what happens on other threads.
pub fn until(condition: impl Fn() -> bool) {
    let began = SystemTime::now();
    while !condition() {
        assert!(began.elapsed().unwrap() < PATIENCE, "it does not happen");
        std::thread::yield_now();
    }
}

/// Waits for what is asynchronous about a ingest.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

pub fn take_head(stream: &mut impl Read, pending: &mut Vec<u8>) -> io::Result<String> {
    loop {
        if let Some(end) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<_> = pending.drain(..end + 4).collect();
            return Ok(String::from_utf8_lossy(&head).into_owned());
        }
        more(stream, pending)?;
    }
}

fn take_chunks(stream: &mut impl Read, pending: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = pending.windows(2).position(|window| window == b"\r\n") else {
            more(stream, pending)?;
            continue;
        };
        let line: Vec<_> = pending.drain(..end + 2).collect();
        let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).unwrap();
        body.extend(take(stream, pending, size)?);
        take(stream, pending, 2)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

pub fn take(stream: &mut impl Read, pending: &mut Vec<u8>, count: usize) -> io::Result<Vec<u8>> {
    while pending.len() < count {
        more(stream, pending)?;
    }
    Ok(pending.drain(..count).collect())
}

fn more(stream: &mut impl Read, pending: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 8_192];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            pending.extend(buffer.iter().take(count));
            Ok(())
        }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A client that sends what it is told.
pub struct Client {
    pub stream: TcpStream,
    pending: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::from(TcpStream::connect(address).unwrap())
    }

    pub fn from(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, pending: Vec::new() }
    }

    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        self.try_send(text).unwrap();
    }

    pub fn try_send(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(text.as_ref())
    }

    /// Whether the other side has read all that was sent, as Linux tells it, or has gone.
    pub fn is_read(&self) -> bool {
        let port = |address: SocketAddr| format!(":{:04X}", address.port());
        let own = port(self.stream.local_addr().unwrap());
        let Ok(peer) = self.stream.peer_addr() else {
            return true;
        };
        let other = port(peer);
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        // Of each socket: its number, address, peer, state and "unacknowledged:unread" bytes.
        sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).all(|socket| {
            match socket.as_slice() {
                [_, from, to, _, queues, ..] if from.ends_with(&own) && to.ends_with(&other) => {
                    queues.starts_with("00000000:")
                }
                [_, from, to, _, queues, ..] if from.ends_with(&other) && to.ends_with(&own) => {
                    queues.ends_with(":00000000")
                }
                _ => true,
            }
        })
    }

    /// The next answer, whole.
    pub fn answer(&mut self) -> io::Result<Answer> {
        read_answer(&mut self.stream, &mut self.pending)
    }

    /// Whether this time passes without a byte or an end.
    pub fn is_quiet(&self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let heard = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        heard.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// So many bytes.
    pub fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        take(&mut self.stream, &mut self.pending, count)
    }

    /// Whatever comes until the connection ends, or how it broke.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.pending);
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }
}

/// The next answer that comes on a connection.
pub fn read_answer(stream: &mut impl Read, pending: &mut Vec<u8>) -> io::Result<Answer> {
    let head = take_head(stream, pending)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: String::new() };
    let body = if status < 200 {
        Vec::new()
    } else if answer.header("transfer-encoding").is_some() {
        take_chunks(stream, pending)?
    } else {
        let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
        take(stream, pending, length)?
    };
    answer.body = String::from_utf8_lossy(&body).into_owned();
    Ok(answer)
}

/// The answer to one request on a connection of its own.
pub fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    let mut client = Client::connect(address);
    client.send(request);
    client.answer().unwrap()
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"))
}
