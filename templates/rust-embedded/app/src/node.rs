//! The device's side of the protocol, as a state machine without any hardware.

use crate::command::{self, Command, PERIODS_MS};
use crate::epitaph::{Cause, Epitaph};
use crate::filter::Filter;
use crate::outbox::{Outbox, Ring};
use crate::report::{self, Mode, Outgoing, Status, Version};
use crate::wire::{Decoder, Frame, Header};

/// How often an unwelcomed device says hello.
const HELLO_EVERY_MS: u32 = 2_000;
/// How often a device sends its status unasked.
const STATUS_EVERY_MS: u32 = 30_000;
/// The low-pass settles over about 2^2 samples.
const FILTER_SHIFT: u32 = 2;

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
    decoder: Decoder<{ command::LONGEST }>,
}

impl Memory {
    /// Memory with nothing in it.
    #[expect(
        clippy::new_without_default,
        reason = "for statics; a default would pass over the stack"
    )]
    #[must_use]
    pub const fn new() -> Self {
        Self { ring: Ring::new(), decoder: Decoder::new() }
    }
}

/// The node: bytes and ticks go in, frames come out.
#[derive(Debug)]
pub struct Node<'a> {
    setup: Setup,
    /// The last tick seen, and how often it has wrapped.
    now: u32,
    wraps: u32,

    decoder: &'a mut Decoder<{ command::LONGEST }>,
    bad_frames: u32,

    epoch: u64,
    welcomed_at: u64,
    hello_at: u32,
    greeting: Greeting,

    mode: Mode,
    period_ms: u32,
    sampled_at: u32,
    filter: Filter<FILTER_SHIFT>,
    outbox: Outbox<'a>,
    exhausted: bool,

    status_at: u32,
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
            decoder: &mut memory.decoder,
            bad_frames: 0,
            epoch: 0,
            welcomed_at: 0,
            hello_at: 0,
            greeting: Greeting::Hello,
            mode: Mode::Streaming,
            period_ms: setup.period_ms,
            sampled_at: 0,
            filter: Filter::new(),
            outbox: Outbox::new(&mut memory.ring, setup.first_sequence),
            exhausted: false,
            status_at: 0,
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
        self.epoch != 0
    }

    /// Whether the numbers for readings are used up, which only a restart can mend.
    #[must_use]
    pub const fn must_restart(&self) -> bool {
        self.exhausted
    }

    /// Takes a received byte. To be called only while [`can_receive`](Self::can_receive).
    pub fn on_byte(&mut self, byte: u8, now: u32) {
        self.advance(now);
        let command = match self.decoder.push(byte) {
            None => return,
            Some(block) => {
                match block.and_then(|block| Frame::parse(block, command::body_length)) {
                    Err(_) => {
                        self.bad_frames = self.bad_frames.saturating_add(1);
                        return;
                    }
                    Ok(frame) if frame.header.device != self.setup.device => return,
                    Ok(frame) => Command::parse(&frame),
                }
            }
        };
        if let Some(command) = command {
            self.obey(command);
        }
    }

    /// Takes a tick; `sample` is called when a sample is due, and returns `None` when the sensor
    /// does not answer.
    pub fn on_tick(&mut self, now: u32, sample: impl FnOnce() -> Option<i32>) {
        self.advance(now);
        if !self.is_welcomed() && passed(&mut self.hello_at, HELLO_EVERY_MS, now) {
            self.greeting = Greeting::Hello;
        }
        if passed(&mut self.status_at, STATUS_EVERY_MS, now) {
            self.status_due = true;
        }
        if self.mode != Mode::Idle && passed(&mut self.sampled_at, self.period_ms, now) {
            self.take_sample(sample());
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
            report::status(frame, &self.status());
        } else if self.is_welcomed()
            && let Some(due) = self.outbox.take(self.now)
        {
            let elapsed_ms = due.taken_at.wrapping_sub(self.welcomed_at).cast_signed();
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
        frame.start(&Header { kind, device: self.setup.device, epoch: self.epoch, sequence });
    }

    const fn advance(&mut self, now: u32) {
        if now < self.now {
            self.wraps = self.wraps.wrapping_add(1);
        }
        self.now = now;
    }

    /// Milliseconds since boot.
    const fn uptime_ms(&self) -> u64 {
        (self.wraps as u64) << 32 | self.now as u64
    }

    const fn obey(&mut self, command: Command) {
        let (kind, done, value) = match command {
            Command::Welcome { epoch } => {
                if !self.is_welcomed() {
                    self.epoch = epoch;
                    self.welcomed_at = self.uptime_ms();
                    self.greeting = Greeting::Said;
                }
                return;
            }
            Command::Ack { epoch, sequence } => {
                if epoch == self.epoch {
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
                    self.start(period_ms);
                }
                (command::START, done, self.period_ms)
            }
            Command::Stop => {
                self.mode = Mode::Idle;
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

    const fn start(&mut self, period_ms: u32) {
        if matches!(self.mode, Mode::Streaming) && period_ms == self.period_ms {
            return;
        }
        self.mode = Mode::Streaming;
        self.period_ms = period_ms;
        self.sampled_at = self.now;
        self.filter.reset();
    }

    fn take_sample(&mut self, sample: Option<i32>) {
        match sample {
            None => {
                self.mode = Mode::Fault;
                self.filter.reset();
            }
            Some(_) if self.outbox.next_sequence() == u32::MAX => self.exhausted = true,
            Some(sample) => {
                self.mode = Mode::Streaming;
                let value = self.filter.update(sample);
                self.outbox.push(self.uptime_ms(), value);
            }
        }
    }

    const fn status(&self) -> Status {
        Status {
            mode: self.mode,
            period_ms: self.period_ms,
            #[expect(clippy::cast_possible_truncation, reason = "at most the ring's 64")]
            queued: self.outbox.queued() as u16,
            dropped: self.outbox.dropped(),
            bad_frames: self.bad_frames,
        }
    }
}

/// Whether `period_ms` has gone by since `last`, which then moves on by one period: lateness does
/// not add up.
const fn passed(last: &mut u32, period_ms: u32, now: u32) -> bool {
    let passed = now.wrapping_sub(*last) >= period_ms;
    if passed {
        *last = last.wrapping_add(period_ms);
    }
    passed
}
