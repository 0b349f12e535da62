//! Devices that load an ingest, and the API that it passes their readings on to.
//!
//! ```text
//! load serve LISTEN                       an API that takes whatever it is sent
//! load ask INGEST                         one reading of one device, until it is acknowledged
//! load full INGEST DEVICES SECONDS        as many as are acknowledged; says how many, and how many a second
//! load even INGEST DEVICES RATE SECONDS   each device so many a second; says how many, and in µs after how
//!                                         long half, 99 of 100 and 999 of 1 000 were acknowledged
//! ```

#![expect(clippy::disallowed_methods, reason = "nothing else is served here")]

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use service::ingest::decoder::Decoder;
use service::ingest::frame::{Body, Frame, HELD, Order};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

/// For what is on its way at the end to be acknowledged.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", listen] => serve(listen.parse()?).await,
        ["ask", ingest] => ask(ingest.parse()?).await,
        ["full", ingest, devices, seconds] => {
            full(ingest.parse()?, devices.parse()?, seconds.parse()?).await
        }
        ["even", ingest, devices, rate, seconds] => {
            even(ingest.parse()?, devices.parse()?, rate.parse()?, seconds.parse()?).await
        }
        _ => bail!("usage: load serve|ask|full|even ADDRESS [DEVICES] [RATE] [SECONDS]"),
    }
}

async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.context("the address can't be had")?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream));
    }
}

/// Takes requests one after another; only their length is looked at.
async fn answer(mut stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            ensure!(stream.read_buf(&mut buffer).await? > 0, "no more requests");
        };
        let head = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
        let (_, length) = head.split_once("content-length: ").context("no length")?;
        let length: usize = length.split("\r\n").next().unwrap_or_default().parse()?;
        while buffer.len() < end + length {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "half a request");
        }
        buffer.drain(..end + length);
        stream.write_all(ANSWER).await?;
    }
}

async fn ask(ingest: SocketAddr) -> anyhow::Result<()> {
    let mut device = Device::welcomed(ingest, 0).await?;
    device.measure(Instant::now());
    device.send().await?;
    device.settle(Instant::now() + PATIENCE).await
}

async fn full(ingest: SocketAddr, devices: u32, seconds: u64) -> anyhow::Result<()> {
    let mut all = welcomed(ingest, devices).await?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let took = run(&mut all, move |mut device| async move {
        while Instant::now() < until {
            while device.has_room() {
                device.measure(Instant::now());
            }
            device.send().await?;
            device.hear(until + PATIENCE).await?;
        }
        device.settle(until + PATIENCE).await?;
        Ok(device)
    });
    let began = Instant::now();
    let waited = took.await?;
    let rate = waited.len() as f64 / began.elapsed().as_secs_f64();
    println!("{} {rate:.0}", waited.len());
    Ok(())
}

async fn even(ingest: SocketAddr, devices: u32, rate: u32, seconds: u64) -> anyhow::Result<()> {
    let mut all = welcomed(ingest, devices).await?;
    let (began, period) = (Instant::now(), Duration::from_secs(1) / rate);
    let until = began + Duration::from_secs(seconds);
    let mut waited = run(&mut all, move |mut device| async move {
        // So that devices don't send all at once.
        let mut due = began + period * device.number / devices;
        while due < until {
            // Whoever is late sends what is due, and it counts from when it was.
            while due <= Instant::now() && device.has_room() {
                device.measure(due);
                due += period;
            }
            device.send().await?;
            if due > Instant::now() {
                tokio::select! {
                    () = sleep_until(due) => {}
                    heard = device.hear(until + PATIENCE) => heard?,
                }
            } else {
                device.hear(until + PATIENCE).await?;
            }
        }
        device.settle(until + PATIENCE).await?;
        Ok(device)
    })
    .await?;
    waited.sort_unstable();
    let after = |share: f64| waited[((waited.len() - 1) as f64 * share) as usize].as_micros();
    println!("{} {} {} {}", waited.len(), after(0.5), after(0.99), after(0.999));
    Ok(())
}

async fn welcomed(ingest: SocketAddr, devices: u32) -> anyhow::Result<Vec<Device>> {
    let mut all = Vec::new();
    for number in 0..devices {
        all.push(Device::welcomed(ingest, number).await?);
    }
    Ok(all)
}

/// How long each reading of all of them has waited.
async fn run<F>(all: &mut Vec<Device>, live: impl Fn(Device) -> F) -> anyhow::Result<Vec<Duration>>
where
    F: Future<Output = anyhow::Result<Device>> + Send + 'static,
{
    let mut lives = JoinSet::new();
    for device in all.drain(..) {
        lives.spawn(live(device));
    }
    let mut waited = Vec::new();
    while let Some(device) = lives.join_next().await {
        waited.extend(device??.waited);
    }
    Ok(waited)
}

struct Device {
    stream: TcpStream,
    decoder: Decoder,
    number: u32,
    epoch: u64,
    /// When the readings were due that are not acknowledged; the last has the number `last`.
    held: VecDeque<Instant>,
    last: u32,
    out: Vec<u8>,
    waited: Vec<Duration>,
}

impl Device {
    async fn welcomed(ingest: SocketAddr, number: u32) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(ingest).await?;
        stream.set_nodelay(true)?;
        let mut device = Self {
            stream,
            decoder: Decoder::default(),
            number,
            epoch: 0,
            held: VecDeque::new(),
            last: 0,
            out: Vec::new(),
            waited: Vec::new(),
        };
        let body = Body::Hello { uptime_ms: 0, reset_cause: 0, version: [0, 1, 0] };
        Frame { device: number + 1, epoch: 0, sequence: 0, body }.encode(&mut device.out);
        device.send().await?;
        while device.epoch == 0 {
            device.hear(Instant::now() + PATIENCE).await?;
        }
        Ok(device)
    }

    fn has_room(&self) -> bool {
        self.held.len() < HELD as usize
    }

    fn measure(&mut self, due: Instant) {
        self.last += 1;
        self.held.push_back(due);
        let base = self.last + 1 - self.held.len() as u32;
        let body = Body::Reading { elapsed_ms: self.last.into(), value: 21_875, base };
        let (device, epoch, sequence) = (self.number + 1, self.epoch, self.last);
        Frame { device, epoch, sequence, body }.encode(&mut self.out);
    }

    async fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    /// Takes what comes next.
    async fn hear(&mut self, deadline: Instant) -> anyhow::Result<()> {
        let mut piece = [0; 512];
        let count = timeout_at(deadline, self.stream.read(&mut piece)).await;
        let count = count.context("nothing is acknowledged")??;
        ensure!(count > 0, "the connection was closed");
        let (mut bytes, now) = (&piece[..count], Instant::now());
        while let Some(block) = self.decoder.next_block(&mut bytes) {
            match block.and_then(Order::parse) {
                Ok((_, epoch, Order::Welcome)) => self.epoch = epoch,
                Ok((_, _, Order::Ack { sequence })) => {
                    let left = (self.last - sequence) as usize;
                    let settled = self.held.len().saturating_sub(left);
                    self.waited.extend(self.held.drain(..settled).map(|due| now - due));
                }
                _ => bail!("what came is no frame for a device"),
            }
        }
        Ok(())
    }

    /// Waits until everything is acknowledged.
    async fn settle(&mut self, deadline: Instant) -> anyhow::Result<()> {
        while !self.held.is_empty() {
            self.hear(deadline).await?;
        }
        Ok(())
    }
}
