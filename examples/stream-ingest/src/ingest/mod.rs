//! The way of one connection: frames are read, readings given to be delivered, and acknowledged once they are
//! durable.

mod allowance;
pub mod check;
pub mod decoder;
pub mod demo;
pub mod device;
pub mod end;
mod epochs;
pub mod frame;
pub mod line;
pub mod metrics;
mod passed;
pub mod session;
mod source;
pub mod stuffing;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::decoder::Decoder;
use self::device::Devices;
use self::end::End;
use self::epochs::Epochs;
use self::frame::{Body, Frame, Order};
use self::passed::Passed;
use self::session::{Session, Taken};
use crate::access_log::AccessLog;
use crate::config::Config;
use crate::delivery::dead_letter::DeadLetters;
use crate::delivery::{Delivery, Parcel, Reading, Recipient};
use crate::runtime::Place;
use crate::settings::Current;
use crate::shutdown::{Phases, Work};
use crate::stats::{Stats, add, count};
use crate::vital;

/// What is read at once.
const PIECE: usize = 1_024;
/// What is read at once only to be thrown away: all connections may do so at the same time.
const DISCARDED: usize = 128;
/// What the kernel may keep of what is not read, from a device and for it; Linux takes twice that. Over a local
/// link, whose packets are large, less of the former would make a sender wait for timers.
const KEPT: (usize, usize) = (32_768, 8_192);
/// For a device to see that a connection has ended. One that is closed with something unread is reset, and what
/// it was sent last may be lost with it.
const LINGER: Duration = Duration::from_secs(1);

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    devices: Arc<Devices>,
    epochs: Arc<Epochs>,
    dead_letters: DeadLetters,
    phases: Phases,
}

/// One worker's share of the ingest.
pub struct Ingest {
    current: Arc<Current>,
    delivery: Rc<Delivery>,
    shared: Shared,
    worker: usize,
    stats: Arc<Stats>,
    log: AccessLog,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    Address(SocketAddr),
    /// What is read beside the listener.
    Source,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Source => f.write_str("source"),
        }
    }
}

impl Ingest {
    /// On the thread of its worker.
    pub fn start(
        current: Arc<Current>,
        worker: usize,
        workers: usize,
        stats: Arc<Stats>,
        log: AccessLog,
        shared: Shared,
        seed: u64,
    ) -> Rc<Self> {
        let delivery = Delivery::start(
            Arc::clone(&current),
            worker,
            workers,
            Arc::clone(&stats),
            shared.dead_letters.clone(),
            shared.phases.clone(),
            seed,
        );
        Rc::new(Self { current, delivery, shared, worker, stats, log })
    }

    /// On one of the workers, serves what is read beside the listener.
    pub fn follow(self: Rc<Self>, work: &Work) {
        let path = self.current.load().config.source.clone();
        if self.worker == 0 && !path.as_os_str().is_empty() {
            spawn_local(vital::task(source::follow(self, path, work.clone())));
        }
    }

    /// Serves a connection to its end.
    pub async fn converse(self: Rc<Self>, mut stream: TcpStream, peer: SocketAddr, place: Place) {
        // A kernel that refuses keeps more.
        let _ = SockRef::from(&stream).set_recv_buffer_size(KEPT.0);
        let _ = SockRef::from(&stream).set_send_buffer_size(KEPT.1);
        let Place { open: _open, permit: _permit, work } = place;
        let (from, to) = stream.split();
        let passed = Passed::new(&self.stats, &self.log, Peer::Address(peer));
        self.serve(from, to, passed, work).await;
    }

    /// Serves what comes one way, over the other, until there is no more, or no use in it.
    async fn serve(
        &self,
        mut from: impl AsyncRead + Unpin,
        to: impl AsyncWrite + Unpin,
        mut passed: Passed<'_>,
        work: Work,
    ) {
        let session = Rc::new(Session::new(work));
        let mut sending = pin!(self.send(&session, to));
        passed.end = tokio::select! {
            biased;
            Err(end) = &mut sending => end,
            never = self.welcome(&session) => match never {},
            end = self.read(&session, &mut from, &mut passed) => match end {
                // It may listen still, for what it has sent.
                End::DeviceClosed if matches!(passed.peer, Peer::Address(_)) => {
                    session.end();
                    passed.claims.leave();
                    match timeout(self.config().timeouts.write, sending).await {
                        Ok(sent) => sent.err().unwrap_or(end),
                        Err(_) => end,
                    }
                }
                End::Drained => {
                    session.end();
                    let sent = sending.await;
                    if sent.is_ok() {
                        let _ = timeout(LINGER, discard(&mut from)).await;
                    }
                    sent.err().unwrap_or(end)
                }
                end => end,
            },
        };
    }

