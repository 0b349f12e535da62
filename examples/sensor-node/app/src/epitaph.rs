//! What outlives a reset: why it came, and what the program was doing.
//!
//! The record lies in RAM that the start-up code does not clear. After power-on that RAM holds
//! anything, so a record counts only with its magic number and its checksum.

use crate::crc::Crc;

/// Why the device booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// RAM held no record.
    Power = 0,
    /// RAM held a record of a run that did not say why it ended: the reset pin, or a debugger.
    Pin = 1,
    /// An activity had stopped to report.
    Watchdog = 2,
    /// The processor took a fault.
    Fault = 3,
    /// The program gave up.
    Panic = 4,
    /// The program restarted by intention.
    Software = 5,
}

impl Cause {
    /// Whether the run before ended against its will.
    #[must_use]
    pub const fn is_crash(self) -> bool {
        matches!(self, Self::Watchdog | Self::Fault | Self::Panic)
    }
}

/// What the processor was doing when a run ended; all 0 where nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Where the program was: the faulting instruction, or the caller of the panic.
    pub pc: u32,
    /// The link register at that point.
    pub lr: u32,
    /// The stack pointer: for a fault, the address of the exception frame.
    pub sp: u32,
    /// The configurable fault status register; for a panic [`location_hash`].
    pub cfsr: u32,
}

impl Registers {
    /// What is known when nothing is.
    pub const UNKNOWN: Self = Self { pc: 0, lr: 0, sp: 0, cfsr: 0 };
}

/// The crash record of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epitaph {
    /// How the run ended.
    pub cause: Cause,
    /// What it was doing.
    pub registers: Registers,
    /// Which run it was, counted from power-on.
    pub boots: u16,
}

/// The number of words that a [`Record`] takes.
pub const WORDS: usize = 7;

const MAGIC: u32 = u32::from_le_bytes(*b"RIP\x01");

/// What is kept over a reset: how many runs there were since power-on, and how the last one ended.
///
/// The words are: magic number; boots, and those at the end of the run that the rest is about; pc,
/// lr, sp, cfsr; cause, and in the high half the checksum of all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record([u32; WORDS]);

impl Record {
    /// The record in words that were kept. If they are none, power has just come on.
    #[must_use]
    pub fn open(words: [u32; WORDS]) -> Self {
        let mut record = Self(words);
        if words[0] != MAGIC || words[6] >> 16 != u32::from(record.checksum()) {
            // The registers are of no run that crashed, and nobody reads them.
            record.0[0] = MAGIC;
            record.0[1] = 0;
            record.0[6] = Cause::Power as u32;
        }
        record
    }

    /// The words to keep.
    #[must_use]
    pub const fn words(&self) -> [u32; WORDS] {
        self.0
    }

    /// How many runs there were since power-on, the current one included.
    #[must_use]
    pub const fn boots(&self) -> u16 {
        let [low, high, ..] = self.0[1].to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// Counts one more run, and returns why it began. What is known of a crash stays until
    /// [`end_run`](Self::end_run); what else there was is told once.
    pub fn begin_run(&mut self) -> Cause {
        let cause = self.cause();
        if !cause.is_crash() {
            self.0[6] = Cause::Pin as u32;
        }
        self.0[1] = (self.0[1] & !0xFFFF) | u32::from(self.boots().saturating_add(1));
        self.seal();
        cause
    }

    /// Notes how the run has ended; `Cause::Pin` stands for what comes unannounced.
    pub fn end_run(&mut self, cause: Cause, registers: &Registers) {
        let boots = u32::from(self.boots());
        let Registers { pc, lr, sp, cfsr } = *registers;
        self.0 = [MAGIC, boots | boots << 16, pc, lr, sp, cfsr, cause as u32];
        self.seal();
    }

    const fn cause(&self) -> Cause {
        match self.0[6] & 0xFF {
            0 => Cause::Power,
            2 => Cause::Watchdog,
            3 => Cause::Fault,
            4 => Cause::Panic,
            5 => Cause::Software,
            _ => Cause::Pin,
        }
    }

    /// The epitaph of the run that has ended, if it crashed.
    #[must_use]
    pub fn epitaph(&self) -> Option<Epitaph> {
        let [_, counts, pc, lr, sp, cfsr, _] = self.0;
        let [.., low, high] = counts.to_le_bytes();
        let cause = self.cause();
        let epitaph = Epitaph {
            cause,
            registers: Registers { pc, lr, sp, cfsr },
            boots: u16::from_le_bytes([low, high]),
        };
        cause.is_crash().then_some(epitaph)
    }

    fn seal(&mut self) {
        self.0[6] = u32::from(self.0[6].to_le_bytes()[0]) | u32::from(self.checksum()) << 16;
    }

    /// The checksum of all words, the place where it goes taken as zero.
    fn checksum(&self) -> u16 {
        let [content @ .., end] = &self.0;
        let mut crc = Crc::new();
        for word in content {
            for byte in word.to_le_bytes() {
                crc.update(byte);
            }
        }
        crc.update(end.to_le_bytes()[0]);
        crc.value()
    }
}

/// FNV-1a over a file's path and a line number: what is left of a panic's message.
#[must_use]
pub fn location_hash(file: &str, line: u32) -> u32 {
    let mut hash = 0x811C_9DC5_u32;
    for byte in file.bytes().chain(line.to_le_bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash
}

/// The name of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The stack has grown out of its region.
    StackOverflow,
    /// An instruction that does not exist.
    UndefinedInstruction,
    /// A jump to an address without the Thumb bit, or a broken exception return.
    InvalidState,
    /// An instruction of a coprocessor that is not there or switched off.
    NoCoprocessor,
    /// An unaligned access where none is allowed.
    Unaligned,
    /// A division by zero.
    DivideByZero,
    /// An access that the bus refused.
    Bus,
    /// A jump to where no code may be.
    NoCode,
    /// An access that the memory protection refused.
    Memory,
    /// None of the above.
    Other,
}

/// The stack and what an exception pushes: with less room left, a fault came from an overflow.
pub const EXCEPTION_FRAME: u32 = 32;

impl Class {
    /// Names a fault by its registers. `stack_end` is the lowest address of the stack.
    #[must_use]
    pub const fn of(cfsr: u32, sp: u32, stack_end: u32) -> Self {
        const STACKING: u32 = 1 << 4 | 1 << 12 | 1 << 20;
        if cfsr & STACKING != 0 || sp < stack_end.saturating_add(EXCEPTION_FRAME) {
            return Self::StackOverflow;
        }
        match cfsr.trailing_zeros() {
            0 => Self::NoCode,
            1..8 => Self::Memory,
            8..16 => Self::Bus,
            16 => Self::UndefinedInstruction,
            17 | 18 => Self::InvalidState,
            19 => Self::NoCoprocessor,
            24 => Self::Unaligned,
            25 => Self::DivideByZero,
            _ => Self::Other,
        }
    }
}
