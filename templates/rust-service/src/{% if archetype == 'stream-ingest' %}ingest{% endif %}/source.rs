//! Frames that come beside the listener: from a serial device, or from a Unix socket such as an emulator has.
//! Either is served as one connection, and opened again when that has ended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr,
};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::time::{Instant, sleep};

use super::passed::Passed;
use super::{Ingest, Peer};
use crate::shutdown::Work;

/// Bits in a second, of 8 each without parity and with one stop bit.
const SPEED: u32 = 115_200;
/// The first and the longest pause before it is opened again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Serves a path until listeners close.
pub async fn follow(ingest: Rc<Ingest>, path: PathBuf, work: Work) {
    let mut phases = ingest.shared.phases.clone();
    let mut closing = pin!(phases.closing());
    let mut pause = BACKOFF.0;
    let mut told = String::new();
    loop {
        let began = Instant::now();
        let ended = match serve(&ingest, &path, &work).await {
            Ok(()) => "it has ended".to_owned(),
            Err(error) => error.to_string(),
        };
        if began.elapsed() >= BACKOFF.1 {
            (pause, told) = (BACKOFF.0, String::new());
        }
        if ended != told {
            tracing::warn!(source = %path.display(), error = ended, "no frames come from the source");
            told = ended;
        }
        tokio::select! {
            _ = &mut closing => return,
            () = sleep(pause) => pause = BACKOFF.1.min(pause * 2),
        }
    }
}

async fn serve(ingest: &Ingest, path: &Path, work: &Work) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    // Only what was opened is a connection.
    let passed = || Passed::new(&ingest.stats, &ingest.log, Peer::Source);
    if kind.is_socket() {
        let mut stream = UnixStream::connect(path).await?;
        let (from, to) = stream.split();
        ingest.serve(from, to, passed(), work.clone()).await;
    } else if kind.is_char_device() {
        let device = Device(open(path)?);
        // What reads and writes pipes does so with whatever tells when it is ready.
        let from = Receiver::from_file_unchecked(device.0.try_clone()?)?;
        let to = Sender::from_file_unchecked(device.0.try_clone()?)?;
        ingest.serve(from, to, passed(), work.clone()).await;
    } else {
        return Err(io::Error::other("it is neither a serial device nor a Unix socket"));
    }
    Ok(())
}

/// The last descriptor of a serial device.
struct Device(File);

impl Drop for Device {
    /// To close it would wait for what has not gone yet, and this thread has connections to serve.
    fn drop(&mut self) {
        // One that has gone keeps nothing.
        let _ = tcflush(&self.0, QueueSelector::IOFlush);
    }
}

/// Opens a serial device, without any of what a terminal does to what passes.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    // Another process would take pieces of frames. The lock goes with the last descriptor.
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::other("another process has it"),
        TryLockError::Error(error) => error,
    })?;
    let mut settings = tcgetattr(&file)?;
    settings.make_raw();
    settings.set_speed(SPEED)?;
    settings.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    settings.control_modes -= ControlModes::CSTOPB | ControlModes::CRTSCTS;
    // At once: what has not gone yet may never go.
    tcsetattr(&file, OptionalActions::Now, &settings)?;
    tcflush(&file, QueueSelector::IOFlush)?;
    Ok(file)
}
