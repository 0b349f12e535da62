//! QEMU with an image in it.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command as Program, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs, mem, process};

use app::cobs::Decoder;
use app::wire::LONGEST;
use xtask::image::Image;
use xtask::project;

use crate::message::{Command, Message};

/// How long the emulator may take for anything, in real time. Far more than it needs: it is there so
/// that a device that hangs is a failure and not a wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// How virtual time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the host can: the same each time, as long as nothing is sent.
    Free,
    /// As fast as real time at most, so that answers come in time.
    Real,
}

/// How a run of the emulator ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The image ended it, as it should.
    Done,
    /// A panic.
    Panic,
    /// A fault.
    Fault,
    /// A fault because the stack was used up.
    Overflow,
    /// The watchdog.
    Watchdog,
    /// A fault in the fault path: the core stopped.
    Lockup,
    /// Something that is none of the above: what QEMU itself ends with.
    Other(ExitStatus),
}

/// The way to the device.
#[derive(Clone)]
pub struct Link(Arc<Mutex<ChildStdin>>);

impl Link {
    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// If the emulator has ended.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
    }
}

/// A running emulator. It ends when this is dropped.
pub struct Qemu {
    child: Child,
    link: Link,
    frames: Receiver<Result<Message, String>>,
    said: Option<JoinHandle<String>>,
    monitor: PathBuf,
    /// Whether what arrives next may be the rest of a frame that a reset has cut off.
    cut: bool,
}

impl Qemu {
    /// Boots the released image.
    #[must_use]
    pub fn boot(pace: Pace) -> Self {
        Self::start(Image::Release, pace, &[])
    }

    /// Boots the image that breaks on demand, and says what to break. It resets as it would on the
    /// chip.
    #[must_use]
    pub fn boot_case(pace: Pace, case: &str) -> Self {
        Self::start(Image::Selftest, pace, &["selftest", case])
    }

    /// Boots the image that breaks on demand; the emulator ends where the reset would be.
    #[must_use]
    pub fn boot_to_exit(case: &str) -> Self {
        Self::start(Image::Selftest, Pace::Free, &["selftest", case, "exit"])
    }

