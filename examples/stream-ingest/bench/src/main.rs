//! What an ingest in Rust is most often begun as: a runtime that steals work, tasks with unbounded channels
//! between them, serde for bodies and hyper-util's client. Nothing is bounded or counted; what fails is sent
//! again after a while.
//!
//! ```text
//! side_by_side LISTEN API WORKERS
//! ```

#![expect(clippy::disallowed_methods, reason = "the ordinary way is to spawn")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use service::delivery::date;
use service::ingest::decoder::Decoder;
use service::ingest::frame::{Body, Order};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout_at};

/// As the ingest that it is compared with has them.
const BATCH: usize = 500;
const AGE: Duration = Duration::from_millis(10);

#[derive(Serialize)]
struct Reading {
    device: String,
    epoch: u64,
    sequence: u32,
    measured_at: String,
    value: f64,
}

#[derive(Serialize)]
struct Batch {
    readings: Vec<Reading>,
}

/// What is to be told to a device.
enum Told {
    Hello { device: u32 },
    Stored { device: u32, epoch: u64, sequence: u32 },
}

type Queued = (Reading, u32, UnboundedSender<Told>);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, api, workers] = arguments.as_slice() else {
        anyhow::bail!("usage: side_by_side LISTEN API WORKERS");
    };
    let (listen, api) = (listen.parse()?, api.clone());
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.parse()?)
        .enable_all()
        .build()?
        .block_on(serve(listen, api))
}

async fn serve(listen: SocketAddr, api: String) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.context("the address can't be had")?;
    let (queue, queued) = unbounded_channel();
    tokio::spawn(deliver(queued, format!("http://{api}/v1/readings")));
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(converse(stream, queue.clone()));
    }
}

async fn converse(stream: TcpStream, queue: UnboundedSender<Queued>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut from, to) = stream.into_split();
    let (tell, told) = unbounded_channel();
    tokio::spawn(write(to, told));
    let (mut decoder, mut piece) = (Decoder::default(), [0; 1_024]);
    loop {
        let count = from.read(&mut piece).await?;
        let mut bytes = &piece[..count];
        if bytes.is_empty() {
            return Ok(());
        }
        while let Some(Ok(frame)) = decoder.next(&mut bytes) {
            let (device, epoch, sequence) = (frame.device, frame.epoch, frame.sequence);
            match frame.body {
                Body::Hello { .. } => tell.send(Told::Hello { device })?,
                Body::Reading { elapsed_ms, value, .. } => {
                    let millis = i64::try_from(epoch)?.saturating_add(elapsed_ms);
                    let reading = Reading {
                        device: format!("{device:08x}"),
                        epoch,
                        sequence,
                        measured_at: date::text(millis),
                        value: f64::from(value) / 1_000.0,
                    };
                    queue.send((reading, device, tell.clone()))?;
                }
                _ => {}
            }
        }
    }
}

/// Acknowledges, as far as there is no gap.
async fn write(mut to: OwnedWriteHalf, mut told: UnboundedReceiver<Told>) -> anyhow::Result<()> {
    let (mut durable, mut acknowledged) = (BTreeSet::new(), 0);
    let mut news = Vec::new();
    while told.recv_many(&mut news, BATCH).await > 0 {
        let (mut out, before, mut last) = (Vec::new(), acknowledged, None);
        for one in news.drain(..) {
            match one {
                Told::Hello { device } => {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
                    Order::Welcome.encode(device, u64::try_from(now)?, &mut out);
                }
                Told::Stored { device, epoch, sequence } => {
                    durable.insert(sequence);
                    last = Some((device, epoch));
                }
            }
        }
        while durable.remove(&(acknowledged + 1)) {
            acknowledged += 1;
        }
        if let Some((device, epoch)) = last.filter(|_| acknowledged > before) {
            Order::Ack { sequence: acknowledged }.encode(device, epoch, &mut out);
        }
        to.write_all(&out).await?;
    }
    Ok(())
}

async fn deliver(mut queued: UnboundedReceiver<Queued>, url: String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    while let Some(first) = queued.recv().await {
        let due = tokio::time::Instant::now() + AGE;
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match timeout_at(due, queued.recv()).await {
                Ok(Some(one)) => batch.push(one),
                _ => break,
            }
        }
        tokio::spawn(post(client.clone(), url.clone(), batch));
    }
}

async fn post(
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    batch: Vec<Queued>,
) -> anyhow::Result<()> {
    let (mut readings, mut senders) = (Vec::new(), Vec::new());
    for (reading, device, tell) in batch {
        senders.push((device, reading.epoch, reading.sequence, tell));
        readings.push(reading);
    }
    let body = Bytes::from(serde_json::to_vec(&Batch { readings })?);
    loop {
        let request = Request::post(&url).header("content-type", "application/json");
        let request = request.body(Full::new(body.clone()))?;
        if let Ok(answer) = client.request(request).await
            && answer.status().is_success()
            && answer.into_body().collect().await.is_ok()
        {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    for (device, epoch, sequence, tell) in senders {
        // Whoever has gone needs no word.
        let _ = tell.send(Told::Stored { device, epoch, sequence });
    }
    Ok(())
}