    /// The settings in force, which may be others than when a connection began.
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.current.load().config)
    }

    /// Reads frames until none will come.
    async fn read(
        &self,
        session: &Rc<Session>,
        from: &mut (impl AsyncRead + Unpin),
        passed: &mut Passed<'_>,
    ) -> End {
        let mut decoder = Decoder::default();
        let mut piece = [0; PIECE];
        let mut phases = self.shared.phases.clone();
        let mut closing = pin!(phases.closing());
        let mut heard = Instant::now();
        loop {
            let deadline = heard + self.config().timeouts.idle;
            let read = tokio::select! {
                biased;
                _ = &mut closing => return End::Drained,
                read = timeout_at(deadline, from.read(&mut piece)) => read,
            };
            let count = match read {
                Ok(Ok(0)) => return End::DeviceClosed,
                Ok(Ok(count)) => count,
                Ok(Err(_)) => return End::DeviceReset,
                Err(_) => return End::Idle,
            };
            let (config, received) = (self.config(), Instant::now());
            let mut bytes = piece.get(..count).unwrap_or_default();
            let before = passed.frames;
            while let Some(outcome) = decoder.next(&mut bytes) {
                let Ok(frame) = outcome else {
                    passed.bad_frame();
                    continue;
                };
                passed.frame(&frame);
                if let Err(end) = self.take(session, frame, &config, received, passed).await {
                    return end;
                }
            }
            if passed.frames > before {
                heard = Instant::now();
            }
        }
    }

    /// Does what a frame asks for.
    async fn take(
        &self,
        session: &Rc<Session>,
        frame: Frame,
        config: &Config,
        received: Instant,
        passed: &mut Passed<'_>,
    ) -> Result<(), End> {
        let Frame { device, epoch, sequence, body } = frame;
        if !passed.claims.hear(device, received, &self.shared.devices, config)? {
            count(&self.stats.ingest.surplus_frames);
            return Ok(());
        }
        match body {
            Body::Hello { .. } => session.owe(device),
            Body::Reading { elapsed_ms, value, base } => {
                passed.readings += 1;
                count(&self.stats.ingest.readings);
                let wait = passed.claims.wait(config.limits.device_readings);
                if !wait.is_zero() {
                    count(&self.stats.ingest.readings_delayed);
                    sleep(wait).await;
                }
                let welcomed = i64::try_from(epoch).unwrap_or(i64::MAX);
                let measured_at = welcomed.saturating_add(elapsed_ms);
                let reading = Reading { device, epoch, sequence, measured_at, value };
                match session.take(&reading, base)? {
                    Taken::Again => count(&self.stats.ingest.readings_again),
                    Taken::New => {
                        let recipient = Rc::clone(session) as Rc<dyn Recipient>;
                        self.delivery.push(Parcel::new(reading, received, recipient)).await;
                    }
                }
            }
            Body::Epitaph { .. } => passed.epitaph(&frame),
            Body::Reply { .. } => count(&self.stats.ingest.replies),
            Body::Status { .. } => {}
        }
        Ok(())
    }

    /// Welcomes devices, one at each turn that the connection gets, for as long as it is read.
    async fn welcome(&self, session: &Session) -> Infallible {
        loop {
            session.owes().await;
            let epoch = self.shared.epochs.next().await;
            let Some(device) = session.next_owed() else {
                continue;
            };
            count(&self.stats.ingest.welcomes);
            session.send(Order::Welcome, device, epoch);
            if let Some(period_ms) = self.config().device.period_ms() {
                session.send(Order::Start { period_ms }, device, epoch);
            }
        }
    }

    /// Sends what there is to send, until nothing more will come.
    async fn send(&self, session: &Session, mut to: impl AsyncWrite + Unpin) -> Result<(), End> {
        let mut out = Vec::new();
        while let Some(acks) = session.next(&mut out).await? {
            let sending = async {
                to.write_all(&out).await?;
                to.flush().await
            };
            match timeout(self.config().timeouts.write, sending).await {
                Ok(Ok(())) => add(&self.stats.ingest.acks, acks),
                Ok(Err(_)) => return Err(End::DeviceReset),
                Err(_) => return Err(End::Unread),
            }
            out.clear();
        }
        // Whoever has gone, or reads nothing, needs no end.
        let _ = timeout(self.config().timeouts.write, to.shutdown()).await;
        Ok(())
    }
}

impl Shared {
    pub fn start(config: &Config, workers: &[Arc<Stats>], phases: Phases) -> io::Result<Self> {
        let dead_letters = DeadLetters::start(&config.dead_letter, workers)?;
        Ok(Self { devices: Arc::default(), epochs: Arc::default(), dead_letters, phases })
    }
}

/// Reads to the end, for nothing.
async fn discard(from: &mut (impl AsyncRead + Unpin)) {
    let mut piece = [0; DISCARDED];
    while from.read(&mut piece).await.is_ok_and(|count| count > 0) {}
}
