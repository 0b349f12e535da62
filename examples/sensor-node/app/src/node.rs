//! The device's side of the protocol, as a state machine without any hardware.

use core::num::NonZeroU64;

use crate::command::{self, Command, PERIODS_MS};
use crate::epitaph::{Cause, Epitaph};
use crate::interval::Interval;
use crate::outbox::{Outbox, Ring};
use crate::receiver::{Buffer, Receiver};
use crate::report::{self, Outgoing, Status, Version};
use crate::sampler::Sampler;
use crate::wire::Header;

/// How often an unwelcomed device says hello.
const HELLO_EVERY_MS: u32 = 2_000;
/// How often a device sends its status unasked.
const STATUS_EVERY_MS: u32 = 30_000;

/// What a node is given at boot and keeps for the whole run.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Its number, on every frame.
    pub device: u32,
    /// The version of its firmware.
    pub version: Version,
    /// The sampling period until a start sets another one.
    pub period_ms: u32,
    /// The number of the first reading.
    pub first_sequence: u32,
    /// Why the device booted.
    pub reset_cause: Cause,
    /// How the run before this one ended, if it crashed.
    pub epitaph: Option<Epitaph>,
}

/// What a device that is not yet welcomed says next.
#[derive(Clone, Copy, Debug)]
enum Greeting {
    Hello,
    Epitaph,
    Said,
}

/// From when on readings may be sent.
#[derive(Clone, Copy, Debug)]
struct Welcome {
    epoch: NonZeroU64,
    /// Milliseconds since boot.
    at: u64,
}

/// An answer that waits for its turn to be sent.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Reply { command: u8, done: bool, value: u32 },
    Status,
}

/// The memory of a [`Node`] that is too large for a stack. All of it is zero at first, so a static
/// one costs no flash.
#[derive(Debug)]
pub struct Memory {
    ring: Ring,
    buffer: Buffer,
}

impl Memory {
    /// Memory with nothing in it.
    #[expect(
        clippy::new_without_default,
        reason = "for statics; a default would pass over the stack"
    )]
    #[must_use]
    pub const fn new() -> Self {
        Self { ring: Ring::new(), buffer: Buffer::new() }
    }
}

/// The node: bytes and ticks go in, frames come out.
#[derive(Debug)]
pub struct Node<'a> {
    setup: Setup,
    /// The last tick seen, and how often it has wrapped.
    now: u32,
    wraps: u32,

    receiver: Receiver<'a>,

    welcome: Option<Welcome>,
    hello: Interval,
    greeting: Greeting,

    sampler: Sampler,
    outbox: Outbox<'a>,
    exhausted: bool,

    status: Interval,
    status_due: bool,
    answer: Option<Answer>,
}

impl<'a> Node<'a> {
    /// A node that has just booted, at tick 0, and works in `memory`.
    #[must_use]
    pub const fn new(setup: Setup, memory: &'a mut Memory) -> Self {
        Self {
            now: 0,
            wraps: 0,
            receiver: Receiver::new(&mut memory.buffer, setup.device),
            welcome: None,
            hello: Interval::since(0),
            greeting: Greeting::Hello,
            sampler: Sampler::new(setup.period_ms),
            outbox: Outbox::new(&mut memory.ring, setup.first_sequence),
            exhausted: false,
            status: Interval::since(0),
            status_due: false,
            answer: None,
            setup,
        }
    }

    /// Whether the node can take a byte: answers are given one at a time, so while one waits to be
    /// sent, what was received has to wait too.
    #[must_use]
    pub const fn can_receive(&self) -> bool {
        self.answer.is_none()
    }

    /// Whether the welcome has come. From then on nobody needs the epitaph any more.
    #[must_use]
    pub const fn is_welcomed(&self) -> bool {
        self.welcome.is_some()
    }

    /// Whether the numbers for readings are used up, which only a restart can mend.
    #[must_use]
    pub const fn must_restart(&self) -> bool {
        self.exhausted
    }

    /// Takes a received byte. To be called only while [`can_receive`](Self::can_receive).
    pub fn on_byte(&mut self, byte: u8, now: u32) {
        self.advance(now);
        if let Some(command) = self.receiver.push(byte) {
            self.obey(command);
        }
    }

