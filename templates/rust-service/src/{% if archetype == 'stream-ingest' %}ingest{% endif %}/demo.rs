//! What is built in for a start without a configuration: an API that takes all readings, and devices that send
//! some.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, interval, sleep};

use super::decoder::Decoder;
use super::frame::{Body, Frame, HELD, Order};
use crate::shutdown::Phases;
use crate::vital;

/// The numbers of the simulated devices.
pub const DEVICES: [u32; 3] = [1, 2, 3];

const PERIOD: Duration = Duration::from_millis(250);
/// Before a device connects again.
const PAUSE: Duration = Duration::from_secs(1);

/// For whoever has just started it.
pub fn what_to_try(admin: SocketAddr) -> String {
    format!("curl -s http://{admin}/metrics")
}

/// Serves one connection of an API that keeps nothing.
pub async fn store(stream: TcpStream) {
    let service = service_fn(answer);
    // A client that went away is no news.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let accepted = body.get("readings").and_then(Value::as_array).map_or(0, Vec::len);
    let answer = json!({"accepted": accepted, "duplicates": 0});
    Ok(Response::new(Full::from(answer.to_string())))
}

/// Starts devices that send readings to a listener until the process ends.
pub fn devices(address: SocketAddr, phases: &Phases) -> io::Result<()> {
    let mut phases = phases.clone();
    vital::spawn("devices", move || {
        crate::local_runtime()?.block_on(async move {
            for number in DEVICES {
                spawn_local(live(number, address));
            }
            phases.stopped().await;
            io::Result::Ok(())
        })
    })?;
    Ok(())
}

async fn live(number: u32, address: SocketAddr) {
    loop {
        // Whatever ends a connection, the next one may be better.
        if let Ok(stream) = TcpStream::connect(address).await {
            let _ = Device::boot(number).talk(stream).await;
        }
        sleep(PAUSE).await;
    }
}

/// As much of a device as it takes to see readings pass.
struct Device {
    number: u32,
    booted: Instant,
    /// Zero until it is welcomed.
    epoch: u64,
    welcomed: Instant,
    /// Readings that are not acknowledged: their numbers, times and values.
    held: VecDeque<(u32, Instant, i32)>,
    last: u32,
    acknowledged: bool,
}

impl Device {
    fn boot(number: u32) -> Self {
        let now = Instant::now();
        let held = VecDeque::new();
        Self { number, booted: now, epoch: 0, welcomed: now, held, last: 0, acknowledged: false }
    }

    async fn talk(mut self, mut stream: TcpStream) -> io::Result<()> {
        let (mut from, mut to) = stream.split();
        let (mut decoder, mut piece, mut out) = (Decoder::default(), [0; 256], Vec::new());
        let mut due = interval(PERIOD);
        self.hello(&mut out);
        loop {
            to.write_all(&out).await?;
            out.clear();
            tokio::select! {
                _ = due.tick() => self.measure(&mut out),
                count = from.read(&mut piece) => {
                    let mut bytes = piece.get(..count?).filter(|bytes| !bytes.is_empty());
                    let bytes = bytes.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?;
                    while let Some(block) = decoder.next_block(bytes) {
                        if let Ok((_, epoch, order)) = block.and_then(Order::parse) {
                            self.obey(epoch, order);
                        }
                    }
                }
            }
        }
    }

    fn hello(&self, out: &mut Vec<u8>) {
        let body = Body::Hello { uptime_ms: 0, reset_cause: 0, version: [0, 1, 0] };
        Frame { device: self.number, epoch: 0, sequence: 0, body }.encode(out);
    }

    fn obey(&mut self, epoch: u64, order: Order) {
        match order {
            Order::Welcome if self.epoch == 0 => {
                (self.epoch, self.welcomed) = (epoch, Instant::now());
            }
            Order::Ack { sequence } if epoch == self.epoch => {
                if !self.acknowledged {
                    self.acknowledged = true;
                    let device = format!("{:08x}", self.number);
                    tracing::info!(
                        device,
                        "the first reading of a simulated device is acknowledged"
                    );
                }
                self.held.retain(|(number, ..)| *number > sequence);
            }
            _ => {}
        }
    }

    /// Takes a reading, and sends all that are held.
    fn measure(&mut self, out: &mut Vec<u8>) {
        let seconds = self.booted.elapsed().as_secs_f64() + f64::from(self.number);
        #[expect(clippy::cast_possible_truncation, reason = "it is between 19 and 23 thousand")]
        let value = (21_000.0 + 2_000.0 * (seconds / 60.0).sin()) as i32;
        self.last += 1;
        self.held.push_back((self.last, Instant::now(), value));
        if self.held.len() > HELD as usize {
            self.held.pop_front();
        }
        let base = self.held.front().map_or(self.last, |(number, ..)| *number);
        for (sequence, at, value) in self.held.iter().filter(|_| self.epoch > 0) {
            let elapsed_ms = i64::try_from((*at - self.welcomed).as_millis()).unwrap_or(0);
            let body = Body::Reading { elapsed_ms, value: *value, base };
            let (device, epoch) = (self.number, self.epoch);
            Frame { device, epoch, sequence: *sequence, body }.encode(out);
        }
    }
}