    fn start(image: Image, pace: Pace, arguments: &[&str]) -> Self {
        let mut qemu = machine(image);
        let monitor = monitor();
        qemu.args(["-monitor", &format!("unix:{},server=on,wait=off", monitor.display())]);
        qemu.args(["-serial", "stdio"]);
        qemu.args(["-icount", if pace == Pace::Free { "shift=5,sleep=off" } else { "shift=5" }]);
        if image == Image::Selftest {
            let options = arguments.iter().map(|argument| format!(",arg={argument}"));
            let options = options.collect::<String>();
            qemu.args(["-semihosting-config", &format!("enable=on,target=native{options}")]);
        }
        let mut child = qemu.spawn().expect("qemu-system-arm can be run");
        let link = Link(Arc::new(Mutex::new(child.stdin.take().expect("piped"))));
        let mut output = child.stdout.take().expect("piped");
        let mut errors = child.stderr.take().expect("piped");
        let (sender, frames) = mpsc::channel();
        thread::spawn(move || {
            let mut decoder = Decoder::<{ LONGEST + 1 }>::new();
            // Who listens may have heard the beginning of a frame before the device was switched on.
            let _ = decoder.push(1);
            let mut bytes = [0; 256];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                for &byte in &bytes[..count] {
                    if let Some(block) = decoder.push(byte) {
                        let block = block.map_err(|damage| format!("{damage:?}"));
                        // Nobody listens any more once the test is over.
                        let _ = sender.send(block.and_then(Message::parse));
                    }
                }
            }
        });
        let said = thread::spawn(move || {
            let mut said = Vec::new();
            let _ = errors.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        Self { child, link, frames, said: Some(said), monitor, cut: true }
    }

    /// Sends a command.
    ///
    /// # Panics
    ///
    /// If the emulator has ended.
    pub fn send(&self, command: Command) {
        self.send_bytes(&command.encoded());
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    ///
    /// If the emulator has ended.
    pub fn send_bytes(&self, bytes: &[u8]) {
        self.link.send(bytes).expect("the emulator runs");
    }

    /// Another hold on the way to the device, for another thread.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// The next thing that the device says.
    ///
    /// # Panics
    ///
    /// If it says nothing any more, or nothing that can be understood.
    pub fn next_message(&mut self) -> Message {
        match self.frames.recv_timeout(PATIENCE) {
            Ok(Ok(message)) => message,
            Ok(Err(_)) if mem::take(&mut self.cut) => self.next_message(),
            Ok(Err(damage)) => panic!("the device sent a bad frame: {damage}"),
            Err(RecvTimeoutError::Timeout) => panic!("the device says nothing"),
            Err(RecvTimeoutError::Disconnected) => panic!("the emulator ended: {}", self.end()),
        }
    }

    /// The next thing that the device says of which `pick` makes something; what comes before is
    /// passed over.
    ///
    /// # Panics
    ///
    /// If it does not come.
    pub fn expect<T>(&mut self, mut pick: impl FnMut(Message) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = pick(self.next_message()) {
                return found;
            }
            assert!(Instant::now() < deadline, "the device says other things only");
        }
    }

    /// Waits for the hello, sets a period, and answers the hello. The welcome comes last: no reading
    /// is sent before it, so none is passed over.
    pub fn welcome(&mut self, epoch: u64, period_ms: u32) {
        self.expect(|message| matches!(message, Message::Hello { .. }).then_some(()));
        let start = Command::start(period_ms).encoded();
        self.send_bytes(&[start, Command::welcome(epoch).encoded()].concat());
        self.expect(|message| matches!(message, Message::Reply { .. }).then_some(()));
    }

    /// Pulls the reset pin. What the device was about to say may arrive in part.
    ///
    /// # Panics
    ///
    /// If the emulator has ended.
    pub fn reset(&mut self) {
        self.cut = true;
        let mut monitor = UnixStream::connect(&self.monitor).expect("the emulator listens");
        monitor.write_all(b"system_reset\n").expect("the emulator reads");
        // It closes the connection once it has read all.
        let _ = monitor.shutdown(Shutdown::Write);
        let _ = io::copy(&mut monitor, &mut io::sink());
    }

    /// Waits until the image has ended the emulator; returns how, and what it wrote by semihosting.
    ///
    /// # Panics
    ///
    /// If it does not end.
    #[must_use]
    pub fn exit(mut self) -> (Exit, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                break status;
            }
            assert!(Instant::now() < deadline, "the emulator does not end");
            thread::sleep(Duration::from_millis(2));
        };
        let said = self.end();
        let exit = match status.code() {
            Some(0) => Exit::Done,
            Some(101) => Exit::Panic,
            Some(102) => Exit::Fault,
            Some(103) => Exit::Overflow,
            Some(104) => Exit::Watchdog,
            _ if said.contains("Lockup") => Exit::Lockup,
            _ => Exit::Other(status),
        };
        (exit, said)
    }

    /// Ends the emulator and returns what it complained of: accesses to what the board does not
    /// have, and what the image wrote by semihosting.
    pub fn end(&mut self) -> String {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.monitor);
        self.said.take().and_then(|said| said.join().ok()).unwrap_or_default()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the emulator says by itself of a board that it has switched on, and whose processor has not
/// yet taken a step.
///
/// # Panics
///
/// If it can't be run.
#[must_use]
pub fn complaints_at_power_on() -> String {
    let mut qemu = machine(Image::Release);
    qemu.args(["-S", "-monitor", "stdio", "-serial", "null"]);
    let mut child = qemu.spawn().expect("qemu-system-arm can be run");
    let monitor = child.stdin.take().expect("piped");
    (&monitor).write_all(b"quit\n").expect("the emulator reads");
    let output = child.wait_with_output().expect("a child of ours");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The emulator's command line, as far as it is the same for all: the board with an image in it.
fn machine(image: Image) -> Program {
    let mut qemu = Program::new("qemu-system-arm");
    qemu.args(["-machine", project::MACHINE, "-display", "none", "-d", "guest_errors,unimp"]);
    qemu.arg("-kernel").arg(built(image));
    qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    qemu
}

/// A path for a monitor that no other emulator has.
fn monitor() -> PathBuf {
    static BOOTS: AtomicU32 = AtomicU32::new(0);
    let number = BOOTS.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("{}-{}-{number}.monitor", project::NAME, process::id()))
}

/// The path of an image, which is built the first time that this process asks for it.
fn built(image: Image) -> &'static Path {
    static RELEASE: OnceLock<PathBuf> = OnceLock::new();
    static SELFTEST: OnceLock<PathBuf> = OnceLock::new();
    let built = match image {
        Image::Release => &RELEASE,
        Image::Selftest => &SELFTEST,
    };
    built.get_or_init(|| image.build().expect("the firmware can be built"))
}