    /// Takes a tick; `sample` is called when a sample is due, and returns `None` when the sensor
    /// does not answer.
    pub fn on_tick(&mut self, now: u32, sample: impl FnOnce() -> Option<i32>) {
        self.advance(now);
        if !self.is_welcomed() && self.hello.comes_round(HELLO_EVERY_MS, now) {
            self.greeting = Greeting::Hello;
        }
        if self.status.comes_round(STATUS_EVERY_MS, now) {
            self.status_due = true;
        }
        if let Some(value) = self.sampler.tick(now, sample) {
            self.number(value);
        }
        self.outbox.tick(now);
    }

    /// Writes the next frame to send into `frame`; `false` if there is none.
    pub fn next_frame(&mut self, frame: &mut Outgoing) -> bool {
        if let Greeting::Hello = self.greeting {
            self.greeting = Greeting::Epitaph;
            self.start_frame(frame, report::HELLO, 0);
            report::hello(frame, self.now, self.setup.reset_cause, self.setup.version);
        } else if let Greeting::Epitaph = self.greeting
            && let Some(epitaph) = &self.setup.epitaph
        {
            self.greeting = Greeting::Said;
            self.start_frame(frame, report::EPITAPH, 0);
            report::epitaph(frame, epitaph);
        } else if let Some(Answer::Reply { command, done, value }) = self.answer {
            self.answer = None;
            self.start_frame(frame, report::REPLY, 0);
            report::reply(frame, command, done, value);
        } else if self.answer.is_some() || self.status_due {
            // One that was asked for does not stand in for one that is due.
            self.status_due = self.answer.is_some() && self.status_due;
            self.answer = None;
            self.start_frame(frame, report::STATUS, 0);
            report::status(frame, &self.describe());
        } else if let Some(welcome) = self.welcome
            && let Some(due) = self.outbox.take(self.now)
        {
            let elapsed_ms = due.taken_at.wrapping_sub(welcome.at).cast_signed();
            self.start_frame(frame, report::READING, due.sequence);
            report::reading(frame, elapsed_ms, due.value, due.base);
        } else {
            return false;
        }
        frame.seal();
        true
    }

    #[inline(never)]
    fn start_frame(&self, frame: &mut Outgoing, kind: u8, sequence: u32) {
        frame.start(&Header { kind, device: self.setup.device, epoch: self.epoch(), sequence });
    }

    const fn advance(&mut self, now: u32) {
        if now < self.now {
            self.wraps = self.wraps.wrapping_add(1);
        }
        self.now = now;
    }

    /// What stands in the header of every frame: 0 before the welcome.
    const fn epoch(&self) -> u64 {
        match self.welcome {
            Some(welcome) => welcome.epoch.get(),
            None => 0,
        }
    }

    /// Milliseconds since boot.
    const fn uptime_ms(&self) -> u64 {
        (self.wraps as u64) << 32 | self.now as u64
    }

    const fn obey(&mut self, command: Command) {
        let (kind, done, value) = match command {
            Command::Welcome { epoch } => {
                if !self.is_welcomed() {
                    self.welcome = Some(Welcome { epoch, at: self.uptime_ms() });
                    self.greeting = Greeting::Said;
                }
                return;
            }
            Command::Ack { epoch, sequence } => {
                if epoch == self.epoch() {
                    self.outbox.acknowledge(sequence, self.now);
                }
                return;
            }
            Command::GetStatus => {
                self.answer = Some(Answer::Status);
                return;
            }
            Command::Start { period_ms } => {
                let done = *PERIODS_MS.start() <= period_ms && period_ms <= *PERIODS_MS.end();
                if done {
                    self.sampler.start(period_ms, self.now);
                }
                (command::START, done, self.sampler.period_ms())
            }
            Command::Stop => {
                self.sampler.stop();
                (command::STOP, true, 0)
            }
            Command::Ping => (command::PING, true, self.now),
            Command::GetVersion => {
                let [major, minor, patch] = self.setup.version;
                (command::GET_VERSION, true, u32::from_be_bytes([0, major, minor, patch]))
            }
        };
        self.answer = Some(Answer::Reply { command: kind, done, value });
    }

    /// Gives a value its number; the last one of all is never given.
    fn number(&mut self, value: i32) {
        if self.outbox.next_sequence() == u32::MAX {
            self.exhausted = true;
        } else {
            self.outbox.push(self.uptime_ms(), value);
        }
    }

    const fn describe(&self) -> Status {
        Status {
            mode: self.sampler.mode(),
            period_ms: self.sampler.period_ms(),
            #[expect(clippy::cast_possible_truncation, reason = "at most the ring's 64")]
            queued: self.outbox.queued() as u16,
            dropped: self.outbox.dropped(),
            bad_frames: self.receiver.bad_frames(),
        }
    }
}
