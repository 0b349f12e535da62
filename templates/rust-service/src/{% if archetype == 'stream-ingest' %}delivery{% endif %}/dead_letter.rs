//! Readings that the API refuses, in a file: a line of JSON each, on the disk before anybody is told.
//!
//! One thread writes for the whole process, because waiting for a disk blocks. Nothing is ever deleted: at
//! `dead_letter.bytes`, or when the disk fails, whoever has a letter waits until there is room again. The
//! file may be moved away at any time; another one is begun then.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::config::DeadLetter as Settings;
use crate::stats::Stats;
use crate::vital;

/// Letters that wait for the thread, and how many are written at once; whoever has more waits.
const ROOM: usize = 256;
/// The first and the longest pause after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

struct Letter {
    /// With its line feed.
    line: String,
    /// Told when it is on the disk.
    kept: oneshot::Sender<()>,
}

/// A way to the thread.
#[derive(Clone)]
pub struct DeadLetters {
    letters: mpsc::Sender<Letter>,
    stats: Arc<Stats>,
}

impl DeadLetters {
    /// The thread ends when this and all clones are gone. What it measures is of the process, and kept with
    /// the counters of the first worker.
    pub fn start(settings: &Settings, workers: &[Arc<Stats>]) -> io::Result<Self> {
        let (sender, letters) = mpsc::channel(ROOM);
        let Settings { path, bytes } = settings.clone();
        let stats = workers.first().map(Arc::clone).unwrap_or_default();
        let mut file = LetterFile { path, most: bytes, open: None, stats: Arc::clone(&stats) };
        match file.ready() {
            // The process that this one takes over from has it until it ends.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let path = file.path.display();
                tracing::warn!(%path, "no dead letters yet: another process writes to the file");
            }
            Err(error) => {
                let told = format!("dead_letter.path {}: {error}", file.path.display());
                return Err(io::Error::new(error.kind(), told));
            }
            Ok(_) => {}
        }
        vital::spawn("dead-letters", || {
            write(letters, file);
            Ok(())
        })?;
        Ok(Self { letters: sender, stats })
    }

    /// Whether the last that were to be written could not be.
    pub fn is_full(&self) -> bool {
        self.stats.delivery.dead_letter_full.load(Relaxed) != 0
    }

    /// Returns when the line is on the disk, however long that takes.
    pub async fn keep(&self, line: String) {
        let (kept, is_kept) = oneshot::channel();
        if self.letters.send(Letter { line, kept }).await.is_err() || is_kept.await.is_err() {
            // The thread has gone, and the process ends with it.
            std::future::pending::<()>().await;
        }
    }
}

fn write(mut letters: mpsc::Receiver<Letter>, mut file: LetterFile) {
    let mut waiting = Vec::with_capacity(ROOM);
    let mut pause = BACKOFF.0;
    let mut is_well = true;
    loop {
        if waiting.is_empty() {
            let Some(letter) = letters.blocking_recv() else {
                return;
            };
            waiting.push(letter);
        }
        while waiting.len() < ROOM
            && let Ok(letter) = letters.try_recv()
        {
            waiting.push(letter);
        }
        let outcome = file.append(&waiting);
        file.stats.delivery.dead_letter_full.store(outcome.is_err().into(), Relaxed);
        match outcome {
            Ok(count) => {
                for Letter { kept, .. } in waiting.drain(..count) {
                    // Whoever has stopped waiting need not know.
                    let _ = kept.send(());
                }
                if !is_well {
                    tracing::info!(path = %file.path.display(), "dead letters are kept again");
                }
                (is_well, pause) = (true, BACKOFF.0);
            }
            Err(error) => {
                if is_well {
                    let path = file.path.display();
                    tracing::error!(%path, %error, "refused readings are not acknowledged");
                }
                is_well = false;
                std::thread::sleep(pause);
                pause = (2 * pause).min(BACKOFF.1);
                waiting.retain(|letter| !letter.kept.is_closed());
            }
        }
    }
}

struct LetterFile {
    path: PathBuf,
    most: u64,
    /// None before the first letter, and after a failure.
    open: Option<File>,
    stats: Arc<Stats>,
}

impl LetterFile {
    /// Writes as many of these as there is room for, and waits until they are on the disk. That it could not
    /// be done is an error, and so is that the file is another one by then.
    fn append(&mut self, letters: &[Letter]) -> io::Result<usize> {
        let outcome = self.ready().and_then(|length| {
            let mut bytes = Vec::new();
            let mut count = 0;
            for Letter { line, .. } in letters {
                if length + (bytes.len() + line.len()) as u64 > self.most {
                    break;
                }
                bytes.extend_from_slice(line.as_bytes());
                count += 1;
            }
            let Some(mut file) = self.open.as_ref().filter(|_| count > 0) else {
                let full = format!("it would exceed dead_letter.bytes, which is {}", self.most);
                return Err(io::Error::new(io::ErrorKind::StorageFull, full));
            };
            if let Err(error) = file.write_all(&bytes).and_then(|()| file.sync_data()) {
                // What is there in part would be a letter twice, or half of one. When it can't be cut off,
                // the next opening ends its line.
                let _ = file.set_len(length);
                return Err(error);
            }
            self.measured(length + bytes.len() as u64);
            if !is_same(file, &self.path) {
                // Whoever has moved it away may have taken it without these.
                return Err(io::Error::new(
                    io::ErrorKind::Interrupted,
                    "it was moved away meanwhile",
                ));
            }
            Ok(count)
        });
        if outcome.is_err() {
            self.open = None;
        }
        outcome
    }

    /// Has the file open that is at the path, and says how long it is.
    fn ready(&mut self) -> io::Result<u64> {
        let is_there = |file: &File| is_same(file, &self.path);
        let file = match self.open.take().filter(is_there) {
            Some(file) => file,
            None => open(&self.path)?,
        };
        let length = file.metadata()?.len();
        self.open = Some(file);
        self.measured(length);
        Ok(length)
    }

    fn measured(&self, length: u64) {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        self.stats.delivery.dead_letter_bytes.store(length, Relaxed);
    }
}

/// Opens the file or begins it. No other process may write to it meanwhile; a line that a crash has
/// left half written is ended, so that the next has one of its own.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            io::Error::new(io::ErrorKind::WouldBlock, "another process writes to it")
        }
        TryLockError::Error(error) => error,
    })?;
    let length = file.metadata()?.len();
    if length == 0 {
        // Its name has to last as well.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    } else {
        let mut last = [0];
        file.read_exact_at(&mut last, length - 1)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

fn is_same(file: &File, path: &Path) -> bool {
    let identity = |it: std::fs::Metadata| (it.dev(), it.ino());
    let (open, there) = (file.metadata().map(identity), path.metadata().map(identity));
    matches!((open, there), (Ok(open), Ok(there)) if open == there)
}
