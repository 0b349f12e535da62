//! Devices that speak in bytes, and APIs that do with a request what they are told.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::device::Device;
use super::{Service, closed_port, metric, start, take, take_head, until};

/// The setting of a cluster whose endpoints are checked.
pub const CHECKED: &str = "health_path = \"/v1/devices?limit=1\"\n";

/// The metric of what a drain waits for.
pub const UNDER_WAY: &str = "connections";

/// Settings with which nothing is ever stored.
pub const STUCK: &str = "cluster.nobody.endpoints = [\"127.0.0.1:1\"]\n";

/// Whether a reading that is sent to a service is acknowledged.
pub fn serves(address: SocketAddr) -> bool {
    let mut device = Device::connect(address, 42);
    let Ok(epoch) = device.try_hello() else {
        return false;
    };
    device.reading(epoch, 1, 1);
    device.next().is_ok_and(|frame| (frame.kind, frame.sequence) == (0x82, 1))
}

/// Begins what does not end by itself where nothing is stored.
pub fn hold(address: SocketAddr) -> Device {
    let mut device = Device::connect(address, 42);
    let epoch = device.hello();
    device.reading(epoch, 1, 1);
    // Frames are taken in order.
    device.hello();
    device
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
    let upstream = Upstream::well();
    let addresses = [upstream.address, closed_port()];
    let settings = forwarding(&addresses, "") + "balance = \"round_robin\"\n" + more;
    let service = start(&settings);
    (0..2).for_each(|_| assert!(serves(service.address)));
    until(|| is_idle(&service));
    service
}

/// Starts an ingest before these upstreams.
pub fn start_before(upstreams: &[&Upstream], settings: &str) -> Service {
    let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.address).collect();
    start(&forwarding(&addresses, settings))
}

/// A request, as its path and its body.
pub type Asked = (String, Value);

/// An API in this process.
pub struct Upstream {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Upstream {
    /// Listens until the tests end. Each request is answered as it is told.
    pub fn start(answer: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, all) = (Arc::new(answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, all) = (Arc::clone(&answer), Arc::clone(&all));
                // One that breaks is the service's to judge.
                std::thread::spawn(move || {
                    drop(stream.and_then(|stream| converse(stream, &*answer, &all)));
                });
            }
        });
        Self { address, asked }
    }

    /// One that stores whatever it is sent.
    pub fn well() -> Self {
        Self::start(|_| answered(200, "{}"))
    }

    /// How often it was sent readings.
    pub fn count(&self) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(path, _)| path == "/v1/readings").count()
    }

    /// The readings that it was sent, in the order in which they came.
    pub fn readings(&self) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        let lists = asked.iter().filter_map(|(_, body)| body["readings"].as_array());
        lists.flatten().cloned().collect()
    }

    /// The sequences of a device.
    pub fn sequences(&self, device: &str) -> Vec<u64> {
        let readings = self.readings().into_iter();
        let own = readings.filter(|reading| reading["device"] == device);
        own.map(|reading| reading["sequence"].as_u64().unwrap()).collect()
    }
}

fn converse(
    mut stream: TcpStream,
    answer: &dyn Fn(&Asked) -> String,
    all: &Mutex<Vec<Asked>>,
) -> io::Result<()> {
    let mut pending = Vec::new();
    loop {
        let head = take_head(&mut stream, &mut pending)?;
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
        let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.map_or(0, |(_, text)| text.parse().unwrap());
        let body = take(&mut stream, &mut pending, length)?;
        let asked = (path, serde_json::from_slice(&body).unwrap_or_default());
        let text = answer(&asked);
        all.lock().unwrap().push(asked);
        stream.write_all(text.as_bytes())?;
    }
}

/// An answer in bytes.
pub fn answered(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
